"""The files of a tarball by path and digest, so that only those that differ need be kept."""

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from approvals.inspection.results import Totals
from approvals.inspection.text import count_lines, is_binary
from registry_client.tar_paths import Problem
from registry_client.tarball import MIB, DamagedTarball, Entry, Limits, read_tarball

Progress = Callable[[int], None]
_IN_MEMORY = 8 * MIB
_PROGRESS_EVERY = 256
_SHEBANG = b"#!"


@dataclass(frozen=True, slots=True)
class FileInfo:
    """One file npm would install. `lines` are counted in binary files, too.

    `binary` is Git's rule, `nul` whether there is a NUL anywhere.
    """

    path: str
    index: int
    size: int
    mode: int
    digest: bytes
    binary: bool
    lines: int
    problems: tuple[Problem, ...]
    nul: bool = False
    shebang: bool = False

    @property
    def mode_that_counts(self) -> int:
        """What npm keeps of the mode: whether it can be run, and the special bits."""
        return (0o755 if self.mode & 0o111 else 0o644) | self.mode & 0o7000


@dataclass(slots=True)
class FileTree:
    """All files of a tarball; of several with the same path the last, as npm does."""

    files: dict[str, FileInfo] = field(default_factory=dict)
    manifests: int = 0
    packed_size: int = 0
    problems: tuple[Problem, ...] = ()
    problems_left_out: int = 0

    @property
    def totals(self) -> Totals:
        """Counts and sizes of the whole tarball."""
        files = self.files.values()
        return Totals(
            files=len(self.files),
            packed_size=self.packed_size,
            unpacked_size=sum(info.size for info in files),
            lines=sum(info.lines for info in files if not info.binary),
        )


class ContentStore:
    """File contents by entry index: in memory while small, then in one nameless temporary file."""

    def __init__(self) -> None:
        # Closed in __exit__.
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - see above
        self._places: dict[int, tuple[int, int]] = {}
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def __contains__(self, index: int) -> bool:
        return index in self._places

    def put(self, index: int, content: bytes) -> None:
        """Keep one content."""
        self._file.seek(self._end)
        self._file.write(content)
        self._places[index] = (self._end, len(content))
        self._end += len(content)

    def get(self, index: int) -> bytes:
        """The content kept under that index. Raises KeyError."""
        start, size = self._places[index]
        self._file.seek(start)
        return self._file.read(size)

    def get_or_none(self, info: FileInfo) -> bytes | None:
        """The content of that file, if it is kept."""
        return self.get(info.index) if info.index in self else None


def read_tree(
    source: Path,
    limits: Limits,
    *,
    keep: Callable[[FileInfo], bool],
    keep_size: int,
    store: ContentStore,
    progress: Progress,
) -> FileTree:
    """Read a tarball once. Contents of at most `keep_size` bytes go to the store where `keep`
    says so.

    Raises TarballError.
    """
    tree = FileTree()
    with read_tarball(source, limits) as reader:
        for entry in reader:
            if entry.index % _PROGRESS_EVERY == 0:
                progress(reader.packed_size)
            if not entry.installed:
                continue
            info, content = _read_file(entry, keep_size)
            tree.manifests += info.path == "package.json"
            tree.files[info.path] = info
            if content is not None and keep(info):
                store.put(info.index, content)
        tree.packed_size = reader.packed_size
        tree.problems = tuple(reader.problems)
        tree.problems_left_out = reader.problems_left_out
    return tree


def fetch_contents(
    source: Path,
    limits: Limits,
    wanted: dict[int, FileInfo],
    store: ContentStore,
    progress: Progress,
) -> None:
    """Read a tarball again for some of its contents, by entry index. Raises TarballError."""
    left = len(wanted)
    if not left:
        return
    with read_tarball(source, limits) as reader:
        for entry in reader:
            if entry.index % _PROGRESS_EVERY == 0:
                progress(reader.packed_size)
            info = wanted.get(entry.index)
            if info is None:
                continue
            content = entry.read() if entry.size == info.size else b""
            if hashlib.sha256(content).digest() != info.digest:
                break
            store.put(info.index, content)
            left -= 1
            if not left:
                return
    raise DamagedTarball("changed", "The tarball changed while it was being read.")


def _read_file(entry: Entry, keep_size: int) -> tuple[FileInfo, bytes | None]:
    # Not SHA-1: someone who can make two files with the same digest could hide one behind the
    # other.
    content: bytes | None
    if entry.size <= keep_size:
        content = entry.read()
        digest = hashlib.sha256(content).digest()
        binary, lines = is_binary(content), count_lines(content)
        nul, shebang = b"\0" in content, content.startswith(_SHEBANG)
    else:
        content, binary, lines, last = None, False, 0, b"\n"
        nul = shebang = False
        hasher = hashlib.sha256()
        for number, chunk in enumerate(entry.chunks()):
            hasher.update(chunk)
            lines += chunk.count(b"\n")
            nul = nul or b"\0" in chunk
            if number == 0:
                binary, shebang = is_binary(chunk), chunk.startswith(_SHEBANG)
            last = chunk[-1:]
        lines += last != b"\n"
        digest = hasher.digest()
    info = FileInfo(
        path=entry.path,
        index=entry.index,
        size=entry.size,
        mode=entry.mode,
        digest=digest,
        binary=binary,
        lines=lines,
        problems=entry.problems,
        nul=nul,
        shebang=shebang,
    )
    return info, content
