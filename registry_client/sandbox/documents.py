"""The document that a publish or a staging sends, as `libnpmpublish` writes it."""

import base64
import binascii
import gzip
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass

import semver

from registry_client.sandbox.answers import Json, Refusal

TARBALL_LIMIT = 256 * 1024 * 1024
BUNDLE_LIMIT = 1024 * 1024
README_LIMIT = 1024 * 1024
NAME_LIMIT = 214
PACKAGE_NAME = re.compile(r"(?:@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]*")
DIST_TAG = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,127}")
# npm ships no mtime of its own: every file in a packed tarball carries this moment.
NPM_MTIME = 499162500


@dataclass(frozen=True)
class Upload:
    """One version as it was sent, checked: the tarball's digests are computed here."""

    package: str
    version: str
    tag: str
    access: str | None
    manifest: dict[str, Json]
    readme: str
    tarball: bytes
    bundle: str | None

    @property
    def shasum(self) -> str:
        """SHA-1 of the tarball, in hex."""
        return hashlib.sha1(self.tarball, usedforsecurity=False).hexdigest()

    @property
    def integrity(self) -> str:
        """SHA-512 of the tarball, as a subresource integrity string."""
        digest = hashlib.sha512(self.tarball).digest()
        return f"sha512-{base64.b64encode(digest).decode()}"


def parse_json(content: bytes) -> Json:
    """The JSON of a request body; raises Refusal 400."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as problem:
        raise Refusal(400, "Bad Request - The body is not JSON") from problem


def parse_upload(document: Json, package: str) -> Upload:
    """Check the document sent for this package; raises Refusal 400, 413 or 422."""
    if not PACKAGE_NAME.fullmatch(package) or len(package) > NAME_LIMIT:
        raise Refusal(400, "Bad Request - This is not a package name")
    if not isinstance(document, dict):
        raise Refusal(400, "Bad Request - The body is not a publish document")
    missing = [key for key in ("name", "versions", "_attachments") if not document.get(key)]
    if missing:
        raise Refusal(400, f"Bad Request - Missing required fields: {', '.join(missing)}")
    if document["name"] != package:
        raise Refusal(400, "Bad Request - The document is about another package")
    version, manifest = _only_version(document["versions"], package)
    attachments = document["_attachments"]
    if not isinstance(attachments, dict):
        raise Refusal(400, "Bad Request - _attachments is not an object")
    upload = Upload(
        package=package,
        version=version,
        tag=_tag(document.get("dist-tags"), version),
        access=_access(document.get("access")),
        manifest=manifest,
        readme=_readme(document.get("readme") or manifest.get("readme")),
        tarball=_tarball(attachments),
        bundle=_bundle(attachments),
    )
    _must_match_announced_digests(upload)
    return upload


def _only_version(versions: Json, package: str) -> tuple[str, dict[str, Json]]:
    if not isinstance(versions, dict) or len(versions) != 1:
        raise Refusal(400, "Bad Request - Exactly one version is published at a time")
    [(version, manifest)] = versions.items()
    if not semver.Version.is_valid(version):
        raise Refusal(400, "Bad Request - The version is not a semantic version")
    if not isinstance(manifest, dict) or manifest.get("version", version) != version:
        raise Refusal(400, "Bad Request - The version and its manifest disagree")
    if manifest.get("name", package) != package:
        raise Refusal(400, "Bad Request - The manifest is about another package")
    return version, {**manifest, "name": package, "version": version}


def _tag(tags: Json, version: str) -> str:
    if not tags:
        return "latest"
    if not isinstance(tags, dict):
        raise Refusal(400, "Bad Request - dist-tags is not an object")
    tag, target = next(iter(tags.items()))
    if target != version:
        raise Refusal(400, "Bad Request - The dist-tag points to another version")
    return checked_tag(tag)


def checked_tag(tag: Json) -> str:
    """A usable dist-tag; raises Refusal 400."""
    if not isinstance(tag, str) or not DIST_TAG.fullmatch(tag):
        raise Refusal(400, "Bad Request - This is not a dist-tag")
    return tag


def _access(access: Json) -> str | None:
    if access is None:
        return None
    if access == "public":
        return "public"
    if access in ("private", "restricted"):
        return "private"
    raise Refusal(400, "Bad Request - access is public or private")


def _readme(readme: Json) -> str:
    return readme[:README_LIMIT] if isinstance(readme, str) else ""


def _tarball(attachments: dict[str, Json]) -> bytes:
    for name, attachment in attachments.items():
        if name.endswith(".tgz") and isinstance(attachment, dict):
            break
    else:
        raise Refusal(400, "Bad Request - Missing required fields: a tarball in _attachments")
    data = attachment.get("data")
    if not isinstance(data, str):
        raise Refusal(400, "Bad Request - The tarball carries no data")
    if len(data) > TARBALL_LIMIT * 4 // 3 + 4:
        raise Refusal(413, f"Payload Too Large - A tarball has at most {TARBALL_LIMIT} bytes")
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as problem:
        raise Refusal(400, "Bad Request - The tarball is not base64") from problem
    if not content:
        raise Refusal(400, "Bad Request - The tarball is empty")
    if attachment.get("length", len(content)) != len(content):
        raise Refusal(400, "Bad Request - The tarball does not have the announced length")
    return content


def _bundle(attachments: dict[str, Json]) -> str | None:
    for name, attachment in attachments.items():
        if name.endswith(".sigstore") and isinstance(attachment, dict):
            break
    else:
        return None
    data = attachment.get("data")
    if not isinstance(data, str) or len(data) > BUNDLE_LIMIT:
        raise Refusal(400, f"Bad Request - A provenance bundle has at most {BUNDLE_LIMIT} bytes")
    if not isinstance(parse_json(data.encode()), dict):
        raise Refusal(400, "Bad Request - The provenance bundle is not a JSON object")
    return data


def _must_match_announced_digests(upload: Upload) -> None:
    dist = upload.manifest.get("dist")
    if not isinstance(dist, dict):
        return
    for key, actual in (("shasum", upload.shasum), ("integrity", upload.integrity)):
        if dist.get(key, actual) != actual:
            raise Refusal(400, f"Bad Request - The tarball does not match its dist.{key}")


def pack(files: Mapping[str, str | bytes], *, executable: frozenset[str] = frozenset()) -> bytes:
    """A tarball as `npm pack` makes it, the same bytes for the same files: paths are relative to
    the package's root."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(f"package/{path}")
            info.size = len(data)
            info.mtime = NPM_MTIME
            info.mode = 0o755 if path in executable else 0o644
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), mtime=0)


