"""Hostile tarballs, each made here, from the file to what a reviewer is told.

Nothing may crash, hang, be written or stay unsaid. What the reader alone does with odd headers is
in test_tarball.py; odd package.json files are in tests/approvals/inspection/test_manifest.py.
"""

import gzip
import io
import json
import os
import random
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from approvals.inspection.compare import compare_tarballs
from approvals.inspection.findings import limits, odd_tarball
from approvals.inspection.results import CompareLimits, Comparison
from registry_client.tarball import MIB, Limits, TarballError, TarballLimit, read_tarball
from tests.registry_client.tarballs import END, member, package, pax, write
from tests.registry_client.untouched import untouched

DESCRIBED = member("package/package.json", b'{"name": "left", "version": "1.0.0"}')
CODE = member("package/index.js", b"good\n")
NOISE = random.Random(3).randbytes(4000)
HIDDEN = member("package/hidden.js", b"evil\n")


def packed(data: bytes) -> bytes:
    return gzip.compress(data, compresslevel=1, mtime=0)


def sealed(*members: bytes, end: bytes = END) -> bytes:
    return packed(DESCRIBED + b"".join(members) + end)


def long_name(name: bytes, kind: bytes = b"L") -> bytes:
    return member("././@LongLink", name + b"\0", kind=kind)


def zeros(mebibytes: int, header: bytes = b"") -> bytes:
    """That much of nothing, compressed as far as it goes: about a thousandth."""
    packer = zlib.compressobj(9, wbits=31)
    start = packer.compress(header)
    return start + b"".join(packer.compress(bytes(MIB)) for _ in range(mebibytes)) + packer.flush()


def with_name_field(content: bytes, name: bytes) -> bytes:
    """The same gzip stream with a file name in its header (RFC 1952)."""
    return content[:3] + b"\x08" + content[4:10] + name + b"\0" + content[10:]


@dataclass(frozen=True)
class Refused:
    """A tarball that cannot be read safely, with the error's rule and a part of its words."""

    name: str
    content: bytes | Callable[[], bytes]
    rule: str
    words: str
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Told:
    """A tarball that is read, with a finding; `files` are what npm would install of it."""

    name: str
    content: bytes
    rule: str
    words: str
    files: frozenset[str] = frozenset({"index.js"})
    about: str = ""


