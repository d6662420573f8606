"""What is public of a package, as npm clients read it."""

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from registry_client.sandbox.accounts import Account, permission_of
from registry_client.sandbox.answers import NO_SUCH_PACKAGE, Json, Refusal, iso
from registry_client.sandbox.attestations import predicate_type
from registry_client.sandbox.store import Store

# What an install needs, as npm's package-metadata document lists it for the abbreviated form.
ABBREVIATED_FIELDS = (
    "name",
    "version",
    "deprecated",
    "dependencies",
    "optionalDependencies",
    "devDependencies",
    "bundleDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "bin",
    "directories",
    "dist",
    "engines",
    "cpu",
    "os",
    "libc",
    "funding",
)
INSTALL_SCRIPTS = ("preinstall", "install", "postinstall")


def packument(
    store: Store, account: Account | None, package: str, base_url: str, now: float
) -> dict[str, Json]:
    """The full document of a package. Raises Refusal 404, also for a private one of others."""
    with store.read() as connection:
        row = readable_package(connection, account, package)
        versions = connection.execute(
            "SELECT * FROM versions WHERE package = ? AND visible_at <= ?"
            " ORDER BY published_at, version",
            (package, now),
        ).fetchall()
        tags = current_tags(connection, package, now)
        maintainers = connection.execute(
            "SELECT name, email FROM users JOIN collaborators ON user = name"
            " WHERE package = ? AND permission = 'read-write' ORDER BY name",
            (package,),
        ).fetchall()
    if not versions:
        raise Refusal(404, NO_SUCH_PACKAGE)
    modified = max(version["visible_at"] for version in versions)
    newest = next((row for row in versions if row["version"] == tags.get("latest")), versions[-1])
    latest = json.loads(newest["manifest"])
    document: dict[str, Json] = {
        "_id": package,
        "_rev": f"{len(versions)}-{int(modified * 1000):x}",
        "name": package,
        "dist-tags": tags,
        "versions": {row["version"]: _version(row, base_url) for row in versions},
        "time": {
            "created": iso(row["created_at"]),
            "modified": iso(modified),
            **{row["version"]: iso(row["published_at"]) for row in versions},
        },
        "maintainers": [dict(person) for person in maintainers],
        "readme": row["readme"],
    }
    for key in ("description", "license", "repository", "homepage", "keywords", "author", "bugs"):
        if latest.get(key):
            document[key] = latest[key]
    return document


def abbreviated(full: dict[str, Json]) -> dict[str, Json]:
    """The part of a packument that an install needs."""
    versions = {}
    for version, manifest in full["versions"].items():
        short = {key: manifest[key] for key in ABBREVIATED_FIELDS if key in manifest}
        scripts = manifest.get("scripts")
        if isinstance(scripts, dict) and any(name in scripts for name in INSTALL_SCRIPTS):
            short["hasInstallScript"] = True
        versions[version] = short
    return {
        "name": full["name"],
        "modified": full["time"]["modified"],
        "dist-tags": full["dist-tags"],
        "versions": versions,
    }


def readable_package(
    connection: sqlite3.Connection, account: Account | None, package: str
) -> sqlite3.Row:
    """The package's row, if this account (None: anybody) may read it; else Refusal 404."""
    row = connection.execute("SELECT * FROM packages WHERE name = ?", (package,)).fetchone()
    if row is None or (
        row["access"] == "private"
        and (account is None or permission_of(connection, package, account.name) is None)
    ):
        raise Refusal(404, NO_SUCH_PACKAGE)
    found: sqlite3.Row = row
    return found


def current_tags(connection: sqlite3.Connection, package: str, now: float) -> dict[str, str]:
    """Each dist-tag and the version it points to at this moment."""
    tags: dict[str, str | None] = {}
    for row in connection.execute(
        "SELECT tag, version FROM tag_changes WHERE package = ? AND effective_at <= ?"
        " ORDER BY effective_at, position",
        (package, now),
    ):
        tags[row["tag"]] = row["version"]
    return {tag: version for tag, version in tags.items() if version is not None}


def published_tarball(
    store: Store, account: Account | None, package: str, file_name: str, now: float
) -> Path:
    """The file behind a `dist.tarball`. Raises Refusal 404."""
    short_name = package.rpartition("/")[2]
    version = file_name.removeprefix(f"{short_name}-").removesuffix(".tgz")
    row = _visible_version(store, account, package, version, now)
    if file_name != f"{short_name}-{version}.tgz":
        raise Refusal(404, NO_SUCH_PACKAGE)
    return store.tarball(row["tarball"])


@dataclass(frozen=True)
class Attested:
    """A version that has a provenance bundle; `integrity` is empty until it is live."""

    bundle: Json
    integrity: str = ""


def attested(
    store: Store, account: Account | None, package: str, version: str, now: float
) -> Attested:
    """The bundle of a live version, for all who may read the package, or of one that is not live
    yet, for those who may see what is staged. Raises Refusal 404 where there is none for them."""
    with store.read() as connection:
        readable_package(connection, account, package)
        row = connection.execute(
            "SELECT bundle, integrity, visible_at FROM versions WHERE package = ? AND version = ?",
            (package, version),
        ).fetchone()
        live = row is not None and row["visible_at"] <= now
        if row is None:
            row = connection.execute(
                "SELECT bundle FROM staged WHERE package = ? AND version = ?", (package, version)
            ).fetchone()
        hidden = not live and not _sees_staged(connection, account, package)
    if row is None or row["bundle"] is None or hidden:
        raise Refusal(404, f"Not Found - No attestations for {package}@{version}")
    return Attested(json.loads(row["bundle"]), row["integrity"] if live else "")


def _sees_staged(connection: sqlite3.Connection, account: Account | None, package: str) -> bool:
    # CI's tokens stage and see nothing: see Account.must_be_a_person.
    return (
        account is not None
        and account.kind != "automation"
        and permission_of(connection, package, account.name) is not None
    )


def _visible_version(
    store: Store, account: Account | None, package: str, version: str, now: float
) -> sqlite3.Row:
    with store.read() as connection:
        readable_package(connection, account, package)
        row = connection.execute(
            "SELECT * FROM versions WHERE package = ? AND version = ? AND visible_at <= ?",
            (package, version, now),
        ).fetchone()
    if row is None:
        raise Refusal(404, f"Not Found - {package} has no version {version}")
    found: sqlite3.Row = row
    return found


def _version(row: sqlite3.Row, base_url: str) -> dict[str, Json]:
    package, version = row["package"], row["version"]
    short_name = package.rpartition("/")[2]
    dist: dict[str, Json] = {
        "integrity": row["integrity"],
        "shasum": row["shasum"],
        "tarball": f"{base_url}{package}/-/{short_name}-{version}.tgz",
    }
    if row["bundle"] is not None:
        dist["attestations"] = {
            "url": f"{base_url}-/npm/v1/attestations/{quote(package, safe='@')}@{version}",
            "provenance": {"predicateType": predicate_type(json.loads(row["bundle"]))},
        }
    manifest: dict[str, Json] = json.loads(row["manifest"])
    manifest.pop("readme", None)
    manifest |= {
        "_id": f"{package}@{version}",
        "dist": dist,
        "_npmUser": {"name": row["publisher"], "email": f"{row['publisher']}@example.invalid"},
    }
    if row["deprecated"]:
        manifest["deprecated"] = row["deprecated"]
    return manifest
