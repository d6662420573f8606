"""Tar header blocks, read strictly.

Where tar programs disagree about what a header means, a package could show one thing to a
reviewer and another to npm. Such a header is refused with a reason instead of being read either
way. Formats: POSIX pax(1) for ustar and extended headers, GNU tar's manual for `L`/`K` long names
and base-256 numbers; npm's own reading is node-tar 7 (lib/parse, header, pax).
"""

import re
import zlib
from dataclasses import dataclass, field

from registry_client.tar_paths import decode_name

BLOCK = 512
ZERO_BLOCK = bytes(BLOCK)

_OCTAL = re.compile(rb" *([0-7]*)[ \0]*")
# Records that change what is written, or that some programs obey and others do not.
_REFUSED_KEYS = frozenset({"mode", "type"})
_MAX_LENGTH_DIGITS = 7
_XSTAR_PREFIX = 130


class HeaderError(ValueError):
    """A header that is damaged, or that programs read differently. The text says which."""


@dataclass(frozen=True, slots=True)
class Header:
    """One header block as it stands, before long names are applied."""

    raw_name: bytes
    mode: int
    size: int
    type: str
    raw_link: bytes


@dataclass(slots=True)
class Pending:
    """What extended headers said about the next entry."""

    name: bytes | None = None
    link: bytes | None = None
    size: int | None = None
    keys: set[str] = field(default_factory=set)


def parse_header(block: bytes) -> Header:
    """Parse one block of 512 bytes that is not all zero. Raises HeaderError."""
    stored = _number(block, 148, 8, "checksum")
    # The checksum is a plain byte sum with its own field read as spaces. Adler-32 started at 0
    # keeps that sum in its low half, exact for up to 256 bytes at a time, and is far quicker than
    # sum().
    total = (zlib.adler32(block[:148], 0) & 0xFFFF) + 256
    total += zlib.adler32(block[156:412], 0) & 0xFFFF
    total += zlib.adler32(block[412:], 0) & 0xFFFF
    if stored != total:
        raise HeaderError("a header's checksum is wrong, so it is damaged or not a tarball")
    name = block[:100]
    # 345 to 500 is a name prefix; where 475 is zero, 476 onwards may be two times instead (xstar).
    prefix = block[345:500].partition(b"\0")[0]
    if any(block[345 + len(prefix) : 476]) and len(prefix) <= _XSTAR_PREFIX:
        raise HeaderError("a header has data hidden behind its name prefix")
    if prefix:
        if block[257:265] != b"ustar\x0000":
            raise HeaderError("a header has a name prefix in a format that has none")
        if len(prefix) > _XSTAR_PREFIX and any(block[345 + len(prefix) : 500]):
            raise HeaderError("a header has data hidden behind its name prefix")
        name = prefix + b"/" + name
    return Header(
        raw_name=name.rstrip(b"\0"),
        mode=_number(block, 100, 8, "mode") & 0o7777,
        size=_number(block, 124, 12, "size"),
        type=chr(block[156]) if block[156] else "0",
        raw_link=block[157:257].rstrip(b"\0"),
    )


def apply_pax(body: bytes, pending: Pending, *, is_global: bool) -> None:
    """Read extended header records (`LENGTH KEY=VALUE\\n`) into `pending`. Raises HeaderError."""
    position = 0
    end = len(body.rstrip(b"\0"))
    while position < end:
        space = body.find(b" ", position, position + _MAX_LENGTH_DIGITS + 1)
        digits = body[position:space] if space > 0 else b""
        if not digits.isdigit():
            raise HeaderError("an extended header is damaged")
        stop = position + int(digits)
        record = body[space + 1 : stop]
        if stop > end or not record.endswith(b"\n") or b"=" not in record:
            raise HeaderError("an extended header is damaged")
        # npm splits at line ends before it looks at lengths, other programs do not.
        if record.count(b"\n") != 1:
            raise HeaderError("an extended header has a line break inside a value")
        raw_key, _, value = record[:-1].partition(b"=")
        _take_record(raw_key.decode("utf-8", "replace"), value, pending, is_global=is_global)
        position = stop


def _take_record(key: str, value: bytes, pending: Pending, *, is_global: bool) -> None:
    if key in _REFUSED_KEYS or key.startswith("GNU.sparse."):
        raise HeaderError(f"an extended header sets '{key}', which programs read differently")
    if key not in ("path", "linkpath", "size"):
        return
    if is_global:
        raise HeaderError(f"an extended header sets '{key}' for all entries at once")
    if key in pending.keys:
        raise HeaderError(f"extended headers set '{key}' more than once for one entry")
    pending.keys.add(key)
    if key == "path":
        pending.name = value
    elif key == "linkpath":
        pending.link = value
    elif value.isdigit() and len(value) <= 20:  # noqa: PLR2004 - digits of a 64-bit number
        pending.size = int(value)
    else:
        raise HeaderError("an extended header sets a size that is no number")


def apply_long_name(header_type: str, body: bytes, pending: Pending) -> None:
    """Read a GNU long name (`L`) or long link (`K`) into `pending`. Raises HeaderError."""
    key = "path" if header_type == "L" else "linkpath"
    if key in pending.keys:
        raise HeaderError(f"extended headers set '{key}' more than once for one entry")
    pending.keys.add(key)
    if key == "path":
        pending.name = body.rstrip(b"\0")
    else:
        pending.link = body.rstrip(b"\0")


def effective(header: Header, pending: Pending) -> tuple[str, bytes, str]:
    """Name, its raw bytes, and link target of an entry. Raises HeaderError."""
    if pending.size is not None and pending.size != header.size:
        raise HeaderError("an entry has two different sizes")
    raw = header.raw_name if pending.name is None else pending.name
    name = decode_name(raw)
    if not name:
        raise HeaderError("an entry has no name")
    link = decode_name(header.raw_link if pending.link is None else pending.link)
    # npm skips such a header but not its body, and takes the body for headers: a way to smuggle
    # files.
    if (header.type in "12") != bool(link):
        raise HeaderError(
            "an entry is a link without a target, or has a target without being a link"
        )
    if header.size and (header.type in "123456" or name.endswith("/")):
        raise HeaderError("a folder, link or device has a size, which programs read differently")
    return name, raw, link


def _number(block: bytes, start: int, length: int, what: str) -> int:
    field_ = block[start : start + length]
    if field_[0] == 0x80:  # noqa: PLR2004 - GNU's mark of a positive base-256 number
        return int.from_bytes(field_[1:], "big")
    match = _OCTAL.fullmatch(field_)
    if match is None:
        raise HeaderError(f"a header's {what} is not a number")
    return int(match[1] or b"0", 8)
