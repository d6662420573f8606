"""Tarballs that nobody thought of: made of odd parts, then damaged, and read to the end.

Every run tries the same ones; `tests/run --fuzz-seconds 600 tests/registry_client` goes on with
others. Whatever is in a tarball, it is read or refused with a TarballError: no crash, no hang, and
within its limits.
"""

import gzip
import io
import json
import random
import signal
import tempfile
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from approvals.inspection.compare import compare_tarballs
from approvals.inspection.filetypes import LONGEST
from approvals.inspection.models import FileChange
from approvals.inspection.printed import printed
from approvals.inspection.results import CompareLimits, Comparison
from registry_client.tar_paths import is_utf8
from registry_client.tarball import Entry, Limits, TarballError, TarballReader, read_tarball
from tests.registry_client.tarballs import END, member, pax

EXAMPLES = 400
PATIENCE_SECONDS = 60
# Tight, so that small tarballs reach them.
LIMITS = Limits(
    unpacked_size=200_000,
    entry_size=20_000,
    entries=20,
    ratio=50,
    ratio_free=30_000,
    path_length=150,
    path_depth=10,
    all_paths=600,
    folders=20,
    extended_header=2_000,
    gzip_members=3,
    problems=10,
)
COMPARE_LIMITS = CompareLimits(
    tarball=LIMITS,
    file_size=8_000,
    file_lines=200,
    all_sizes=30_000,
    all_lines=500,
    file_diff=3_000,
    all_diffs=6_000,
    line=200,
    rename_size=5_000,
    rename_all_sizes=10_000,
    rename_files=3,
    manifest_size=3_000,
    manifest_depth=6,
    nested_manifests=2,
    nested_manifests_size=500,
    readme_size=50,
    changelog_size=2_000,
)

