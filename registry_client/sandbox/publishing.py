"""What changes a package: staging, approving, rejecting, publishing, tags, deprecation."""

import json
import sqlite3
import uuid
from dataclasses import dataclass

from registry_client.sandbox.accounts import (
    Account,
    must_be_able_to_publish,
    permission_of,
)
from registry_client.sandbox.answers import (
    NO_SUCH_PACKAGE,
    NO_SUCH_STAGED_VERSION,
    NOT_PERMITTED,
    Refusal,
)
from registry_client.sandbox.documents import Upload, pack
from registry_client.sandbox.store import Store

PLACEHOLDER_VERSION = "0.0.0-stage"
PLACEHOLDER_PUBLISHER = "sandbox"


@dataclass(frozen=True)
class Kept:
    """An upload whose tarball is on disk already."""

    upload: Upload
    tarball: str


def stage(store: Store, account: Account, upload: Upload, now: float) -> str:
    """Keep a version for review and return its stage id.

    A package that does not exist yet gets its public placeholder. Raises Refusal 403, 404 or 409.
    """
    kept = Kept(upload, store.keep_tarball(upload.tarball))
    placeholder = _placeholder(upload.package)
    placeholder_kept = Kept(placeholder, store.keep_tarball(placeholder.tarball))
    unused = [kept.tarball, placeholder_kept.tarball]
    stage_id = str(uuid.uuid4())
    try:
        with store.write() as connection:
            must_be_able_to_publish(connection, upload.package, account.name)
            _must_be_new(connection, upload.package, upload.version, now)
            created = _create_package(connection, upload.package, "public", now)
            if created:
                _insert_version(connection, placeholder_kept, PLACEHOLDER_PUBLISHER, now, now)
                _point_tag(connection, upload.package, "latest", PLACEHOLDER_VERSION, now)
            _insert_staged(connection, stage_id, kept, account, now)
        unused = [] if created else [placeholder_kept.tarball]
    finally:
        for name in unused:
            store.drop_tarball(name)
    return stage_id


def publish(
    store: Store, account: Account, upload: Upload, now: float, *, visible_at: float | None = None
) -> None:
    """Publish a version directly, without review. Raises Refusal 403, 404 or 409."""
    kept = Kept(upload, store.keep_tarball(upload.tarball))
    done = False
    try:
        with store.write() as connection:
            must_be_able_to_publish(connection, upload.package, account.name)
            _must_be_new(connection, upload.package, upload.version, now)
            access = upload.access or "public"
            if not _create_package(connection, upload.package, access, now) and upload.access:
                _set_access(connection, upload.package, access)
            visible = now if visible_at is None else visible_at
            _insert_version(connection, kept, account.name, now, visible)
            _set_readme(connection, upload.package, upload.readme)
            _take_tag(connection, upload.package, upload.tag, upload.version, visible)
        done = True
    finally:
        if not done:
            store.drop_tarball(kept.tarball)


def find_staged(
    connection: sqlite3.Connection, account: Account, stage_id: str, *, to_decide: bool = False
) -> sqlite3.Row:
    """A staged version that this account may see, and with `to_decide` also approve or reject.

    Raises Refusal 404 for one it may not see: its existence is nobody else's business; 403 for one
    it may only see.
    """
    row = connection.execute("SELECT * FROM staged WHERE id = ?", (stage_id.lower(),)).fetchone()
    if row is None:
        raise Refusal(404, NO_SUCH_STAGED_VERSION)
    permission = permission_of(connection, row["package"], account.name)
    if permission is None:
        raise Refusal(404, NO_SUCH_STAGED_VERSION)
    if to_decide and permission != "read-write":
        raise Refusal(403, NOT_PERMITTED)
    found: sqlite3.Row = row
    return found


