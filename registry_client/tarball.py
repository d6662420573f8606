"""A bounded, streaming reader of npm tarballs that never extracts and never trusts.

`read_tarball` yields one entry after another in one pass; nothing is written anywhere and no link
is followed. Memory stays small whatever the tarball says: one piece of unpacked data, one
extended header, and the names seen so far, each within its limit.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self

from registry_client.gunzip import Gunzip, OnPiece
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
from registry_client.tar_limits import (
    MIB,
    AmbiguousTarball,
    DamagedTarball,
    Limits,
    NotATarball,
    TarballError,
    TarballLimit,
)
from registry_client.tar_names import GITIGNORE, NPMIGNORE, Ignores, Names
from registry_client.tar_paths import (
    Problem,
    decode_name,
    installed_path,
    name_problems,
    plain_path,
    printable,
)

__all__ = [
    "MIB",
    "AmbiguousTarball",
    "DamagedTarball",
    "Entry",
    "Limits",
    "NotATarball",
    "TarballError",
    "TarballLimit",
    "TarballReader",
    "read_tarball",
]

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

# Problems by which a reviewer may be shown another file than somebody installs, in words.
_ONE_FOR_ANOTHER = {
    "two-names": "npm may install it under another name",
    "duplicate": "it is in the tarball more than once",
    "gitignore": "npm installs it under another name",
}
# Kept even where the room for all problems is used up.
_MOST_OF_EACH_RULE = 50
_IGNORES = (GITIGNORE, NPMIGNORE)


@dataclass(slots=True)
class Entry:
    """One entry. Its content can be read once, and only before the next entry is asked for.

    Nobody changes it; it is not frozen as that would make reading a large package slower.

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
        """The content in pieces of at most 1 MiB. Raises TarballError."""
        return self._reader.content_of(self.index)

    def read(self) -> bytes:
        """The whole content; ask `size` first. Raises TarballError."""
        return self._reader.whole_content_of(self.index)