REFUSED = [
    Refused("ratio", lambda: zeros(48), "limit-ratio", "as a bomb does"),
    Refused(
        "ratio inside a file",
        lambda: zeros(48, DESCRIBED + member("package/bomb", size=48 * MIB)),
        "limit-ratio",
        "more than 200 times its size",
    ),
    Refused(
        "all that is unpacked",
        sealed(member("package/a", NOISE * 3)),
        "limit-unpacked-size",
        "more than 10,000 bytes",
        Limits(unpacked_size=10_000),
    ),
    Refused(
        "a bomb in pieces",
        packed(DESCRIBED) + b"".join(packed(member(f"package/{n}", NOISE)) for n in range(9)),
        "limit-unpacked-size",
        "more than 30,000 bytes",
        Limits(unpacked_size=30_000),
    ),
    Refused(
        "entries",
        sealed(*(member(f"package/{n}") for n in range(200))),
        "limit-entries",
        "more than 200 entries",
        Limits(entries=200),
    ),
    Refused(
        "folders count as entries",
        sealed(*[member("package/a/", kind=b"5")] * 300),
        "limit-entries",
        "more than 200 entries",
        Limits(entries=200),
    ),
    Refused(
        "one entry",
        sealed(member("package/a", size=2**30 + 1)),
        "limit-entry-size",
        "1,073,741,825 bytes; 1,073,741,824 are allowed",
    ),
    Refused(
        "one entry of a size with many digits",
        sealed(member("package/a", at=(124, b"\x80" + bytes(4) + b"\x7f" + b"\xff" * 6))),
        "ambiguous-header",
        "too large a number",
    ),
    Refused(
        "a negative size",
        sealed(member("package/a", at=(124, b"\xff" * 12))),
        "ambiguous-header",
        "size is not a number",
    ),
    Refused(
        "a long path",
        sealed(pax(("path", b"package/" + b"x" * 2000)), member("package/a")),
        "limit-path-length",
        "1,024",
    ),
    Refused(
        "a long path of GNU",
        sealed(long_name(b"package/" + b"x" * 2000), member("package/a")),
        "limit-path-length",
        "1,024",
    ),
    Refused(
        "a deep path",
        sealed(pax(("path", b"package/" + b"d/" * 200 + b"a")), member("package/a")),
        "limit-path-depth",
        "100",
    ),
    Refused(
        "an endless name",
        sealed(long_name(b"package/" + b"x" * 100_000), member("package/a")),
        "limit-extended-header",
        "100,009 bytes; 65,536 are allowed",
    ),
    Refused(
        "an endless record",
        sealed(pax(("comment", b"x" * 100_000)), member("package/a")),
        "limit-extended-header",
        "65,536 are allowed",
    ),
    Refused(
        "a long name for a long name",
        sealed(long_name(b"package/a"), long_name(b"package/b"), CODE),
        "ambiguous-header",
        "more than once for one entry",
    ),
    Refused(
        "no end of streams",
        packed(DESCRIBED) + packed(b"") * 200 + packed(END),
        "limit-gzip-members",
        "more than 100 joined streams",
    ),
    Refused("nothing", b"", "not-gzip", "not a gzip-compressed tarball"),
    Refused("one byte", b"\x1f", "not-gzip", "not a gzip-compressed tarball"),
    Refused("a tarball that is not compressed", DESCRIBED + END, "not-gzip", "not a gzip"),
    Refused("zip", b"PK\3\4" + NOISE, "not-gzip", "not a gzip"),
    Refused("zstd", b"\x28\xb5\x2f\xfd" + NOISE, "not-gzip", "not a gzip"),
    Refused("the start alone", packed(DESCRIBED)[:10], "truncated", "cut off"),
    Refused("another method", b"\x1f\x8b\x07" + packed(DESCRIBED)[3:], "damaged", "damaged"),
    Refused("reserved flags", b"\x1f\x8b\x08\xe0" + packed(DESCRIBED)[4:], "damaged", "damaged"),
    Refused("half of it", sealed(member("package/a", NOISE))[:2000], "truncated", "cut off"),
    Refused("without its checksum", sealed(CODE)[:-8], "truncated", "cut off"),
    Refused("with another length", sealed(CODE)[:-4] + b"\1\2\3\4", "damaged", "damaged"),
    Refused("with another checksum", sealed(CODE)[:-8] + bytes(8), "damaged", "damaged"),
    Refused(
        "a second stream that is broken", sealed(CODE) + packed(END)[:-9], "truncated", "cut off"
    ),
    *(
        Refused(name, content, "trailing-data", "npm may find files that other programs do not see")
        for name, content in (
            ("something behind", sealed(CODE) + NOISE),
            ("a byte behind", sealed(CODE) + b"\x1f"),
            ("a byte behind zeros", sealed(CODE) + bytes(200_000) + b"x"),
            ("a stream behind a zero", sealed(CODE, end=b"") + b"\0" + packed(HIDDEN + END)),
            (
                "a stream behind the zeros of a whole piece",
                sealed(CODE, end=b"").ljust(65_536, b"\0") + packed(HIDDEN + END),
            ),
        )
    ),
    Refused(
        "a name in gzip's header without an end",
        with_name_field(b"\x1f\x8b\x08\0" + bytes(6), b"x" * MIB)[:-1],
        "truncated",
        "cut off",
    ),
    Refused("half a block", sealed(end=bytes(100)), "truncated", "cut off"),
    Refused(
        "a file longer than the tarball", sealed(member("package/a", size=9999)), "truncated", "cut"
    ),
    Refused(
        "gzip in gzip", packed(sealed(member("package/a", NOISE))), "not-a-tarball", "not a tarball"
    ),
    Refused("noise", packed(NOISE), "not-a-tarball", "not a tarball"),
    Refused("zeros", packed(END * 20), "empty-tarball", "empty"),
    Refused(
        "noise behind the end", sealed(CODE, END, b"!" * 512), "after-end", "behind its end mark"
    ),
    *(
        Refused(
            f"{first} and {last}", sealed(CODE, member(first), member(last)), "gitignore", "one"
        )
        for first, last in (
            ("package/.npmignore", "other/.gitignore"),
            ("package/.gitignore", "other/.npmignore"),
            ("package/a/.npmignore", "package/a/.gitignore"),
            ("package/a/.gitignore", "package//A/.npmignore"),
        )
    ),
    Refused("files behind the end", sealed(CODE, END, HIDDEN), "after-end", "others do not"),
    Refused(
        "the honest copy behind the end",
        sealed(member("package/index.js", b"evil\n"), END, CODE),
        "after-end",
        "some versions of npm find files",
    ),
    Refused("files behind half an end", sealed(CODE, bytes(512), HIDDEN), "after-end", "end mark"),
    Refused(
        "a stream behind the end", sealed(CODE) + packed(HIDDEN + END), "after-end", "end mark"
    ),
    Refused(
        "half a block behind the end", sealed(CODE, END, b"!" * 9, end=b""), "after-end", "end"
    ),
    Refused(
        "a sparse file of GNU",
        sealed(member("package/a", b"body", kind=b"S")),
        "ambiguous-header",
        "a sparse file, with holes that are not in the tarball ('S')",
    ),
    Refused(
        "a sparse file of POSIX",
        sealed(
            pax(("GNU.sparse.major", b"1"), ("GNU.sparse.realsize", b"999")), member("package/a")
        ),
        "ambiguous-header",
        "sets 'GNU.sparse.major', which programs read differently",
    ),
    Refused(
        "a sparse file of star",
        sealed(pax(("SCHILY.realsize", b"999")), CODE),
        "ambiguous-header",
        "sets 'SCHILY.realsize'",
    ),
    Refused(
        "the rest of a file",
        sealed(member("package/a", b"body", kind=b"M")),
        "ambiguous-header",
        "the rest of a file from another tarball ('M')",
    ),
    Refused(
        "a list of names",
        sealed(member("package/a/", b"Yindex.js\0\0", kind=b"D")),
        "ambiguous-header",
        "a list of a folder's names ('D')",
    ),
    Refused(
        "an unknown type",
        sealed(member("package/a", b"body", kind=b"\x1b")),
        "ambiguous-header",
        "of an unknown type ('\\x1b')",
    ),
    Refused(
        "a smaller size in a record",
        sealed(pax(("size", b"0")), member("package/a", HIDDEN)),
        "ambiguous-header",
        "two different sizes",
    ),
    Refused(
        "a larger size in a record",
        sealed(pax(("size", b"1024")), member("package/a"), HIDDEN),
        "ambiguous-header",
        "two different sizes",
    ),
    Refused(
        "a size for all",
        sealed(pax(("size", b"0"), kind=b"g"), member("package/a", HIDDEN)),
        "ambiguous-header",
        "sets 'size' for all entries at once",
    ),
    Refused(
        "a path for all",
        sealed(pax(("path", b"package/index.js"), kind=b"g"), HIDDEN),
        "ambiguous-header",
        "sets 'path' for all entries at once",
    ),
    Refused(
        "a record of no length",
        sealed(member("x", b"0 path=a\n", kind=b"x"), CODE),
        "ambiguous-header",
        "an extended header is damaged",
    ),
    Refused(
        "a folder with a size",
        sealed(member("package/a/", HIDDEN, kind=b"5")),
        "ambiguous-header",
        "has a size",
    ),
    Refused(
        "a link with a size",
        sealed(member("package/a", HIDDEN, kind=b"2", link=b"b")),
        "ambiguous-header",
        "has a size",
    ),
    Refused(
        "a checksum of signed bytes",
        sealed(member(b"package/\xe9", checksum=sum(b"package/") - 23 + 1000)),
        "ambiguous-header",
        "checksum is wrong",
    ),
]

