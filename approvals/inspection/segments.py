"""A diff of two long texts in little memory: cut where they agree, then made part by part.

Comparing takes some four hundred bytes for each line of both texts. Two releases of a bundle have
hundreds of thousands of lines, and are the same in nearly all of them.
"""

import re
import zlib
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from approvals.inspection.filediff import ONLY_BEGINNING, TextDiff, diff_texts
from approvals.inspection.results import CompareLimits

# Of both sides together, in lines: shorter texts, and parts, are not cut.
_SHORT = 20_000
# Every so manieth line is looked for on the other side.
_SAMPLED = 32
_MOST_SAMPLES = 30_000
# Lines that have to be the same around a cut: more than a diff shows around a change.
_AROUND = 4
_WHITE_SPACE = b" \t\n\r\x0b\f"
_LINE = re.compile(rb"[^\n]*+\n|[^\n]++\Z")
_HEAD = re.compile(r"^@@ -(\d+)((?:,\d+)?) \+(\d+)", re.MULTILINE)
_LONG_LINES = re.compile(r"Long lines are shown in part: (\d+)\.")


class TooDifferent(Exception):
    """So many lines would have to be compared at once; `lines` says how many, of both sides."""

    def __init__(self, lines: int) -> None:
        super().__init__(lines)
        self.lines = lines


@dataclass(frozen=True, slots=True)
class _Place:
    """The beginning of a line: bytes and lines before it."""

    offset: int
    line: int


def diff_in_parts(
    old: bytes,
    new: bytes,
    limits: CompareLimits,
    room: int,
    *,
    most_lines: int,
    ignore_whitespace: bool = False,
) -> TextDiff:
    """The same as `diff_texts`, where a part has at most so many lines on both sides together.

    A change may be shown in another way than `diff_texts` would show it, but never another one.
    Raises TooDifferent.
    """
    cuts = list(_cuts(old, new, ignore_whitespace=ignore_whitespace))
    ends = [*cuts[1:], (_Place(len(old), old.count(b"\n")), _Place(len(new), new.count(b"\n")))]
    parts = list(zip(cuts, ends, strict=True))
    most = max(_lines(start, end) for start, end in parts)
    if most > most_lines:
        raise TooDifferent(most)
    added = removed = long_lines = 0
    texts: list[str] = []
    is_cut_off = False
    for (old_start, new_start), (old_end, new_end) in parts:
        before = old[old_start.offset : old_end.offset]
        after = new[new_start.offset : new_end.offset]
        if before == after:
            continue
        left = 0 if is_cut_off else room
        diff = diff_texts(before, after, limits, left, ignore_whitespace=ignore_whitespace)
        added += diff.added_lines
        removed += diff.removed_lines
        texts.append(_moved(diff.text, old_start.line, new_start.line))
        room = max(room - len(texts[-1].encode()), 0)
        is_cut_off = is_cut_off or ONLY_BEGINNING in diff.note
        long_lines += sum(map(int, _LONG_LINES.findall(diff.note)))
    notes = [ONLY_BEGINNING] if is_cut_off else []
    if long_lines:
        notes.append(f"Long lines are shown in part: {long_lines}.")
    return TextDiff(added, removed, "".join(texts), " ".join(notes))


def _lines(start: tuple[_Place, _Place], end: tuple[_Place, _Place]) -> int:
    return sum(last.line - first.line for first, last in zip(start, end, strict=True))


def _moved(diff: str, old_lines: int, new_lines: int) -> str:
    """The diff of a part with the numbers that its lines have in the whole."""
    return _HEAD.sub(
        lambda head: f"@@ -{int(head[1]) + old_lines}{head[2]} +{int(head[3]) + new_lines}", diff
    )


def _cuts(old: bytes, new: bytes, *, ignore_whitespace: bool) -> Iterator[tuple[_Place, _Place]]:
    """Where parts begin on both sides, the first at the beginning."""
    last = (_Place(0, 0), _Place(0, 0))
    yield last
    if old.count(b"\n") + new.count(b"\n") <= _SHORT:
        return
    old_samples = _samples(old, ignore_whitespace=ignore_whitespace)
    new_samples = _samples(new, ignore_whitespace=ignore_whitespace)
    pairs = [
        (place, other)
        for key, place in old_samples.items()
        if place is not None
        and (other := new_samples.get(key)) is not None
        and _around(old, place, ignore_whitespace) == _around(new, other, ignore_whitespace)
    ]
    for pair in _in_order(pairs):
        if _lines(last, pair) >= _SHORT:
            last = pair
            yield pair


def _samples(text: bytes, *, ignore_whitespace: bool) -> dict[int, _Place | None]:
    """Some of the lines by a checksum, None for one that comes twice.

    The same lines are chosen on both sides. What collides is found out by comparing.
    """
    found: dict[int, _Place | None] = {}
    for number, match in enumerate(_LINE.finditer(text)):
        line = match[0].translate(None, _WHITE_SPACE) if ignore_whitespace else match[0]
        key = zlib.crc32(line)
        if key % _SAMPLED == 0:
            found[key] = None if key in found else _Place(match.start(), number)
            if len(found) >= _MOST_SAMPLES:
                break
    return found


def _around(text: bytes, place: _Place, ignore_whitespace: bool) -> list[bytes]:
    start = end = place.offset
    for _ in range(_AROUND):
        start = text.rfind(b"\n", 0, max(start - 1, 0)) + 1
        end = text.find(b"\n", end) + 1 or len(text)
    lines = text[start:end].split(b"\n")
    return [line.translate(None, _WHITE_SPACE) for line in lines] if ignore_whitespace else lines


def _in_order(pairs: list[tuple[_Place, _Place]]) -> list[tuple[_Place, _Place]]:
    """The most pairs that follow each other on both sides: a longest increasing subsequence."""
    pairs = sorted(pairs, key=lambda pair: pair[0].line)
    lasts: list[int] = []
    chain: list[int] = []
    before: list[int] = []
    for index, (_, other) in enumerate(pairs):
        at = bisect_left(lasts, other.line)
        before.append(chain[at - 1] if at else -1)
        lasts[at : at + 1] = [other.line]
        chain[at : at + 1] = [index]
    found = []
    index = chain[-1] if chain else -1
    while index >= 0:
        found.append(pairs[index])
        index = before[index]
    return found[::-1]
