"""A stored unified diff as rows of a page, a bounded piece at a time."""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.utils.html import format_html
from django.utils.safestring import SafeString

from approvals.web.highlight import Highlighter
from approvals.web.marks import Budget, aligned, marks_of
from approvals.web.visible import line_html

Span = tuple[int, int]
Token = tuple[int, int, str]
Kind = Literal["hunk", "same", "added", "removed", "note"]

_HUNK = re.compile(r"@@ -(\d{1,12})(?:,(\d{1,12}))? \+(\d{1,12})(?:,(\d{1,12}))? @@")
_KINDS: dict[str, Kind] = {"+": "added", "-": "removed", " ": "same"}

# A piece ends after so many rows, characters of text or characters of HTML, whichever comes first.
ROWS_PER_PIECE = 400
CHARACTERS_PER_PIECE = 120_000
HTML_PER_PIECE = 1_500_000
# How many of the lines that a diff leaves out open at once.
LINES_OPENED = 60
# In a longer line, what is the same on both sides folds away, but for so much around a difference.
LONGEST_UNFOLDED = 1_000
AROUND_MARKS = 120
LEAST_FOLDED = 200
# Lines are cut after so many characters. filediff.py has cut them before, around the change.
LONGEST_LINE = 10_000
# What stands for the part of a long line that was cut off, there or here.
_CUT_BEFORE = re.compile(r"\[\d{1,12} bytes left out\] ")
_CUT_BEHIND = re.compile(r" \[\d{1,12} (?:bytes|characters) left out\]\Z")
_LONGEST_LABEL = 40

EMPTY = SafeString("")


@dataclass(frozen=True, slots=True)
class Fold:
    """Unchanged lines that the diff leaves out: `count` of them, from these line numbers on."""

    old_start: int
    new_start: int
    count: int

    @property
    def opens(self) -> str:
        """How many of them open at once, in words."""
        if self.count > LINES_OPENED:
            return str(LINES_OPENED)
        return "it" if self.count == 1 else "them"


@dataclass(slots=True)
class Row:
    """One line; numbers are None where the side has no such line. Only hunks have a fold."""

    kind: Kind
    old: int | None
    new: int | None
    text: str
    # Windows' line end: no surprise, but where it came or went it is the change.
    ends_in_cr: bool = False
    html: SafeString = EMPTY
    fold: Fold | None = None
    # What people have said of the line, for the template to show under it.
    said: tuple[Any, ...] = ()

    @property
    def anchor(self) -> str:
        """What an address within the page calls it: "n12", "o12" of a removed line, or ""."""
        if self.new is not None:
            return f"n{self.new}"
        return f"o{self.old}" if self.old is not None else ""


