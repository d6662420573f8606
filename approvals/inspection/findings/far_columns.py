"""Code that stands where nobody looks: far to the right, or far below, behind blanks alone."""

import re
from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.look import Look, LookedFile, Use
from approvals.inspection.search.places import is_too_late, use_at

GROUP = Group.HIDING
RULES = {
    "far-column": "Code far to the right, behind white space",
    "far-below": "Code far below, behind empty lines",
}
_WIDE = 120
_TABS = 40
_COLUMN = 200
_LINES = 80
_MOST = 50
_RUNS = re.compile(
    rb"\beval\b|\bFunction\b|\brequire\b|\bimport\s*\(|\bfetch\b|child_process|\batob\b"
    rb"|fromCharCode|\bglobal(?:This)?\s*[\[.]|\bprocess\b|\bBuffer\b|_0x|\bexec|\bwindow\s*\["
    rb"|XMLHttpRequest|\bWebSocket\b|\bmodule\b"
)
_BEHIND = 600
_RUNNING = frozenset({"template_string", "string", "string_fragment", "comment", "jsx_text"})


def in_tarball(look: Look) -> Iterator[Finding]:
    for file in look.files:
        content = file.content
        if content is None or file.change.is_binary or not file.language:
            continue
        if is_too_late(look, file):
            continue
        if use := _to_the_right(look, file, content):
            yield _finding(
                use,
                "far-column",
                f"Code begins in column {use.column + 1:,}, behind white space.",
                "Editors and diffs show the beginning of a line. What stands behind hundreds of "
                "blanks is seen by nobody who does not scroll.",
            )
        if use := _below(look, file, content):
            yield _finding(
                use,
                "far-below",
                f"Code stands below {_LINES:,} and more empty lines.",
                "Whoever reads the file stops where it seems to end.",
            )


def _to_the_right(look: Look, file: LookedFile, content: bytes) -> Use | None:
    for blanks in (b" " * _WIDE, b"\t" * _TABS):
        place, tries = content.find(blanks), 0
        while place >= 0 and tries < _MOST:
            tries += 1
            end = _end_of(content, place + len(blanks), b" \t")
            start_of_line = content.rfind(b"\n", 0, place) + 1
            is_code = content[end : end + 1] not in (b"", b"\n", b"\r")
            is_far = end - start_of_line >= _COLUMN or place > start_of_line
            if is_code and is_far and (use := _hidden(look, file, end)):
                return use
            place = content.find(blanks, end)
    return None


def _below(look: Look, file: LookedFile, content: bytes) -> Use | None:
    for blanks in (b"\n" * _LINES, b"\r\n" * _LINES):
        place, tries = content.find(blanks), 0
        while place >= 0 and tries < _MOST:
            tries += 1
            end = _end_of(content, place + len(blanks), b" \t\r\n")
            if end < len(content) and (use := _hidden(look, file, end)):
                return use
            place = content.find(blanks, end)
    return None


def _end_of(content: bytes, start: int, blanks: bytes) -> int:
    """Where what is no blank begins."""
    while start < len(content):
        part = content[start : start + 65_536]
        rest = part.lstrip(blanks)
        if rest:
            return start + len(part) - len(rest)
        start += len(part)
    return len(content)


def _hidden(look: Look, file: LookedFile, start: int) -> Use | None:
    """The code from there on, if it is new, and neither a text nor a comment."""
    content, old = file.content or b"", file.old_content
    if not b" " < content[start : start + 1] <= b"~":
        return None
    use = use_at(look, file, start, min(start + 30, len(content)))
    if file.added_lines is not None and use.line not in file.added_lines:
        return None
    if old is not None and content[start - _WIDE // 2 : start + 40] in old:
        return None
    piece = look.piece_of(file, use.match)
    node = None if piece is None else piece.at(start, start + 1)
    if node is not None and node.type in _RUNNING:
        return None
    # All of minified code stands far to the right, and blanks in it are of texts.
    is_sure = node is not None and node.type != "ERROR"
    return use if is_sure or not file.change.is_minified else None


def _finding(use: Use, rule: str, title: str, why: str) -> Finding:
    behind = (use.file.content or b"")[use.match.start : use.match.start + _BEHIND]
    return Finding(
        rule,
        Severity.CRITICAL if _RUNS.search(behind) else Severity.HIGH,
        title,
        why,
        "Read what stands there. There is no honest reason for it.",
        path=use.path,
        line=use.line,
        excerpt=behind.partition(b"\n")[0][:200].decode("utf-8", "replace"),
        evidence=use.file.change.new_sha256,
    )