TOLD = [
    Told("no folder", sealed(CODE, member("evil.js", b"e\n")), "no-folder", "outside any folder"),
    Told(
        "another first folder",
        packed(
            member("x/package.json", b'{"name": "left", "version": "1.0.0"}')
            + member("y/index.js", b"good\n")
            + HIDDEN
            + END
        ),
        "",
        "",
        frozenset({"index.js", "hidden.js"}),
    ),
    Told(
        "an absolute path",
        sealed(CODE, member("package//etc/passwd", b"e\n")),
        "absolute-path",
        "npm cuts the root off",
        frozenset({"index.js", "etc/passwd"}),
        "package//etc/passwd",
    ),
    Told(
        "the root itself",
        sealed(CODE, member("/etc/passwd", b"e\n")),
        "absolute-path",
        "npm cuts the root off",
        frozenset({"index.js", "etc/passwd"}),
    ),
    Told(
        "up and out",
        sealed(CODE, member("package/../../.bashrc", b"e\n")),
        "parent-path",
        "npm leaves it out",
        about="package/../../.bashrc",
    ),
    Told("up at the end", sealed(CODE, member("package/lib/..", b"e\n")), "parent-path", "climbs"),
    Told(
        "up in a long name",
        sealed(CODE, pax(("path", b"package/../evil")), member("package/nice.js", b"e\n")),
        "parent-path",
        "climbs up",
        about="package/../evil",
    ),
    Told(
        "up in a long name of GNU",
        sealed(CODE, long_name(b"package/../evil"), member("package/nice.js", b"e\n")),
        "parent-path",
        "climbs up",
    ),
    Told(
        "up with backslashes",
        sealed(CODE, member("package/..\\..\\evil", b"e\n")),
        "parent-path",
        "climbs up",
    ),
    Told(
        "a backslash",
        sealed(CODE, member("package/lib\\a.js", b"e\n")),
        "backslash",
        "Windows reads as a folder",
        frozenset({"index.js", "lib\\a.js"}),
    ),
    Told(
        "a drive",
        sealed(CODE, member("package/c:/evil.js", b"e\n")),
        "drive-letter",
        "drive letter",
        frozenset({"index.js", "evil.js"}),
    ),
    Told(
        "a stream of Windows",
        sealed(CODE, member("package/a.js:hidden", b"e\n")),
        "windows-name",
        "means something else, or cannot exist, on Windows",
        frozenset({"index.js", "a.js:hidden"}),
    ),
    Told(
        "a NUL",
        sealed(CODE, member(b"package/a.js\0.txt", b"e\n")),
        "nul-in-name",
        "NUL character",
        frozenset({"index.js", "a.js"}),
    ),
    Told(
        "an escape",
        sealed(CODE, member("package/\x1b[2J.js", b"e\n")),
        "control-character",
        "control characters",
        frozenset({"index.js", "\x1b[2J.js"}),
        "package/\\x1b[2J.js",
    ),
    Told(
        "a line break",
        sealed(CODE, member("package/a\nb.js", b"e\n")),
        "control-character",
        "control characters",
        frozenset({"index.js", "a\nb.js"}),
        "package/a\\nb.js",
    ),
    Told(
        "another direction",
        sealed(CODE, member("package/gpj.\u202esj", b"e\n")),
        "invisible-character",
        "direction-changing",
        frozenset({"index.js", "gpj.\u202esj"}),
        "package/gpj.\\u202esj",
    ),
    Told(
        "broken UTF-8",
        sealed(CODE, member(b"package/\xc3(.js", b"e\n")),
        "invalid-utf8",
        "not valid UTF-8",
        frozenset({"index.js", "\ufffd(.js"}),
    ),
    Told(
        "a surrogate",
        sealed(CODE, member(b"package/\xed\xa0\x80.js", b"e\n")),
        "invalid-utf8",
        "not valid UTF-8",
        frozenset({"index.js", "\ufffd\ufffd\ufffd.js"}),
    ),
    Told(
        "other letters",
        sealed(CODE, member("package/INDEX.JS", b"e\n")),
        "name-collision",
        "",
        frozenset({"index.js", "INDEX.JS"}),
    ),
    Told(
        "a letter that folds to two",
        sealed(
            CODE,
            member("package/stra\u00dfe.js", b"a\n"),
            member("package/STRASSE.js", b"b\n"),
        ),
        "name-collision",
        "",
        frozenset({"index.js", "stra\u00dfe.js", "STRASSE.js"}),
    ),
    Told(
        "a letter in two spellings",
        sealed(CODE, member("package/\u00e9.js", b"a\n"), member("package/e\u0301.js", b"b\n")),
        "name-collision",
        "",
        frozenset({"index.js", "\u00e9.js", "e\u0301.js"}),
    ),
    Told(
        "twice",
        sealed(CODE, member("package/index.js", b"evil\n")),
        "duplicate",
        "npm installs the last one",
        about="index.js",
    ),
    Told(
        "twice in other folders",
        sealed(CODE, member("other/./index.js", b"evil\n")),
        "duplicate",
        "npm installs the last one",
        about="other/./index.js",
    ),
    Told(
        "a file in a file",
        sealed(CODE, member("package/index.js/evil.js", b"e\n")),
        "file-and-folder",
        "a folder that is also a file",
        frozenset({"index.js", "index.js/evil.js"}),
    ),
    Told(
        "a symbolic link",
        sealed(CODE, member("package/a", kind=b"2", link=b"../../../etc/passwd")),
        "symlink",
        "a symbolic link to '../../../etc/passwd'",
    ),
    Told(
        "a file behind a link",
        sealed(CODE, member("package/a", kind=b"2", link=b"/tmp"), member("package/a/x", b"e\n")),
        "symlink",
        "a symbolic link to '/tmp'",
        frozenset({"index.js", "a/x"}),
    ),
    Told(
        "a link that escapes the terminal",
        sealed(CODE, member("package/a", kind=b"2", link=b"\x1b[2J")),
        "symlink",
        "'\\x1b[2J'",
    ),
    Told(
        "a hard link",
        sealed(CODE, member("package/a", kind=b"1", link=b"package/index.js")),
        "hardlink",
        "a hard link to 'package/index.js'",
    ),
    Told("a device", sealed(CODE, member("package/a", kind=b"3")), "device", "a device"),
    Told("a block device", sealed(CODE, member("package/a", kind=b"4")), "device", "a device"),
    Told("a pipe", sealed(CODE, member("package/a", kind=b"6")), "fifo", "a named pipe"),
    Told(
        "setuid",
        sealed(CODE, member("package/run", b"e\n", mode=0o4755)),
        "setuid",
        "setuid, setgid or sticky",
        frozenset({"index.js", "run"}),
    ),
    Told(
        "a file that npm renames",
        sealed(CODE, member("package/lib/.gitignore", b"evil\n")),
        "gitignore",
        "npm installs it as '.npmignore'",
        frozenset({"index.js", "lib/.npmignore"}),
        "package/lib/.gitignore",
    ),
    Told(
        "files that npm does not rename",
        sealed(
            CODE,
            member("package/a.gitignore"),
            member("package/.GitIgnore"),
            member("package/b/.gitignore/b"),
            member("package/a/.npmignore"),
        ),
        "",
        "",
        frozenset({"index.js", "a.gitignore", ".GitIgnore", "b/.gitignore/b", "a/.npmignore"}),
    ),
    Told("no end", sealed(CODE, end=b""), "no-end", "no end mark"),
    Told("half an end", sealed(CODE, end=bytes(512)), "", ""),
    Told("a long end", sealed(CODE, end=END * 500), "", ""),
    Told(
        "two streams",
        packed(DESCRIBED) + packed(CODE + END),
        "gzip-members",
        "2 compressed streams",
    ),
    Told(
        "a stream in the middle of a file",
        packed((DESCRIBED + CODE + END)[:700]) + packed((DESCRIBED + CODE + END)[700:]),
        "gzip-members",
        "2 compressed streams",
    ),
    Told("zeros behind", sealed(CODE) + bytes(200_000), "trailing-data", "zeros behind"),
    Told("a name in gzip's header", with_name_field(sealed(CODE), b"x" * MIB), "", ""),
    Told(
        "a long name",
        sealed(CODE, long_name(b"package/" + b"d/" * 90 + b"a.js"), member("package/b", b"e\n")),
        "",
        "",
        frozenset({"index.js", "d/" * 90 + "a.js"}),
    ),
    Told(
        "two names",
        sealed(CODE, pax(("path", "package/\u00e9.txt".encode())), member("package/run", b"e\n")),
        "two-names",
        "npm may install it as 'package/run'",
        frozenset({"index.js", "\u00e9.txt"}),
    ),
]


