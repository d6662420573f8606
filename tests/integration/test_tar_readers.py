"""Our reader of tarballs against the one that npm installs with.

Wherever the two see different files, a reviewer could be shown what nobody installs. Each test
makes many tarballs that are wrong in one place; for each, our reader must refuse it, report a
problem, or see exactly the files that npm would write.
"""

import gzip
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from registry_client.tarball import TarballError, read_tarball
from tests.integration.npm import TIMEOUT_SECONDS, why_npm_is_missing
from tests.registry_client.tarballs import END, member, pax

pytestmark = pytest.mark.integration

Files = dict[str, list[int | str]]

BYTES = bytes((0x00, 0x0A, 0x20, 0x2F, 0x37, 0x38, 0x4E, 0x80, 0x81, 0xFF))
CHECKSUM = range(148, 156)
HONEST = member("package/package.json", b"{}") + member("package/index.js", b"1\n")
# If npm takes this content for headers, it installs other files.
HIDDEN = member("package/index.js", b"evil\n") + member("package/evil.js", b"evil\n")
KEYS = (
    *("path", "linkpath", "size", "mode", "type", "uid", "gid", "uname", "gname", "mtime", "atime"),
    *("ctime", "charset", "hdrcharset", "comment", "dev", "ino", "nlink", "global", "remain"),
    *("blockRemain", "nullBlock", "ignore", "meta", "SCHILY.dev", "SCHILY.realsize", "GNU.x"),
    *("LIBARCHIVE.x", "__proto__", "constructor", ""),
)
VALUES = (
    b"",
    b"0",
    b"1",
    b"-1",
    b"512",
    b"x",
    b"package/a.js",
    b"package/index.js",
    b"a\0b",
    b"\xff",
)


@cache
def node_tar() -> Path:
    """The folder of the tar reader inside the installed npm."""
    npm = shutil.which("npm")
    assert npm is not None
    root = subprocess.run(
        [npm, "root", "-g"], capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=True
    )
    return Path(root.stdout.strip(), "npm", "node_modules", "tar")


@pytest.fixture(autouse=True)
def npm_is_there() -> None:
    """Skip where npm, or its tar reader, is missing."""
    missing = why_npm_is_missing()
    if not missing and not (node_tar() / "package.json").is_file():
        missing = f"npm carries no tar reader at {node_tar()}."
    if missing:
        pytest.skip(missing)


def contents_of(path: Path) -> tuple[Files, list[str]]:
    """What our reader says that npm installs, and which problems it reports.

    Raises TarballError.
    """
    files: Files = {}
    with read_tarball(path) as reader:
        for entry in reader:
            if entry.installed:
                content = entry.read()
                digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()
                files[entry.path] = [len(content), digest]
        return files, [problem.rule for problem in reader.problems]


# What is told because other tools do otherwise; that we see what npm does is tested all the same.
NOT_OF_NPM = {"gitignore"}


def shown(path: Path) -> Files | None:
    """What our reader sees, or None if it refuses the tarball or reports a problem."""
    try:
        files, problems = contents_of(path)
    except TarballError:
        return None
    return None if set(problems) - NOT_OF_NPM else files


def installed(tarballs: Iterable[tuple[Path, int]], work: Path) -> list[Files | None]:
    """What npm would write for each tarball; None where it would end with an error.

    With each comes the size in bytes of the pieces in which npm gets it, or 0.
    """
    node = shutil.which("node")
    assert node is not None
    finished = subprocess.run(
        [node, Path(__file__).with_name("node_tar.js"), node_tar(), work],
        input="\n".join(f"{path}\t{size}" for path, size in tarballs),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=True,
    )
    return [json.loads(line) for line in finished.stdout.splitlines()]


def disagreements(tarballs: Iterable[tuple[str, bytes]], folder: Path) -> tuple[list[str], int]:
    """The names of tarballs of which we show what npm does not write, and how many we showed."""
    seen: list[tuple[str, Path, Files]] = []
    for number, (name, blocks) in enumerate(tarballs):
        path = folder / f"{number}.tgz"
        path.write_bytes(gzip.compress(blocks + END, compresslevel=1, mtime=0))
        files = shown(path)
        if files is not None:
            seen.append((name, path, files))
    written = installed([(path, 0) for _, path, _ in seen], folder)
    assert len(written) == len(seen)
    pairs = zip(seen, written, strict=True)
    return [f"{name}: {files} / {npm}" for (name, _, files), npm in pairs if npm != files], len(
        seen
    )


def headers() -> Iterator[tuple[str, bytes]]:
    """A file with hidden headers in its content, each byte of its header changed."""
    for offset in (offset for offset in range(512) if offset not in CHECKSUM):
        for value in BYTES:
            changed = member("package/logo.png", HIDDEN, at=(offset, bytes((value,))))
            yield f"byte {offset} is {value:#x}", HONEST + changed


def extensions() -> Iterator[tuple[str, bytes]]:
    """A file behind each kind of extended header, each byte of that header changed."""
    last = member("package/logo.png", HIDDEN)
    record = pax(("path", b"package/docs.txt"))[512:].rstrip(b"\0")
    for kind, body in ((b"x", record), (b"g", b"13 comment=a\n"), (b"L", b"package/docs.txt\0")):
        for offset in (*range(0, 100, 20), *range(100, 512)):
            if offset in CHECKSUM:
                continue
            for value in (0x37, 0x81):
                header = member("Extended", body, kind=kind, at=(offset, bytes((value,))))
                yield f"{kind!r}: byte {offset} is {value:#x}", HONEST + header + last


