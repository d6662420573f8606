"""How much of one file's content is in another: Git's own measure, with bounded work.

Git (gitdiffcore(7); diffcore-delta.c of Git 2.44 and later) cuts a file into chunks that end with
a line, or after 64 bytes. What two files have in common is the bytes of the chunks they share,
as often as both have them; that, divided by the larger file's size, is their similarity. In text,
CR before LF does not count. Git compares chunks by a hash with 107,927 values, so that large files
can seem more alike to it than they are; here chunks are compared themselves.
"""

import re
from collections import Counter, defaultdict

# Similarity is an integer from 0 to this, as in Git.
WHOLE = 60_000
_CHUNK = re.compile(rb"[^\n]{64}|[^\n]*+\n|[^\n]++")
# So many bytes are taken apart at a time, as each line costs memory while that is done.
_WINDOW = 1024 * 1024

# A chunk, and how often a file has it.
Chunks = Counter[bytes]


def chunks_of(content: bytes, *, is_text: bool, most: int) -> Chunks | None:
    """The chunks of a file; None if there are more than `most` different ones."""
    chunks: Chunks = Counter()
    start = 0
    while start < len(content):
        end = content.rfind(b"\n", start, start + _WINDOW) + 1
        if not end:
            end = content.find(b"\n", start + _WINDOW) + 1 or len(content)
        part = content[start:end]
        chunks.update(_CHUNK.findall(part.replace(b"\r\n", b"\n") if is_text else part))
        if len(chunks) > most:
            return None
        start = end
    return chunks


class Index:
    """Several files by the chunks they have, to compare another one with all of them at once."""

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._places: dict[bytes, list[int]] = {}
        self.entries = 0

    def add(self, size: int, chunks: Chunks) -> None:
        """Add the next file; files are known by their number, from 0 on."""
        number = len(self._sizes)
        self._sizes.append(size)
        self.entries += len(chunks)
        places = self._places
        for chunk, count in chunks.items():
            found = places.get(chunk)
            if found is None:
                places[chunk] = [number, count]
            else:
                found += (number, count)

    def shared(self, chunks: Chunks) -> tuple[set[bytes], int]:
        """The chunks that some file has, too, and how many steps it takes to go through them."""
        shared = chunks.keys() & self._places.keys()
        return shared, sum(map(len, map(self._places.__getitem__, shared))) // 2

    def similarities(
        self, size: int, chunks: Chunks, shared: set[bytes], least: int
    ) -> dict[int, int]:
        """The similarity to each file where it is at least `least`, by the file's number."""
        common: defaultdict[int, int] = defaultdict(int)
        places = self._places
        for chunk in shared:
            count, length = chunks[chunk], len(chunk)
            found = places[chunk]
            for at in range(0, len(found), 2):
                other = found[at + 1]
                common[found[at]] += length * (count if count < other else other)
        return {
            number: score
            for number, copied in common.items()
            if (score := copied * WHOLE // max(size, self._sizes[number])) >= least
        }