TARBALL_RULES = odd_tarball.RULES.keys() | limits.RULES.keys()


def made(case: Refused | Told, folder: Path) -> Path:
    content = case.content() if callable(case.content) else case.content
    path = folder / "staged.tgz"
    path.write_bytes(content)
    return path


def told(found: Comparison) -> list[tuple[str, str, str]]:
    """What a reviewer is told, on the page and by the command."""
    return [(one.rule, one.path, one.title) for one in found.findings if one.rule in TARBALL_RULES]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_it_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: Refused
) -> None:
    good, bad = package(tmp_path, {}, name="good.tgz"), made(case, tmp_path)
    limits = CompareLimits(tarball=case.limits)
    with untouched(tmp_path, monkeypatch):
        for baseline in (good, None):
            with pytest.raises(TarballError) as caught:
                compare_tarballs(bad, baseline, limits=limits)
            assert caught.value.rule == case.rule
            assert case.words in str(caught.value)
            assert str(caught.value).isprintable()
            if isinstance(caught.value, TarballLimit):
                assert getattr(case.limits, caught.value.limit) == caught.value.allowed
        as_baseline = compare_tarballs(good, bad, limits=limits)
    assert as_baseline.old is None
    ((rule, _, sentence),) = told(as_baseline)
    assert rule == "baseline-unreadable"
    assert case.words in sentence
    assert {change.status for change in as_baseline.files} == {"added"}