NAMES = [
    *("package/package.json", "package/index.js", "package/Index.js", "package/lib/a.js"),
    *("package/lib", "package/lib/", "package/lib/../a", "package/./index.js", "package//a"),
    *("package/README.md", "package/CHANGELOG.md", "package/binding.gyp", "package/logo.png"),
    *("package/node_modules/b/package.json", "package/chunk-4f3a.js", "package/chunk-99b1.js"),
    *("index.js", "/etc/passwd", "package/C:/a", "package/a\\b", "package/..", "", ".", "package/"),
    *("package/\u00e9", "package/e\u0301", "package/\u202ea.js", "package/a\nb", "package/a\0b"),
    *("package/stra\u00dfe", "package/STRASSE", "package/\u0130", "package/" + "d/" * 20 + "a"),
]
MANIFESTS = [
    b'{"name": "a", "version": "1.0.0"}',
    b'{"name": "a", "version": "1.0.0", "scripts": {"install": "node index.js"}}',
    b'{"name": "a\\u0000", "version": "\\ud800", "main": "lib", "bin": {"x": null}, "exports": []}',
    b'{"name": "a", "name": "b"}',
    b'{"repository": [1], "files": {"a": 1}, "os": {}, "maintainers": [null, {"name": 1}]}',
    b'{"a": [[[[[[[[1]]]]]]]]}',
    b"[1e999]",
    b"{",
]
LINES = st.lists(st.sampled_from([b"a", b"b", b"  a", b"\ta\r", b"\xff", b"", b"x" * 300, b"\0"]))
CONTENTS = st.one_of(
    st.sampled_from(MANIFESTS),
    LINES.map(b"\n".join),
    st.binary(max_size=1200),
    st.integers(0, 30_000).map(lambda count: b"ab\n" * (count // 3)),
    st.sampled_from([b"\x89PNG\r\n\x1a\n\0", b"#!/bin/sh\n", b"## 1.0.0\n\n* a\n", b"\xff\xfea\0"]),
)
RAW_NAMES = st.one_of(
    st.sampled_from(NAMES).map(str.encode),
    st.text(max_size=30).map(lambda text: f"package/{text}".encode(errors="replace")),
    st.binary(max_size=100),
).map(lambda name: name[:100])
KEYS = st.sampled_from(
    [
        *("path", "linkpath", "size", "mtime", "uid", "comment", "charset", "SCHILY.dev", "mode"),
        *("GNU.sparse.major", "SCHILY.realsize", "LIBARCHIVE.x", "type", "a=b", ""),
    ]
)
VALUES = st.one_of(
    st.sampled_from(NAMES).map(str.encode),
    st.sampled_from([b"0", b"5", b"-1", b"1.5", b"9" * 30, b"a\n9 path=b\n", b"\0", b"x" * 3000]),
    st.binary(max_size=30),
)
FIELDS = st.sampled_from(
    [b"\xff" * 12, b"\x80" + bytes(10) + b"\5", b"00000000017\0", b" 17 \0", b"0x1", b"9", b"\0"]
)
PLACES = st.sampled_from([0, 99, 100, 108, 116, 124, 136, 156, 157, 257, 263, 265, 329, 345, 475])


MODES = st.sampled_from([0o644, 0o755, 0o600, 0o4755, 0, 0o7777])


@st.composite
def readable(draw: DrawFn) -> bytes:
    """An entry that is read, whatever is odd about its name, mode and content."""
    name = draw(RAW_NAMES).replace(b"\0", b"") or b"a"
    if name.endswith(b"/"):
        return member(name, kind=draw(st.sampled_from([b"5", b"0"])), mode=draw(MODES))
    kind = draw(st.sampled_from([b"0"] * 9 + [b"7", b"2", b"1", b"3", b"6"]))
    link = b"../x" if kind in (b"1", b"2") else b""
    content = draw(CONTENTS) if kind in (b"0", b"7") else b""
    start = pax(("path", name)) if draw(st.integers(0, 9)) == 0 and is_utf8(name) else b""
    return start + member(name, content, kind=kind, link=link, mode=draw(MODES))


@st.composite
def odd(draw: DrawFn) -> bytes:
    """An entry with a header that may mean anything."""
    return member(
        draw(RAW_NAMES),
        draw(CONTENTS) if draw(st.booleans()) else b"",
        kind=draw(st.sampled_from([bytes([code]) for code in b"\x00001234567SMVDNXAI\xff"])),
        mode=draw(MODES),
        size=draw(st.none() | st.integers(0, 2**33) | st.integers(0, 1200)),
        link=draw(st.sampled_from([b"", b"", b"../../etc", b"\x1b[2J", b"x" * 100])),
        prefix=draw(st.sampled_from([b"", b"", b"", b"package", b"x" * 155, b"a\0b"])),
        magic=draw(st.sampled_from([b"ustar\x0000"] * 4 + [b"ustar  \0", bytes(8)])),
        at=(draw(PLACES), draw(FIELDS)) if draw(st.booleans()) else (0, b""),
    )


PARTS: SearchStrategy[bytes] = st.one_of(
    odd(),
    odd(),
    st.lists(st.tuples(KEYS, VALUES), max_size=3).map(lambda records: pax(*records)),
    st.tuples(KEYS, VALUES).map(lambda record: pax(record, kind=b"g")),
    st.tuples(VALUES, st.sampled_from([b"L", b"K"])).map(
        lambda both: member("././@LongLink", both[0] + b"\0", kind=both[1])
    ),
    st.sampled_from([END, bytes(512), bytes(100), b"!" * 512]),
)
MANIFEST = st.sampled_from(MANIFESTS).map(lambda content: member("package/package.json", content))


@st.composite
def tarballs(draw: DrawFn) -> bytes:
    # Most are honest enough to be read, so that what comes after reading is reached.
    parts = draw(st.lists(readable() if draw(st.integers(0, 3)) else PARTS, max_size=8))
    data = draw(st.one_of(MANIFEST, st.just(b""))) + b"".join(parts)
    data += draw(st.sampled_from([END, END, END, b"", bytes(512)]))
    most = draw(st.sampled_from([0, 0, 0, 0, 2, 3]))
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=most)))
    level = draw(st.sampled_from([0, 1, 9]))
    packed = b"".join(
        gzip.compress(data[start:end], compresslevel=level, mtime=0)
        for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)
    )
    return draw(damaged(packed))


@st.composite
def damaged(draw: DrawFn, packed: bytes) -> bytes:
    """Mostly left alone; else with some bytes changed, cut out or put in."""
    if draw(st.integers(0, 5)):
        return packed
    content = bytearray(packed)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(content)))
        length = draw(st.sampled_from([0, 1, 2, 10, 10_000]))
        content[start : start + length] = draw(st.binary(max_size=8))
    return bytes(content)


