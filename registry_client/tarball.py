"""A bounded, streaming reader of npm tarballs that never extracts and never trusts.

`read_tarball` yields one entry after another in one pass; nothing is written anywhere and no link
is followed. Memory stays small whatever the tarball says: one piece of unpacked data, one
extended header, and the names seen so far, each within its limit.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self

from registry_client.tar_headers import (
    BLOCK,
    ZERO_BLOCK,
    Header,
    HeaderError,
    Pending,
    apply_long_name,
    apply_pax,
    check_extended,
    effective,
    may_be_named_otherwise,
    parse_header,
)
from registry_client.tar_paths import (
    Problem,
    collision_key,
    decode_name,
    installed_path,
    name_problems,
    printable,
)

MIB = 1024 * 1024
_FEED = 64 * 1024
_PIECE = 256 * 1024
_GZIP_MAGIC = b"\x1f\x8b"

Kind = Literal["file", "directory", "symlink", "hardlink", "device", "fifo"]
_KINDS: dict[str, Kind] = {
    "0": "file",
    "7": "file",
    "1": "hardlink",
    "2": "symlink",
    "3": "device",
    "4": "device",
    "5": "directory",
    "6": "fifo",
}
_KIND_SENTENCES: dict[Kind, str] = {
    "symlink": "It is a symbolic link to '{link}'; npm leaves it out, other tools may follow it.",
    "hardlink": "It is a hard link to '{link}'; npm leaves it out, other tools may follow it.",
    "device": "It is a device; npm leaves it out.",
    "fifo": "It is a named pipe; npm leaves it out.",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a tarball may ask of us. The defaults allow npm's largest real packages.

    Sizes are bytes. `ratio` (unpacked to packed) counts only past `ratio_free` unpacked bytes,
    since small repetitive packages compress well. `path_length` is in bytes, before the first
    segment is dropped.
    """

    unpacked_size: int = 2048 * MIB
    entry_size: int = 1024 * MIB
    entries: int = 100_000
    ratio: int = 200
    ratio_free: int = 32 * MIB
    path_length: int = 1024
    path_depth: int = 100
    all_paths: int = 16 * MIB
    folders: int = 50_000
    extended_header: int = 64 * 1024
    gzip_members: int = 100
    problems: int = 1000


class TarballError(Exception):
    """The tarball cannot be read safely. `rule` is a stable id; the text is a plain sentence."""

    def __init__(self, rule: str, sentence: str) -> None:
        super().__init__(sentence)
        self.rule = rule
        self.sentence = sentence


class NotATarball(TarballError):
    """Not gzip, or not a tarball inside."""


class DamagedTarball(TarballError):
    """Truncated, or its compressed data is broken."""


class AmbiguousTarball(TarballError):
    """A header that programs read differently: npm may install what no reviewer saw."""