@pytest.mark.parametrize("case", TOLD, ids=lambda case: case.name)
def test_it_is_read_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: Told) -> None:
    good, bad = package(tmp_path, {}, name="good.tgz"), made(case, tmp_path)
    with untouched(tmp_path, monkeypatch):
        found = compare_tarballs(bad, None)
        against = compare_tarballs(bad, good)
        as_baseline = compare_tarballs(good, bad)
    assert {change.path for change in found.files} == {"package.json", *case.files}
    assert found.new.files == len(case.files) + 1
    for comparison in (found, against):
        rows = [row for row in told(comparison) if row[0] == case.rule]
        assert bool(rows) == bool(case.rule)
        assert all(about.isprintable() and sentence.isprintable() for _, about, sentence in rows)
        if case.rule:
            assert [1 for _, _, sentence in rows if case.words in sentence]
        if case.about:
            assert case.about in [about for _, about, _ in rows]
    if not case.rule:
        assert told(found) == []
    # The same content in another wrapping is no change.
    assert {change.path for change in as_baseline.files if change.status == "removed"} == case.files


def test_of_two_files_in_one_place_the_last_is_shown_whole(tmp_path: Path) -> None:
    first, last = member("package/run.js", b"shown\n"), member("x/run.js", b"installed\n")
    old = write(tmp_path, DESCRIBED, first, name="old.tgz")
    new = write(tmp_path, DESCRIBED, first, CODE, last, name="new.tgz")
    found = compare_tarballs(new, old)
    change, copy = [change for change in found.files if change.path == "run.js"]
    assert [problem.rule for problem in change.problems] == ["duplicate"]
    assert (change.status, copy.status) == ("modified", "left_out")
    for row in (change, copy):
        assert row.diff == "@@ -1 +1 @@\n-shown\n+installed\n"