def approve(
    store: Store, account: Account, stage_id: str, now: float, *, visible_at: float
) -> None:
    """Publish a staged version in the approver's name; of two approvals at once exactly one wins.

    Raises Refusal 403, 404 or 409.
    """
    with store.write() as connection:
        row = find_staged(connection, account, stage_id, to_decide=True)
        connection.execute("DELETE FROM staged WHERE id = ?", (row["id"],))
        try:
            connection.execute(
                "INSERT INTO versions (package, version, manifest, publisher, shasum, integrity,"
                " tarball, bundle, published_at, visible_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    row["package"],
                    row["version"],
                    row["manifest"],
                    account.name,
                    row["shasum"],
                    row["integrity"],
                    row["tarball"],
                    row["bundle"],
                    now,
                    visible_at,
                ),
            )
        except sqlite3.IntegrityError as taken:
            raise Refusal(409, _published_words(row["version"])) from taken
        _set_access(connection, row["package"], row["access"])
        _set_readme(connection, row["package"], row["readme"])
        _take_tag(connection, row["package"], row["tag"], row["version"], visible_at)


def reject(store: Store, account: Account, stage_id: str) -> None:
    """Delete a staged version and its tarball for good. Raises Refusal 403 or 404."""
    with store.write() as connection:
        row = find_staged(connection, account, stage_id, to_decide=True)
        connection.execute("DELETE FROM staged WHERE id = ?", (row["id"],))
    store.drop_tarball(row["tarball"])


def set_tag(
    store: Store, account: Account, package: str, tag: str, version: str | None, *, now: float
) -> None:
    """Point a dist-tag to a published version, or remove it. Raises Refusal 400, 403 or 404."""
    with store.write() as connection:
        _must_maintain(connection, package, account)
        if version is None and tag == "latest":
            raise Refusal(400, "Bad Request - The dist-tag latest cannot be removed")
        if version is not None:
            known = connection.execute(
                "SELECT 1 FROM versions WHERE package = ? AND version = ? AND visible_at <= ?",
                (package, version, now),
            ).fetchone()
            if known is None:
                raise Refusal(404, f"Not Found - {package} has no version {version}")
        _point_tag(connection, package, tag, version, now)


def deprecate(store: Store, account: Account, package: str, notes: dict[str, str]) -> None:
    """Set each version's deprecation note; an empty one takes it back.

    Raises Refusal 403 or 404.
    """
    with store.write() as connection:
        _must_maintain(connection, package, account)
        connection.executemany(
            "UPDATE versions SET deprecated = ? WHERE package = ? AND version = ?",
            [(note, package, version) for version, note in notes.items()],
        )


def replace_tarball(
    store: Store, stage_id: str, content: bytes, *, announce: Upload | None
) -> None:
    """Put other bytes behind a staged version, as no honest registry does.

    With `announce` its digests are recorded too; without, the record keeps naming the old ones.
    """
    name = store.keep_tarball(content)
    with store.write() as connection:
        row = connection.execute("SELECT tarball FROM staged WHERE id = ?", (stage_id,)).fetchone()
        if row is None:
            raise Refusal(404, NO_SUCH_STAGED_VERSION)
        connection.execute("UPDATE staged SET tarball = ? WHERE id = ?", (name, stage_id))
        if announce is not None:
            connection.execute(
                "UPDATE staged SET shasum = ?, integrity = ? WHERE id = ?",
                (announce.shasum, announce.integrity, stage_id),
            )
    store.drop_tarball(row["tarball"])


def _must_maintain(connection: sqlite3.Connection, package: str, account: Account) -> None:
    permission = permission_of(connection, package, account.name)
    exists = connection.execute("SELECT 1 FROM packages WHERE name = ?", (package,)).fetchone()
    if exists is None:
        raise Refusal(404, NO_SUCH_PACKAGE)
    if permission != "read-write":
        raise Refusal(403, NOT_PERMITTED)


def _published_words(version: str) -> str:
    return f"You cannot publish over the previously published versions: {version}."


