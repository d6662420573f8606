"""Reading two tarballs side by side: nothing kept that is the same, nothing lost that differs."""

import os
import random
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from approvals.inspection import lockstep
from approvals.inspection.compare import READING, compare_tarballs
from approvals.inspection.filetree import ContentStore, FileTree
from approvals.inspection.lockstep import BaselineError, read_side_by_side
from approvals.inspection.results import CompareLimits
from registry_client.tarball import MIB, DamagedTarball, Limits, TarballLimit
from tests.registry_client.tarballs import member, package, write

MANIFEST = member("package/package.json", b'{"name": "left", "version": "1.0.0"}')
Stores = tuple[ContentStore, ContentStore]


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def read(
    old: Path, new: Path, stores: Stores, limits: CompareLimits | None = None
) -> tuple[FileTree, FileTree]:
    trees = read_side_by_side(
        (old, stores[0]),
        (new, stores[1]),
        limits or CompareLimits(),
        keep=lambda path: path == "kept.txt",
        on_bytes=lambda done, total: None,
    )
    assert trees[0] is not None
    return trees[0], trees[1]


def kept(store: ContentStore, tree: FileTree) -> dict[str, bytes]:
    return {path: store.get(info.index) for path, info in tree.files.items() if info.index in store}


@pytest.mark.parametrize("waiting", [0, 16 * MIB])
@pytest.mark.parametrize("in_memory", [0, 32 * MIB])
def test_only_what_differs_is_kept_in_any_order(
    tmp_path: Path, waiting: int, in_memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lockstep, "_WAITING", waiting)
    same = {f"lib/{number}.js": noise(number, 500) for number in range(40)}
    old = {**same, "changed.js": b"one\n", "gone.js": b"gone\n", "kept.txt": b"k", "empty": b""}
    new = {"new.js": b"new\n", "kept.txt": b"k", "changed.js": b"two\n", "empty": b""}
    new |= dict(reversed(same.items()))
    with ContentStore(in_memory) as before, ContentStore(in_memory) as after:
        trees = read(
            package(tmp_path, old, name="old.tgz"),
            package(tmp_path, new, name="new.tgz"),
            (before, after),
        )
        differing = {"changed.js", "gone.js", "new.js", "kept.txt"}
        found = (kept(before, trees[0]), kept(after, trees[1]))
        if waiting:
            assert set(found[0]) == differing - {"new.js"}
            assert set(found[1]) == differing - {"gone.js"}
        for contents, tarball in zip(found, (old, new), strict=True):
            for path in differing & set(tarball):
                assert contents[path] == tarball[path]
        for path, info in trees[0].files.items():
            if path in trees[1].files:
                same_digest = info.digest == trees[1].files[path].digest
                assert same_digest == (path != "changed.js")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["one"], ["one", "two"]),
        (["one", "two"], ["one"]),
        (["one", "two", "one"], ["one"]),
        (["two", "one"], ["one", "one"]),
        (["one", "one"], ["two", "one"]),
        (["one"], ["two", "one", "two"]),
    ],
)
def test_of_a_path_that_comes_twice_the_last_is_compared(
    tmp_path: Path, old: list[str], new: list[str]
) -> None:
    def packed(contents: list[str], name: str) -> Path:
        files = [member("package/a.js", f"{content}\n".encode()) for content in contents]
        return write(tmp_path, MANIFEST, *files, name=name)

    result = compare_tarballs(packed(new, "new.tgz"), packed(old, "old.tgz"))
    files = [change for change in result.files if change.status != "left_out"]
    if old[-1] == new[-1]:
        assert files == []
    else:
        (change,) = files
        assert change.diff == f"@@ -1 +1 @@\n-{old[-1]}\n+{new[-1]}\n"


def large(tmp_path: Path, name: str, seed: int, *, cut: int = 0) -> Path:
    """A tarball of 6 MiB that hardly compresses, so that threads unpack it."""
    files = {f"{number}.bin": noise(seed + number, MIB) for number in range(6)}
    path = package(tmp_path, files, name=name)
    if cut:
        path.write_bytes(path.read_bytes()[:-cut])
    return path


def nothing_is_left_open(files_before: int) -> bool:
    running = [thread for thread in threading.enumerate() if thread.name == "gunzip"]
    return not running and open_files() == files_before


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir(), reason="Open files are counted in /proc, which Linux has."
)


