"""A stored unified diff as rows of a page, a bounded piece at a time."""

import re
from dataclasses import dataclass
from typing import Literal

from django.utils.html import format_html
from django.utils.safestring import SafeString

from approvals.web.visible import visible

Kind = Literal["hunk", "same", "added", "removed", "note"]

_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
_KINDS: dict[str, Kind] = {"+": "added", "-": "removed", " ": "same"}

# A piece ends after so many rows or characters, whichever comes first.
ROWS_PER_PIECE = 400
CHARACTERS_PER_PIECE = 120_000
# Lines in which the changed part is marked are compared only up to this length.
LONGEST_MARKED = 2_000


@dataclass(slots=True)
class Row:
    """One line; numbers are None where the side has no such line."""

    kind: Kind
    old: int | None
    new: int | None
    text: str
    # Windows' line end: no surprise, but where it came or went it is the change.
    ends_in_cr: bool = False
    html: SafeString | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows `start` to `end` (from 0, end exclusive) of `total`."""

    rows: list[Row]
    start: int
    end: int
    total: int

    @property
    def left(self) -> int:
        return self.total - self.end


def piece_of(diff: str, start: int = 0) -> Piece:
    """The rows from `start` on, as many as a page should hold."""
    rows = _rows(diff)
    start = min(max(start, 0), len(rows))
    end, characters = start, 0
    while end < len(rows) and end - start < ROWS_PER_PIECE and characters < CHARACTERS_PER_PIECE:
        characters += len(rows[end].text)
        end += 1
    chosen = rows[start:end]
    _mark_changes(chosen)
    for row in chosen:
        if row.html is None:
            row.html = visible(row.text)
    return Piece(chosen, start, end, len(rows))


def _rows(diff: str) -> list[Row]:
    rows: list[Row] = []
    old = new = 0
    # Not splitlines(): it would also split at characters that are part of a line.
    for line in diff.removesuffix("\n").split("\n") if diff else []:
        sign, text = line[:1], line[1:]
        hunk = _HUNK.match(line)
        if hunk:
            old, new = int(hunk[1]), int(hunk[2])
            rows.append(Row("hunk", None, None, line))
        elif sign in _KINDS:
            kind = _KINDS[sign]
            rows.append(
                Row(
                    kind,
                    old if kind != "added" else None,
                    new if kind != "removed" else None,
                    text.removesuffix("\r"),
                    ends_in_cr=text.endswith("\r") and kind != "same",
                )
            )
            old += kind != "added"
            new += kind != "removed"
        else:
            rows.append(Row("note", None, None, line.removeprefix("\\ ")))
    return rows


def _mark_changes(rows: list[Row]) -> None:
    """Where as many lines came as went, marks in each pair what differs."""
    index = 0
    while index < len(rows):
        removed = _run(rows, index, "removed")
        added = _run(rows, index + len(removed), "added")
        if removed and len(removed) == len(added):
            for before, after in zip(removed, added, strict=True):
                _mark_pair(before, after)
        index += max(len(removed) + len(added), 1)


def _run(rows: list[Row], start: int, kind: Kind) -> list[Row]:
    end = start
    while end < len(rows) and rows[end].kind == kind:
        end += 1
    return rows[start:end]


def _mark_pair(before: Row, after: Row) -> None:
    old, new = before.text, after.text
    shorter = min(len(old), len(new))
    if not shorter or max(len(old), len(new)) > LONGEST_MARKED:
        return
    head = 0
    while head < shorter and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < shorter - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    # With little in common, marks would only be noise.
    if (head + tail) * 3 < shorter:
        return
    for row in (before, after):
        end = len(row.text) - tail
        row.html = format_html(
            "{}<mark>{}</mark>{}" if end > head else "{}{}{}",
            visible(row.text[:head]),
            visible(row.text[head:end]),
            visible(row.text[end:]),
        )
