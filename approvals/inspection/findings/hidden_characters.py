"""Characters that nobody sees: those that turn text round, that carry data, and that are names."""

import re
from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.hidden_characters import name_of
from approvals.inspection.search.look import Look, LookedFile, Use
from approvals.inspection.search.places import is_too_late, places

GROUP = Group.HIDING
RULES = {
    "hidden-bidirectional": "Characters that turn the order of shown text round",
    "hidden-data": "Invisible characters that carry data",
    "hidden-in-names": "Invisible characters in names of code",
}

_TURNS = re.compile(rb"\xe2(?:\x80[\xaa-\xae]|\x81[\xa6-\xa9])")
# Variation selectors, tags, private use beyond the first plane, and what has no width. Fillers of
# Hangul count as letters, and so in names.
_ONE = (
    rb"(?:\xef\xb8[\x80-\x8f]|\xf3\xa0[\x80-\x87][\x80-\xbf]|\xf3[\xb0-\xbf][\x80-\xbf]{2}"
    rb"|\xf4[\x80-\x8f][\x80-\xbf]{2}|\xe2\x80[\x8b-\x8f]|\xe2\x81[\xa0-\xaf]|\xef\xbb\xbf"
    rb"|\xe1\xa0[\x8b-\x8f]|\xe3\x85\xa4|\xef\xbe\xa0|\xe1\x85[\x9f\xa0]|\xcd\x8f)"
)
_LEAST = 10
"""The flag of a region takes seven tags, a family four joiners between faces."""
_MUCH = 48
_RUN = re.compile(rb"%b{%d,4096}+" % (_ONE, _LEAST))
_PRIVATE = re.compile(rb"(?:\xee[\x80-\xbf][\x80-\xbf]|\xef[\x80-\xa3][\x80-\xbf]){32,4096}+")
_IN_NAMES = re.compile(
    rb"\xe3\x85\xa4|\xef\xbe\xa0|\xe1\x85[\x9f\xa0]|\xe2\x80[\x8b-\x8d]|\xe2\x81[\xa0-\xa4]"
    rb"|\xef\xbb\xbf|\xf3\xa0[\x84-\x87][\x80-\xbf]|\xcd\x8f"
)
_ASCII = bytes(range(128))
_RUNS_TEXT = re.compile(
    rb"\beval\b|\bFunction\s*\(|_compile\b|runIn\w*Context|codePointAt|fromCodePoint"
    rb"|0x[eE]01|0x[fF][eE]0|917\d{3}|6502\d"
)
_IMPORTS = re.compile(rb"(?:require\s*\(|\bfrom|\bimport\s*\(?)\s*[\"'`][^\"'`\n]{0,100}\Z")
_NAMES = frozenset(
    {
        *("identifier", "property_identifier", "shorthand_property_identifier"),
        *("shorthand_property_identifier_pattern", "private_property_identifier"),
        *("type_identifier", "statement_identifier"),
    }
)
_SHOWN = 60
_NAMED = 6


def in_tarball(look: Look) -> Iterator[Finding]:
    for file in look.files:
        content = file.content
        if content is None or file.change.is_binary or content.isascii():
            continue
        if is_too_late(look, file):
            continue
        # Patterns are slow on what has none of them, which is nearly everything.
        beyond = content.translate(None, _ASCII)
        if _RUN.search(beyond) or _PRIVATE.search(beyond):
            yield from _data(look, file, content)
        if _TURNS.search(beyond):
            yield from _turns(look, file)
        if file.language and _IN_NAMES.search(beyond):
            yield from _names(look, file)


def _data(look: Look, file: LookedFile, content: bytes) -> Iterator[Finding]:
    pattern = _PRIVATE if file.language else None
    uses = [*places(look, file, _RUN), *(places(look, file, pattern) if pattern else ())]
    if not uses:
        return
    runs = [use.needle for use in uses]
    count = sum(map(len, runs))
    carried = b"".join(map(_carried, runs))
    is_read = bool(file.language) and _RUNS_TEXT.search(content) is not None
    longest = max(runs, key=len)
    first = next(use for use in uses if use.needle == longest)
    yield Finding(
        "hidden-data",
        Severity.CRITICAL
        if is_read or (file.language and count >= _MUCH)
        else Severity.HIGH
        if count >= _MUCH or file.language
        else Severity.MEDIUM,
        f"{count:,} invisible characters stand in a row, which can carry {_amount(longest, count)}"
        + (" that this file's code reads." if is_read else "."),
        "Nobody sees them, in an editor or in a diff; the GlassWorm attack kept its whole program "
        "in them, and decoded and ran it with a few harmless-looking lines.",
        "There is no honest reason for such a run. Do not approve before you know who wrote it and "
        "what it decodes to.",
        path=file.path,
        line=first.line,
        excerpt=_spelt_out(longest),
        detail=f"Decoded it begins with: {_shown(carried)}" if _is_text(carried) else "",
        evidence=file.change.new_sha256,
    )


