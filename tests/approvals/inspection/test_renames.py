"""Which removed and added files are paired, and what bounds the search."""

import random
import tracemalloc
from collections import Counter
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.inspection.filetree import FileInfo, facts_of
from approvals.inspection.renames import Rename, identical_renames, similar_renames
from approvals.inspection.results import CompareLimits
from approvals.inspection.similarity import WHOLE, Index, chunks_of
from registry_client.tarball import MIB

LINES = [f"line {number} of a file\n".encode() for number in range(100)]
TEXT = b"".join(LINES)
MANY = 10**6


def infos(contents: dict[str, bytes]) -> list[FileInfo]:
    found = []
    for index, (path, content) in enumerate(contents.items()):
        facts = facts_of(content)
        found.append(
            FileInfo(path, index, len(content), 0o644, facts.digest, facts.binary, facts.lines, ())
        )
    return found


def search(
    old: dict[str, bytes], new: dict[str, bytes], limits: CompareLimits | None = None
) -> tuple[list[Rename], bool]:
    contents = (lambda info: old[info.path], lambda info: new[info.path])
    return similar_renames(infos(old), infos(new), contents, limits or CompareLimits())


def pairs(renames: list[Rename]) -> dict[str, str]:
    return {pair.old.path: pair.new.path for pair in renames}


def edited(share: float, seed: int = 1, lines: list[bytes] = LINES) -> bytes:
    """The text with that share of its lines replaced."""
    chance = random.Random(seed)
    gone = set(chance.sample(range(len(lines)), round(share * len(lines))))
    return b"".join(
        f"other {number} {seed} in a file\n".encode() if number in gone else line
        for number, line in enumerate(lines)
    )


def test_hashed_bundle_names_are_paired_across_folders() -> None:
    old = {"dist/chunk-4f3a.js": TEXT, "dist/chunk-77aa.js": TEXT.upper()}
    new = {"build/chunk-99b1.js": edited(0.1), "build/chunk-00c2.js": edited(0.1).upper()}
    found, is_whole = search(old, new)
    assert pairs(found) == {
        "dist/chunk-4f3a.js": "build/chunk-99b1.js",
        "dist/chunk-77aa.js": "build/chunk-00c2.js",
    }
    assert is_whole
    assert all(85 < pair.similarity < 95 for pair in found)


@pytest.mark.parametrize(("share", "is_paired"), [(0.4, True), (0.6, False)])
def test_half_of_a_file_has_to_be_the_same(share: float, is_paired: bool) -> None:
    assert bool(search({"a.js": TEXT}, {"b.js": edited(share)})[0]) == is_paired


def test_the_most_similar_pair_comes_first() -> None:
    new = {"near.js": edited(0.1), "far.js": edited(0.3)}
    assert pairs(search({"a.js": TEXT}, new)[0]) == {"a.js": "near.js"}


def test_a_name_of_its_own_goes_before_a_better_score() -> None:
    new = {"lib/a.js": edited(0.2), "other.js": edited(0.05, seed=2)}
    assert pairs(search({"a.js": TEXT}, new)[0]) == {"a.js": "lib/a.js"}
    # Below 75 per cent the name alone decides nothing.
    new = {"lib/a.js": edited(0.35), "other.js": edited(0.05, seed=2)}
    assert pairs(search({"a.js": TEXT}, new)[0]) == {"a.js": "other.js"}


def test_binary_files_are_paired_too() -> None:
    old = bytes(range(256)) * 8 + random.Random(1).randbytes(64 * 100)
    assert pairs(search({"a.wasm": old}, {"b.wasm": old[:-640] + bytes(640)})[0]) == {
        "a.wasm": "b.wasm"
    }


def test_line_ends_count_in_binary_files_alone() -> None:
    windows = TEXT.replace(b"\n", b"\r\n")
    (pair,), _ = search({"a.txt": TEXT}, {"b.txt": windows})
    assert pair.similarity > 90
    assert search({"a.bin": b"\0" + TEXT}, {"b.bin": b"\0" + windows})[0] == []


def test_large_files_are_paired() -> None:
    lines = [b"%d some text\n" % number for number in range(250_000)]
    (pair,), is_whole = search(
        {"a.js": b"".join(lines)}, {"b.js": b"".join([b"first\n", *lines[:-1]])}
    )
    assert (pair.similarity, is_whole) == (99, True)


