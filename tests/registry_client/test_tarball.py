import gzip
import io
import random
import tarfile
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_client.tar_paths import installed_path, printable
from registry_client.tarball import (
    MIB,
    AmbiguousTarball,
    DamagedTarball,
    Entry,
    Limits,
    NotATarball,
    TarballError,
    TarballLimit,
    read_tarball,
)
from tests.registry_client.tarballs import END, member, package, pax, write

HIDDEN = member("package/hidden.js", b"evil")
# Where a header has numbers: mode, owner, group, size, time, device (two), times (two).
NUMBERS = (100, 108, 116, 124, 136, 329, 337, 476, 488)
# Properties that older npm keeps on the objects that records are copied onto.
FOREIGN_KEYS = ("remain", "blockRemain", "nullBlock", "ignore", "meta", "mode", "type", "dev")


def entries(path: Path, limits: Limits | None = None) -> list[Entry]:
    with read_tarball(path, limits) as reader:
        return list(reader)


def contents(path: Path, limits: Limits | None = None) -> dict[str, bytes]:
    with read_tarball(path, limits) as reader:
        return {entry.path: entry.read() for entry in reader if entry.installed}


def rules(path: Path) -> set[str]:
    with read_tarball(path) as reader:
        for _ in reader:
            pass
        return {problem.rule for problem in reader.problems}


def test_an_honest_package_has_no_problems(tmp_path: Path) -> None:
    path = package(tmp_path, {"index.js": "1\n", "lib/deep/a b.js": b"x" * 1000, "empty": b""})
    assert contents(path)["lib/deep/a b.js"] == b"x" * 1000
    assert contents(path)["empty"] == b""
    assert rules(path) == set()


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_long_names_in_every_format(tmp_path: Path, form: int) -> None:
    name = "package/" + "/".join(["folder-with-a-name"] * 6) + "/" + "f" * 60 + ".js"
    path = tmp_path / "long.tgz"
    with tarfile.open(path, "w:gz", format=form) as tar:
        info = tarfile.TarInfo(name)
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    assert contents(path) == {name.removeprefix("package/"): b"abc"}


def test_any_first_folder_is_dropped_as_npm_does(tmp_path: Path) -> None:
    path = write(tmp_path, member("node/index.d.ts", b"a"), member("./package/x.js", b"b"))
    assert contents(path) == {"index.d.ts": b"a", "package/x.js": b"b"}


def test_times_behind_a_short_prefix_are_no_part_of_the_name(tmp_path: Path) -> None:
    times = bytes(131) + b"14425272773\x0014425272773\0"
    assert contents(write(tmp_path, member("node/a.js", b"a", prefix=times))) == {"a.js": b"a"}


@pytest.mark.parametrize(
    ("name", "rule", "installed_as"),
    [
        ("index.js", "no-folder", None),
        ("/package/a.js", "absolute-path", "package/a.js"),
        ("package//etc/passwd", "absolute-path", "etc/passwd"),
        ("package/../../.ssh/id", "parent-path", None),
        ("package/..\\..\\evil", "parent-path", None),
        ("package/a\\b.js", "backslash", "a\\b.js"),
        ("package/C:/evil.js", "drive-letter", "evil.js"),
        ("package/./a//b.js", "odd-segments", "a/b.js"),
        ("package/a\nb.js", "control-character", "a\nb.js"),
        ("package/gpj.\u202esj", "invisible-character", "gpj.\u202esj"),
        ("package/a\u200b.js", "invisible-character", "a\u200b.js"),
        (b"package/\xff.js", "invalid-utf8", "\ufffd.js"),
        (b"package/a\0b.js", "nul-in-name", "a"),
        (b"package/a\0b\nc\0d", "nul-in-name", None),
        ("package/aux.js", "windows-name", "aux.js"),
        ("package/index.js.", "windows-name", "index.js."),
    ],
)
def test_hostile_names_are_reported(
    tmp_path: Path, name: str | bytes, rule: str, installed_as: str | None
) -> None:
    path = write(tmp_path, member(name, b"content"))
    assert rule in rules(path)
    assert list(contents(path)) == ([] if installed_as is None else [installed_as])


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (b"1", "hardlink"),
        (b"2", "symlink"),
        (b"3", "device"),
        (b"4", "device"),
        (b"6", "fifo"),
    ],
)
def test_what_is_no_file_is_reported_and_not_installed(
    tmp_path: Path, kind: bytes, rule: str
) -> None:
    link = b"/etc/passwd" if kind in b"12" else b""
    path = write(tmp_path, member("package/x", kind=kind, link=link), member("package/y", b"y"))
    assert rules(path) == {rule}
    assert contents(path) == {"y": b"y"}


