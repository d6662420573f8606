"""Tarballs made block by block, so that they can be as wrong as an attacker wants them."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

END = bytes(1024)


def member(
    name: str | bytes,
    content: bytes = b"",
    *,
    kind: bytes = b"0",
    mode: int = 0o644,
    size: int | None = None,
    link: bytes = b"",
    prefix: bytes = b"",
    magic: bytes = b"ustar\x0000",
    checksum: int | bytes | None = None,
    at: tuple[int, bytes] = (0, b""),
) -> bytes:
    """One header with its content, padded to whole blocks; `at` overwrites some of the header.

    A checksum of bytes is a format such as `b"%08o"`.
    """
    raw = name if isinstance(name, bytes) else name.encode()
    assert len(raw) <= 100
    header = bytearray(512)
    header[0 : len(raw)] = raw
    header[100:108] = b"%07o\0" % mode
    header[108:116] = header[116:124] = b"0000000\0"
    header[124:136] = b"%011o\0" % (len(content) if size is None else size)
    header[136:148] = b"00000000000\0"
    header[148:156] = b" " * 8
    header[156:157] = kind
    header[157 : 157 + len(link)] = link
    header[257:265] = magic
    header[345 : 345 + len(prefix)] = prefix
    header[at[0] : at[0] + len(at[1])] = at[1]
    form = checksum if isinstance(checksum, bytes) else b"%06o\0 "
    header[148:156] = form % (checksum if isinstance(checksum, int) else sum(header))
    return bytes(header) + content + bytes(-len(content) % 512)


def pax(*records: tuple[str, bytes], kind: bytes = b"x") -> bytes:
    """An extended header with these records."""
    body = b""
    for key, value in records:
        rest = b" %s=%s\n" % (key.encode(), value)
        length = len(rest) + 1
        while len(str(length)) + len(rest) != length:
            length = len(str(length)) + len(rest)
        body += str(length).encode() + rest
    return member("PaxHeader", body, kind=kind)


def write(folder: Path, *members: bytes, end: bytes = END, name: str = "package.tgz") -> Path:
    """A compressed tarball of these members."""
    path = folder / name
    path.write_bytes(gzip.compress(b"".join(members) + end, compresslevel=1, mtime=0))
    return path


def package(
    folder: Path,
    files: Mapping[str, bytes | str],
    *,
    manifest: Mapping[str, Any] | None = None,
    name: str = "package.tgz",
) -> Path:
    """A well-formed package: package.json and these files."""
    described = {"name": "left", "version": "1.0.0", **(manifest or {})}
    members = [member("package/package.json", json.dumps(described, indent=2).encode())]
    for path, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        members.append(member(f"package/{path}", data))
    return write(folder, *members, name=name)
