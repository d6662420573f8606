"""Which places are new: not those that stood in the baseline where they ran just the same.

What was a comment, text or documentation before and is code now is new, also where not a letter of
it has changed: whoever takes two marks of a comment away adds all that was between them.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from posixpath import splitext
from time import thread_time
from typing import TYPE_CHECKING, NamedTuple

from approvals.inspection.filetree import FileInfo
from approvals.inspection.search import syntax
from approvals.inspection.search.needles import Match
from approvals.inspection.search.pieces import WHOLE, Pieces

if TYPE_CHECKING:
    from approvals.inspection.search.look import LookedFile

_AROUND = 40
"""Bytes on either side of a match that say whether it is the same place as before."""
_FAR = 1_500
"""Bytes on either side that are looked at to judge a place in a large file."""
_LINE = 400
_MOST_SECONDS = 0.6
"""For judging what has moved; what is beyond it counts as new."""
_MOST_PARSED = 1024 * 1024
_SHORT_NAME = re.compile(rb"\b[A-Za-z_$][A-Za-z0-9_$]?\b")
_BLANKS = re.compile(rb"\s+")
_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+\d+")
_TOUCHES = re.compile(r"^[+-][^\n]*?(?:/\*|\*/|`|</|<!--|\\$)", re.MULTILINE)
"""Changed lines that may make code of what stands on others."""
_TESTS = re.compile(r"(^|/)(tests?|__tests__|specs?|fixtures|__mocks__|examples?|docs?|demos?)/")
_SCRIPTS = frozenset({".sh", ".bash", ".zsh", ".bat", ".cmd", ".ps1", ".py", ".rb", ".pl", ".php"})

Place = tuple[str, bytes]
Placed = tuple[int, Match]


class Marks(NamedTuple):
    """What stands before a place, as far as that can be told without parsing."""

    is_in_comment: bool
    is_in_template: bool
    is_behind_slashes: bool = False
    is_in_quotes: bool = False
    is_far: bool = False
    """Whether its line begins too far away to tell the last two."""

    @property
    def are_none(self) -> bool:
        return not any(self[:4])


@dataclass(frozen=True, eq=False, slots=True)
class _Was:
    """A place in the baseline."""

    file: "OldFile"
    match: Match
    marks: Marks


class OldFile:
    """A file of the baseline, as far as that is needed to parse it."""

    def __init__(
        self, info: FileInfo, language: str, content_of: Callable[[FileInfo], bytes | None]
    ) -> None:
        self.info, self.language, self.path = info, language, info.path
        self._content_of = content_of

    @property
    def content(self) -> bytes | None:
        return self._content_of(self.info)


class _Before:
    """Places of the baseline that may have moved. Each can be taken once."""

    def __init__(self) -> None:
        self._places: dict[Place, dict[Marks, list[_Was]]] = {}

    def add(self, place: Place, was: _Was) -> None:
        self._places.setdefault(place, {}).setdefault(was.marks, []).append(was)

    def take(self, place: Place, marks: Marks) -> _Was | None:
        """One that stood alike, if there is one, or any."""
        by_marks = self._places.get(place)
        if not by_marks:
            return None
        found = marks if marks in by_marks else next(iter(by_marks))
        several = by_marks[found]
        was = several.pop()
        if not several:
            del by_marks[found]
        return was


class Newness:
    """Judges the places of one package. `gone` are the baseline's files that changed or went."""

    def __init__(
        self,
        gone: list[FileInfo],
        old_content: Callable[[FileInfo], bytes | None],
        old_matches: Callable[[FileInfo, bytes], list[Match]],
        is_out_of_time: Callable[[], bool],
    ) -> None:
        self._gone = gone
        self._old_content, self._old_matches = old_content, old_matches
        self._pieces = Pieces(_MOST_PARSED, is_out_of_time)
        self._seconds = 0.0
        self._left: dict[str, _Before] = {}
        self._stayed: Callable[[], Iterable[tuple[LookedFile, list[Match]]]] = tuple

    def knows(self, stayed: Callable[[], Iterable[tuple["LookedFile", list[Match]]]]) -> None:
        """Where all matches of the new side come from: what is still in its file did not move."""
        self._stayed = stayed

    def of(self, file: "LookedFile", content: bytes, matches: list[Match]) -> Iterator[Placed]:
        """Those that are new, with their lines."""
        old = file.old_info
        has_turned = old is not None and where_it_runs(old.path) != where_it_runs(file.path)
        added = None if has_turned else file.added_lines
        placed = list(zip(_lines(content, matches), matches, strict=True))
        touches = added is not None and bool(_TOUCHES.search(file.change.diff or ""))
        if added is not None and not touches and not any(line in added for line, _ in placed):
            return
        if old is None or has_turned:
            before = _Before() if file.runs_first or has_turned else self._left_to_move(file.path)
        else:
            before = self._before([old])
        stood = self._stood(old, file.change.diff or "") if touches and old is not None else {}
        fresh = []
        for (line, match), nth, marks in zip(
            placed, _counted(placed), _marks(content, matches), strict=True
        ):
            place = (match.key, surroundings(content, match))
            if added is None or line in added:
                fresh.append((line, match, place, marks))
                continue
            # It has stayed where it was, so that it did not move to anywhere else.
            before.take(place, marks)
            if touches:
                was = stood.get((line, match.key, nth))
                if was is None or not self._ran(was, file, match, marks):
                    yield line, match
        for line, match, place, marks in fresh:
            was = before.take(place, marks)
            if was is None or not self._ran(was, file, match, marks, has_moved=True):
                yield line, match

    def _stood(self, old: FileInfo, diff: str) -> dict[tuple[int, str, int], _Was]:
        """What stood on lines that have not changed, by their numbers on the new side."""
        content = self._old_content(old) or b""
        matches = self._old_matches(old, content)
        file = OldFile(old, syntax.language_of(old.path), self._old_content)
        placed = list(zip(_lines(content, matches), matches, strict=True))
        olds, moves = _moves(diff)
        every = zip(placed, _counted(placed), _marks(content, matches), strict=True)
        return {
            (line + moves[bisect_right(olds, line)], match.key, nth): _Was(file, match, marks)
            for (line, match), nth, marks in every
        }

    def _ran(
        self, was: _Was, file: "LookedFile", match: Match, marks: Marks, *, has_moved: bool = False
    ) -> bool:
        """Whether it was as much of code before as it is now."""
        is_same_file = was.file.info is file.old_info
        is_small = max(file.info.size, was.file.info.size) <= WHOLE
        alike = was.marks == marks if is_same_file else was.marks.are_none and marks.are_none
        if alike and not (has_moved and is_small and marks.is_far):
            return True
        if not file.language or not was.file.language:
            return was.marks.is_behind_slashes <= marks.is_behind_slashes
        new, old = file.content or b"", was.file.content or b""
        if not is_small and _far(new, match) == _far(old, was.match):
            return True
        if self._seconds > _MOST_SECONDS:
            return False
        begun = thread_time()
        now, then = self._kind(file, match), self._kind(was.file, was.match)
        self._seconds += thread_time() - begun
        return now is not None and then is not None and then >= now

    def _kind(self, file: "LookedFile | OldFile", match: Match) -> int | None:
        piece = self._pieces.around(file, match)
        return None if piece is None else syntax.how_much_of_code(piece, match.start)

    def _before(self, infos: Iterable[FileInfo]) -> _Before:
        before = _Before()
        for info in infos:
            content = self._old_content(info) or b""
            matches = self._old_matches(info, content)
            file = OldFile(info, syntax.language_of(info.path), self._old_content)
            for match, marks in zip(matches, _marks(content, matches), strict=True):
                before.add((match.key, surroundings(content, match)), _Was(file, match, marks))
        return before

    def _left_to_move(self, path: str) -> _Before:
        """What one file took from there no other can take. What never ran where it stood does not
        count: not in documentation, not in tests, not in declarations of types."""
        kind = where_it_runs(path)
        if kind not in self._left:
            self._left[kind] = self._before_of(kind)
        return self._left[kind]

    def _before_of(self, kind: str) -> _Before:
        infos = [info for info in self._gone if not kind or where_it_runs(info.path) == kind]
        before = self._before(infos)
        wanted = {info.index for info in infos}
        for file, matches in self._stayed():
            if file.old_info is None or file.old_info.index not in wanted:
                continue
            content, own = file.content or b"", self._before([file.old_info])
            for match, marks in zip(matches, _marks(content, matches), strict=True):
                place = (match.key, surroundings(content, match))
                if (was := own.take(place, marks)) is not None:
                    before.take(place, was.marks)
        return before