def publish_document(
    manifest: Mapping[str, Json],
    tarball: bytes,
    *,
    tag: str = "latest",
    access: str | None = "public",
    readme: str = "",
    bundle: Mapping[str, Json] | None = None,
) -> dict[str, Json]:
    """The document a client sends for this package.json, tarball and Sigstore bundle."""
    name, version = str(manifest["name"]), str(manifest["version"])
    attachments: dict[str, Json] = {
        f"{name}-{version}.tgz": {
            "content_type": "application/octet-stream",
            "data": base64.b64encode(tarball).decode(),
            "length": len(tarball),
        }
    }
    document: dict[str, Json] = {
        "_id": name,
        "name": name,
        "description": manifest.get("description"),
        "dist-tags": {tag: version},
        "versions": {version: {**manifest, "_id": f"{name}@{version}"}},
        "access": access,
        "readme": readme,
        "_attachments": attachments,
    }
    return document if bundle is None else with_bundle(document, bundle)


def with_bundle(document: Mapping[str, Json], bundle: Mapping[str, Json]) -> dict[str, Json]:
    """The document with provenance, attached as npm (libnpmpublish, publish.js) attaches it."""
    ((version, _),) = document["versions"].items()
    text = json.dumps(bundle)
    attached = {
        "content_type": bundle.get("mediaType"),
        "data": text,
        "length": len(text),
    }
    name = f"{document['name']}-{version}.sigstore"
    return {**document, "_attachments": {**document["_attachments"], name: attached}}