@pytest.mark.parametrize("main", ["./.npmignore", ".gitignore"])
def test_code_under_a_name_that_npm_changes_is_an_entry_point(tmp_path: Path, main: str) -> None:
    code = member("package/.gitignore", b"evil()\n\0")
    described = member("package/package.json", json.dumps({"main": main}).encode())
    found = compare_tarballs(write(tmp_path, described, code), None)
    (change,) = [change for change in found.files if change.path == ".npmignore"]
    assert (change.rank, change.is_binary) == (2, False)
    assert "gitignore" in {problem.rule for problem in change.problems}


@pytest.mark.parametrize(("before", "after"), [(0o644, 0o755), (0o755, 0o644), (0o755, 0o4755)])
def test_a_bit_that_lets_a_file_run_is_a_change(tmp_path: Path, before: int, after: int) -> None:
    paths = [
        write(tmp_path, DESCRIBED, member("package/run", b"x\n", mode=mode), name=f"{mode}.tgz")
        for mode in (before, after)
    ]
    (change,) = compare_tarballs(paths[1], paths[0]).files
    assert (change.status, change.old_mode, change.new_mode) == ("mode_changed", before, after)


def test_modes_that_npm_makes_the_same_are_none(tmp_path: Path) -> None:
    paths = [
        write(tmp_path, DESCRIBED, member("package/run", b"x\n", mode=mode), name=f"{mode}.tgz")
        for mode in (0o600, 0o664)
    ]
    assert compare_tarballs(paths[1], paths[0]).files == ()