def test_setuid_is_reported(tmp_path: Path) -> None:
    path = write(tmp_path, member("package/run", b"", mode=0o4755))
    assert rules(path) == {"setuid"}
    assert entries(path)[0].mode == 0o4755


@pytest.mark.parametrize(
    ("first", "second", "rule"),
    [
        ("index.js", "index.js", "duplicate"),
        ("index.js", "./index.js", "duplicate"),
        ("index.js", "Index.JS", "name-collision"),
        ("caf\u00e9.js", "cafe\u0301.js", "name-collision"),
        ("lib", "lib/a.js", "file-and-folder"),
        ("lib/a.js", "lib", "file-and-folder"),
    ],
)
def test_two_entries_for_one_place(tmp_path: Path, first: str, second: str, rule: str) -> None:
    path = write(
        tmp_path, member(f"package/{first}", b"first"), member(f"package/{second}", b"second")
    )
    assert rule in rules(path)


def test_two_top_folders_with_the_same_file_are_a_duplicate(tmp_path: Path) -> None:
    path = write(tmp_path, member("a/index.js", b"shown"), member("b/index.js", b"installed"))
    assert rules(path) == {"duplicate"}
    assert contents(path) == {"index.js": b"installed"}


@pytest.mark.parametrize(
    "members",
    [
        [pax(("size", b"0")), member("package/a", b"body")],
        [pax(("mode", b"511")), member("package/a", b"body")],
        [pax(("type", b"SymbolicLink")), member("package/a", b"body")],
        [pax(("path", b"package/b\n18 path=package/c")), member("package/a", b"body")],
        [pax(("path", b"package/b"), ("path", b"package/c")), member("package/a", b"body")],
        [pax(("path", b"package/b"), kind=b"g"), member("package/a", b"body")],
        [pax(("GNU.sparse.name", b"x")), member("package/a", b"body")],
        [pax(("linkpath", b"package/b")), member("package/a", b"body")],
        [member("x", b"12 path=tooshort\n", kind=b"x"), member("package/a", b"body")],
        [member("x", b"99 path=a\n", kind=b"x"), member("package/a", b"body")],
        [member("package/a", member("package/hidden.js", b"evil"), link=b"x")],
        [member("package/a", b"body", kind=b"2", link=b"x")],
        [member("package/a/", b"body", kind=b"5")],
        [member("package/a", b"body"), member("package/b", b"body", checksum=1)],
        [member("package/a", b"body"), b"not a header".ljust(512, b"!")],
        [member("package/a", b"body", prefix=b"package", magic=b"ustar  \0")],
        [member("package/a", b"body", prefix=b"one\0two")],
        [member("", b"body")],
        [member("package/a", kind=b"2")],
        [member("package/a/", kind=b"7")],
        [member("", b"body", prefix=b"package")],
        [pax(("linkpath", b"")), member("package/a", HIDDEN, link=b"x")],
        [member("x", b"package/b", kind=b"L", link=b"x"), member("package/a", b"body")],
        [member("", b"14 path=p/b.js\n", kind=b"x"), member("package/a", b"body")],
        [member("x", b"015 path=p/b.js\n", kind=b"x"), member("package/a", b"body")],
        [pax(("uid", b"1")), member("x", b"package/b", kind=b"L"), member("package/a", b"body")],
        [pax(("path", b"package/\xff")), member("package/a", b"body")],
        [pax(("mtime", b"never")), member("package/a", b"body")],
        *([pax((key, b"0")), member("package/a", HIDDEN)] for key in FOREIGN_KEYS),
        *([member("package/a", HIDDEN, at=(at, b"\x81"))] for at in NUMBERS),
        *([member("package/a", HIDDEN, at=(at, b"\x80" + b"\xff" * 7))] for at in NUMBERS),
        *([member("package/a", HIDDEN, at=(at, b"\xff" * 8))] for at in NUMBERS),
        *([member("package/a", HIDDEN, at=(at, b"0x1"))] for at in NUMBERS),
        [member("package/a", HIDDEN, checksum=b"%08o")],
        *([member("package/a", b"package/b", kind=bytes([kind]))] for kind in b"ADIMNQSVX89z\xff"),
    ],
)
def test_a_header_that_programs_read_differently_is_refused(
    tmp_path: Path, members: list[bytes]
) -> None:
    with pytest.raises(AmbiguousTarball, match="cannot be read safely"):
        entries(write(tmp_path, *members))


