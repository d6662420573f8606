"""How much of one file's content is in another: Git's own measure, with bounded work.

Git (gitdiffcore(7); diffcore-delta.c of Git 2.44 and later) cuts a file into chunks that end with
a line, or after 64 bytes. What two files have in common is the bytes of the chunks they share,
as often as both have them; that, divided by the larger file's size, is their similarity. In text,
CR before LF does not count. Git compares chunks by a hash with 107,927 values, so that large files
can seem more alike to it than they are; here chunks are compared themselves.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable

# Similarity is an integer from 0 to this, as in Git.
WHOLE = 60_000
_CHUNK = 64
# So many bytes are taken apart at a time, as each line costs memory while that is done.
_WINDOW = 1024 * 1024

# A chunk, and how many bytes of it a file has.
Chunks = dict[bytes, int]


def chunks_of(content: bytes, *, is_text: bool, most: int) -> Chunks | None:
    """The chunks of a file; None if there are more than `most` different ones."""
    chunks: Counter[bytes] = Counter()
    start = 0
    while start < len(content):
        end = content.rfind(b"\n", start, start + _WINDOW) + 1
        if not end:
            end = content.find(b"\n", start + _WINDOW) + 1 or len(content)
        _add_lines(chunks, content[start:end], is_text=is_text)
        if len(chunks) > most:
            return None
        start = end
    return chunks


def _add_lines(chunks: Counter[bytes], part: bytes, *, is_text: bool) -> None:
    lines = part.split(b"\n")
    rest = lines.pop()
    if rest:
        _add_line(chunks, rest, 1)
    for line, times in Counter(lines).items():
        if is_text and line.endswith(b"\r"):
            line = line[:-1]  # noqa: PLW2901 - the line as Git sees it
        if len(line) < _CHUNK:
            chunks[line + b"\n"] += times * (len(line) + 1)
        else:
            _add_line(chunks, line + b"\n", times)


def _add_line(chunks: Counter[bytes], line: bytes, times: int) -> None:
    for start in range(0, len(line), _CHUNK):
        chunk = line[start : start + _CHUNK]
        chunks[chunk] += times * len(chunk)


class Index:
    """Several files by the chunks they have, to compare another one with all of them at once."""

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._places: defaultdict[bytes, list[int]] = defaultdict(list)
        self.entries = 0

    def add(self, size: int, chunks: Chunks) -> None:
        """Add the next file; files are known by their number, from 0 on."""
        number = len(self._sizes)
        self._sizes.append(size)
        self.entries += len(chunks)
        for chunk, count in chunks.items():
            self._places[chunk] += (number, count)

    def work(self, chunks: Iterable[bytes]) -> int:
        """How many steps it takes to compare a file with these chunks."""
        places = self._places
        return sum(len(places[chunk]) for chunk in chunks if chunk in places) // 2

    def similarities(self, size: int, chunks: Chunks, least: int) -> dict[int, int]:
        """The similarity to each file where it is at least `least`, by the file's number."""
        common: defaultdict[int, int] = defaultdict(int)
        places = self._places
        for chunk, count in chunks.items():
            found = places.get(chunk)
            if found is None:
                continue
            for number, other in zip(found[::2], found[1::2], strict=True):
                common[number] += min(count, other)
        return {
            number: score
            for number, copied in common.items()
            if (score := copied * WHOLE // max(size, self._sizes[number])) >= least
        }
