"""Bounded unpacking of gzip: what went in and came out is counted, and a bomb is stopped early.

ISA-L does the inflating, which is several times as fast as zlib. It checks each member's CRC and
length, as zlib does (RFC 1952), and leaves joined members and what follows them to us.
"""

import queue
import threading
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from typing import BinaryIO, Final, cast

from isal import igzip_lib

from registry_client.tar_limits import (
    AmbiguousTarball,
    DamagedTarball,
    Limits,
    NotATarball,
    TarballLimit,
    cut_off,
)

_FEED: Final = 64 * 1024
PIECE: Final = 256 * 1024
# Larger ones between threads, as each costs a change from one to the other.
THREADED_PIECE: Final = 1024 * 1024
# How many pieces may wait between the thread that unpacks and the one that reads.
AHEAD: Final = 3
_MAGIC: Final = b"\x1f\x8b"
_HEADER: Final = 4
_DEFLATE: Final = 8
_RESERVED_FLAGS: Final = 0xE0
# Its type stubs say that it is an instance, not a class.
_BROKEN: Final = (cast("type[Exception]", igzip_lib.IsalError), EOFError)

# One piece of content, and how many packed bytes were read by then.
Pieces = Generator[tuple[bytes, int], None, None]
# Told for each piece how many packed bytes were read by then, in the reader's own thread.
OnPiece = Callable[[int], None]


class Gunzip:
    """The content of a gzip file in parts of any size, never more than some pieces ahead.

    With `is_threaded` a thread of its own unpacks up to `AHEAD` pieces ahead, which pays where the
    reader has other work. All methods raise TarballError. Close it, so that the thread ends.
    """

    def __init__(
        self,
        file: BinaryIO,
        limits: Limits,
        *,
        is_threaded: bool = False,
        on_piece: OnPiece | None = None,
    ) -> None:
        self._source = _Source(file, limits)
        pieces = self._source.pieces(THREADED_PIECE if is_threaded else PIECE)
        self._pieces: Pieces = _unpacked_ahead(pieces) if is_threaded else pieces
        self._piece = b""
        self._position = 0
        self._on_piece = on_piece
        self.packed = 0

    @property
    def members(self) -> int:
        """Compressed streams begun so far."""
        return self._source.members

    @property
    def trailing(self) -> bool:
        """At the end: whether there are zeros behind the last stream; anything else is refused."""
        return self._source.trailing

    @property
    def available(self) -> int:
        """Bytes that are unpacked and not yet read."""
        return len(self._piece) - self._position

    def close(self) -> None:
        """End the thread, if there is one. The file stays open."""
        self._pieces.close()

    def some(self, most: int) -> bytes:
        """Between 1 and `most` bytes. Raises DamagedTarball at the end."""
        if self._position >= len(self._piece) and not self._refill():
            raise cut_off()
        piece = self._piece[self._position : self._position + most]
        self._position += len(piece)
        return piece

    def exactly(self, count: int) -> bytes:
        """`count` bytes. Raises DamagedTarball if there are fewer."""
        end = self._position + count
        if end <= len(self._piece):
            piece = self._piece[self._position : end]
            self._position = end
            return piece
        pieces = []
        while count:
            pieces.append(self.some(count))
            count -= len(pieces[-1])
        return b"".join(pieces)

    def skip(self, count: int) -> None:
        """Go past `count` bytes. Raises DamagedTarball if there are fewer."""
        while count:
            if self._position >= len(self._piece) and not self._refill():
                raise cut_off()
            step = min(count, len(self._piece) - self._position)
            self._position += step
            count -= step

    def up_to(self, count: int) -> bytes:
        """The next `count` bytes, or nothing at the very end."""
        if self._position >= len(self._piece) and not self._refill():
            return b""
        return self.exactly(count)

    def up_to_piece(self) -> bytes:
        """All that is unpacked and not yet read, or what comes next; nothing at the very end."""
        if self._position >= len(self._piece) and not self._refill():
            return b""
        return self.some(self.available)

    def _refill(self) -> bool:
        found = next(self._pieces, None)
        if found is None:
            self.packed = self._source.packed
            return False
        self._piece, self.packed = found
        self._position = 0
        if self._on_piece is not None:
            self._on_piece(self.packed)
        return True


