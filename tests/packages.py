"""Small npm packages made in code, as tarballs and as the documents that npm sends."""

import base64
import gzip
import hashlib
import io
import json
import tarfile
from typing import Any


def tarball(files: dict[str, str | bytes]) -> bytes:
    """A gzipped tar with these files under `package/`; the same files give the same bytes."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for path, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(f"package/{path}")
            info.size, info.mtime, info.mode = len(data), 499162500, 0o644
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), mtime=0)


def publish_document(
    name: str,
    version: str,
    files: dict[str, str | bytes] | None = None,
    *,
    tag: str = "latest",
    **manifest: Any,
) -> dict[str, Any]:
    """What `npm publish` and `npm stage publish` send for a package with these files."""
    package_json = {"name": name, "version": version, **manifest}
    content = {"package.json": json.dumps(package_json, indent=2), "index.js": "exports.a = 1;\n"}
    data = tarball({**content, **(files or {})})
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()
    return {
        "_id": name,
        "name": name,
        "dist-tags": {tag: version},
        "access": "public",
        "versions": {
            version: {
                **package_json,
                "_id": f"{name}@{version}",
                "dist": {
                    "integrity": integrity,
                    "shasum": hashlib.sha1(data, usedforsecurity=False).hexdigest(),
                    "tarball": f"http://registry.example.org/{name}/-/{name}-{version}.tgz",
                },
            }
        },
        "_attachments": {
            f"{name}-{version}.tgz": {
                "content_type": "application/octet-stream",
                "data": base64.b64encode(data).decode(),
                "length": len(data),
            }
        },
    }