def _carried(run: str) -> bytes:
    """What a run says in the two ways that are known: a byte for each selector, or for each tag."""
    found = bytearray()
    for character in run:
        code = ord(character)
        if 0xFE00 <= code <= 0xFE0F:  # noqa: PLR2004 - the first sixteen selectors
            found.append(code - 0xFE00)
        elif 0xE0100 <= code <= 0xE01EF:  # noqa: PLR2004 - all others
            found.append(code - 0xE0100 + 16)
        elif 0xE0000 <= code <= 0xE007F:  # noqa: PLR2004 - tags
            found.append(code - 0xE0000)
        elif code >= 0xF0000:  # noqa: PLR2004 - private use
            found.append(code & 0xFF)
    return bytes(found)


def _amount(run: str, count: int) -> str:
    if _carried(run):
        return f"{count:,} bytes of text or code"
    return f"{max(count // 8, 1):,} bytes or more"


def _is_text(carried: bytes) -> bool:
    head = carried[:_SHOWN]
    return bool(head) and sum(32 <= byte < 127 or byte in b"\t\r\n" for byte in head) > 0.9 * len(  # noqa: PLR2004 - printable ASCII
        head
    )


def _shown(carried: bytes) -> str:
    return " ".join(carried[:_SHOWN].decode("ascii", "replace").split())


def _spelt_out(run: str) -> str:
    named = " ".join(map(name_of, run[:_NAMED]))
    return f"{named} … {len(run):,} characters" if len(run) > _NAMED else named


def _turns(look: Look, file: LookedFile) -> Iterator[Finding]:
    uses = list(places(look, file, _TURNS))
    if not uses:
        return
    first = uses[0]
    is_code = bool(file.language)
    by_hand = is_code and not file.change.is_minified and file.change.kind == "source"
    yield Finding(
        "hidden-bidirectional",
        Severity.HIGH if by_hand else Severity.MEDIUM if is_code else Severity.LOW,
        "Characters that turn the order of text round stand in "
        + ("code." if is_code else "a file."),
        "An editor shows such a line in another order than the one in which it runs: a comment may "
        "hide code, and code look like a comment (“Trojan Source”).",
        "Read the line with these characters spelt out, as the diff here shows it. Text in Arabic "
        "or Hebrew has reason for them, code has none.",
        path=file.path,
        line=first.line,
        excerpt=_made_visible(first),
        detail=f"{len(uses):,} of them: "
        + ", ".join(sorted({name_of(use.needle) for use in uses if len(use.needle) == 1})),
        evidence=file.change.new_sha256,
    )


def _made_visible(use: Use) -> str:
    return "".join(
        f"[{name_of(char)}]" if _TURNS.fullmatch(char.encode("utf-8", "replace")) else char
        for char in use.excerpt
    )


def _names(look: Look, file: LookedFile) -> Iterator[Finding]:
    for use in places(look, file, _IN_NAMES, most=200):
        if use.match.start == 0 or len(use.needle) != 1:
            continue
        before = (file.content or b"")[max(0, use.match.start - 130) : use.match.start]
        is_import = _IMPORTS.search(before) is not None
        node = use.node
        # An invisible character that no name may have stands beside one, in a node of its own.
        is_name = node is not None and node.type in (*_NAMES, "ERROR")
        if not is_name and not is_import:
            continue
        yield Finding(
            "hidden-in-names",
            Severity.HIGH,
            "A name in code has a character that nobody sees.",
            "Two names that read the same are different ones then; or a name is not seen at all, "
            "as of a parameter that opens a back door.",
            "Find out what the name stands for, and where else it is used.",
            path=file.path,
            line=use.line,
            excerpt=use.excerpt.replace(use.needle, f"[{name_of(use.needle)}]"),
            detail=name_of(use.needle),
            evidence=file.change.new_sha256,
        )
        return
