"""Pairing removed with added files as Git does: by digest first, then by similarity.

The order of steps is that of `git diff -M` (diffcore-rename.c): equal contents; then files whose
name, folders aside, no other file on its side has, if they are at least 75 % alike; then the most
similar pairs of all, down to 50 %.
"""

from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from heapq import nlargest
from posixpath import basename

from approvals.inspection.filetree import FileInfo
from approvals.inspection.results import CompareLimits
from approvals.inspection.similarity import WHOLE, Chunks, Index, chunks_of

_LEAST = WHOLE // 2
_LEAST_BY_NAME = WHOLE * 3 // 4
# As many as may still be free when a file's turn comes; Git keeps four.
_BEST = 20

Content = Callable[[FileInfo], bytes]


@dataclass(frozen=True, slots=True)
class Rename:
    """A file that moved. `similarity` is from 50 to 100 per cent."""

    old: FileInfo
    new: FileInfo
    similarity: int


def identical_renames(removed: list[FileInfo], added: list[FileInfo]) -> list[Rename]:
    """Pairs with the same content, if possible with the same file name."""
    by_digest: defaultdict[bytes, deque[FileInfo]] = defaultdict(deque)
    by_name: defaultdict[tuple[bytes, str], deque[FileInfo]] = defaultdict(deque)
    for info in _sorted(removed):
        by_digest[info.digest].append(info)
        by_name[info.digest, basename(info.path)].append(info)
    pairs: list[Rename] = []
    taken: set[int] = set()
    for new in _sorted(added):
        for olds in (by_name.get((new.digest, basename(new.path))), by_digest.get(new.digest)):
            while olds and olds[0].index in taken:
                olds.popleft()
            if olds:
                old = olds.popleft()
                taken.add(old.index)
                pairs.append(Rename(old, new, 100))
                break
    return pairs


def similar_renames(
    removed: list[FileInfo],
    added: list[FileInfo],
    contents: tuple[Content, Content],
    limits: CompareLimits,
) -> tuple[list[Rename], bool]:
    """Pairs of similar files, and whether a limit kept some files out of the search.

    `contents` give what is in an old and in a new file of at most `limits.rename_size` bytes.
    """
    if not removed or not added:
        return [], True
    search = _Search(limits)
    olds, old_whole = _candidates(removed, added, limits)
    news, new_whole = _candidates(added, removed, limits)
    pairs = search.pairs(olds, news, contents)
    return pairs, old_whole and new_whole and search.is_whole


class _Search:
    def __init__(self, limits: CompareLimits) -> None:
        self._limits = limits
        self._steps = limits.rename_steps
        self.is_whole = True

    def pairs(
        self, olds: list[FileInfo], news: list[FileInfo], contents: tuple[Content, Content]
    ) -> list[Rename]:
        index = Index()
        indexed = []
        for old in olds:
            chunks = self._chunks(old, contents[0], self._limits.rename_chunks - index.entries)
            if chunks is not None:
                index.add(old.size, chunks)
                indexed.append(old)
        found = [self._scores(new, contents[1], index, indexed) for new in news]
        return _paired(indexed, news, found)

    def _chunks(self, info: FileInfo, content: Content, most: int) -> Chunks | None:
        chunks = chunks_of(content(info), is_text=not info.binary, most=most)
        if chunks is None:
            self.is_whole = False
        return chunks

    def _scores(
        self, new: FileInfo, content: Content, index: Index, olds: list[FileInfo]
    ) -> list[tuple[int, int]]:
        """Score and number of the old files that this one may come from, the best first."""
        if self._steps <= 0:
            self.is_whole = False
            return []
        chunks = self._chunks(new, content, self._limits.rename_chunks)
        if chunks is None:
            return []
        shared, steps = index.shared(chunks)
        self._steps -= steps + len(chunks)
        if self._steps < 0:
            self.is_whole = False
            return []
        name = basename(new.path)
        scores = index.similarities(new.size, chunks, shared, _LEAST)
        best = nlargest(
            _BEST,
            (
                (score, basename(olds[number].path) == name, -number)
                for number, score in scores.items()
            ),
        )
        return [(score, -number) for score, _, number in best]


def _paired(
    olds: list[FileInfo], news: list[FileInfo], found: list[list[tuple[int, int]]]
) -> list[Rename]:
    old_names = Counter(basename(info.path) for info in olds)
    new_names = Counter(basename(info.path) for info in news)
    by_name, by_score = [], []
    for position, scores in enumerate(found):
        name = basename(news[position].path)
        for score, number in scores:
            same_name = basename(olds[number].path) == name
            only = same_name and old_names[name] == new_names[name] == 1
            if only and score >= _LEAST_BY_NAME:
                by_name.append((-score, not same_name, position, number))
            by_score.append((-score, not same_name, position, number))
    pairs: list[Rename] = []
    free_olds, free_news = set(range(len(olds))), set(range(len(news)))
    for score, _, position, number in [*by_name, *sorted(by_score)]:
        if position in free_news and number in free_olds:
            free_news.remove(position)
            free_olds.remove(number)
            similarity = -score * 100 // WHOLE
            pairs.append(Rename(olds[number], news[position], similarity))
    return pairs


def _candidates(
    files: list[FileInfo], others: list[FileInfo], limits: CompareLimits
) -> tuple[list[FileInfo], bool]:
    """The files whose size allows a similar one, and whether a limit left none of them out."""
    sizes = sorted({info.size for info in others})
    chosen: list[FileInfo] = []
    is_whole = True
    room, room_for_lines = limits.rename_all_sizes, limits.rename_all_lines
    for info in _sorted(files):
        # The smallest that is at least half its size.
        near = bisect_left(sizes, (info.size + 1) // 2)
        if not info.size or near == len(sizes) or sizes[near] > 2 * info.size:
            continue
        if (
            info.size <= min(limits.rename_size, limits.file_size, room)
            and info.lines <= room_for_lines
            and len(chosen) < limits.rename_files
        ):
            room -= info.size
            room_for_lines -= info.lines
            chosen.append(info)
        else:
            is_whole = False
    return chosen, is_whole


def _sorted(files: list[FileInfo]) -> list[FileInfo]:
    # Git orders paths by their bytes.
    return sorted(files, key=lambda info: info.path.encode("utf-8", "surrogateescape"))
