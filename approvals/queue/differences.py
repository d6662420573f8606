"""Whether what a registry says now is what it said before: of a stage id, and of a live tarball."""

import base64

from approvals.queue.models import StagedVersion
from registry_client.staged import StagedItem
from registry_client.versions import PublishedVersion


def stage_id_difference(row: StagedVersion, item: StagedItem) -> str:
    """A sentence about what changed behind a stage id since it was found, or "".

    Needs the row's package. A stage id is immutable: whatever of it changes is either a fault or
    an attack.
    """
    changed = [
        name
        for name, ours, theirs in (
            ("package", row.package.name, item.package_name),
            ("version", row.version, item.version),
            ("dist-tag", row.tag, item.tag),
            ("SHA-1", row.shasum, item.shasum),
        )
        if ours != theirs
    ] + [
        name
        # Registries need not tell these; one that begins to is no reason for an alarm.
        for name, ours, theirs in (
            ("access", row.access, item.access),
            ("actor", row.actor, item.actor),
            ("actor type", row.actor_type, item.actor_type),
        )
        if ours and ours != theirs
    ]
    if not changed:
        return ""
    return (
        f"The registry now tells another {' and '.join(changed)} for this stage id than when "
        "it was found. A stage id never changes: do not approve it, ask who staged it."
    )


def digest_difference(row: StagedVersion, published: PublishedVersion) -> str:
    """A sentence about how the live tarball's digests differ from the reviewed ones, or ""."""
    live, reviewed = published.shasum, row.shasum
    if live == reviewed and row.sha512:
        announced = [
            part.partition("?")[0]
            for part in published.integrity.split()
            if part.startswith("sha512-")
        ]
        expected = "sha512-" + base64.b64encode(bytes.fromhex(row.sha512)).decode()
        # npm installs what matches any of them, so each of them must be the reviewed one.
        others = [digest for digest in announced if digest != expected]
        if others:
            live, reviewed = others[0][:200], expected
    if live == reviewed:
        return ""
    return (
        f"{row} is live, but not with the tarball that was reviewed: the digest of the live one "
        f"is {live or 'unknown'}, of the reviewed one {reviewed}. Treat it as compromised: "
        "deprecate it, move the dist-tag back, and find out how it got there."
    )
