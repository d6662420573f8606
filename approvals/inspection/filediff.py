"""A unified diff of two texts, in bounded time and with bounded output."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import pygit2
from pygit2.enums import DiffOption

from approvals.inspection.results import CompareLimits
from approvals.inspection.text import count_lines, display_text

_WHITE_SPACE = b" \t\n\r\x0b\f"
_NO_END = b"\\ No newline at end of file"
_MAX_INDENT = 40
ONLY_BEGINNING = "Only the beginning of the diff is shown."
LONG_LINES = "Long lines are shown in part"
# Unchanged lines that are shown on each side of a change.
CONTEXT_LINES = 3
# The lines of a patch that begin with the same sign; the heads of hunks one by one.
_RUN = re.compile(rb"(?:-[^\n]*+\n)++|(?:\+[^\n]*+\n)++|(?: [^\n]*+\n)++|@@[^\n]*+\n")
# Lines around the one place where two texts differ, among which libgit2 may choose where the hunk
# reads best.
_MARGIN = 100
# Bytes to compare at first when two texts are searched for where they differ.
_STEP = 4096
# Bytes of such a place; a larger one hardly ever has nothing in common.
_MOST_SIMPLE = 64 * 1024


class _StandIns(dict[bytes, str]):
    """A short line for each line, another one for each."""

    def __missing__(self, line: bytes) -> str:
        indent = min(len(line) - len(line.lstrip()), _MAX_INDENT)
        # A tab is as wide as eight spaces, and shorter.
        found = f"{_TABS[indent]}{len(self)}" if line else ""
        self[line] = found
        return found

    def text(self, lines: list[bytes]) -> bytes:
        """The stand-ins of these lines as a text."""
        return ("\n".join(map(self.__getitem__, lines)) + "\n" if lines else "").encode()


_TABS = ["\t" * (width // 8) + " " * (width % 8) for width in range(_MAX_INDENT + 1)]


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

    def add_all(self, sign: bytes, lines: list[bytes]) -> None:
        """Add lines that all have an end."""
        if not lines:
            return
        if max(map(len, lines)) > self._line:
            for line in lines:
                if not self.full:
                    self.add(sign, line)
            return
        fits = len(lines)
        if sum(map(len, lines)) + 2 * fits > self.room:
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
            notes.append(ONLY_BEGINNING)
        if self.cut_lines:
            notes.append(f"{LONG_LINES}: {self.cut_lines}.")
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

    def keys(self, *, ignore_whitespace: bool = False) -> list[bytes]:
        """What is equal where two lines are the same."""
        if ignore_whitespace:
            return [line.translate(None, _WHITE_SPACE) for line in self.lines]
        if self.has_end:
            return self.lines
        return [*self.lines[:-1], self.lines[-1] + b"\n"]

    def add_to(self, out: _Output, sign: bytes, numbers: range, starts: Sequence[int] = ()) -> None:
        """Add the lines of these indexes; `starts` for as many of them as there is one."""
        lines = self.lines[numbers.start : numbers.stop]
        if self.has_end is False and numbers.stop == len(self.lines) and lines:
            rest = [lines.pop()]
        else:
            rest = []
        for line, start in zip(lines, starts, strict=False):
            out.add(sign, line, start)
        out.add_all(sign, lines[len(starts) :])
        for line in rest:
            start = starts[len(lines)] if len(lines) < len(starts) else 0
            out.add(sign, line, start, has_end=False)


def diff_texts(
    old: bytes, new: bytes, limits: CompareLimits, room: int, *, ignore_whitespace: bool = False
) -> TextDiff:
    """Compare two texts line by line, giving at most `room` bytes of text.

    With `ignore_whitespace` two lines are the same if they differ in white space only, as with
    `git diff -w`; the new one is shown.

    libgit2 sees numbers in place of lines. Its line hashes are not keyed, so that a package made
    for it could keep it busy for hours; Python's are. Indentation is kept (each tab
    as one space), as libgit2 places hunks by it.
    """
    parts = None if ignore_whitespace else _only_difference(old, new)
    old_lines, new_lines = parts or (_Lines(old), _Lines(new))
    stand_ins = _StandIns()
    # A patch only borrows its texts: they have to live as long as it does.
    old_text = stand_ins.text(old_lines.keys(ignore_whitespace=ignore_whitespace))
    new_text = stand_ins.text(new_lines.keys(ignore_whitespace=ignore_whitespace))
    # They take as much memory as the comparison itself, which needs them no more.
    del stand_ins
    patch = pygit2.Patch.create_from(
        old_text,
        new_text,
        flag=DiffOption.INDENT_HEURISTIC | DiffOption.FORCE_TEXT,
        context_lines=CONTEXT_LINES,
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
    # What is beyond the room cannot be shown; of a long line, its length is.
    end = content.rfind(b"\n", 0, out.room + 1) + 1
    out.add_all(sign.encode(), content[:end].split(b"\n")[:-1])
    while end < len(content) and not out.full:
        start, end = end, content.find(b"\n", end) + 1
        if not end:
            out.add(sign.encode(), content[start:], has_end=False)
            break
        out.add(sign.encode(), content[start : end - 1])
    added, removed = (count, 0) if sign == "+" else (0, count)
    return TextDiff(added, removed, out.text(), out.note())


def _only_difference(old: bytes, new: bytes) -> tuple[_Lines, _Lines] | None:
    """The one place where two texts differ, with some lines around it; None if it is not simple.

    It is simple if it is small and no line of it is on both sides: then any diff finds exactly
    these lines, and looking at the whole texts would find nothing else.
    """
    head = old.rfind(b"\n", 0, _common_start(old, new)) + 1
    same = _common_end(old, new, min(len(old), len(new)) - head)
    old_end, new_end = len(old) - same, len(new) - same
    if not (_begins_line(old, old_end, head) and _begins_line(new, new_end, head)):
        # The common end begins within a line.
        rest = old.find(b"\n", old_end) + 1 or len(old)
        old_end, new_end = rest, len(new) - (len(old) - rest)
    if old_end - head > _MOST_SIMPLE or new_end - head > _MOST_SIMPLE:
        return None
    before, after = _Lines(old[head:old_end]), _Lines(new[head:new_end])
    if before.keys() and not set(before.keys()).isdisjoint(after.keys()):
        return None
    begin, more = head, old_end
    for _ in range(_MARGIN):
        begin = old.rfind(b"\n", 0, max(begin - 1, 0)) + 1
        more = old.find(b"\n", more) + 1 or len(old)
    start = old.count(b"\n", 0, begin)
    new_more = new_end + more - old_end
    return _Lines(old[begin:more], start), _Lines(new[begin:new_more], start)


def _begins_line(text: bytes, position: int, start: int) -> bool:
    return position == start or text[position - 1 : position] == b"\n"


def _add_hunks(out: _Output, patch: bytes, old: _Lines, new: _Lines, long: int) -> None:
    """Add a patch of stand-ins with the lines they stand for."""
    at_old = at_new = 0
    removed = added = range(0)
    for run in _RUN.finditer(patch, patch.find(b"\n@@ ") + 1):
        sign = run[0][:1]
        count = patch.count(b"\n", *run.span())
        if sign == b"-":
            removed = range(at_old, at_old + count)
            at_old += count
            continue
        if sign == b"+":
            added = range(at_new, at_new + count)
            at_new += count
            continue
        _add_changed(out, (old, removed), (new, added), long)
        removed = added = range(0)
        if out.full:
            return
        if sign == b" ":
            new.add_to(out, sign, range(at_new, at_new + count))
            at_old += count
            at_new += count
        else:
            at_old, at_new = _add_head(out, run[0], old.start, new.start)
    _add_changed(out, (old, removed), (new, added), long)


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
    out: _Output, old: tuple[_Lines, range], new: tuple[_Lines, range], long: int
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
        text.add_to(out, sign, numbers, starts if any(starts) else ())


def _common_start(old: bytes, new: bytes) -> int:
    """How many bytes two texts have in common from the start."""
    most = min(len(old), len(new))
    low, step = 0, _STEP
    # Growing steps, so that it costs no more than what is the same.
    while low < most and old[low : low + step] == new[low : low + step]:
        low, step = low + step, step * 2
    low, high = min(low, most), min(low + step, most)
    while low < high:
        middle = (low + high + 1) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_end(old: bytes, new: bytes, most: int) -> int:
    """How many bytes two texts have in common at the end, if it is no more than `most`."""
    low, step = 0, _STEP
    while low < most and _end(old, low, low + step) == _end(new, low, low + step):
        low, step = low + step, step * 2
    low, high = min(low, most), min(low + step, most)
    while low < high:
        middle = (low + high + 1) // 2
        if _end(old, low, middle) == _end(new, low, middle):
            low = middle
        else:
            high = middle - 1
    return low


def _end(text: bytes, start: int, stop: int) -> bytes:
    """What stands between two places that are counted from the end."""
    return text[max(len(text) - stop, 0) : max(len(text) - start, 0)]


def _range(start: int, count: int) -> bytes:
    return b"%d" % start if count == 1 else b"%d,%d" % (start, count)
