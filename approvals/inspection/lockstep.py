"""Two tarballs read side by side, so that what is the same in both is dropped at once.

npm packs a package's files in the same order in every version. So each file is met on both sides
within a short time: equal bytes are recognised by comparing them, hashed once, and forgotten. What
has not met its partner yet waits in memory, within a bound; beyond it, the content goes to the
store, whose memory is bounded, too.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from approvals.inspection.filetree import (
    PROGRESS_EVERY,
    ContentStore,
    FileInfo,
    FileTree,
    facts_of,
    facts_of_large,
    info_of,
)
from approvals.inspection.results import CompareLimits
from approvals.inspection.risk import MANIFEST
from registry_client.tarball import MIB, Entry, TarballError, TarballReader, read_tarball

# Bytes of content that may wait for the other side, on each side.
_WAITING = 16 * MIB
# What is smaller is unpacked before a thread is worth its while.
_THREADED_SIZE = 1 * MIB

# How many packed bytes of both tarballs are read, and how many there are.
OnBytes = Callable[[int, int], None]


class BaselineError(Exception):
    """The baseline cannot be read; `reason` says why."""

    def __init__(self, reason: TarballError) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass(slots=True)
class _Waiting:
    """A file that the other side has not shown yet: whole in memory, or already looked into."""

    entry: Entry
    content: bytes | None
    info: FileInfo | None


@dataclass(slots=True)
class _Side:
    reader: TarballReader
    store: ContentStore
    tree: FileTree = field(default_factory=FileTree)
    waiting: dict[str, _Waiting] = field(default_factory=dict)
    waiting_size: int = 0
    done: bool = False

    def take(self, path: str) -> _Waiting | None:
        found = self.waiting.pop(path, None)
        if found is not None and found.content is not None:
            self.waiting_size -= len(found.content)
        return found

    def settle(self, waiting: _Waiting, *, keep: bool) -> FileInfo:
        """Enter a file into the tree; with `keep`, its content goes to the store."""
        info = waiting.info or info_of(waiting.entry, facts_of(waiting.content or b""))
        self.tree.files[info.path] = info
        if keep and waiting.content is not None:
            self.store.put(info.index, waiting.content)
        return info


def read_side_by_side(
    old: tuple[Path, ContentStore] | None,
    new: tuple[Path, ContentStore],
    limits: CompareLimits,
    *,
    keep: Callable[[str], bool],
    on_bytes: OnBytes,
) -> tuple[FileTree | None, FileTree]:
    """The baseline's files (None if there is no baseline) and the staged tarball's.

    The stores get the contents, up to `limits.file_size`, of files that differ or stand on one side
    only, and of those whose path `keep` names. Where a tarball has one path several times, a
    content may be missing. Raises TarballError for the staged tarball and BaselineError for the
    other.
    """
    with ExitStack() as stack:
        sources = [new] if old is None else [old, new]
        sides = [
            _Side(
                stack.enter_context(
                    read_tarball(
                        path, limits.tarball, is_threaded=path.stat().st_size >= _THREADED_SIZE
                    )
                ),
                store,
            )
            for path, store in sources
        ]
        total = sum(path.stat().st_size for path, _ in sources)
        pair = _Pair(sides, limits, keep)
        steps = 0
        while pair.step():
            if steps % PROGRESS_EVERY == 0:
                on_bytes(min(total, sum(side.reader.packed_size for side in sides)), total)
            steps += 1
        on_bytes(total, total)
        trees = [pair.finish(side) for side in sides]
    return (None, trees[0]) if old is None else (trees[0], trees[1])


class _Pair:
    def __init__(
        self, sides: list[_Side], limits: CompareLimits, keep: Callable[[str], bool]
    ) -> None:
        self._sides = sides
        self._old = sides[0] if len(sides) > 1 else None
        self._limits = limits
        self._keep = keep

    def step(self) -> bool:
        """Read one entry of the side that is behind; whether there was one."""
        side = min(
            (side for side in self._sides if not side.done),
            key=lambda side: side.waiting_size,
            default=None,
        )
        if side is None:
            return False
        try:
            entry = next(side.reader, None)
            if entry is None:
                side.done = True
            elif entry.installed:
                self._meet(side, self._read(entry))
        except TarballError as error:
            if side is self._old:
                raise BaselineError(error) from error
            raise
        return True

    def finish(self, side: _Side) -> FileTree:
        """Settle what stands on one side only."""
        for path in list(side.waiting):
            if waiting := side.take(path):
                side.settle(waiting, keep=True)
        side.tree.packed_size = side.reader.packed_size
        side.tree.problems = tuple(side.reader.problems)
        side.tree.problems_left_out = side.reader.problems_left_out
        return side.tree

    def _read(self, entry: Entry) -> _Waiting:
        if entry.size > self._limits.file_size:
            return _Waiting(entry, None, info_of(entry, facts_of_large(entry)))
        return _Waiting(entry, entry.read(), None)

    def _meet(self, side: _Side, waiting: _Waiting) -> None:
        path = waiting.entry.path
        side.tree.manifests += path == MANIFEST
        side.take(path)
        other = next((other for other in self._sides if other is not side), None)
        if other is None:
            side.settle(waiting, keep=True)
            return
        partner = other.take(path)
        if partner is not None:
            self._settle_both(side, waiting, other, partner)
        elif (earlier := other.tree.files.get(path)) is not None:
            info = side.settle(waiting, keep=False)
            if waiting.content is not None and (info.digest != earlier.digest or self._keep(path)):
                side.store.put(info.index, waiting.content)
        else:
            self._wait(side, path, waiting)

    def _settle_both(self, side: _Side, waiting: _Waiting, other: _Side, partner: _Waiting) -> None:
        if waiting.content is not None and waiting.content == partner.content:
            facts = facts_of(waiting.content)
            waiting.info = info_of(waiting.entry, facts)
            partner.info = info_of(partner.entry, facts)
            same = True
        else:
            waiting.info = side.settle(waiting, keep=False)
            partner.info = other.settle(partner, keep=False)
            same = waiting.info.digest == partner.info.digest
        keep = not same or self._keep(waiting.entry.path)
        side.settle(waiting, keep=keep)
        other.settle(partner, keep=keep)

    def _wait(self, side: _Side, path: str, waiting: _Waiting) -> None:
        size = len(waiting.content or b"")
        if side.waiting_size + size > _WAITING and waiting.content is not None:
            waiting.info = info_of(waiting.entry, facts_of(waiting.content))
            side.store.put(waiting.info.index, waiting.content)
            waiting.content = None
        else:
            side.waiting_size += size
        side.waiting[path] = waiting