@pytest.mark.parametrize(
    "at",
    [
        *((start, b"\x80" + bytes(6) + b"\x05") for start in (108, 116, 329, 337)),
        *((start, bytes(8)) for start in (100, 108, 116, 329, 337)),
        *((start, b"000644 \0") for start in (100, 108, 116)),
        *((start, b"    644 ") for start in (100, 108, 116)),
        (136, b"\x80" + bytes(7) + b"\x7f\xff\xff\xff"),
        (136, bytes(12)),
    ],
)
def test_numbers_as_honest_programs_write_them(tmp_path: Path, at: tuple[int, bytes]) -> None:
    path = write(tmp_path, member("package/a", b"a", at=at))
    assert contents(path) == {"a": b"a"}
    assert rules(path) == set()


def test_records_that_say_nothing_about_content_are_read_over(tmp_path: Path) -> None:
    records = (("mtime", b"499162500.5"), ("uid", b"-2"), ("comment", b"\xff"))
    vendors = (("LIBARCHIVE.xattr.x", b"YQ=="), ("SCHILY.dev", b"1"), ("NODETAR.depth", b"1"))
    path = write(
        tmp_path,
        pax(("comment", b"2f1b0c"), kind=b"g"),
        pax(*records, *vendors),
        member("package/a", b"a"),
    )
    assert contents(path) == {"a": b"a"}
    assert rules(path) == set()


def test_a_name_that_npm_may_lose_and_another_behind_it_are_reported(tmp_path: Path) -> None:
    shown = "package/\u00e9.txt"
    evil = write(tmp_path, pax(("path", shown.encode())), member("package/index.js", b"evil"))
    assert rules(evil) == {"two-names"}
    honest = write(tmp_path, pax(("path", shown.encode())), member(shown, b"text"))
    assert rules(honest) == set()


@pytest.mark.parametrize("names", [("package/a/", "package/a"), ("package/a", "package/A/")])
def test_a_folder_that_takes_a_files_place_is_reported(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    path = write(
        tmp_path, *(member(name, kind=b"5" if name.endswith("/") else b"0") for name in names)
    )
    assert rules(path) == {"file-and-folder"}


def test_deep_folders_cannot_fill_the_memory(tmp_path: Path) -> None:
    deep = "a/" * 40
    path = write(tmp_path, *(member(f"package/{n}/{deep}f") for n in range(2000)))
    tracemalloc.start()
    try:
        with pytest.raises(TarballLimit) as caught:
            for _ in read_tarball(path):
                pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.limit == "folders"
    assert peak < 32 * 1024 * 1024


@pytest.mark.parametrize("end", [END, bytes(512), END * 3])
def test_entries_behind_the_end_mark_are_refused_as_only_some_programs_see_them(
    tmp_path: Path, end: bytes
) -> None:
    path = write(tmp_path, member("package/a", b"a"), end, member("package/a", b"e"))
    with pytest.raises(AmbiguousTarball, match="behind its end mark") as caught:
        entries(path)
    assert caught.value.rule == "after-end"


def test_a_missing_end_mark_is_reported(tmp_path: Path) -> None:
    assert rules(write(tmp_path, member("package/a", b"a"), end=b"")) == {"no-end"}


def test_joined_streams_and_zeros_behind_them_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "joined.tgz"
    first, second = gzip.compress(member("package/a", b"a")), gzip.compress(END)
    path.write_bytes(first + second + bytes(9))
    assert contents(path) == {"a": b"a"}
    assert rules(path) == {"gzip-members", "trailing-data"}


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"<html>", member("package/a", b"a") + END]
)
def test_what_is_not_gzip_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.tgz"
    path.write_bytes(content)
    with pytest.raises(NotATarball, match="not a gzip"):
        entries(path)


