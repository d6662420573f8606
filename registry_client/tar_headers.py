"""Tar header blocks, read strictly.

Where tar programs disagree about what a header means, a package could show one thing to a
reviewer and another to npm. Such a header is refused with a reason instead of being read either
way. Formats: POSIX pax(1) for ustar and extended headers, GNU tar's manual for `L`/`K` long names
and base-256 numbers; npm's own reading is node-tar 7 (lib/parse, header, pax).

The most dangerous thing a header can do is to make npm skip it alone: npm then takes the content
that follows for more headers, and installs what is in them. So every field that npm looks at is
checked here, also those that say nothing about the content.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple
from zlib import adler32

from registry_client.tar_paths import decode_name, is_utf8, printable

BLOCK = 512
ZERO_BLOCK = bytes(BLOCK)

_OCTAL = re.compile(rb" *([0-7]*)[ \0]*")
# npm reads on past the field's end unless something other than a digit ends the number.
_CHECKSUM = re.compile(rb" *([0-7]+)[ \0]+")
_BASE_256 = 0x80
_MOST = 2**53 - 1
_MAGIC = b"ustar\x0000"
_TYPES = frozenset("01234567xgLK")
# Of GNU tar and Solaris.
_OTHER_TYPES = {
    "S": "a sparse file, with holes that are not in the tarball",
    "M": "the rest of a file from another tarball",
    "V": "a volume's label",
    "D": "a list of a folder's names",
    "N": "a list of long names",
    "X": "an extended header of Solaris",
    "A": "a list of permissions",
    "I": "a file's metadata without its content",
}
# Older npm copies any record onto its own state under the record's name, and with it decides what
# is content and what a header. Records of vendors have a dot in their names and do no harm.
_KEYS = frozenset(
    {
        *("path", "linkpath", "size", "mtime", "atime", "ctime", "uid", "gid", "uname", "gname"),
        *("charset", "hdrcharset", "comment"),
    }
)
_VENDORS = ("LIBARCHIVE.", "SCHILY.", "NODETAR.")
# It gives a file another size.
_REFUSED_KEYS = frozenset({"SCHILY.realsize"})
_NUMERIC_KEYS = frozenset({"mtime", "atime", "ctime", "uid", "gid"})
_NUMERIC = re.compile(rb"-?[0-9]{1,20}(\.[0-9]*)?")
_MAX_LENGTH_DIGITS = 7
_XSTAR_PREFIX = 130


class HeaderError(ValueError):
    """A header that is damaged, or that programs read differently. The text says which."""


class Header(NamedTuple):
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
    types: set[str] = field(default_factory=set)
    has_records: bool = False

    @property
    def is_used(self) -> bool:
        """Whether any extended header stood before the entry."""
        return bool(self.types)


def parse_header(block: bytes) -> Header:
    """Parse one block of 512 bytes that is not all zero. Raises HeaderError."""
    digits = _CHECKSUM.fullmatch(block, 148, 156)
    if digits is None:
        raise HeaderError("a header's checksum is not a number")
    # The checksum is a plain byte sum with its own field read as spaces. Adler-32 started at 0
    # keeps that sum in its low half, exact for up to 256 bytes at a time, and is far quicker than
    # sum().
    total = (adler32(block[:148], 0) & 0xFFFF) + 256
    total += adler32(block[156:412], 0) & 0xFFFF
    total += adler32(block[412:], 0) & 0xFFFF
    if int(digits[1], 8) != total:
        raise HeaderError("a header's checksum is wrong, so it is damaged or not a tarball")
    kind, prefix = _kind_and_prefix(block[156:157], block[257:512])
    mode = _mode(block[100:124])
    _check_time(block[136:148])
    name = block[:100]
    if prefix:
        if not name[0]:
            raise HeaderError("a header has a name prefix and no name")
        name = prefix + b"/" + name
    return Header(
        raw_name=name.rstrip(b"\0"),
        mode=mode,
        size=_number(block, 124, 12, "size"),
        type=kind,
        raw_link=block[157:257].rstrip(b"\0"),
    )


# These parts of a header are the same in most of a tarball's entries.
@lru_cache(maxsize=256)
def _kind_and_prefix(flag: bytes, rest: bytes) -> tuple[str, bytes]:
    """The type and the name prefix of a header; `rest` is what stands from byte 257 on."""
    kind = chr(flag[0]) if flag[0] else "0"
    if kind not in _TYPES:
        what = _OTHER_TYPES.get(kind, "of an unknown type")
        raise HeaderError(f"an entry is {what} ({kind!r}), which programs read differently")
    block = bytes(257) + rest
    # 345 to 500 is a name prefix; where 475 is zero, 476 onwards may be two times instead (xstar).
    prefix = block[345:500].partition(b"\0")[0]
    if any(block[345 + len(prefix) : 476]) and len(prefix) <= _XSTAR_PREFIX:
        raise HeaderError("a header has data hidden behind its name prefix")
    is_ustar = block[257:265] == _MAGIC
    if is_ustar:
        numbers = _USTAR_NUMBERS if block[475] else _USTAR_NUMBERS + _XSTAR_NUMBERS
        for start, length, what in numbers:
            _number(block, start, length, what)
    if prefix:
        if not is_ustar:
            raise HeaderError("a header has a name prefix in a format that has none")
        if len(prefix) > _XSTAR_PREFIX and any(block[345 + len(prefix) : 500]):
            raise HeaderError("a header has data hidden behind its name prefix")
    return kind, prefix


@lru_cache(maxsize=256)
def _mode(part: bytes) -> int:
    """The permission bits; `part` is what stands from byte 100 on, owner and group included."""
    for start, what in ((8, "owner"), (16, "group")):
        _number(part, start, 8, what)
    return _number(part, 0, 8, "mode") & 0o7777


@lru_cache(maxsize=256)
def _check_time(part: bytes) -> None:
    _number(part, 0, 12, "time")


def apply_pax(body: bytes, pending: Pending, *, is_global: bool) -> int:
    """Read extended header records (`LENGTH KEY=VALUE\\n`) into `pending`; how many there are.

    Raises HeaderError.
    """
    position = 0
    keys: set[bytes] = set()
    end = len(body.rstrip(b"\0"))
    while position < end:
        space = body.find(b" ", position, position + _MAX_LENGTH_DIGITS + 1)
        digits = body[position:space] if space > 0 else b""
        # npm counts the digits again after it has read the number.
        if not digits.isdigit() or digits.startswith(b"0"):
            raise HeaderError("an extended header is damaged")
        stop = position + int(digits)
        record = body[space + 1 : stop]
        if stop > end or not record.endswith(b"\n") or b"=" not in record:
            raise HeaderError("an extended header is damaged")
        # npm splits at line ends before it looks at lengths, other programs do not.
        if record.count(b"\n") != 1:
            raise HeaderError("an extended header has a line break inside a value")
        raw_key, _, value = record[:-1].partition(b"=")
        if raw_key in keys:
            key = printable(raw_key.decode("utf-8", "replace"))[:100]
            raise HeaderError(f"extended headers set '{key}' more than once for one entry")
        keys.add(raw_key)
        _take_record(raw_key.decode("utf-8", "replace"), value, pending, is_global=is_global)
        position = stop
    return len(keys)


def check_extended(header: Header, pending: Pending) -> None:
    """Whether npm reads an extended header's body as such a body at all, and only one of a type
    before an entry. Raises HeaderError.
    """
    if not decode_name(header.raw_name):
        raise HeaderError("an extended header has no name")
    if decode_name(header.raw_link):
        raise HeaderError("an extended header has a target without being a link")
    if header.type != "g":
        if header.type in pending.types:
            raise HeaderError("an extended header stands more than once for one entry")
        pending.types.add(header.type)
    if header.type in "LK" and pending.has_records:
        # Older npm applies the records to the long name's own header.
        raise HeaderError("two kinds of extended headers stand before one entry")


def _take_record(key: str, value: bytes, pending: Pending, *, is_global: bool) -> None:
    if key in _REFUSED_KEYS or not (key in _KEYS or key.startswith(_VENDORS)):
        raise HeaderError(
            f"an extended header sets '{printable(key)[:100]}', which programs read differently"
        )
    if key in _NUMERIC_KEYS and not _NUMERIC.fullmatch(value):
        raise HeaderError(f"an extended header sets a '{key}' that is no number")
    if not is_global:
        pending.has_records = True
    if key not in ("path", "linkpath", "size"):
        return
    if is_global:
        raise HeaderError(f"an extended header sets '{key}' for all entries at once")
    if key in pending.keys:
        raise HeaderError(f"extended headers set '{key}' more than once for one entry")
    if not is_utf8(value):
        raise HeaderError(f"an extended header sets a '{key}' that is not valid UTF-8")
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
    # files. It looks at the header's own field, whatever extended headers say.
    is_link = header.type in "12"
    if is_link != bool(link) or is_link != bool(decode_name(header.raw_link)):
        raise HeaderError(
            "an entry is a link without a target, or has a target without being a link"
        )
    if header.size and (header.type in "123456" or name.endswith("/")):
        raise HeaderError("a folder, link or device has a size, which programs read differently")
    if header.type == "7" and name.endswith("/"):
        raise HeaderError("a file has the name of a folder, which programs read differently")
    return name, raw, link


def may_be_named_otherwise(header: Header, name: str, pending: Pending) -> bool:
    """Whether npm may fall back on the header's own name, and that is another one.

    npm decodes extended headers piece by piece, as they come out of the compressed stream. Where
    a piece ends inside a character, npm drops the record.
    """
    if pending.name is None or name.isascii():
        return False
    return decode_name(header.raw_name) != name


# Start, length and name of numbers that npm parses in every header, though it needs none of them.
_USTAR_NUMBERS = ((329, 8, "device number"), (337, 8, "device number"))
_XSTAR_NUMBERS = ((476, 12, "time"), (488, 12, "time"))


def _number(block: bytes, start: int, length: int, what: str) -> int:
    if block[start] == _BASE_256:
        number = int.from_bytes(block[start + 1 : start + length], "big")
        if number > _MOST:
            raise HeaderError(f"a header's {what} is too large a number")
        return number
    match = _OCTAL.fullmatch(block, start, start + length)
    if match is None:
        raise HeaderError(f"a header's {what} is not a number")
    return int(match[1] or b"0", 8)