def records() -> Iterator[tuple[str, bytes]]:
    """A file behind each kind of record with each kind of value."""
    for kind in (b"x", b"g"):
        for key in KEYS:
            for value in VALUES:
                header = pax((key, value), kind=kind)
                linked = member("package/logo.png", HIDDEN, link=b"x")
                plain = member("package/logo.png", HIDDEN)
                for entry in (plain, linked, member("package/folder/")):
                    yield f"{kind!r} {key}={value!r}", HONEST + header + entry


def kinds() -> Iterator[tuple[str, bytes]]:
    """Each type of entry, with and without a content, a link and the name of a folder."""
    last = member("package/docs.txt", b"text")
    for kind in range(256):
        for name in ("package/index.js", "package/index.js/", "package/dir/"):
            for content in (b"", b"package/index.js\0", HIDDEN):
                for link in (b"", b"package/index.js"):
                    entry = member(name, content, kind=bytes((kind,)), link=link)
                    yield f"{kind:#x} {name} {content[:9]!r} {link!r}", HONEST + entry + last


def ignores() -> Iterator[tuple[str, bytes]]:
    """Files that npm may install under another name, alone and beside what has that name."""
    names = (
        *("package/.gitignore", "package/.npmignore", "other/.gitignore", "other/.npmignore"),
        *("package/lib/.gitignore", "package/lib/.npmignore", "package/.gitignore/x"),
        *("package/a.gitignore", "package/.gitIgnore", ".gitignore", "package/.gitignore/"),
        *("package//.gitignore", "package/./.gitignore", "package/c:.gitignore"),
    )
    for first in names:
        for last in names:
            for kind in (b"0", b"7"):
                files = member(first, b"1" * (not first.endswith("/")), kind=b"0")
                yield f"{first} {last}", HONEST + files + member(last, b"", kind=kind)


def checksums() -> Iterator[tuple[str, bytes]]:
    """Each way to write a checksum, before types and links that could continue the number."""
    for form in (
        b"%06o\0 ",
        b"%06o  ",
        b"%06o \0",
        b"%07o\0",
        b"%07o ",
        b"%08o",
        b"  %06o",
        b" %06o ",
    ):
        for link in (b"", b"0", b"7 ", b"777"):
            entry = member("package/logo.png", HIDDEN, checksum=form, link=link)
            yield f"{form!r} {link!r}", HONEST + entry


@pytest.mark.parametrize("made", [headers, extensions, records, kinds, ignores, checksums])
def test_what_is_shown_is_what_npm_installs(
    made: Callable[[], Iterator[tuple[str, bytes]]], tmp_path: Path
) -> None:
    different, agreed = disagreements(made(), tmp_path)
    assert different == []
    assert agreed > 0


def packed(blocks: bytes) -> bytes:
    return gzip.compress(blocks, compresslevel=1, mtime=0)


def streams() -> Iterator[tuple[str, bytes, tuple[int, ...]]]:
    """Several compressed streams in one file, and in which pieces npm may get them."""
    whole = HONEST + member("package/last.js", b"last\n" * 300) + END
    for cut in (512, 513, 1024, 1300, len(HONEST), len(whole) - 700, len(whole)):
        first, second = packed(whole[:cut]), packed(whole[cut:])
        ends = (len(first) + more for more in (-9, -8, -1, 0, 1, 2, 3, 9))
        sizes = (0, 1, 7, 64, *ends)
        yield f"cut at {cut}", first + second, sizes
        yield f"cut at {cut}, nothing between", first + packed(b"") + second, sizes
        yield f"cut at {cut}, zeros last", first + second + bytes(900), sizes
    for blocks in (HONEST, HONEST + END):
        for zeros in (0, 1, 2, 17, 64):
            first = packed(blocks) + bytes(zeros)
            behind = tuple(len(first) + more for more in (-1, 0, 1, 2))
            sizes = (0, 1, 7, 64, *behind)
            for tail in (packed(HIDDEN + END), b"x", b"\x1f", b"\x1f\x8b", b"\0\x1f\x8b\x08", b""):
                yield f"{zeros} zeros before {tail[:4]!r}", first + tail, sizes


def test_in_whatever_pieces_it_comes_npm_finds_what_we_read(tmp_path: Path) -> None:
    seen: list[tuple[str, Path, int, Files]] = []
    for number, (name, content, sizes) in enumerate(streams()):
        path = tmp_path / f"{number}.tgz"
        path.write_bytes(content)
        try:
            files, _ = contents_of(path)
        except TarballError:
            continue
        seen += [(name, path, size, files) for size in sizes]
    written = installed([(path, size) for _, path, size, _ in seen], tmp_path)
    assert len(seen) > 200
    different = [
        f"{name} by {size}: {files} / {npm}"
        for (name, _, size, files), npm in zip(seen, written, strict=True)
        if files != npm
    ]
    assert different == []


def test_npm_finds_files_behind_zeros_that_we_refuse(tmp_path: Path) -> None:
    path = tmp_path / "hidden.tgz"
    path.write_bytes(packed(HONEST).ljust(4096, b"\0") + packed(HIDDEN + END))
    (files,) = installed([(path, 4096)], tmp_path)
    assert files is not None
    assert "evil.js" in files
    with pytest.raises(TarballError, match="data behind"):
        contents_of(path)
