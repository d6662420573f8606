"""Making characters visible that would otherwise hide, or turn round, what a reviewer reads, and
letters that only look like the ones of a keyboard.

Package content is hostile: bidirectional controls reorder what is shown (the "Trojan Source"
attack, CVE-2021-42574), zero-width characters, variation selectors and tag characters carry
text that no eye sees, and look-alikes make two names read the same (CVE-2021-42694).
"""

import html
import itertools
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from django.utils.safestring import SafeString, mark_safe

from approvals.inspection.hidden_characters import is_hidden, name_of
from approvals.inspection.look_alikes import look_alikes, looks_like

# How many of a run of hidden characters are spelt out before the rest is counted.
SPELT_OUT = 4
# So many boxes of one text have a title; a text made of boxes must not become many times as long.
MOST_TITLES = 200
# So many boxes a text has; then hidden characters stand as this sign, and the rest is counted.
MOST_BOXES = 2_000
STAND_IN = "\ufffd"
# Marks that a letter may have to be one of a language; more are not looked at.
_MOST_ACCENTS = 4

# Everything but printable ASCII, tab and line feed is looked at one by one.
_SUSPECT = re.compile(r"[^\t\n\x20-\x7e]+")

# Keyword, string, comment, number, type or tag, function or name being defined, attribute.
TOKEN_CLASSES = frozenset("kscntfa")

Token = tuple[int, int, str]


@lru_cache(maxsize=4096)
def _is_mark(character: str) -> bool:
    return unicodedata.category(character) in {"Mn", "Me"}


def _odd_marks(text: str, start: int, end: int) -> int:
    """Up to where marks stand from `start` on that make another letter of an ASCII one.

    Those of which Unicode has the letter with the mark as one character are ordinary accents.
    """
    stop = start
    while stop < end and _is_mark(text[stop]):
        stop += 1
    before = text[start - 1 : start]
    # At the start of a part of a line, nobody knows what is before.
    if stop == start or not (before.isalnum() or before in ("", "_", "$")):
        return start
    few = stop - start <= _MOST_ACCENTS
    if few and len(unicodedata.normalize("NFC", text[max(start - 1, 0) : stop])) == 1 and before:
        return start
    return stop


def hidden_in(text: str) -> set[int]:
    """The positions of what a reader would not see, or not see as what it is."""
    return {at for start, end, hidden in _runs(text) if hidden for at in range(start, end)}


def visible(text: str) -> SafeString:
    """`text` as HTML: escaped, with hidden characters spelt out and look-alikes marked.

    A long run of either is spelt out only in its beginning, and then counted.
    """
    return line_html(text.replace("\r\n", "\n"))


def line_html(
    text: str, tokens: Iterable[Token] = (), marks: Iterable[tuple[int, int]] = ()
) -> SafeString:
    """`text` as HTML, with its tokens (start, end, class letter) and its changed parts marked.

    Both are in order and do not overlap among themselves. A mark is around the tokens in it.
    This is the only place where text becomes HTML: every character of it is escaped.
    """
    boxes = _Boxes(text) if _SUSPECT.search(text) else None
    tokens, marks = list(tokens), list(marks)
    if boxes is None and not tokens and not marks:
        return mark_safe(html.escape(text))  # noqa: S308 - escaped here
    cuts = {0, len(text)}
    for start, end, *_ in itertools.chain[tuple[Any, ...]](tokens, marks):
        cuts |= {start, end}
    edges = sorted(cut for cut in cuts if 0 <= cut <= len(text))
    parts: list[str] = []
    in_mark = False
    token = mark = 0
    for start, end in itertools.pairwise(edges):
        while token < len(tokens) and tokens[token][1] <= start:
            token += 1
        while mark < len(marks) and marks[mark][1] <= start:
            mark += 1
        is_marked = mark < len(marks) and marks[mark][0] <= start
        if in_mark and (not is_marked or start == marks[mark][0]):
            parts.append("</mark>")
            in_mark = False
        if is_marked and not in_mark:
            parts.append("<mark>")
            in_mark = True
        inked = boxes.inked(start, end) if boxes else html.escape(text[start:end])
        if token < len(tokens) and tokens[token][0] <= start and tokens[token][2] in TOKEN_CLASSES:
            inked = f'<span class="hl-{tokens[token][2]}">{inked}</span>'
        parts.append(inked)
    if in_mark:
        parts.append("</mark>")
    if boxes:
        parts.append(boxes.rest())
    return mark_safe("".join(parts))  # noqa: S308 - every part is escaped above


class _Boxes:
    """The runs of characters of a text that stand in boxes, handed out from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._titles_left = MOST_TITLES
        self._boxes_left = MOST_BOXES
        self._hidden_left_out = self._alike_left_out = 0
        self._runs = _runs(text)
        self._next = 0

    def inked(self, start: int, end: int) -> str:
        """The HTML of text[start:end]; the next call goes on from `end` or later."""
        parts: list[str] = []
        while self._next < len(self._runs) and start < end:
            first, last, hidden = self._runs[self._next]
            if last <= start:
                self._next += 1
                continue
            if first >= end:
                break
            parts.append(html.escape(self._text[start : max(first, start)]))
            start, first = min(last, end), max(first, start)
            parts.append(self._box(self._text[first:start], hidden))
        parts.append(html.escape(self._text[start:end]))
        return "".join(parts)

    def rest(self) -> str:
        """What stands behind the text: how many characters have no box."""
        counts = []
        if self._hidden_left_out:
            counts.append(f"{self._hidden_left_out} more hidden characters, each run as {STAND_IN}")
        if self._alike_left_out:
            counts.append(f"{self._alike_left_out} more look-alikes that are not marked")
        return f' <span class="hidden-char">{", ".join(counts)}</span>' if counts else ""

    def _box(self, run: str, hidden: bool) -> str:
        if not self._boxes_left:
            if hidden:
                self._hidden_left_out += len(run)
                return STAND_IN
            self._alike_left_out += len(run)
            return html.escape(run)
        self._boxes_left -= 1
        title = ""
        if self._titles_left > 0:
            self._titles_left -= 1
            title = f' title="{html.escape(_title(run, hidden))}"'
        if not hidden:
            return f'<span class="look-alike"{title}>{html.escape(run)}</span>'
        words = " ".join(name_of(character) for character in run[:SPELT_OUT])
        if len(run) > SPELT_OUT:
            words += f" … {len(run)} hidden characters"
        return f'<span class="hidden-char"{title}>{words}</span>'


def _title(run: str, hidden: bool) -> str:
    if hidden:
        return ", ".join(
            unicodedata.name(character, "a control character") for character in run[:SPELT_OUT]
        )
    titles = [
        f"{unicodedata.name(character, 'unnamed')}, {name_of(character)}, "
        f"looks like {looks_like(character)}"
        for character in run[:SPELT_OUT]
    ]
    if len(run) > SPELT_OUT:
        titles.append(f"… {len(run)} look-alikes")
    return "; ".join(titles)


def _runs(text: str) -> list[tuple[int, int, bool]]:
    """Where hidden characters (True) and look-alikes (False) are, neighbours of a kind as one."""
    alike = look_alikes(text)
    runs: list[tuple[int, int, bool]] = []
    for match in _SUSPECT.finditer(text):
        odd = _odd_marks(text, *match.span())
        for index in range(match.start(), match.end()):
            hidden = index < odd or is_hidden(text[index])
            if not hidden and index not in alike:
                continue
            if runs and runs[-1][1] == index and runs[-1][2] == hidden:
                runs[-1] = (runs[-1][0], index + 1, hidden)
            else:
                runs.append((index, index + 1, hidden))
    return runs