class TarballLimit(TarballError):
    """A limit was hit. `limit` is the field of Limits, `allowed` its value."""

    def __init__(self, limit: str, allowed: int, sentence: str) -> None:
        super().__init__(f"limit-{limit.replace('_', '-')}", sentence)
        self.limit = limit
        self.allowed = allowed


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. Its content can be read once, and only before the next entry is asked for.

    `path` is where npm installs it, relative to the package; `raw_path` the name in the tarball,
    printable. `installed` says whether npm installs it at all. `mode` are the permission bits,
    setuid and the like included. `problems` are what is wrong with this entry, within
    the limit for the whole tarball.
    """

    index: int
    path: str
    raw_path: str
    kind: Kind
    mode: int
    size: int
    link_target: str
    installed: bool
    problems: tuple[Problem, ...]
    _reader: "TarballReader" = field(repr=False, compare=False)

    def chunks(self) -> Iterator[bytes]:
        """The content in pieces of at most 256 KiB. Raises TarballError."""
        return self._reader.content_of(self.index)

    def read(self) -> bytes:
        """The whole content; ask `size` first. Raises TarballError."""
        return b"".join(self.chunks())


class TarballReader(Iterator[Entry]):
    """The entries of one tarball. After the last one, `problems` has the whole tarball's."""

    def __init__(self, source: Path | BinaryIO, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._owned = source.open("rb") if isinstance(source, Path) else None
        file = self._owned or source
        assert not isinstance(file, Path)  # noqa: S101 - tells mypy what the line above settled
        self._stream = _Gunzip(file, self.limits)
        self._entries = self._walk()
        self._names = _Names(self.limits)
        self._index = -1
        self._left = 0
        self._padding = 0
        self.problems: list[Problem] = []
        self.problems_left_out = 0

    @property
    def packed_size(self) -> int:
        """Compressed bytes read so far."""
        return self._stream.packed

    def close(self) -> None:
        """Close the file if this reader opened it."""
        if self._owned is not None:
            self._owned.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __next__(self) -> Entry:
        """The next entry. Raises TarballError."""
        try:
            return next(self._entries)
        except HeaderError as error:
            raise AmbiguousTarball(
                "ambiguous-header", f"The tarball cannot be read safely: {error}."
            ) from error

    def content_of(self, index: int) -> Iterator[bytes]:
        """The content of the entry that is being read; use Entry.chunks."""
        while True:
            if index != self._index:
                raise RuntimeError("the reader has moved on to another entry")
            if not self._left:
                return
            piece = self._stream.some(self._left)
            self._left -= len(piece)
            yield piece

    def _walk(self) -> Iterator[Entry]:
        pending = Pending()
        ended = seen = False
        headers = 0
        while block := self._next_block():
            if block == ZERO_BLOCK:
                ended = True
                continue
            headers += 1
            if headers > self.limits.entries:
                raise TarballLimit(
                    "entries",
                    self.limits.entries,
                    f"The tarball has more than {self.limits.entries:,} entries.",
                )
            try:
                header = parse_header(block)
            except HeaderError as error:
                if seen or _looks_like_tar(block):
                    raise
                raise NotATarball(
                    "not-a-tarball", "The file is compressed, but it is not a tarball."
                ) from error
            seen = True
            if header.type in "xgLK":
                self._take_extended(header, pending)
                continue
            entry = self._entry(header, pending, ended=ended)
            pending = Pending()
            yield entry
        if not seen:
            raise NotATarball("empty-tarball", "The tarball is empty.")
        if pending.keys:
            raise DamagedTarball("truncated", "The tarball ends in the middle: it was cut off.")
        self._finish(ended=ended)

    def _next_block(self) -> bytes:
        """The next header block, past content that nobody read; empty at the end."""
        if self._left or self._padding:
            self._stream.skip(self._left + self._padding)
            self._left = self._padding = 0
        self._index += 1
        return self._stream.block()

    def _take_extended(self, header: Header, pending: Pending) -> None:
        if header.size > self.limits.extended_header:
            raise TarballLimit(
                "extended_header",
                self.limits.extended_header,
                f"The tarball has an extended header of {header.size:,} bytes; "
                f"{self.limits.extended_header:,} are allowed.",
            )
        check_extended(header, pending)
        body = self._stream.exactly(header.size)
        self._stream.skip(-header.size % BLOCK)
        if header.type in "LK":
            apply_long_name(header.type, body, pending)
        else:
            apply_pax(body, pending, is_global=header.type == "g")

    def _entry(self, header: Header, pending: Pending, *, ended: bool) -> Entry:
        name, raw, link = effective(header, pending)
        limits = self.limits
        if len(raw) > limits.path_length or name.count("/") > limits.path_depth:
            limit = "path_length" if len(raw) > limits.path_length else "path_depth"
            allowed = getattr(limits, limit)
            what = "long: bytes" if limit == "path_length" else "deep: folders"
            raise TarballLimit(
                limit, allowed, f"A path in the tarball is too {what} allowed are {allowed:,}."
            )
        if header.size > limits.entry_size:
            raise TarballLimit(
                "entry_size",
                limits.entry_size,
                f"A file in the tarball has {header.size:,} bytes; "
                f"{limits.entry_size:,} are allowed.",
            )
        kind = _KINDS[header.type]
        if kind == "file" and name.endswith("/"):
            kind = "directory"
        path, installable = installed_path(name)
        problems = name_problems(name, raw)
        shown = printable(name)
        if kind in _KIND_SENTENCES:
            sentence = _KIND_SENTENCES[kind].format(link=printable(link))
            problems.append(Problem(kind, shown, sentence))
        if header.mode & 0o7000 and kind != "directory":
            problems.append(
                Problem("setuid", shown, "It has the setuid, setgid or sticky bit set.")
            )
        if ended:
            problems.append(
                Problem(
                    "after-end", shown, "It stands behind the tarball's end mark; npm installs it."
                )
            )
        if may_be_named_otherwise(header, name, pending):
            other = printable(decode_name(header.raw_name))
            sentence = f"npm may install it as '{other}': it has two different names."
            problems.append(Problem("two-names", shown, sentence))
        if kind in ("file", "directory") and installable:
            problems.extend(self._names.collisions(path, shown, is_folder=kind == "directory"))
        self._left = header.size
        self._padding = -header.size % BLOCK
        reported = self._report(problems)
        return Entry(
            index=self._index,
            path=path,
            raw_path=shown,
            kind=kind,
            mode=header.mode,
            size=header.size,
            link_target=link,
            installed=kind == "file" and installable,
            problems=reported,
            _reader=self,
        )

    def _finish(self, *, ended: bool) -> None:
        members, trailing = self._stream.members, self._stream.trailing
        if not ended:
            self._report([Problem("no-end", "", "The tarball has no end mark.")])
        if members > 1:
            sentence = f"The tarball is {members} compressed streams joined together."
            self._report([Problem("gzip-members", "", sentence)])
        if trailing:
            self._report(
                [Problem("trailing-data", "", "There is data behind the compressed stream.")]
            )

    def _report(self, problems: list[Problem]) -> tuple[Problem, ...]:
        room = self.limits.problems - len(self.problems)
        self.problems.extend(problems[:room])
        self.problems_left_out += len(problems[room:])
        return tuple(problems[:room])


def read_tarball(source: Path | BinaryIO, limits: Limits | None = None) -> TarballReader:
    """Read a tarball from a path or an open binary file, which the caller closes.

    Iterate over the result; raises TarballError (NotATarball, DamagedTarball, AmbiguousTarball or
    TarballLimit) where reading on would be wrong.
    """
    return TarballReader(source, limits)


class _Names:
    """The paths seen so far, to notice two entries that land on one file.

    A folder is known by its parent's number and its own name, so that deep paths cost no more than
    what is new in them.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._files: dict[tuple[int, str], str] = {}
        self._folders: dict[tuple[int, str], int] = {}
        self._bytes = 0

    def collisions(self, path: str, shown: str, *, is_folder: bool) -> list[Problem]:
        self._bytes += len(path)
        if self._bytes > self._limits.all_paths:
            raise TarballLimit(
                "all_paths",
                self._limits.all_paths,
                f"The tarball's paths have more than {self._limits.all_paths:,} characters.",
            )
        *folders, name = collision_key(path).split("/")
        if is_folder:
            folders.append(name)
        number, in_file = self._folder(folders)
        found = []
        if in_file and is_folder:
            sentence = "It is both a file and a folder; npm may take the file away."
            found.append(Problem("file-and-folder", shown, sentence))
        elif in_file:
            sentence = "It stands in a folder that is also a file."
            found.append(Problem("file-and-folder", shown, sentence))
        if not is_folder:
            found.extend(self._file((number, name), path, shown))
        return found

    def _folder(self, names: list[str]) -> tuple[int, bool]:
        """The folder's number, and whether a file has its name or that of a folder above it."""
        number, in_file = 0, False
        for name in names:
            place = (number, name)
            known = self._folders.get(place)
            if known is None:
                known = len(self._folders) + 1
                if known > self._limits.folders:
                    raise TarballLimit(
                        "folders",
                        self._limits.folders,
                        f"The tarball has more than {self._limits.folders:,} folders.",
                    )
                self._folders[place] = known
            in_file = in_file or place in self._files
            number = known
        return number, in_file

    def _file(self, place: tuple[int, str], path: str, shown: str) -> Iterator[Problem]:
        earlier = self._files.get(place)
        if earlier == path:
            sentence = "It is in the tarball more than once; npm installs the last one."
            yield Problem("duplicate", shown, sentence)
        elif earlier is not None:
            sentence = f"On Windows and macOS it is the same file as '{printable(earlier)}'."
            yield Problem("name-collision", shown, sentence)
        if place in self._folders:
            yield Problem("file-and-folder", shown, "It is both a file and a folder.")
        self._files[place] = path


class _Gunzip:
    """Bounded unpacking: never more than one piece ahead, counting what went in and came out."""

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self._inflate = zlib.decompressobj(wbits=31)
        self._input = b""
        self._piece = b""
        self._position = 0
        self._done = False
        self.packed = 0
        self.unpacked = 0
        self.members = 1
        self.trailing = False

    def some(self, most: int) -> bytes:
        """Between 1 and `most` bytes. Raises DamagedTarball at the end."""
        if self._position >= len(self._piece) and not self._refill():
            raise _cut_off()
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
                raise _cut_off()
            step = min(count, len(self._piece) - self._position)
            self._position += step
            count -= step

    def block(self) -> bytes:
        """The next block of 512 bytes, or nothing at the very end."""
        if self._position >= len(self._piece) and not self._refill():
            return b""
        return self.exactly(BLOCK)

    def _refill(self) -> bool:
        while not self._done:
            if not self._input:
                self._input = self._file.read(_FEED)
                if not self.packed and self._input[:2] != _GZIP_MAGIC:
                    raise NotATarball("not-gzip", "The file is not a gzip-compressed tarball.")
                self.packed += len(self._input)
                if not self._input:
                    raise _cut_off()
            try:
                self._piece = self._inflate.decompress(self._input, _PIECE)
            except zlib.error as error:
                raise DamagedTarball(
                    "damaged", "The tarball's compressed data is damaged."
                ) from error
            self._position = 0
            self._input = self._inflate.unconsumed_tail
            self._count(len(self._piece))
            if self._inflate.eof:
                self._next_member()
            if self._piece:
                return True
        return False

    def _next_member(self) -> None:
        rest = self._inflate.unused_data
        if len(rest) < len(_GZIP_MAGIC):
            more = self._file.read(_FEED)
            self.packed += len(more)
            rest += more
        if not rest.startswith(_GZIP_MAGIC):
            self._done = True
            self.trailing = bool(rest)
            return
        self.members += 1
        if self.members > self._limits.gzip_members:
            raise TarballLimit(
                "gzip_members",
                self._limits.gzip_members,
                f"The tarball is more than {self._limits.gzip_members} joined streams.",
            )
        self._inflate = zlib.decompressobj(wbits=31)
        self._input = rest

    def _count(self, more: int) -> None:
        self.unpacked += more
        limits = self._limits
        if self.unpacked > limits.unpacked_size:
            raise TarballLimit(
                "unpacked_size",
                limits.unpacked_size,
                f"The tarball unpacks to more than {limits.unpacked_size:,} bytes.",
            )
        if self.unpacked > limits.ratio_free and self.unpacked > limits.ratio * self.packed:
            raise TarballLimit(
                "ratio",
                limits.ratio,
                f"The tarball unpacks to more than {limits.ratio} times its size, as a bomb does.",
            )


def _looks_like_tar(block: bytes) -> bool:
    return block[257:262] == b"ustar"


def _cut_off() -> DamagedTarball:
    return DamagedTarball("truncated", "The tarball ends in the middle: it was cut off.")