def test_identical_files_are_paired_once_each_and_by_name_first() -> None:
    old = infos({"a/x.js": b"same", "a/y.js": b"same", "a/z.js": b"same", "b.js": b"other"})
    new = infos({"c/y.js": b"same", "c/w.js": b"same", "d.js": b"more"})
    assert pairs(identical_renames(old, new)) == {"a/y.js": "c/y.js", "a/x.js": "c/w.js"}


@pytest.mark.parametrize("content", [b"", b"same"])
def test_many_identical_files_are_paired(content: bytes) -> None:
    digest = sha256(content).digest()
    old, new = (
        [
            FileInfo(f"{side}/{number}.js", number, len(content), 0o644, digest, False, 0, ())
            for number in range(30_000)
        ]
        for side in ("old", "new")
    )
    # Going through all old ones for each new one would take minutes.
    assert len(identical_renames(old, new)) == 30_000


@pytest.mark.parametrize(
    "limits",
    [
        CompareLimits(rename_size=1000),
        CompareLimits(file_size=1000),
        CompareLimits(rename_all_sizes=3000),
        CompareLimits(rename_all_lines=150),
        CompareLimits(rename_files=1),
        CompareLimits(rename_chunks=150),
        CompareLimits(rename_steps=250),
    ],
)
def test_a_limited_search_says_so(limits: CompareLimits) -> None:
    old = {"a.js": TEXT, "b.js": TEXT.upper()}
    new = {"c.js": edited(0.1), "d.js": edited(0.1).upper()}
    found, is_whole = search(old, new, limits)
    assert not is_whole
    assert len(found) < 2


def test_sizes_that_cannot_be_similar_use_up_no_limit() -> None:
    old = {"a.js": TEXT, **{f"small{number}.js": b"x\n" for number in range(50)}}
    found, is_whole = search(old, {"b.js": edited(0.1)}, CompareLimits(rename_files=1))
    assert (len(found), is_whole) == (1, True)


@pytest.mark.parametrize(
    "content",
    [
        b"\n" * (2 * MIB),
        b"".join(b"%x\n" % (number % 4096) for number in range(MIB // 2)),
        random.Random(1).randbytes(2 * MIB),
        b"x" * (2 * MIB),
    ],
    ids=["empty lines", "short lines", "noise", "one line"],
)
def test_chunks_of_hostile_files_take_little_memory(content: bytes) -> None:
    tracemalloc.start()
    try:
        chunks_of(content, is_text=False, most=10_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 48 * MIB


def test_files_made_to_share_everything_are_given_up_in_time() -> None:
    lines = [b"%d\n" % number for number in range(2_000)]
    old = {f"old{number}": b"".join(lines) + b"%d-\n" % number for number in range(300)}
    new = {f"new{number}": b"".join(lines) + b"%d+\n" % number for number in range(300)}
    found, is_whole = search(old, new, CompareLimits(rename_steps=MANY))
    assert not is_whole
    assert len(found) < 300


def git_chunks(content: bytes, *, is_text: bool) -> Counter[bytes]:
    """Git's chunks, byte by byte as in diffcore-delta.c's hash_chars."""
    found: Counter[bytes] = Counter()
    chunk = bytearray()
    for position, byte in enumerate(content):
        if is_text and byte == 13 and content[position + 1 : position + 2] == b"\n":
            continue
        chunk.append(byte)
        if len(chunk) == 64 or byte == 10:
            found[bytes(chunk)] += 1
            chunk.clear()
    if chunk:
        found[bytes(chunk)] += 1
    return found


TEXTS = st.lists(
    st.sampled_from([b"\n", b"\r", b"\r\n", b"a", b"bc\n", b"x" * 63, b"y" * 64, b"\0"])
).map(b"".join)


@given(TEXTS, st.booleans())
def test_chunks_are_those_of_git(content: bytes, is_text: bool) -> None:
    assert chunks_of(content, is_text=is_text, most=MANY) == git_chunks(content, is_text=is_text)


@given(TEXTS, TEXTS)
def test_a_similarity_is_the_share_of_bytes_in_common(old: bytes, new: bytes) -> None:
    one, two = git_chunks(old, is_text=False), git_chunks(new, is_text=False)
    common = sum(len(chunk) * min(count, two[chunk]) for chunk, count in one.items())
    index = Index()
    index.add(len(old), one)
    shared, steps = index.shared(two)
    assert steps == len(shared) <= len(one)
    expected = common * WHOLE // max(len(old), len(new), 1)
    assert index.similarities(len(new), two, shared, 1) == ({0: expected} if expected else {})
