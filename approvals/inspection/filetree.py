"""The files of a tarball by path and digest, and the contents of those that have to be kept."""

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from approvals.inspection.results import Totals
from registry_client.tar_paths import Problem
from registry_client.tarball import MIB, DamagedTarball, Entry, Limits, read_tarball

Progress = Callable[[int], None]
HEAD = 2048
# Each of the two stores may take this much memory before it writes to the disk.
_IN_MEMORY = 32 * MIB
_SHEBANG = b"#!"
_BINARY_HEAD = 8000


class Facts(NamedTuple):
    """What a file's bytes say; `lines` are counted in binary files, too.

    `binary` is Git's rule (a NUL in the first 8000 bytes), `nul` whether there is one anywhere.
    `head` is the first 2048 bytes, empty where the whole content is kept.
    """

    digest: bytes
    binary: bool
    lines: int
    nul: bool
    shebang: bool
    head: bytes = b""


@dataclass(slots=True)
class FileInfo:
    """One file npm would install; `digest` is SHA-256, the rest of its content's facts as above.

    Where both tarballs have the same bytes under the same path and mode, `digest` may be empty on
    both sides. Nobody changes it; it is not frozen as that would make reading slower.
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
    head: bytes = b""

    @property
    def mode_that_counts(self) -> int:
        """What npm keeps of the mode: whether it can be run, and the special bits."""
        return (0o755 if self.mode & 0o111 else 0o644) | self.mode & 0o7000


@dataclass(slots=True)
class FileTree:
    """All files of a tarball; of several with the same path the last, as npm does.

    `shadowed` are earlier copies, which npm leaves out: the first of them, and how many more.
    """

    files: dict[str, FileInfo] = field(default_factory=dict)
    shadowed: list[FileInfo] = field(default_factory=list)
    more_shadowed: int = 0
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
    """File contents by entry index: in memory while few, then in one nameless temporary file."""

    def __init__(self, in_memory: int = _IN_MEMORY) -> None:
        # Closed in __exit__; it has no name and takes no disk before something is written to it.
        self._file = tempfile.SpooledTemporaryFile(max_size=1)  # noqa: SIM115 - see above
        self._contents: dict[int, bytes] = {}
        self._places: dict[int, tuple[int, int]] = {}
        self._room = in_memory
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
        return index in self._contents or index in self._places

    def put(self, index: int, content: bytes) -> None:
        """Keep one content, if it is not kept yet."""
        if index in self:
            return
        if len(content) <= self._room:
            self._room -= len(content)
            self._contents[index] = content
            return
        self._file.seek(self._end)
        self._file.write(content)
        self._places[index] = (self._end, len(content))
        self._end += len(content)

    def get(self, index: int) -> bytes:
        """The content kept under that index. Raises KeyError."""
        content = self._contents.get(index)
        if content is not None:
            return content
        start, size = self._places[index]
        self._file.seek(start)
        return self._file.read(size)

    def get_or_none(self, info: FileInfo) -> bytes | None:
        """The content of that file, if it is kept."""
        return self.get(info.index) if info.index in self else None


def facts_of(content: bytes, *, is_hashed: bool = True) -> Facts:
    """The facts of a file that is in memory as a whole; the digest is empty unless `is_hashed`."""
    # Not SHA-1: someone who can make two files with the same digest could hide one behind the
    # other.
    nul = content.find(b"\0")
    return Facts(
        digest=hashlib.sha256(content).digest() if is_hashed else b"",
        binary=0 <= nul < _BINARY_HEAD,
        lines=content.count(b"\n") + (bool(content) and content[-1:] != b"\n"),
        nul=nul >= 0,
        shebang=content.startswith(_SHEBANG),
    )


def facts_of_large(entry: Entry) -> Facts:
    """The facts of a file that is read piece by piece. Raises TarballError."""
    hasher = hashlib.sha256()
    start, last, lines, nul = b"", b"", 0, False
    for chunk in entry.chunks():
        if len(start) < _BINARY_HEAD:
            start += chunk[:_BINARY_HEAD]
        hasher.update(chunk)
        lines += chunk.count(b"\n")
        nul = nul or b"\0" in chunk
        last = chunk[-1:]
    return Facts(
        digest=hasher.digest(),
        binary=b"\0" in start[:_BINARY_HEAD],
        lines=lines + (last not in (b"", b"\n")),
        nul=nul,
        shebang=start.startswith(_SHEBANG),
        head=start[:HEAD],
    )


def info_of(entry: Entry, facts: Facts) -> FileInfo:
    """An entry together with what its bytes say."""
    return FileInfo(
        entry.path,
        entry.index,
        entry.size,
        entry.mode,
        facts.digest,
        facts.binary,
        facts.lines,
        entry.problems,
        facts.nul,
        facts.shebang,
        facts.head,
    )


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
    with read_tarball(source, limits, on_piece=progress) as reader:
        for entry in reader:
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
