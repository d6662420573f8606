"""Letters of other scripts that pass for Latin ones, in names of code and of packages."""

import re
import unicodedata
from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.hidden_characters import name_of
from approvals.inspection.look_alikes import look_alikes, looks_like
from approvals.inspection.search.look import Look, LookedFile
from approvals.inspection.search.places import is_too_late, places

GROUP = Group.HIDING
RULES = {
    "look-alike-letters": "Letters in names of code that pass for others",
    "look-alike-package": "Letters in names of packages that pass for others",
}

_ASCII = bytes(range(128))
# Cyrillic, and what of Greek is no sign of mathematics.
_LETTER = re.compile(
    rb"(?:\xd0[\x80-\xbf]|\xd1[\x80-\xbf]|\xd2[\x80-\xbf]|\xd3[\x80-\xbf]|\xd4[\x80-\xbf]"
    rb"|\xce[\x91\x92\x95-\x97\x99\x9a\x9c\x9d\x9f\xa1\xa4\xa5\xa7\xbf]|\xd5[\xb0-\xbf]"
    rb"|\xd6[\x80-\x8f])+"
)
_WORD = re.compile(r"[\w$]+\Z"), re.compile(r"[\w$]*")
_NAMES = frozenset(
    {
        *("identifier", "property_identifier", "shorthand_property_identifier"),
        *("shorthand_property_identifier_pattern", "private_property_identifier"),
        *("type_identifier", "statement_identifier"),
    }
)
_IMPORTS = re.compile(rb"(?:require\s*\(|\bfrom|\bimport\s*\(?)\s*[\"'`][^\"'`\n]{0,100}\Z")
_ADDRESS = re.compile(rb"https?://[^\s\"'`/]{0,80}\Z")
_FIELDS = (*("dependencies", "devDependencies", "optionalDependencies", "peerDependencies", "bin"),)
_MOST_LOOKED_AT = 300
_AROUND = 64


def in_tarball(look: Look) -> Iterator[Finding]:
    yield from _packages(look)
    for file in look.files:
        content = file.content
        if content is None or not file.language or content.isascii():
            continue
        if is_too_late(look, file):
            continue
        if _LETTER.search(content.translate(None, _ASCII)) and (found := _in_code(look, file)):
            yield found


def _in_code(look: Look, file: LookedFile) -> Finding | None:
    content = file.content or b""
    for use in places(look, file, _LETTER, most=_MOST_LOOKED_AT):
        word, at = _word_around(content, use.match.start, use.match.end)
        alike = look_alikes(word)
        if not alike:
            continue
        before = content[max(0, at - 140) : at]
        node = use.node
        is_name = node is not None and node.type in _NAMES
        if not is_name and not _IMPORTS.search(before) and not _ADDRESS.search(before):
            continue
        letters = sorted({word[place] for place in alike})
        return Finding(
            "look-alike-letters",
            Severity.HIGH,
            f"“{_plain(word)}” is not what it seems: letters of it are of another script.",
            "Two names that read the same are different ones then: what is called, loaded or asked "
            "is not what a reader takes it for.",
            "Find out what else has this name in plain letters, and which of both is used where.",
            path=file.path,
            line=use.line,
            excerpt=use.excerpt,
            detail=", ".join(map(_named, letters)),
            evidence=file.change.new_sha256,
        )
    return None


def _word_around(content: bytes, start: int, end: int) -> tuple[str, int]:
    """The word that these bytes are part of, and where it begins."""
    before = content[max(0, start - _AROUND) : start].decode("utf-8", "ignore")
    after = content[start : end + _AROUND].decode("utf-8", "ignore")
    head = _WORD[0].search(before)
    first = head[0] if head else ""
    rest = _WORD[1].match(after)
    return first + (rest[0] if rest else ""), start - len(first.encode())


def _packages(look: Look) -> Iterator[Finding]:
    new, old = look.manifest_new or {}, look.manifest_old or {}
    for field in ("name", *_FIELDS):
        known = _names_in(old.get(field))
        for name in _names_in(new.get(field)) - known:
            if name.isascii():
                continue
            yield Finding(
                "look-alike-package",
                Severity.HIGH,
                f"The name “{_plain(name)}” in package.json has letters that are not plain ones.",
                "It reads like another package, and is not that one.",
                "Find out which package was meant. The npm registry has no such names.",
                path="package.json",
                excerpt=name,
                detail=f"{field}: " + ", ".join(_named(one) for one in name if not one.isascii()),
                evidence=name,
            )


def _names_in(value: object) -> set[str]:
    if isinstance(value, str):
        return {value}
    return {str(name) for name in value} if isinstance(value, dict) else set()


def _plain(word: str) -> str:
    return "".join(looks_like(one) or one for one in word)[:80]


def _named(letter: str) -> str:
    return f"{name_of(letter)} {unicodedata.name(letter, 'without a name')}"