@pytest.mark.parametrize("content", [b"", END, b"hello " * 200])
def test_gzip_without_a_tarball_inside_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.tgz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(NotATarball):
        entries(path)


def test_a_cut_off_or_damaged_file_never_looks_whole(tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(3000)
    whole = package(tmp_path, {"a.js": noise}).read_bytes()
    path = tmp_path / "cut.tgz"
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises((DamagedTarball, NotATarball)):
            entries(path)
    broken = bytearray(whole)
    broken[len(whole) // 2] ^= 0xFF
    path.write_bytes(broken)
    with pytest.raises(TarballError):
        entries(path)


def test_a_file_that_claims_more_than_there_is_is_cut_off(tmp_path: Path) -> None:
    with pytest.raises(DamagedTarball, match="cut off"):
        entries(write(tmp_path, member("package/a", b"short", size=100_000)))


def test_an_extended_header_without_an_entry_is_cut_off(tmp_path: Path) -> None:
    path = write(tmp_path, member("package/a"), pax(("path", b"package/b")))
    with pytest.raises(DamagedTarball):
        entries(path)


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        (Limits(entries=3), "entries"),
        (Limits(entry_size=99), "entry_size"),
        (Limits(unpacked_size=2000), "unpacked_size"),
        (Limits(ratio=2, ratio_free=100), "ratio"),
        (Limits(path_length=20), "path_length"),
        (Limits(path_depth=2), "path_depth"),
        (Limits(all_paths=30), "all_paths"),
        (Limits(folders=1), "folders"),
    ],
)
def test_every_limit_is_a_named_error(tmp_path: Path, limits: Limits, limit: str) -> None:
    path = package(tmp_path, {"a.js": b"x" * 5000, "b/c/d.js": b"y", "third-file-here.js": b"z"})
    with pytest.raises(TarballLimit) as caught:
        entries(path, limits)
    assert caught.value.limit == limit
    assert caught.value.allowed == getattr(limits, limit)
    assert f"{caught.value.allowed:,}" in str(caught.value)


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_an_extended_header_cannot_fill_the_memory(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(TarballLimit) as caught:
        entries(write(tmp_path, member("x", b"a" * 70_000, kind=kind), member("package/a")))
    assert caught.value.limit == "extended_header"


def test_endless_extended_headers_are_stopped(tmp_path: Path) -> None:
    path = write(tmp_path, *[pax(("comment", b"x"), kind=b"g")] * 50, member("package/a"))
    with pytest.raises(TarballLimit) as caught:
        entries(path, Limits(entries=40))
    assert caught.value.limit == "entries"
    with pytest.raises(TarballLimit) as caught:
        entries(path, Limits(extended_records=49))
    assert caught.value.limit == "extended_records"
    with pytest.raises(TarballLimit) as caught:
        entries(path, Limits(all_extended_headers=50 * 13 - 1))
    assert caught.value.limit == "all_extended_headers"
    assert len(entries(path, Limits(extended_records=50, all_extended_headers=50 * 13))) == 1


@pytest.mark.parametrize(
    "headers",
    [
        (pax(("comment", b"x")), pax(("mtime", b"1"))),
        (pax(), pax()),
        (pax(("comment", b"x"), ("comment", b"y")),),
        (pax(("SCHILY.x", b"x"), ("SCHILY.x", b"x")),),
        (pax(("comment", b"x"), ("comment", b"x"), kind=b"g"),),
        *(
            (member("L", b"package/a\0", kind=kind), member("L", b"package/b\0", kind=kind))
            for kind in (b"L", b"K")
        ),
    ],
    ids=range(7),
)
def test_what_is_said_twice_of_one_entry_is_refused(
    tmp_path: Path, headers: tuple[bytes, ...]
) -> None:
    with pytest.raises(AmbiguousTarball, match="more than once for one entry"):
        entries(write(tmp_path, *headers, member("package/a")))


def test_names_that_are_not_installed_count_as_well(tmp_path: Path) -> None:
    path = write(tmp_path, *[member(f"package/../{n:02}") for n in range(20)])
    assert len(entries(path, Limits(all_paths=20 * 13))) == 20
    with pytest.raises(TarballLimit) as caught:
        entries(path, Limits(all_paths=20 * 13 - 1))
    assert caught.value.limit == "all_paths"


@pytest.mark.parametrize("is_threaded", [False, True])
@pytest.mark.parametrize(
    "members",
    [
        [pax(("comment", random.Random(5).randbytes(20_000).hex().encode())) + member("package/a")]
        * 400,
        [member("../left-out", bytes(8 * MIB)), member("package/a")],
        [member("package/a", bytes(8 * MIB))],
        [member("package/a"), bytes(8 * MIB)],
    ],
    ids=["extended headers", "left out", "one file", "zeros"],
)
def test_progress_is_told_whatever_is_read(
    tmp_path: Path, members: list[bytes], is_threaded: bool
) -> None:
    path = write(tmp_path, *members)
    told: list[int] = []
    with read_tarball(path, is_threaded=is_threaded, on_piece=told.append) as reader:
        for _ in reader:
            pass
    assert len(told) >= 8
    assert told == sorted(told)
    assert told[-1] <= path.stat().st_size


def test_many_joined_streams_are_stopped(tmp_path: Path) -> None:
    path = tmp_path / "many.tgz"
    path.write_bytes(gzip.compress(b"") * 200 + gzip.compress(member("package/a") + END))
    with pytest.raises(TarballLimit) as caught:
        entries(path)
    assert caught.value.limit == "gzip_members"


def test_a_bomb_is_stopped_before_it_fills_the_memory(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, wbits=31)
    size = 400 * 1024 * 1024
    head = member("package/bomb", size=size)
    zeros = bytes(1024 * 1024)
    data = packer.compress(head) + b"".join(packer.compress(zeros) for _ in range(400))
    path = tmp_path / "bomb.tgz"
    path.write_bytes(data + packer.flush())
    tracemalloc.start()
    try:
        with pytest.raises(TarballLimit) as caught:
            entries(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.limit == "ratio"
    assert peak < 8 * 1024 * 1024


def test_problems_are_bounded_and_the_rest_is_counted(tmp_path: Path) -> None:
    path = write(tmp_path, *[member(f"package/{n}\\x") for n in range(30)])
    with read_tarball(path, Limits(problems=10)) as reader:
        assert [len(entry.problems) for entry in reader] == [1] * 10 + [0] * 20
    assert len(reader.problems) == 10
    assert reader.problems_left_out == 20


def test_content_can_only_be_read_in_turn(tmp_path: Path) -> None:
    with read_tarball(write(tmp_path, member("package/a", b"a"), member("package/b"))) as reader:
        first = next(reader)
        next(reader)
        with pytest.raises(RuntimeError):
            first.read()


def test_an_open_file_is_left_open(tmp_path: Path) -> None:
    with package(tmp_path, {}).open("rb") as file:
        with read_tarball(file) as reader:
            assert len(list(reader)) == 1
        assert not file.closed


@given(st.binary(max_size=2000), st.integers(0, 1500))
def test_noise_in_a_tarball_is_read_or_refused(noise: bytes, position: int) -> None:
    blocks = bytearray(member("package/a.js", b"x" * 600) + END)
    blocks[position : position + len(noise)] = noise
    with read_tarball(io.BytesIO(gzip.compress(bytes(blocks), 1))) as reader:
        try:
            for entry in reader:
                assert len(entry.read()) == entry.size
                if entry.installed:
                    assert not entry.path.startswith("/")
        except TarballError:
            pass


@given(st.text(max_size=60))
def test_an_installed_path_never_leaves_the_package(name: str) -> None:
    path, installed = installed_path(f"package/{name}")
    if installed:
        assert not path.startswith(("/", "\\"))
        assert ".." not in path.replace("\\", "/").split("/")
        assert "\0" not in path


@given(st.text(max_size=60))
def test_printable_text_hides_nothing(name: str) -> None:
    shown = printable(name)
    assert not set(shown) & set("\0\n\r\x1b\u200b\u202e\u2066\ufeff")
