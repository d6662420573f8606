"""The part of a changelog that is new: the release's own words. Linear in the texts' length."""

import re

LONGEST = 64 * 1024

_NAME = re.compile(
    r"(changelog|change[-_]log|changes|history|releases|release[-_]notes|news)"
    r"(\.(md|markdown|mkd|txt|rst|adoc|asciidoc|textile))?",
    re.IGNORECASE,
)
_UNDERLINE = re.compile(r"(=+|-+|~+)[ \t]*")
_NUMBER = re.compile(r"\d+\.\d+")
_FULL_NUMBER = re.compile(r"\d+\.\d+\.\d+")
_MARKS = " \t#=*_[(`<>"
_BREAKS = re.compile(r"[\s\[\]()`*_,:]+")
_NO_HEADING = (" ", "\t", "* ", "- ", "+ ", "|")
_LONGEST_HEADING = 300
_DEEPEST = 6
_SHORTEST_UNDERLINE = 3
# How many words may stand before the version in a heading: "Version 1.2.3", "left-pad v1.2.3".
_WORDS = 3


def is_changelog(path: str) -> bool:
    """Whether this is the package's own changelog."""
    return _NAME.fullmatch(path) is not None


def new_part(old: str | None, new: str, version: str) -> str:
    """What a changelog says that the one before did not, at most 64 KiB.

    Without an old text (a first release) it is the section about `version`, else the beginning.
    Empty if nothing was added. Where something was left out at the end, a last line in brackets
    says how much.
    """
    lines = _lines(new)
    if old is not None:
        return _bounded(_trimmed(_added(_lines(old), lines)))
    return _bounded(_trimmed(_section(lines, version) or lines))


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.removeprefix("\ufeff").split("\n")]


def _added(old: list[str], new: list[str]) -> list[str]:
    """The lines that are new, with the headings they stand under."""
    most = min(len(old), len(new))
    end = 0
    while end < most and old[-1 - end] == new[-1 - end]:
        end += 1
    start = 0
    while start < most - end and old[start] == new[start]:
        start += 1
    middle = new[start : len(new) - end]
    before = old[start : len(old) - end]
    if not any(before):
        return middle
    # More than an addition: lines that were there before are left out, wherever they stood.
    known = set(before)
    found: list[str] = []
    headings: list[str] = []
    for number, line in enumerate(middle):
        if not line:
            headings.append(line)
        elif line not in known:
            found += [*headings, line]
            headings = []
        elif _is_heading(middle, number):
            headings = [*_above(headings, line), "", line]
        else:
            headings = [heading for heading in headings if heading]
    return found


def _above(headings: list[str], line: str) -> list[str]:
    """Of the headings so far those that `line`, the next one, stands under."""
    level = _level(line)
    return [heading for heading in headings if heading and 0 < _level(heading) < level]


def _level(line: str) -> int:
    return len(line) - len(line.lstrip("#"))


def _section(lines: list[str], version: str) -> list[str]:
    """The section about that version with its heading; empty if there is none."""
    for number, line in enumerate(lines):
        if version in line and version in _words(line) and _is_heading(lines, number):
            break
    else:
        return []
    start, level, place = number, _level(lines[number]), _words(lines[number]).index(version)
    # A heading within the section may speak of another program's version: "Node 18.2".
    number_of_next = _FULL_NUMBER if level else _NUMBER
    for number in range(start + 1, len(lines)):
        line = lines[number]
        if _is_heading(lines, number) and (
            0 < _level(line) <= level
            or any(number_of_next.match(word) for word in _words(line)[place : place + 1])
        ):
            return lines[start:number]
    return lines[start:]


def _is_heading(lines: list[str], number: int) -> bool:
    line = lines[number]
    if not line or len(line) > _LONGEST_HEADING or line.startswith(_NO_HEADING):
        return False
    if line.startswith("#"):
        return _level(line) <= _DEEPEST
    if line.startswith("== "):
        return True
    below = lines[number + 1] if number + 1 < len(lines) else ""
    if len(below) >= _SHORTEST_UNDERLINE and _UNDERLINE.fullmatch(below):
        return True
    # A line of its own that begins with a version: "1.2.3 / 2024-01-01", "**v1.2.3**".
    above = lines[number - 1] if number else ""
    return not above and any(_NUMBER.match(word) for word in _words(line)[:1])


def _words(line: str) -> list[str]:
    """The first words of a heading without marks, links and the v of a version."""
    text = line[:_LONGEST_HEADING].partition("](")[0].lstrip(_MARKS)
    words = [word for word in _BREAKS.split(text, maxsplit=_WORDS + 1) if word]
    return [_bare(word) for word in words[:_WORDS]]


def _bare(word: str) -> str:
    name, at, version = word.rpartition("@")
    word = version if at and name else word
    return word[1:] if word[:1] in ("v", "V") and word[1:2].isdigit() else word


def _trimmed(lines: list[str]) -> str:
    return "\n".join(lines).strip("\n")


def _bounded(text: str) -> str:
    if len(text.encode("utf-8", "replace")) <= LONGEST:
        return text
    room = LONGEST - 60
    kept = text.encode("utf-8", "replace")[:room].decode("utf-8", "ignore")
    kept = kept.rpartition("\n")[0] or kept
    return f"{kept}\n[{len(text) - len(kept):,} characters left out]"
