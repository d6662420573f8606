"""Whether what a registry says now is what it said before: of a stage id, and of a live tarball."""

import base64

from approvals.queue.models import StagedVersion
from registry_client.downloads import Digests
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
    return _other_tarball(row, live=live, reviewed=reviewed)


def tarball_difference(row: StagedVersion, fetched: Digests) -> str:
    """The same of the bytes that whoever installs it gets, whatever the packument says of them."""
    if fetched.sha1 != row.shasum:
        return _other_tarball(row, live=fetched.sha1, reviewed=row.shasum)
    if row.sha512 and fetched.sha512 != row.sha512:
        # Whoever made two tarballs of one SHA-1 did not make their SHA-512 alike at any length.
        shown = [f"sha512 {digest[:40]}…" for digest in (fetched.sha512, row.sha512)]
        return _other_tarball(row, live=shown[0], reviewed=shown[1])
    return ""


def too_large_difference(row: StagedVersion, limit: int) -> str:
    """The same of a tarball that goes on after the longest that can be reviewed has ended."""
    return _other_tarball(
        row, live=f"of something longer than {limit:,} bytes", reviewed=row.shasum
    )


def _other_tarball(row: StagedVersion, *, live: str, reviewed: str) -> str:
    if live == reviewed:
        return ""
    return (
        f"{row} is live, but not with the tarball that was reviewed: the digest of the live one "
        f"is {live or 'unknown'}, of the reviewed one {reviewed}. Treat it as compromised: "
        "deprecate it, move the dist-tag back, and find out how it got there."
    )
