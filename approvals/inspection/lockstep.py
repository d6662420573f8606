"""Two tarballs read side by side, so that what is the same in both is dropped at once.

npm packs a package's files in the same order in every version. So each file is met on both sides
within a short time: equal bytes are recognised by comparing them, and forgotten without being
hashed. What has not met its partner yet waits in memory, within a bound; beyond it, the content
goes to the store, whose memory is bounded, too. Should a path come a second time, both are read
anew, and everything is hashed.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from approvals.inspection.filetree import (
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
# Earlier copies of files, which npm leaves out, to be shown.
_MOST_SHADOWED = 50
# What is smaller is unpacked before a thread is worth its while.
_THREADED_SIZE = 1 * MIB

# How many packed bytes of both tarballs are read, and how many there are.
OnBytes = Callable[[int, int], None]


class BaselineError(Exception):
    """The baseline cannot be read; `reason` says why."""

    def __init__(self, reason: TarballError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class _SeenTwiceError(Exception):
    """A path came again: what it was compared with may have gone, and all must be hashed."""


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

    def shadow(self, path: str) -> None:
        """Note the earlier copy of a path that has come again."""
        waiting = self.take(path)
        if waiting is None and path not in self.tree.files:
            return
        if len(self.tree.shadowed) >= _MOST_SHADOWED:
            self.tree.more_shadowed += 1
            return
        info = self.tree.files[path] if waiting is None else self.settle(waiting, keep=True)
        self.tree.shadowed.append(info)

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
    content may be missing; the earlier copies in the staged tarball are in its tree.

    Raises TarballError for the staged tarball and BaselineError for the other.
    """
    sources = [new] if old is None else [old, new]
    furthest = 0

    def report(done: int, total: int) -> None:
        nonlocal furthest
        furthest = max(furthest, done)
        on_bytes(furthest, total)

    try:
        trees = _read(sources, _Pair(limits, keep, is_hashing=False), report)
    except _SeenTwiceError:
        trees = _read(sources, _Pair(limits, keep, is_hashing=True), report)
    return (None, trees[0]) if old is None else (trees[0], trees[1])


def _read(
    sources: list[tuple[Path, ContentStore]], pair: "_Pair", on_bytes: OnBytes
) -> list[FileTree]:
    total = sum(path.stat().st_size for path, _ in sources)

    def report(_: int) -> None:
        # All is unpacked before all is read.
        on_bytes(min(total - 1, sum(side.reader.packed_size for side in pair.sides)), total)

    with ExitStack() as stack:
        for path, store in sources:
            reader = read_tarball(
                path,
                pair.limits.tarball,
                is_threaded=path.stat().st_size >= _THREADED_SIZE,
                on_piece=report,
            )
            pair.sides.append(_Side(stack.enter_context(reader), store))
        while pair.step():
            pass
        on_bytes(total, total)
        return [pair.finish(side) for side in pair.sides]


class _Pair:
    def __init__(
        self, limits: CompareLimits, keep: Callable[[str], bool], *, is_hashing: bool
    ) -> None:
        self.limits = limits
        self.sides: list[_Side] = []
        self._keep = keep
        self._is_hashing = is_hashing

    def step(self) -> bool:
        """Read one entry of the side that is behind; whether there was one."""
        side = self.sides[0]
        for other in self.sides[1:]:
            if side.done or (not other.done and other.waiting_size < side.waiting_size):
                side = other
        if side.done:
            return False
        try:
            entry = next(side.reader, None)
            if entry is None:
                side.done = True
            elif entry.installed:
                self._meet(side, self._read(entry))
        except TarballError as error:
            if len(self.sides) > 1 and side is self.sides[0]:
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
        if entry.size > self.limits.file_size:
            return _Waiting(entry, None, info_of(entry, facts_of_large(entry)))
        return _Waiting(entry, entry.read(), None)

    def _meet(self, side: _Side, waiting: _Waiting) -> None:
        path = waiting.entry.path
        side.tree.manifests += path == MANIFEST
        other = next((other for other in self.sides if other is not side), None)
        if other is None:
            side.shadow(path)
            side.settle(waiting, keep=True)
            return
        if not self._is_hashing and (path in side.tree.files or path in side.waiting):
            raise _SeenTwiceError
        if side is self.sides[-1]:
            side.shadow(path)
        else:
            side.take(path)
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
            is_hashed = self._is_hashing or waiting.entry.mode != partner.entry.mode
            facts = facts_of(waiting.content, is_hashed=is_hashed)
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