class TarballReader(Iterator[Entry]):
    """The entries of one tarball. After the last one, `problems` has the whole tarball's.

    The list is bounded, with room for each rule. `problems_left_out` counts what is not in it, but
    for what makes one file stand for another: the list itself says how much more there is of that.
    """

    def __init__(
        self,
        source: Path | BinaryIO,
        limits: Limits | None = None,
        *,
        is_threaded: bool = False,
        on_piece: OnPiece | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._owned = source.open("rb") if isinstance(source, Path) else None
        file = self._owned or source
        assert not isinstance(file, Path)  # noqa: S101 - tells mypy what the line above settled
        self._stream = Gunzip(file, self.limits, is_threaded=is_threaded, on_piece=on_piece)
        self._entries = self._walk()
        self._names = Names(self.limits)
        self._ignores = Ignores()
        self._index = -1
        self._left = 0
        self._padding = 0
        self._extended_size = self._records = 0
        self.problems: list[Problem] = []
        self.problems_left_out = 0
        self._counts: Counter[str] = Counter()
        self._room_for_problems = self.limits.problems

    @property
    def packed_size(self) -> int:
        """Compressed bytes read so far."""
        return self._stream.packed

    def close(self) -> None:
        """End the reader's thread if it has one, and close the file if this reader opened it."""
        self._stream.close()
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

    def whole_content_of(self, index: int) -> bytes:
        """What is left of the entry that is being read; use Entry.read."""
        if index != self._index:
            raise RuntimeError("the reader has moved on to another entry")
        content = self._stream.exactly(self._left)
        self._left = 0
        return content

    def _walk(self) -> Iterator[Entry]:
        pending = Pending()
        ended = seen = False
        headers = 0
        while block := self._next_block():
            if block == ZERO_BLOCK:
                ended = True
                self._see_nothing_follows()
                break
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
            entry = self._entry(header, pending)
            if pending.is_used:
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
        return self._stream.up_to(BLOCK)

    def _see_nothing_follows(self) -> None:
        """Read the zeros behind the end mark. Some versions of npm read on there, others do not."""
        while piece := self._stream.up_to_piece():
            if piece.count(0) != len(piece):
                raise AmbiguousTarball(
                    "after-end",
                    "The tarball goes on behind its end mark, where some versions of npm find "
                    "files and others do not.",
                )

    def _take_extended(self, header: Header, pending: Pending) -> None:
        if header.size > self.limits.extended_header:
            raise TarballLimit(
                "extended_header",
                self.limits.extended_header,
                f"The tarball has an extended header of {header.size:,} bytes; "
                f"{self.limits.extended_header:,} are allowed.",
            )
        check_extended(header, pending)
        self._extended_size += header.size
        if self._extended_size > self.limits.all_extended_headers:
            raise TarballLimit(
                "all_extended_headers",
                self.limits.all_extended_headers,
                "The tarball's extended headers have more than "
                f"{self.limits.all_extended_headers:,} bytes.",
            )
        body = self._stream.exactly(header.size)
        self._stream.skip(-header.size % BLOCK)
        if header.type in "LK":
            apply_long_name(header.type, body, pending)
        else:
            self._records += apply_pax(body, pending, is_global=header.type == "g")
            if self._records > self.limits.extended_records:
                raise TarballLimit(
                    "extended_records",
                    self.limits.extended_records,
                    "The tarball's extended headers have more than "
                    f"{self.limits.extended_records:,} records.",
                )

    def _entry(self, header: Header, pending: Pending) -> Entry:
        name, raw, link = effective(header, pending)
        self._names.count(name)
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
        plain = plain_path(name, raw)
        if plain is not None:
            path, installable, shown = plain, True, name
            problems: list[Problem] = []
        else:
            path, installable = installed_path(name)
            shown = printable(name)
            problems = name_problems(name, raw)
        if kind == "file" and installable and path.endswith(_IGNORES):
            path, renaming = self._ignores.installed_path(path, name, shown)
            problems.extend(renaming)
        if kind in _KIND_SENTENCES:
            sentence = _KIND_SENTENCES[kind].format(link=printable(link))
            problems.append(Problem(kind, shown, sentence))
        if header.mode & 0o7000 and kind != "directory":
            problems.append(
                Problem("setuid", shown, "It has the setuid, setgid or sticky bit set.")
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
        self._report_the_rest()
        members, trailing = self._stream.members, self._stream.trailing
        if not ended:
            self._report([Problem("no-end", "", "The tarball has no end mark.")])
        if members > 1:
            sentence = f"The tarball is {members} compressed streams joined together."
            self._report([Problem("gzip-members", "", sentence)])
        if trailing:
            self._report(
                [Problem("trailing-data", "", "There are zeros behind the compressed stream.")]
            )

    def _report(self, problems: list[Problem]) -> tuple[Problem, ...]:
        return tuple(problem for problem in problems if self._keeps(problem.rule, problem))

    def _keeps(self, rule: str, problem: Problem) -> bool:
        # Whatever is wrong a thousand times must not push out what is wrong once, and worse.
        self._counts[rule] += 1
        most = self.limits.problems
        if rule in _ONE_FOR_ANOTHER:
            is_kept = self._counts[rule] <= most
        elif self._room_for_problems > 0:
            is_kept = True
            self._room_for_problems -= 1
        else:
            is_kept = self._counts[rule] <= min(_MOST_OF_EACH_RULE, most)
        if is_kept:
            self.problems.append(problem)
        elif rule not in _ONE_FOR_ANOTHER:
            self.problems_left_out += 1
        return is_kept

    def _report_the_rest(self) -> None:
        for rule, words in _ONE_FOR_ANOTHER.items():
            more = self._counts[rule] - self.limits.problems
            if more > 0:
                are = "entry is" if more == 1 else "entries are"
                self.problems.append(Problem(rule, "", f"{more:,} more {are} like this: {words}."))


def read_tarball(
    source: Path | BinaryIO,
    limits: Limits | None = None,
    *,
    is_threaded: bool = False,
    on_piece: OnPiece | None = None,
) -> TarballReader:
    """Read a tarball from a path or an open binary file, which the caller closes.

    With `is_threaded` a thread of its own unpacks some pieces ahead, which is faster where there is
    work to do between the entries; use the reader in a `with` statement then, so that it ends.
    `on_piece` gets how many packed bytes were read, for each piece of at most 1 MiB that is
    unpacked, whatever it is part of.

    Iterate over the result; raises TarballError (NotATarball, DamagedTarball, AmbiguousTarball or
    TarballLimit) where reading on would be wrong.
    """
    return TarballReader(source, limits, is_threaded=is_threaded, on_piece=on_piece)


def _looks_like_tar(block: bytes) -> bool:
    return block[257:262] == b"ustar"
