"""The syntax around the places of one package: parsed in bounded time, kept in bounded memory."""

import re
from collections.abc import Callable, Iterator
from time import thread_time
from typing import TYPE_CHECKING

from approvals.inspection.search import syntax
from approvals.inspection.search.needles import Match

if TYPE_CHECKING:
    from approvals.inspection.search.look import LookedFile
    from approvals.inspection.search.newness import OldFile

WHOLE = 64 * 1024
"""Bytes of a file that is parsed as a whole."""
_WINDOW = 1_500
"""Bytes on either side of a match that are parsed in a larger file."""
_MOST_SECONDS = 3.0
"""For all pieces of a package: broken code takes many times as long as other code."""
_MOST_KEPT = 512 * 1024
"""Bytes of text whose trees are kept; a tree takes thirty times as much as its text."""

Key = tuple["LookedFile | OldFile", int, int]


class Pieces:
    """Every rule asks for them again, file by file: what comes first is kept, the rest parsed
    anew. `size` is how many bytes may be parsed in all, not counting those that are parsed anew.
    """

    def __init__(self, size: int, is_out_of_time: Callable[[], bool]) -> None:
        self._room = size
        self._room_to_keep = _MOST_KEPT
        self._seconds = 0.0
        self._is_out_of_time = is_out_of_time
        self._kept: dict[Key, syntax.Piece | None] = {}
        self._known: set[Key] = set()
        self._last: tuple[Key, syntax.Piece] | None = None
        self._doubtful: dict[tuple[LookedFile | OldFile, int], bool] = {}
        self._left: set[tuple[LookedFile | OldFile, int]] = set()

    @property
    def left(self) -> int:
        """At how many places nothing was parsed, although it is code."""
        return len(self._left)

    def around(self, file: "LookedFile | OldFile", match: Match) -> syntax.Piece | None:
        """The syntax around a match, or None in what is no code and beyond the bounds."""
        if not file.language:
            return None
        place = (file, match.start)
        if place in self._left:
            return None
        piece = self._piece(file, match)
        if piece is None:
            self._left.add(place)
            return None
        if file.info.size > WHOLE:
            if place not in self._doubtful:
                self._doubtful[place] = self._is_doubtful(file, match, piece)
            if self._doubtful[place]:
                return None
        return piece

    def _is_doubtful(self, file: "LookedFile | OldFile", match: Match, piece: syntax.Piece) -> bool:
        """Whether what looks like text or a comment is code where the piece begins within one.

        Then its text has to do: whoever writes a file chooses what stands where a piece begins.
        """
        holder = syntax.holder_of(piece, match.start)
        if holder is None or piece.start <= 0:
            return False
        content = file.content or b""
        begins = piece.start + holder.start_byte
        for mark in _doubts(content, piece.start, begins, match.start):
            if self._seconds > _MOST_SECONDS:
                return True
            begun = thread_time()
            end = min(len(content), match.end + _WINDOW)
            other = syntax.parsed(content, file.language, start=piece.start, end=end, within=mark)
            self._seconds += thread_time() - begun
            if other is None or syntax.is_sound_code(other, match.start):
                return True
        return False

    def _piece(self, file: "LookedFile | OldFile", match: Match) -> syntax.Piece | None:
        key = (file, 0, file.info.size)
        if file.info.size > WHOLE:
            key = (file, *_window(file.content or b"", match))
        if key in self._kept:
            return self._kept[key]
        if self._last is not None and self._last[0] == key:
            return self._last[1]
        size = key[2] - key[1]
        needed = 0 if key in self._known else size
        if needed > self._room or self._seconds > _MOST_SECONDS or self._is_out_of_time():
            return None
        self._room -= needed
        self._known.add(key)
        begun = thread_time()
        piece = syntax.parsed(file.content or b"", file.language, start=key[1], end=key[2])
        self._seconds += thread_time() - begun
        if piece is None or size <= self._room_to_keep:
            self._room_to_keep -= 0 if piece is None else size
            self._kept[key] = piece
        else:
            self._last = (key, piece)
        return piece


def _doubts(content: bytes, start: int, begins: int, place: int) -> Iterator[bytes]:
    """What a piece may begin within, if that ends between where a text begins and a place in it."""
    held = content[begins:place]
    if any(_may_end(content, begins + found.end()) for found in _BACKTICK.finditer(held)):
        yield b"`"
    if b"*/" in content[max(start, begins - 2) : place]:
        yield b"/*"
    # A line begins in no text in quotes, unless the one before says so.
    if not _NEW_LINE.search(content[max(0, start - 3) : start]):
        for mark in (b'"', b"'"):
            at = held.find(mark)
            if at >= 0 and _may_end(content, begins + at + 1):
                yield mark


_BACKTICK = re.compile(rb"(?<!\\)`")
_NEW_LINE = re.compile(rb"(?<!\\)\r?\n$")
_GOES_ON = re.compile(rb"(?!(?:in|instanceof|of|as)\b)[\w$'\"<#@]")


def _may_end(content: bytes, at: int) -> bool:
    """Whether a text may have ended just there: it is not followed by a word."""
    return _GOES_ON.match(content, at) is None


def _window(content: bytes, match: Match) -> tuple[int, int]:
    """A piece around a match that begins and ends where a line or a statement does, if it can."""
    low, high = max(0, match.start - _WINDOW), min(len(content), match.end + _WINDOW)
    for mark in (b"\n", b";"):
        found = content.find(mark, low, match.start)
        if low and found >= 0:
            low = found + 1
            break
    for mark in (b"\n", b";"):
        found = content.rfind(mark, match.end, high)
        if high < len(content) and found >= 0:
            high = found
            break
    return low, high