def test_wherever_it_is_cut_off_it_is_refused(tmp_path: Path) -> None:
    whole = sealed(CODE, member("package/noise", NOISE), pax(("path", b"package/x")), HIDDEN)
    good = package(tmp_path, {}, name="good.tgz")
    path = tmp_path / "cut.tgz"
    for length in range(0, len(whole), 61):
        path.write_bytes(whole[:length])
        with pytest.raises(TarballError) as caught:
            compare_tarballs(path, good)
        assert caught.value.rule in ("truncated", "not-gzip", "damaged")


def test_a_tarball_in_a_tarball_is_one_file(tmp_path: Path) -> None:
    bomb = zeros(40)
    found = compare_tarballs(write(tmp_path, DESCRIBED, member("package/bomb.tgz", bomb)), None)
    (change,) = [change for change in found.files if change.path == "bomb.tgz"]
    assert (change.is_binary, change.new_size) == (True, len(bomb))


def test_findings_are_bounded_and_the_rest_is_counted(tmp_path: Path) -> None:
    names = [member(f"package/\u202e{n}") for n in range(3000)]
    found = compare_tarballs(write(tmp_path, DESCRIBED, *names), None)
    rows = told(found)
    assert len(found.problems) <= 1100
    (words,) = [sentence for rule, _, sentence in rows if rule == "more-problems"]
    assert words.replace(",", "").startswith("2000 more problems")


@pytest.mark.parametrize("count", [1, 1_200])
def test_many_harmless_problems_push_no_other_out_of_sight(tmp_path: Path, count: int) -> None:
    harmless = [member(f"package/d/a:{n}.txt") for n in range(3_000)]
    names = [("path", f"package/\u00e9{n}.js".encode()) for n in range(count)]
    renamed = [pax(name) + member(f"package/{n}.js") for n, name in enumerate(names)]
    last = [member("package/d/.gitignore"), CODE, member("package/d/run", mode=0o4755)]
    found = compare_tarballs(write(tmp_path, DESCRIBED, CODE, *harmless, *renamed, *last), None)
    rules = Counter(rule for rule, _, _ in told(found))
    for rule in ("gitignore", "duplicate", "setuid"):
        assert rules[rule] == 1
    # A dozen of them are named, and the rest is counted.
    counted = sum(one.stands_for for one in found.findings if one.rule == "two-names")
    assert counted == min(count, 1_001)
    sentences = [problem.sentence for problem in found.problems if problem.rule == "two-names"]
    assert ("200 more entries" in " ".join(sentences)) == (count > 1_000)
    # Two are wrong with each name.
    assert found.problems_left_out == 5_000


def test_a_file_that_grows_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    class Growing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(size) or NOISE

    with (
        read_tarball(Growing(sealed(CODE))) as reader,
        pytest.raises(TarballError, match="data behind"),
    ):
        assert [entry.path for entry in reader] == ["package.json", "index.js"]