def _must_be_new(connection: sqlite3.Connection, package: str, version: str, now: float) -> None:
    row = connection.execute(
        "SELECT visible_at FROM versions WHERE package = ? AND version = ?", (package, version)
    ).fetchone()
    staged = connection.execute(
        "SELECT 1 FROM staged WHERE package = ? AND version = ?", (package, version)
    ).fetchone()
    # An approved version counts as staged until it is installable: npm's registry answers so.
    if staged is not None or (row is not None and row["visible_at"] > now):
        raise Refusal(409, f"Cannot publish over previously staged version {version}")
    if row is not None:
        raise Refusal(409, _published_words(version))


def _create_package(connection: sqlite3.Connection, package: str, access: str, now: float) -> bool:
    cursor = connection.execute(
        "INSERT OR IGNORE INTO packages (name, access, readme, created_at) VALUES (?, ?, '', ?)",
        (package, access, now),
    )
    return cursor.rowcount == 1


def _set_access(connection: sqlite3.Connection, package: str, access: str) -> None:
    connection.execute("UPDATE packages SET access = ? WHERE name = ?", (access, package))


def _set_readme(connection: sqlite3.Connection, package: str, readme: str) -> None:
    if readme:
        connection.execute("UPDATE packages SET readme = ? WHERE name = ?", (readme, package))


def _insert_version(
    connection: sqlite3.Connection, kept: Kept, publisher: str, now: float, visible_at: float
) -> None:
    upload = kept.upload
    connection.execute(
        "INSERT INTO versions (package, version, manifest, publisher, shasum, integrity, tarball,"
        " bundle, published_at, visible_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            upload.package,
            upload.version,
            json.dumps(upload.manifest),
            publisher,
            upload.shasum,
            upload.integrity,
            kept.tarball,
            upload.bundle,
            now,
            visible_at,
        ),
    )


def _insert_staged(
    connection: sqlite3.Connection, stage_id: str, kept: Kept, account: Account, now: float
) -> None:
    upload = kept.upload
    package = connection.execute(
        "SELECT access FROM packages WHERE name = ?", (upload.package,)
    ).fetchone()
    connection.execute(
        "INSERT INTO staged (id, package, version, tag, access, manifest, readme, actor,"
        " actor_type, shasum, integrity, tarball, bundle, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            stage_id,
            upload.package,
            upload.version,
            upload.tag,
            upload.access or package["access"],
            json.dumps(upload.manifest),
            upload.readme,
            account.name,
            account.actor_type,
            upload.shasum,
            upload.integrity,
            kept.tarball,
            upload.bundle,
            now,
        ),
    )


def _point_tag(
    connection: sqlite3.Connection, package: str, tag: str, version: str | None, moment: float
) -> None:
    connection.execute(
        "INSERT INTO tag_changes (package, tag, version, effective_at) VALUES (?, ?, ?, ?)",
        (package, tag, version, moment),
    )


def _take_tag(
    connection: sqlite3.Connection, package: str, tag: str, version: str, moment: float
) -> None:
    """Point the version's tag to it, and `latest` too where that names nothing real yet."""
    _point_tag(connection, package, tag, version, moment)
    latest = connection.execute(
        "SELECT version FROM tag_changes WHERE package = ? AND tag = 'latest'"
        " ORDER BY effective_at DESC, position DESC LIMIT 1",
        (package,),
    ).fetchone()
    if latest is None or latest["version"] == PLACEHOLDER_VERSION:
        _point_tag(connection, package, "latest", version, moment)


def _placeholder(package: str) -> Upload:
    manifest = {
        "name": package,
        "version": PLACEHOLDER_VERSION,
        "description": "Placeholder: the first version of this package is staged for review.",
    }
    return Upload(
        package=package,
        version=PLACEHOLDER_VERSION,
        tag="latest",
        access="public",
        manifest=manifest,
        readme="",
        tarball=pack({"package.json": json.dumps(manifest, indent=2) + "\n"}),
        bundle=None,
    )