@needs_proc
def test_threads_and_files_are_closed_at_the_end(tmp_path: Path) -> None:
    old, new = large(tmp_path, "old.tgz", 1), large(tmp_path, "new.tgz", 2)
    before = open_files()
    assert len(compare_tarballs(new, old).files) == 6
    assert nothing_is_left_open(before)


@needs_proc
def test_threads_and_files_are_closed_after_a_broken_tarball(tmp_path: Path) -> None:
    whole = large(tmp_path, "whole.tgz", 1)
    cut = large(tmp_path, "cut.tgz", 1, cut=3 * MIB)
    before = open_files()
    with pytest.raises(DamagedTarball):
        compare_tarballs(cut, whole)
    assert nothing_is_left_open(before)
    result = compare_tarballs(whole, cut)
    assert [problem.rule for problem in result.old_problems] == ["baseline-unreadable"]
    assert {change.status for change in result.files} == {"added"}
    assert nothing_is_left_open(before)


class LeaseLost(Exception):
    """The work is somebody else's by now."""


@needs_proc
@pytest.mark.parametrize("after", [1, 2, 3])
def test_what_on_progress_raises_ends_it_at_once(tmp_path: Path, after: int) -> None:
    files = {f"{number}.js": noise(number, 20_000) for number in range(600)}
    old, new = (package(tmp_path, files, name=f"{name}.tgz") for name in ("old", "new"))
    before = open_files()
    calls: list[int] = []

    def lose(stage: str, done: int, total: int) -> None:
        calls.append(threading.get_ident())
        if len(calls) == after:
            raise LeaseLost

    with pytest.raises(LeaseLost):
        compare_tarballs(new, old, on_progress=lose)
    assert calls == [threading.get_ident()] * after
    assert nothing_is_left_open(before)


@pytest.mark.parametrize("twice", [b"", member("package/0.js", b"again")])
def test_progress_only_grows_and_reaches_its_end(tmp_path: Path, twice: bytes) -> None:
    members = [member(f"package/{number}.js", noise(number, 3000)) for number in range(1200)]
    old = write(tmp_path, MANIFEST, *members, name="old.tgz")
    new = write(tmp_path, MANIFEST, *members, twice, name="new.tgz")
    seen: list[tuple[str, int, int]] = []
    compare_tarballs(new, old, on_progress=lambda *step: seen.append(step))
    reading = [(done, total) for stage, done, total in seen if stage == READING]
    assert len(reading) > 5
    assert reading == sorted(reading)
    assert reading[-1][0] == reading[-1][1] == old.stat().st_size + new.stat().st_size


def test_an_error_of_the_baseline_is_told_from_one_of_the_staged_tarball(tmp_path: Path) -> None:
    good = package(tmp_path, {"a.js": "1\n"}, name="good.tgz")
    bad = tmp_path / "bad.tgz"
    bad.write_bytes(b"no tarball")
    with ContentStore() as one, ContentStore() as two:
        with pytest.raises(BaselineError) as caught:
            read(bad, good, (one, two))
        assert caught.value.reason.rule == "not-gzip"
        limits = CompareLimits(tarball=Limits(entries=1))
        with pytest.raises(BaselineError):
            read(good, good, (one, two), limits)
    with pytest.raises(TarballLimit):
        compare_tarballs(good, bad, limits=limits)


Made = Callable[[int], bytes]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (lambda number: noise(1, MIB), lambda number: noise(1, MIB)),
        (lambda number: noise(1, MIB), lambda number: noise(2, MIB)),
        (lambda number: noise(number, MIB), lambda number: noise(36 - number, MIB)),
    ],
    ids=["the same", "all different", "in another order"],
)
def test_memory_is_bounded_whatever_differs(
    tmp_path: Path, old: Made, new: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lockstep, "_WAITING", 4 * MIB)

    def packed(made: Made, name: str) -> Path:
        files = [member(f"package/{number}.bin", made(number)) for number in range(36)]
        return write(tmp_path, MANIFEST, *files, name=name)

    paths = packed(old, "old.tgz"), packed(new, "new.tgz")
    tracemalloc.start()
    try:
        with ContentStore(4 * MIB) as before, ContentStore(4 * MIB) as after:
            read(*paths, (before, after))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32 * MIB
