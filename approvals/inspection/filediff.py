"""A unified diff of two texts, in bounded time and with bounded output."""

from dataclasses import dataclass

import pygit2
from pygit2.enums import DiffOption

from approvals.inspection.results import CompareLimits
from approvals.inspection.text import count_lines, display_text

_NO_END = b"\\ No newline at end of file"
_MAX_INDENT = 40


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
        self._room = min(limits.file_diff, room)
        self._pieces: list[bytes] = []
        self.full = False
        self.cut_lines = 0

    def add(self, sign: bytes, line: bytes, start: int = 0) -> None:
        """Add one line; `start` is how much of a long line the other side has, too."""
        text, end = line, b""
        if not line.endswith(b"\n"):
            end = b"\n" + _NO_END + b"\n"
        else:
            text = line[:-1]
            end = b"\n"
        if len(text) > self._line:
            text = self._cut(text, start)
            self.cut_lines += 1
        self.add_raw(sign + text + end)

    def add_raw(self, piece: bytes) -> None:
        if len(piece) > self._room:
            self.full = True
            self._room = 0
        if not self.full:
            self._room -= len(piece)
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
            notes.append("The diff is too long: only its beginning is shown.")
        if self.cut_lines:
            notes.append(f"Long lines are shown in part: {self.cut_lines}.")
        return " ".join(notes)


def diff_texts(old: bytes, new: bytes, limits: CompareLimits, room: int) -> TextDiff:
    """Compare two texts line by line, giving at most `room` bytes of text.

    libgit2 sees numbers in place of lines. Its line hashes are not keyed, so that a package made
    for it could keep it busy for hours; Python's are. Indentation is kept, as libgit2 places
    hunks by it.
    """
    old_lines, new_lines = _lines(old), _lines(new)
    numbers: dict[bytes, bytes] = {}
    patch = pygit2.Patch.create_from(
        _numbered(old_lines, numbers),
        _numbered(new_lines, numbers),
        flag=DiffOption.INDENT_HEURISTIC | DiffOption.FORCE_TEXT,
        context_lines=3,
    )
    _, added, removed = patch.line_stats
    out = _Output(limits, room)
    for hunk in patch.hunks:
        if out.full:
            break
        out.add_raw(
            b"@@ -%s +%s @@\n"
            % (_range(hunk.old_start, hunk.old_lines), _range(hunk.new_start, hunk.new_lines))
        )
        _add_hunk(out, hunk, old_lines, new_lines, limits.line)
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
        end = content.find(b"\n", start) + 1 or len(content)
        out.add(sign.encode(), content[start:end])
        start = end
    added, removed = (count, 0) if sign == "+" else (0, count)
    return TextDiff(added, removed, out.text(), out.note())


def _add_hunk(
    out: _Output, hunk: pygit2.DiffHunk, old_lines: list[bytes], new_lines: list[bytes], long: int
) -> None:
    removed: list[bytes] = []
    added: list[bytes] = []
    for line in hunk.lines:
        if out.full:
            return
        if line.origin == "-":
            removed.append(old_lines[line.old_lineno - 1])
        elif line.origin == "+":
            added.append(new_lines[line.new_lineno - 1])
        elif line.origin == " ":
            _add_changed(out, removed, added, long)
            out.add(b" ", new_lines[line.new_lineno - 1])
    _add_changed(out, removed, added, long)


def _add_changed(out: _Output, removed: list[bytes], added: list[bytes], long: int) -> None:
    """Add what one place lost and gained; long lines from where a pair of them differs."""
    starts = [
        _common_start(old, new) if len(old) > long or len(new) > long else 0
        for old, new in zip(removed, added, strict=False)
    ]
    for sign, lines in ((b"-", removed), (b"+", added)):
        for number, line in enumerate(lines):
            out.add(sign, line, starts[number] if number < len(starts) else 0)
        lines.clear()


def _common_start(old: bytes, new: bytes) -> int:
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _lines(content: bytes) -> list[bytes]:
    lines = content.split(b"\n")
    last = lines.pop()
    lines = [line + b"\n" for line in lines]
    if last:
        lines.append(last)
    return lines


def _numbered(lines: list[bytes], numbers: dict[bytes, bytes]) -> bytes:
    result = []
    for line in lines:
        number = numbers.get(line)
        if number is None:
            number = numbers[line] = _stand_in(line, len(numbers))
        result.append(number)
    return b"".join(result)


def _stand_in(line: bytes, number: int) -> bytes:
    if line == b"\n":
        return line
    body = line.lstrip(b" \t")
    indent = line[: len(line) - len(body)][:_MAX_INDENT].expandtabs(8)
    return b"%s%x\n" % (indent[:_MAX_INDENT], number)


def _range(start: int, count: int) -> bytes:
    return b"%d" % start if count == 1 else b"%d,%d" % (start, count)