def where_it_runs(path: str) -> str:
    """A word for what makes a file run: code from one place has not moved to another where that
    differs. "" for what does not run by its name."""
    if path.endswith((".d.ts", ".d.mts", ".d.cts")):
        return ""
    if _TESTS.search(path.lower()):
        return ""
    if syntax.language_of(path):
        return "code"
    ending = splitext(path)[1].lower()
    return ending if ending in _SCRIPTS else ""


def surroundings(content: bytes, match: Match) -> bytes:
    """What stands around a match, without what minifiers name anew each time and white space."""
    start, end = max(0, match.start - _AROUND), match.end + _AROUND
    return _BLANKS.sub(b"", _SHORT_NAME.sub(b"$", content[start:end]))


def _far(content: bytes, match: Match) -> bytes:
    return content[max(0, match.start - _FAR) : match.end + _FAR]


def _lines(content: bytes, matches: list[Match]) -> Iterator[int]:
    line, counted = 1, 0
    for match in matches:
        line += content.count(b"\n", counted, match.start)
        counted = match.start
        yield line


def _counted(placed: list[Placed]) -> Iterator[int]:
    """Which of its line each is, among those of the same needle."""
    seen: Counter[tuple[int, str]] = Counter()
    for line, match in placed:
        yield seen[line, match.key]
        seen[line, match.key] += 1


