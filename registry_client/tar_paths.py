"""What npm makes of a name in a tarball, and what is wrong with that name. Nothing here touches a
disk.

The rules are those of npm's own unpacking (pacote with node-tar 7 and `strip: 1`): the first
segment is dropped, roots are cut off, a name with `..` is left out, empty and `.` segments
vanish.
"""

import re
import unicodedata
from dataclasses import dataclass

# npm cuts a name at its first NUL with /\0.*/, and a JavaScript `.` stops at these.
_NUL_TAIL = re.compile("\0[^\n\r\u2028\u2029]*")
_DRIVE = re.compile(r"[A-Za-z]:[/\\]*")
_NOT_ON_WINDOWS = frozenset('<>:"|?*')
_WINDOWS_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_PLAIN = re.compile(r"[\w@+\-][\w@+\-.]*(/(?!\.{1,2}(/|$))[\w@+\-.]+)+", re.ASCII)
# In a plain name.
_WINDOWS_TROUBLE = re.compile(
    r"\.(?:/|$)|(?:^|/)(?:con|prn|aux|nul|com\d|lpt\d)(?:[./]|$)", re.IGNORECASE
)
# Cc controls, Cf formats (bidirectional marks, zero-width), Zl and Zp line ends, Cs and Co no one
# can read.
_UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs", "Co"})


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a tarball. `path` is printable; empty for the whole tarball."""

    rule: str
    path: str
    sentence: str


def printable(text: str) -> str:
    """The text with every character that cannot be seen written as an escape such as `\\u202e`."""
    if text.isprintable():
        return text
    return "".join(
        char.encode("unicode_escape").decode("ascii")
        if unicodedata.category(char) in _UNSEEN
        else char
        for char in text
    )


def decode_name(raw: bytes) -> str:
    """A header's name field as npm reads it: UTF-8 with replacement, cut at the first NUL."""
    if 0 not in raw:
        return raw.decode("utf-8", "replace")
    head, _, tail = raw.partition(b"\0")
    if not tail.strip(b"\0"):
        return head.decode("utf-8", "replace")
    return _NUL_TAIL.sub("", raw.decode("utf-8", "replace"), count=1)


def plain_path(name: str, raw: bytes) -> str | None:
    """Where npm installs an entry if nothing at all is odd about its name, as with most entries.

    None says only that `installed_path` and `name_problems` have to look; `raw` are the bytes that
    the name was decoded from.
    """
    if not _PLAIN.fullmatch(name) or _WINDOWS_TROUBLE.search(name):
        return None
    return name.partition("/")[2] if name.encode() == raw.rstrip(b"\0") else None


def installed_path(name: str) -> tuple[str, bool]:
    """Where npm installs an entry of that name, relative to the package, and whether it does."""
    _, slash, rest = name.partition("/")
    if not slash:
        return name, False
    rest = _without_root(rest)
    unsafe = "\0" in name or ".." in rest.replace("\\", "/").split("/")
    path = "/".join(part for part in rest.split("/") if part not in ("", "."))
    return path, bool(path) and not unsafe


def name_problems(name: str, raw: bytes) -> list[Problem]:
    """All that is wrong with the name itself; `raw` are the bytes it was decoded from."""
    if plain_path(name, raw) is not None:
        return []
    parts = name.replace("\\", "/").split("/")
    on_windows = any(_bad_on_windows(part) for part in parts if part not in (".", ".."))
    rest = name.partition("/")[2]
    kinds = set() if name.isprintable() else {unicodedata.category(char) for char in set(name)}
    checks = (
        (
            "no-folder",
            "/" not in name,
            "It stands outside any folder, so npm does not install it.",
        ),
        (
            "absolute-path",
            name.startswith("/") or _without_root(rest) != rest,
            "Its path is absolute; npm cuts the root off, other tools may not.",
        ),
        (
            "parent-path",
            ".." in parts,
            "Its path climbs up with '..'; npm leaves it out, other tools may not.",
        ),
        ("backslash", "\\" in name, "Its path has a backslash, which Windows reads as a folder."),
        (
            "drive-letter",
            any(_DRIVE.match(part) for part in parts),
            "Its path has a drive letter.",
        ),
        (
            "odd-segments",
            "." in parts or "" in parts[1:-1],
            "Its path has empty or '.' segments, which hide where it lands.",
        ),
        (
            "nul-in-name",
            0 in raw.rstrip(b"\0"),
            "Its name has a NUL character with more text after it.",
        ),
        ("control-character", "Cc" in kinds, "Its name has control characters."),
        (
            "invisible-character",
            bool(kinds & (_UNSEEN - {"Cc"})),
            "Its name has invisible or direction-changing characters.",
        ),
        (
            "invalid-utf8",
            not is_utf8(raw),
            "Its name is not valid UTF-8; npm replaces the broken bytes.",
        ),
        (
            "windows-name",
            on_windows,
            "Its name means something else, or cannot exist, on Windows.",
        ),
    )
    shown = printable(name)
    return [Problem(rule, shown, sentence) for rule, wrong, sentence in checks if wrong]


def collision_key(path: str) -> str:
    """The same for two paths that a Mac or Windows disk takes for one file."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _without_root(path: str) -> str:
    while True:
        if path.startswith(("/", "\\")):
            path = path.lstrip("/\\")
        elif drive := _DRIVE.match(path):
            path = path[drive.end() :]
        else:
            return path


def _bad_on_windows(part: str) -> bool:
    # A colon starts a hidden stream of the file before it.
    odd = not _NOT_ON_WINDOWS.isdisjoint(part)
    return odd or part.endswith((".", " ")) or bool(_WINDOWS_DEVICE.fullmatch(part))


def is_utf8(raw: bytes) -> bool:
    """Whether these bytes are valid UTF-8."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