@dataclass(frozen=True, slots=True)
class Pair:
    """A line of the page with both sides beside one another, or a row across both."""

    left: Row | None
    right: Row | None
    across: Row | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows `start` to `end` (from 0, end exclusive) of `total`.

    `next_old` and `next_new` are the numbers of the lines that follow the last of all rows.
    """

    rows: list[Row]
    start: int
    end: int
    total: int
    next_old: int = 1
    next_new: int = 1

    @property
    def left(self) -> int:
        return self.total - self.end


def piece_of(diff: str, path: str = "", start: int = 0) -> Piece:
    """The rows from `start` on, as many as a page should hold. `path` says which language it is."""
    lines = _lines(diff)
    start = min(max(start, 0), len(lines))
    end = start + len(_bounded(lines[start : start + ROWS_PER_PIECE]))
    rows, next_old, next_new = _rows(lines, start, end)
    shown = _render(rows, path)
    return Piece(rows[:shown], start, start + shown, len(lines), next_old, next_new)


@dataclass(frozen=True, slots=True)
class Hidden:
    """What a diff leaves out: the lines before each hunk, and where those after the last begin.

    `added` and `removed` count the lines that it shows as changed.
    """

    folds: list[Fold]
    next_old: int
    next_new: int
    added: int
    removed: int

    def holds(self, fold: Fold) -> bool:
        """Whether these lines are left out before some hunk, and so the same on both sides."""
        return any(
            one.old_start <= fold.old_start
            and fold.old_start - one.old_start == fold.new_start - one.new_start
            and fold.old_start + fold.count <= one.old_start + one.count
            for one in self.folds
        )

    def follows(self, old: int, new: int) -> bool:
        """Whether these line numbers lie behind the last hunk, beside one another."""
        return old >= self.next_old and old - self.next_old == new - self.next_new


def hidden_in(diff: str) -> Hidden:
    """What a stored diff leaves out."""
    folds: list[Fold] = []
    counts = dict.fromkeys(("added", "removed"), 0)
    next_old = next_new = 1
    for _, kind, old, new in _numbered(_lines(diff)):
        if kind == "hunk":
            hidden = max(min(old - next_old, new - next_new), 0)
            folds.append(Fold(old - hidden, new - hidden, hidden))
        elif kind in counts:
            counts[kind] += 1
        next_old = old + (kind in ("same", "removed"))
        next_new = new + (kind in ("same", "added"))
    return Hidden(folds, next_old, next_new, counts["added"], counts["removed"])


def piece_with(diff: str, path: str, row: int) -> Piece:
    """The piece that holds a row: the first, or else one that begins shortly before it."""
    piece = piece_of(diff, path)
    for lines_above in (20, 5, 0):
        if row < piece.end:
            break
        piece = piece_of(diff, path, row - lines_above)
    return piece


def row_of(diff: str, anchor: str) -> int:
    """Where `piece_of` has the line "n12" or "o12": its row, or that of the hunk that hides it.

    0 where there is no such line; the last row where it may be after the last hunk.
    """
    side, digits = anchor[:1], anchor[1:]
    if side not in ("n", "o") or not re.fullmatch(r"[0-9]{1,12}", digits):
        return 0
    wanted, other_side = int(digits), "added" if side == "o" else "removed"
    index = number = 0
    for index, (_, kind, old, new) in enumerate(_numbered(_lines(diff))):
        number = old if side == "o" else new
        if kind == "hunk" and number > wanted:
            return index
        if kind not in ("hunk", "note", other_side) and number == wanted:
            return index
    return index if wanted > number else 0


def text_at(diff: str, anchor: str) -> str | None:
    """The line "n12" or "o12" as its row shows it; None where the diff has no such row."""
    side, wanted = anchor[0], int(anchor[1:])
    kinds = ("added", "same") if side == "n" else ("removed",)
    for line, kind, old, new in _numbered(_lines(diff)):
        if kind in kinds and (new if side == "n" else old) == wanted:
            return _row(line, kind, old, new).text
    return None


def context_rows(lines: list[str], old_start: int, new_start: int, path: str) -> list[Row]:
    """Unchanged lines, without their line feeds, from these line numbers on.

    Of many lines these are only the first, as many as a page should hold: at least one.
    """
    rows = [
        Row("same", old_start + at, new_start + at, _cut(line.removesuffix("\r")))
        for at, line in enumerate(_bounded(lines))
    ]
    return rows[: _render(rows, path)]


def sides_of(rows: list[Row]) -> list[Pair]:
    """Rows for both sides beside one another: similar removed and added lines are paired."""
    pairs: list[Pair] = []
    budget = Budget()
    for removed, added, others in _changes(rows):
        pairs += [
            Pair(
                removed[left] if left is not None else None,
                added[right] if right is not None else None,
            )
            for left, right in aligned(_texts(removed), _texts(added), budget)
        ]
        for row in others:
            same = row if row.kind == "same" else None
            pairs.append(Pair(same, same, None if same else row))
    return pairs


def _lines(diff: str) -> list[str]:
    # Not splitlines(): it would also split at characters that are part of a line.
    return diff.removesuffix("\n").split("\n") if diff else []


def _bounded(lines: list[str]) -> list[str]:
    """As many of the lines as a page should hold: at least one, if there is one."""
    characters = 0
    for index, line in enumerate(lines[:ROWS_PER_PIECE]):
        if characters >= CHARACTERS_PER_PIECE:
            return lines[:index]
        characters += min(len(line), LONGEST_LINE)
    return lines[:ROWS_PER_PIECE]


def _numbered(lines: list[str]) -> Iterator[tuple[str, Kind, int, int]]:
    """Each line with its kind and numbers: of a hunk, those of the lines that follow it."""
    old = new = 1
    for line in lines:
        kind = _KINDS.get(line[:1])
        if kind is not None:
            yield line, kind, old, new
            old += kind != "added"
            new += kind != "removed"
        elif hunk := _HUNK.match(line):
            # With no lines on one side, its number is that of the line before.
            old, new = int(hunk[1]) + (hunk[2] == "0"), int(hunk[3]) + (hunk[4] == "0")
            yield line, "hunk", old, new
        else:
            yield line, "note", old, new


def _rows(lines: list[str], start: int, end: int) -> tuple[list[Row], int, int]:
    """The rows of lines `start` to `end`, and the line numbers after all lines."""
    rows: list[Row] = []
    next_old = next_new = 1
    for index, (line, kind, old, new) in enumerate(_numbered(lines)):
        if start <= index < end:
            rows.append(_row(line, kind, old, new))
            if kind == "hunk":
                hidden = max(min(old - next_old, new - next_new), 0)
                rows[-1].fold = Fold(old - hidden, new - hidden, hidden)
        next_old = old + (kind in ("same", "removed"))
        next_new = new + (kind in ("same", "added"))
    return rows, next_old, next_new


def _row(line: str, kind: Kind, old: int, new: int) -> Row:
    if kind == "hunk":
        return Row(kind, None, None, _cut(line))
    if kind == "note":
        return Row(kind, None, None, _cut(line.removeprefix("\\ ")))
    return Row(
        kind,
        old if kind != "added" else None,
        new if kind != "removed" else None,
        _cut(line[1:].removesuffix("\r")),
        ends_in_cr=line.endswith("\r") and kind != "same",
    )


def _cut(text: str) -> str:
    left = len(text) - LONGEST_LINE
    return f"{text[:LONGEST_LINE]} [{left} characters left out]" if left > 0 else text


def _changes(rows: list[Row]) -> Iterator[tuple[list[Row], list[Row], list[Row]]]:
    """What was removed and added in one place, and the rows after it that are no change.

    A note that the last removed line has no line end stands between it and the added ones.
    """
    removed: list[Row] = []
    added: list[Row] = []
    others: list[Row] = []
    for row in rows:
        if row.kind not in ("removed", "added"):
            others.append(row)
            continue
        starts = bool(added) if row.kind == "removed" else bool(others and added)
        if starts or any(other.kind != "note" for other in others):
            yield removed, added, others
            removed, added, others = [], [], []
        (removed if row.kind == "removed" else added).append(row)
    yield removed, added, others


def _texts(rows: list[Row]) -> list[str]:
    return [row.text for row in rows]


def _render(rows: list[Row], path: str) -> int:
    """Set the HTML of as many rows as there is room for, and return their number."""
    tokens = _tokens(rows, path)
    marks: dict[int, list[tuple[int, int]]] = {}
    budget = Budget()
    for removed, added, _ in _changes(rows):
        for left, right in aligned(_texts(removed), _texts(added), budget):
            if left is not None and right is not None:
                before, after = removed[left], added[right]
                found, other_found = marks_of(before.text, after.text, budget)
                if found or other_found or before.text == after.text:
                    # What was cut off behind may differ as well.
                    found = _with_cut(before.text, found)
                    other_found = _with_cut(after.text, other_found)
                marks[id(before)], marks[id(after)] = found, other_found
    characters = 0
    for index, row in enumerate(rows):
        if characters > HTML_PER_PIECE:
            return index
        row.html = _line(row.text, tokens.get(id(row), ()), marks.get(id(row), ()))
        characters += len(row.html)
    return len(rows)


def _with_cut(text: str, marks: list[Span]) -> list[Span]:
    """The marks of a line together with that of what was cut off at its end, if it was."""
    if len(text) < LONGEST_UNFOLDED:
        return marks
    cut = _CUT_BEHIND.search(text, len(text) - _LONGEST_LABEL)
    if cut is None:
        return marks
    start, end = cut.start() + 1, len(text)
    return [*((first, min(last, start)) for first, last in marks if first < start), (start, end)]


def _line(text: str, tokens: Sequence[Token], marks: Sequence[Span]) -> SafeString:
    """A line as HTML; of a long one, what is the same on both sides is folded."""
    if len(text) < LONGEST_UNFOLDED or not marks:
        return line_html(text, tokens, marks)
    parts: list[SafeString] = []
    end = 0
    cut = _CUT_BEFORE.match(text)
    for start, stop in _folded(len(text), [cut.span(), *marks] if cut else marks):
        parts.append(_part(text, end, start, tokens, marks))
        parts.append(_part(text, start, stop, tokens, marks, folded=True))
        end = stop
    parts.append(_part(text, end, len(text), tokens, marks))
    return format_html("{}" * len(parts), *parts)


def _folded(length: int, marks: Sequence[Span]) -> Iterator[Span]:
    """The stretches of a line far enough from every mark, and long enough."""
    end = 0
    for start, stop in [*marks, (length + AROUND_MARKS, length)]:
        if start - AROUND_MARKS - end > LEAST_FOLDED:
            yield end, start - AROUND_MARKS
        end = max(end, stop + AROUND_MARKS)


def _part(
    text: str,
    start: int,
    end: int,
    tokens: Sequence[Token],
    marks: Sequence[Span],
    *,
    folded: bool = False,
) -> SafeString:
    html = line_html(
        text[start:end],
        [
            (max(first, start) - start, min(last, end) - start, name)
            for first, last, name in tokens
            if first < end and last > start
        ],
        [
            (max(first, start) - start, min(last, end) - start)
            for first, last in marks
            if first < end and last > start
        ],
    )
    if not folded:
        return html
    return format_html(
        '<details class="skipped"><summary>{} characters that are the same</summary>{}</details>',
        f"{end - start:,}",
        html,
    )


def _tokens(rows: list[Row], path: str) -> dict[int, list[tuple[int, int, str]]]:
    """Highlighting by id of row: each hunk is read twice, as it was and as it is."""
    highlighter = Highlighter(path)
    tokens: dict[int, list[tuple[int, int, str]]] = {}
    lines = (row for row in rows if row.kind != "note")
    for is_hunk_head, group in itertools.groupby(lines, lambda row: row.kind == "hunk"):
        if is_hunk_head:
            continue
        hunk = list(group)
        for gone in ("added", "removed"):
            side = [row for row in hunk if row.kind != gone]
            # Without a line of its own the old side has nothing to add.
            if gone == "removed" or any(row.kind == "removed" for row in side):
                spans = highlighter.lines(_texts(side))
                tokens.update({id(row): found for row, found in zip(side, spans, strict=True)})
    return tokens