def _moves(diff: str) -> tuple[list[int], list[int]]:
    """By how much the lines of the old side move from which of them on."""
    olds: list[int] = []
    moves, move, number = [0], 0, 0
    for line in diff.split("\n"):
        mark = line[:1]
        if mark == "@" and (found := _HUNK.match(line)):
            number = int(found[1]) or 1
            continue
        if mark == " ":
            number += 1
        elif mark == "-":
            number, move = number + 1, move - 1
        elif mark == "+":
            move += 1
        if mark in ("+", "-"):
            olds.append(number)
            moves.append(move)
    return olds, moves


def _marks(content: bytes, matches: list[Match]) -> Iterator[Marks]:
    is_in_comment, backticks, seen = False, 0, 0
    for match in matches:
        start = match.start
        opened = content.rfind(b"/*", max(0, seen - 1), start)
        closed = content.rfind(b"*/", max(0, seen - 1), start)
        if opened >= 0 or closed >= 0:
            is_in_comment = opened > closed
        backticks += content.count(b"`", seen, start)
        seen = start
        low = max(0, start - _LINE)
        begins = content.rfind(b"\n", low, start)
        if begins < 0 and low:
            yield Marks(is_in_comment, backticks % 2 > 0, is_far=True)
            continue
        before = content[begins + 1 if begins >= 0 else low : start]
        yield Marks(
            is_in_comment,
            backticks % 2 > 0,
            b"//" in before or before.lstrip().startswith((b"#", b"*", b"REM ", b"::", b"--")),
            before.count(b'"') % 2 > 0 or before.count(b"'") % 2 > 0,
        )