class _Source:
    """Unpacks one file piece by piece, within the limits."""

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self.packed = 0
        self._unpacked = 0
        self.members = 1
        self.trailing = False

    def pieces(self, size: int) -> Pieces:
        """Pieces of at most `size` bytes, none of them empty. Raises TarballError."""
        data = self._read()
        if not data.startswith(_MAGIC):
            raise NotATarball("not-gzip", "The file is not a gzip-compressed tarball.")
        while data:
            data = self._checked(data)
            inflate = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
            while not inflate.eof:
                if inflate.needs_input and not data:
                    data = self._read()
                    if not data:
                        raise cut_off()
                try:
                    piece = inflate.decompress(data, size)
                except _BROKEN as error:
                    raise _damaged() from error
                data = b""
                if piece:
                    self._count(len(piece))
                    yield piece, self.packed
            data = self._next_member(inflate.unused_data)

    def _checked(self, data: bytes) -> bytes:
        """A stream's beginning; zlib, which npm uses, refuses some that ISA-L reads."""
        if len(data) < _HEADER:
            data += self._read()
        if len(data) < _HEADER:
            raise cut_off()
        if data[2] != _DEFLATE or data[3] & _RESERVED_FLAGS:
            raise _damaged()
        return data

    def _read(self) -> bytes:
        data = self._file.read(_FEED)
        self.packed += len(data)
        return data

    def _next_member(self, rest: bytes) -> bytes:
        """What the next stream begins with; nothing if there is none.

        npm's unpacking skips zeros only to the end of the piece that it has read, and takes what
        the next piece begins with for another stream: files could hide there.
        """
        if len(rest) < len(_MAGIC):
            rest += self._read()
        if not rest.startswith(_MAGIC):
            self.trailing = bool(rest)
            while rest:
                if rest.count(0) != len(rest):
                    raise AmbiguousTarball(
                        "trailing-data",
                        "There is data behind the tarball's compressed stream, in which npm may "
                        "find files that other programs do not see.",
                    )
                rest = self._read()
            return b""
        self.members += 1
        if self.members > self._limits.gzip_members:
            raise TarballLimit(
                "gzip_members",
                self._limits.gzip_members,
                f"The tarball is more than {self._limits.gzip_members} joined streams.",
            )
        return rest

    def _count(self, more: int) -> None:
        self._unpacked += more
        limits = self._limits
        if self._unpacked > limits.unpacked_size:
            raise TarballLimit(
                "unpacked_size",
                limits.unpacked_size,
                f"The tarball unpacks to more than {limits.unpacked_size:,} bytes.",
            )
        if self._unpacked > limits.ratio_free and self._unpacked > limits.ratio * self.packed:
            raise TarballLimit(
                "ratio",
                limits.ratio,
                f"The tarball unpacks to more than {limits.ratio} times its size, as a bomb does.",
            )


def _damaged() -> DamagedTarball:
    return DamagedTarball("damaged", "The tarball's compressed data is damaged.")


def _unpacked_ahead(pieces: Pieces) -> Pieces:
    """The same pieces, made in a thread that ends when this generator is closed."""
    ready: queue.Queue[tuple[bytes, int] | BaseException | None] = queue.Queue(AHEAD)
    stopped = threading.Event()

    def unpack() -> None:
        end: BaseException | None = None
        try:
            with closing(pieces):
                for piece in pieces:
                    ready.put(piece)
                    if stopped.is_set():
                        return
        except BaseException as error:  # noqa: BLE001 - raised again where the pieces are read
            end = error
        ready.put(end)

    thread = threading.Thread(target=unpack, name="gunzip", daemon=True)
    thread.start()
    try:
        while isinstance(found := ready.get(), tuple):
            yield found
        if found is not None:
            raise found
    finally:
        # The thread puts at most one more piece and its end, for which there is room then.
        stopped.set()
        with suppress(queue.Empty):
            while True:
                ready.get_nowait()
        thread.join()
