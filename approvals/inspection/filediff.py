"""A unified diff of two texts, in bounded time and with bounded output."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

import pygit2
from pygit2.enums import DiffOption

from approvals.inspection.results import CompareLimits
from approvals.inspection.text import count_lines, display_text

_NO_END = b"\\ No newline at end of file"
_MAX_INDENT = 40
# Lines around the one place where two texts differ, among which libgit2 may choose where the hunk
# reads best.
_MARGIN = 100


@dataclass(frozen=True, slots=True)
class TextDiff:
    """Line counts, the hunks as text, and a sentence if they are not whole."""

    added_lines: int
    removed_lines: int
    text: str
    note: str


class _Output:
    """Diff text under a bound; keeps count of the long lines that were cut."""

    def __init__(self, limits: CompareLimits, room: int) -> None:
        self._line = limits.line
        self.room = min(limits.file_diff, room)
        self._pieces: list[bytes] = []
        self.full = False
        self.cut_lines = 0

    def add(self, sign: bytes, line: bytes, start: int = 0, *, has_end: bool = True) -> None:
        """Add one line without its end; `start` is how much of a long one the other side has."""
        if len(line) > self._line:
            line = self._cut(line, start)
            self.cut_lines += 1
        end = b"\n" if has_end else b"\n" + _NO_END + b"\n"
        self.add_raw(sign + line + end)

    def add_short(self, sign: bytes, lines: list[bytes]) -> None:
        """Add lines that all have an end and are not too long."""
        fits = bisect_right(list(accumulate(len(line) + 2 for line in lines)), self.room)
        if fits:
            self.add_raw(sign + (b"\n" + sign).join(lines[:fits]) + b"\n")
        if fits < len(lines):
            self.full = True

    def add_raw(self, piece: bytes) -> None:
        if len(piece) > self.room:
            self.full = True
            self.room = 0
        if not self.full:
            self.room -= len(piece)
            self._pieces.append(piece)

    def _cut(self, text: bytes, start: int) -> bytes:
        # Some of what comes before the difference helps to find the place.
        start = max(0, start - self._line // 4)
        piece = text[start : start + self._line]
        before = b"[%d bytes left out] " % start if start else b""
        left = len(text) - start - len(piece)
        after = b" [%d bytes left out]" % left if left else b""
        return before + piece + after

    def text(self) -> str:
        return display_text(b"".join(self._pieces))

    def note(self) -> str:
        notes = []
        if self.full:
            notes.append("Only the beginning of the diff is shown.")
        if self.cut_lines:
            notes.append(f"Long lines are shown in part: {self.cut_lines}.")
        return " ".join(notes)


class _Lines:
    """The lines of a part of a text, without their ends. `start` is the first one's number less 1.

    The last line of a text may have no end.
    """

    def __init__(self, content: bytes, start: int = 0) -> None:
        self.start = start
        self.lines = content.split(b"\n")
        self.has_end = not self.lines[-1]
        if self.has_end:
            self.lines.pop()

    def keys(self, *, ignore_whitespace: bool) -> list[bytes]:
        """What is equal where two lines are the same."""
        if ignore_whitespace:
            return [b"".join(line.split()) for line in self.lines]
        if self.has_end:
            return self.lines
        return [*self.lines[:-1], self.lines[-1] + b"\n"]

    def add_to(self, out: _Output, sign: bytes, number: int, start: int = 0) -> None:
        """Add the line of that index."""
        has_end = self.has_end or number < len(self.lines) - 1
        out.add(sign, self.lines[number], start, has_end=has_end)


def diff_texts(
    old: bytes, new: bytes, limits: CompareLimits, room: int, *, ignore_whitespace: bool = False
) -> TextDiff:
    """Compare two texts line by line, giving at most `room` bytes of text.

    With `ignore_whitespace` two lines are the same if they differ in white space only, as with
    `git diff -w`; the new one is shown.

    libgit2 sees numbers in place of lines. Its line hashes are not keyed, so that a package made
    for it could keep it busy for hours; Python's are. Indentation is kept, as libgit2 places
    hunks by it.
    """
    parts = None if ignore_whitespace else _only_difference(old, new)
    old_lines, new_lines = parts or (_Lines(old), _Lines(new))
    old_text, new_text = _stand_ins(
        old_lines.keys(ignore_whitespace=ignore_whitespace),
        new_lines.keys(ignore_whitespace=ignore_whitespace),
    )
    patch = pygit2.Patch.create_from(
        old_text,
        new_text,
        flag=DiffOption.INDENT_HEURISTIC | DiffOption.FORCE_TEXT,
        context_lines=3,
    )
    _, added, removed = patch.line_stats
    out = _Output(limits, room)
    if added or removed:
        _add_hunks(out, patch.data, old_lines, new_lines, limits.line)
    return TextDiff(added, removed, out.text(), out.note())


def diff_one_side(content: bytes, sign: str, limits: CompareLimits, room: int) -> TextDiff:
    """A text that is all added ("+") or all removed ("-")."""
    count = count_lines(content)
    out = _Output(limits, room)
    if count:
        whole, none = _range(1, count), b"0,0"
        out.add_raw(b"@@ -%s +%s @@\n" % ((none, whole) if sign == "+" else (whole, none)))
    start = 0
    while start < len(content) and not out.full:
        # Most lines are short, and quick to add together.
        block = content[start : start + out.room + 1]
        lines = block.split(b"\n")
        rest = lines.pop()
        if lines and max(map(len, lines)) <= limits.line:
            out.add_short(sign.encode(), lines)
            start += len(block) - len(rest)
        else:
            end = content.find(b"\n", start)
            has_end = end >= 0
            line = content[start:end] if has_end else content[start:]
            out.add(sign.encode(), line, has_end=has_end)
            start += len(line) + 1
    added, removed = (count, 0) if sign == "+" else (0, count)
    return TextDiff(added, removed, out.text(), out.note())


def _only_difference(old: bytes, new: bytes) -> tuple[_Lines, _Lines] | None:
    """The one place where two texts differ, with some lines around it.

    None where lines of that place are the same, so that only a diff can tell which differ. As it
    looks at whole texts, it would find the same in the others; here it has less to look at.
    """
    head = old.rfind(b"\n", 0, _common_start(old, new)) + 1
    same = _common_end(old[head:], new[head:])
    # The common end begins with a whole line, and not with the end of one that differs.
    first = old.find(b"\n", len(old) - same) + 1 if same else 0
    tail = len(old) - first if first else 0
    old_middle = old[head : len(old) - tail].split(b"\n")
    new_middle = new[head : len(new) - tail].split(b"\n")
    ends = tail > 0 or (not old_middle[-1] and not new_middle[-1])
    if ends:
        del old_middle[-1], new_middle[-1]
    if not set(old_middle).isdisjoint(new_middle):
        return None
    begin = head
    for _ in range(_MARGIN):
        begin = old.rfind(b"\n", 0, max(begin - 1, 0)) + 1
    more = len(old) - tail
    for _ in range(_MARGIN):
        more = old.find(b"\n", more) + 1 or len(old)
    start = old.count(b"\n", 0, begin)
    new_more = len(new) - (len(old) - more)
    return _Lines(old[begin:more], start), _Lines(new[begin:new_more], start)


def _stand_ins(old: list[bytes], new: list[bytes]) -> tuple[bytes, bytes]:
    """Two texts of short lines that are the same where these are."""
    numbers = dict.fromkeys(old)
    numbers.update(dict.fromkeys(new))
    stand_ins = dict(zip(numbers, map(_stand_in, numbers, range(len(numbers))), strict=True))
    find = stand_ins.__getitem__
    return b"".join(map(find, old)), b"".join(map(find, new))


def _stand_in(line: bytes, number: int) -> bytes:
    indent = len(line) - len(line.lstrip(b" \t"))
    if not indent:
        return b"%x\n" % number if line else b"\n"
    shown = line[: min(indent, _MAX_INDENT)].expandtabs(8)
    return b"%s%x\n" % (shown[:_MAX_INDENT], number)


def _add_hunks(out: _Output, patch: bytes, old: _Lines, new: _Lines, long: int) -> None:
    """Add a patch of stand-ins with the lines they stand for."""
    removed: list[int] = []
    added: list[int] = []
    at_old = at_new = 0
    for line in _hunk_lines(patch):
        sign = line[:1]
        if sign == b"-":
            removed.append(at_old)
            at_old += 1
            continue
        if sign == b"+":
            added.append(at_new)
            at_new += 1
            continue
        if removed or added:
            _add_changed(out, (old, removed), (new, added), long)
        if out.full:
            return
        if sign == b" ":
            new.add_to(out, b" ", at_new)
            at_old += 1
            at_new += 1
        else:
            at_old, at_new = _add_head(out, line, old.start, new.start)
    _add_changed(out, (old, removed), (new, added), long)


def _hunk_lines(patch: bytes) -> Iterable[bytes]:
    """The lines of a patch from its first hunk on."""
    start = patch.find(b"\n@@ ") + 1
    lines = patch[start:].split(b"\n")
    lines.pop()
    return (line for line in lines if not line.startswith(b"\\"))


def _add_head(out: _Output, line: bytes, old_start: int, new_start: int) -> tuple[int, int]:
    """Add the head of a hunk, moved by where the parts stand; returns its first lines' indexes."""
    _, old_range, new_range, *_ = line.split(b" ")
    shown, firsts = [], []
    for given, start in ((old_range, old_start), (new_range, new_start)):
        first, _, count = given[1:].partition(b",")
        shown.append(_range(int(first) + start, int(count or b"1")))
        firsts.append(max(int(first) - 1, 0))
    out.add_raw(b"@@ -%s +%s @@\n" % (shown[0], shown[1]))
    return firsts[0], firsts[1]


def _add_changed(
    out: _Output, old: tuple[_Lines, list[int]], new: tuple[_Lines, list[int]], long: int
) -> None:
    """Add what one place lost and gained; long lines from where a pair of them differs."""
    starts = [
        _common_start(before, after) if len(before) > long or len(after) > long else 0
        for before, after in zip(
            (old[0].lines[number] for number in old[1]),
            (new[0].lines[number] for number in new[1]),
            strict=False,
        )
    ]
    for sign, (text, numbers) in ((b"-", old), (b"+", new)):
        for position, number in enumerate(numbers):
            if out.full:
                break
            text.add_to(out, sign, number, starts[position] if position < len(starts) else 0)
        numbers.clear()


def _common_start(old: bytes, new: bytes) -> int:
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_end(old: bytes, new: bytes) -> int:
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[len(old) - middle : len(old) - low] == new[len(new) - middle : len(new) - low]:
            low = middle
        else:
            high = middle - 1
    return low


def _range(start: int, count: int) -> bytes:
    return b"%d" % start if count == 1 else b"%d,%d" % (start, count)