# Above an idle process.
MOST_MEBIBYTES = 200
HEAVY = {
    "ratio": lambda: zeros(200),
    "many names": lambda: sealed(
        *(member(f"package/{n:06}/{'x' * 80}".encode()) for n in range(49_000))
    ),
    "many small files": lambda: sealed(*(member(f"package/{n}", b"x\n") for n in range(60_000))),
    "deep folders": lambda: sealed(*(member(f"package/{n}/{'a/' * 40}f") for n in range(2_000))),
    "long records": lambda: sealed(*[pax(("comment", b"x" * 60_000)) for _ in range(500)], CODE),
    "long lines": lambda: sealed(member("package/a.js", b"x" * 30 * MIB)),
    "many lines": lambda: sealed(member("package/a.js", b"x\n" * 8 * MIB)),
    "many problems": lambda: sealed(*(member(f"package/\x01{n}") for n in range(60_000))),
    "a large package.json": lambda: packed(
        member("package/package.json", b'{"a":' + b"[1]," * 4 * MIB) + END
    ),
}
# The baseline, and the staged tarball.
HEAVY_PAIRS = {
    "all lines differ": lambda: (
        sealed(*(lines_of(f"{name}.js", range(60_000)) for name in "abcdefgh")),
        sealed(*(lines_of(f"{name}.js", range(60_000, 120_000)) for name in "abcdefgh")),
    ),
    "nothing has the name it had": lambda: (
        sealed(*(lines_of(f"old/{n}.js", range(n, n + 20)) for n in range(8_000))),
        sealed(*(lines_of(f"new/{n}.js", range(n, n + 22)) for n in range(8_000))),
    ),
    "large files of the same lines": lambda: (
        sealed(member("package/a.js", b"a\n" * 7 * MIB)),
        sealed(member("package/a.js", b"a\nb\n" * 3 * MIB)),
    ),
    "as many lines as are compared": lambda: (
        sealed(random_lines(1, CompareLimits().file_lines)),
        sealed(random_lines(2, CompareLimits().file_lines)),
    ),
    "two lines of many megabytes": lambda: (
        sealed(member("package/a.js", b"ab" * 7 * MIB)),
        sealed(member("package/a.js", b"ba" * 7 * MIB)),
    ),
    "a bomb as the baseline": lambda: (zeros(48), sealed(CODE)),
}
# Runs in a process of its own, so that its memory can be told from ours.
CHILD = """
import json, sys
from pathlib import Path
from approvals.inspection.compare import compare_tarballs
from registry_client.tarball import TarballError

def peak():
    # Not getrusage: its figure begins with what the parent had.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024

before = peak()
staged, *baseline = map(Path, sys.argv[1:])
try:
    result = len(compare_tarballs(staged, *(baseline or [None])).files)
except TarballError as error:
    result = error.rule
print(json.dumps([result, peak() - before]))
"""


def lines_of(path: str, numbers: range) -> bytes:
    return member(f"package/{path}", b"".join(b"line %d\n" % number for number in numbers))


def random_lines(seed: int, count: int) -> bytes:
    chance = random.Random(seed)
    lines = (b"%x\n" % chance.randrange(2**40) for _ in range(count))
    return member("package/a.js", b"".join(lines))


def mebibytes_for(folder: Path, *contents: bytes) -> int:
    """How much more memory a process takes to compare these, the staged tarball first."""
    paths = [folder / f"{number}.tgz" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    child = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"},
    )
    assert child.returncode == 0, child.stderr
    result, mebibytes = json.loads(child.stdout)
    assert result
    assert isinstance(mebibytes, int)
    return mebibytes


@pytest.mark.parametrize("name", HEAVY)
def test_no_tarball_takes_the_machines_memory(tmp_path: Path, name: str) -> None:
    assert mebibytes_for(tmp_path, HEAVY[name]()) < MOST_MEBIBYTES


@pytest.mark.parametrize("name", HEAVY_PAIRS)
def test_no_two_tarballs_take_the_machines_memory(tmp_path: Path, name: str) -> None:
    baseline, staged = HEAVY_PAIRS[name]()
    assert mebibytes_for(tmp_path, staged, baseline) < MOST_MEBIBYTES


def test_memory_that_is_taken_is_seen(tmp_path: Path) -> None:
    files = (member(f"package/{n}.js", b"x" * 80 + b"%d\n" % n) for n in range(20_000))
    assert mebibytes_for(tmp_path, sealed(*files)) > 5


def test_the_watch_would_see_what_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_here() -> None:
        with untouched(tmp_path, monkeypatch):
            Path("here.txt").write_text("x")

    with pytest.raises(AssertionError, match=r"here\.txt"):
        write_here()