@contextmanager
def no_hang() -> Iterator[None]:
    def give_up(signal_number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"it took longer than {PATIENCE_SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Slow(io.BytesIO):
    """A file that gives some bytes at a time."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size or 1, 7))


Read = tuple[list[tuple[str, str, int, bytes, tuple[str, ...]]], str]


def all_of(content: bytes, file: io.BytesIO, *, is_threaded: bool) -> Read:
    """Every entry with its content, and the rule of the error at the end, if there is one."""
    found = []
    end = words = ""
    with read_tarball(file, LIMITS, is_threaded=is_threaded) as reader:
        try:
            for entry in reader:
                body = entry.read()
                check_entry(entry, body)
                rules = tuple(problem.rule for problem in entry.problems)
                found.append((entry.path, entry.kind, entry.mode, body, rules))
        except TarballError as error:
            end, words = error.rule, str(error)
        check_bounds(reader, found)
        assert reader.packed_size <= len(content)
    assert bool(end) == bool(words)
    assert words.isprintable()
    return found, end


def check_entry(entry: Entry, body: bytes) -> None:
    assert len(body) == entry.size <= LIMITS.entry_size
    if entry.installed:
        assert entry.kind == "file"
        parts = entry.path.replace("\\", "/").split("/")
        assert entry.path
        assert ".." not in parts
        assert not entry.path.startswith("/")
        assert "\0" not in entry.path
    for problem in entry.problems:
        assert is_printable(problem.path)
        assert is_printable(problem.sentence)


def check_bounds(
    reader: TarballReader, found: list[tuple[str, str, int, bytes, tuple[str, ...]]]
) -> None:
    assert len(found) <= LIMITS.entries
    assert sum(len(body) for _, _, _, body, _ in found) <= LIMITS.unpacked_size
    # What is about the whole tarball may come on top.
    counts = Counter(problem.rule for problem in reader.problems)
    assert max(counts.values(), default=0) <= LIMITS.problems + 1
    assert all(len(path) <= LIMITS.path_length for path, *_ in found)


def is_printable(text: str) -> bool:
    return not {unicodedata.category(char) for char in text} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def fuzz(body: Callable[..., None], seconds: float, *strategies: SearchStrategy[bytes]) -> None:
    """The same examples in every run, and for `seconds` others."""
    calm = settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    settings(calm, derandomize=True)(given(*strategies)(body))()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        # The seed is in the traceback of a failure.
        number = random.SystemRandom().randrange(2**32)
        seed(number)(calm(given(*strategies)(body)))()


@pytest.fixture
def fuzz_seconds(request: pytest.FixtureRequest) -> float:
    return float(request.config.getoption("--fuzz-seconds"))


def test_the_reader_reads_or_refuses(fuzz_seconds: float) -> None:
    def check(content: bytes) -> None:
        with no_hang():
            found = all_of(content, io.BytesIO(content), is_threaded=False)
            assert all_of(content, io.BytesIO(content), is_threaded=True) == found
            # However the bytes come in, the same comes out, unless it breaks off. How many came
            # in so far is what the ratio is taken of.
            slowly = all_of(content, Slow(content), is_threaded=False)
            assert slowly == found or (slowly[1] and found[1]) or slowly[1] == "limit-ratio"

    fuzz(check, fuzz_seconds, tarballs())


def test_a_comparison_is_made_or_refused(fuzz_seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        old, new = Path(folder) / "old.tgz", Path(folder) / "new.tgz"

        def check(before: bytes, after: bytes) -> None:
            old.write_bytes(before)
            new.write_bytes(after)
            with no_hang():
                try:
                    found = compare_tarballs(new, old, limits=COMPARE_LIMITS)
                except TarballError:
                    with pytest.raises(TarballError):
                        compare_tarballs(new, None, limits=COMPARE_LIMITS)
                    return
                check_comparison(found)
                check_comparison(compare_tarballs(new, None, limits=COMPARE_LIMITS))
                same = compare_tarballs(new, new, limits=COMPARE_LIMITS)
                assert {change.status for change in same.files} <= {"left_out"}
                assert same.manifest_changes == ()

        fuzz(check, fuzz_seconds, tarballs(), tarballs())


def texts_in(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for item in value:
            yield from texts_in(item)
    elif isinstance(value, str):
        yield value


def check_comparison(found: Comparison) -> None:
    # It can be stored: no NUL, no lone surrogates, and nothing longer than its column.
    stored = found.as_json()
    json.dumps(stored, ensure_ascii=False).encode()
    assert not [text for text in texts_in(stored) if "\0" in text]
    for change in found.files:
        assert change.status in FileChange.Status.values
        assert change.kind in FileChange.Kind.values
        assert len(change.diff_note) <= 300
        assert len(change.file_type) <= LONGEST
        assert len(change.encoding) <= 40
        assert (change.old_size is None) == (change.status == "added")
        assert (change.new_size is None) == (change.status == "removed")
        assert min(change.added_lines or 0, change.removed_lines or 0) >= 0
        assert len(change.diff or "") <= COMPARE_LIMITS.file_diff
    paths = [change.path for change in found.files if change.status not in ("removed", "left_out")]
    unchanged = [file.path for file in found.unchanged]
    assert len({*paths, *unchanged}) == len(paths) + len(unchanged) == found.new.files
    assert sum(len(change.diff or "") for change in found.files) <= COMPARE_LIMITS.all_diffs
    shown = printed(found, ("old", "new"), is_whole=True)
    assert is_printable(shown.replace("\n", ""))
