"""What a binary file is, whatever it calls itself."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.inspection.filetypes import LONGEST, file_type, image_dimensions, image_type

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + struct.pack(">II", 640, 480) + b"\x08\6\0\0\0"
GIF = b"GIF89a" + struct.pack("<HH", 320, 200) + b"\0\0\0"
JPEG = (
    b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(10) + b"\xff\xff\xc2\0\x11\x08"
    b"" + struct.pack(">HH", 48, 64) + b"\3"
)
WEBP = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff\0\0" + b"\x7f\0\0"
LOSSLESS = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f" + struct.pack("<I", 99 | 49 << 14)
LOSSY = b"RIFF\0\0\0\0WEBPVP8 " + bytes(7) + b"\x9d\1\x2a" + struct.pack("<HH", 30, 20)


def elf(kind: int, machine: int, order: str = "<") -> bytes:
    ident = b"\x7fELF\2" + (b"\1" if order == "<" else b"\2") + b"\1" + bytes(9)
    return ident + struct.pack(f"{order}HH", kind, machine) + bytes(40)


def mach(machine: int, kind: int) -> bytes:
    return struct.pack("<IIII", 0xFEEDFACF, machine, 0, kind)


def windows(machine: int, flags: int) -> bytes:
    stub = b"MZ" + bytes(58) + struct.pack("<I", 128) + bytes(64)
    return stub + b"PE\0\0" + struct.pack("<H", machine) + bytes(16) + struct.pack("<H", flags)


@pytest.mark.parametrize(
    ("path", "head", "words"),
    [
        ("a.png", PNG, "PNG image"),
        ("a.jpg", JPEG, "JPEG image"),
        ("a.gif", GIF, "GIF image"),
        ("a.webp", WEBP, "WebP image"),
        ("a.avif", b"\0\0\0\x20ftypavif", "AVIF image"),
        ("a.ico", b"\0\0\1\0\1\0", "ICO image"),
        ("a.bmp", b"BM\1\2\3\4\0\0\0\0", "BMP image"),
        ("a.woff", b"wOFF\0\1\0\0", "WOFF font"),
        ("a.woff2", b"wOF2\0\1\0\0", "WOFF2 font"),
        ("a.ttf", b"\0\1\0\0\0\x0c", "TrueType font"),
        ("a.otf", b"OTTO\0", "OpenType font"),
        ("a.pdf", b"%PDF-1.7", "PDF document"),
        ("a.zip", b"PK\3\4\x14", "ZIP archive"),
        ("a.jar", b"PK\3\4\x14", "Java archive (JAR)"),
        ("a.tgz", b"\x1f\x8b\x08", "gzip data"),
        ("a.zst", b"\x28\xb5\x2f\xfd", "zstd data"),
        ("a.tar", bytes(257) + b"ustar\0", "tar archive"),
        ("a.wasm", b"\0asm\1\0\0\0", "WebAssembly module, version 1"),
        ("a.wasm", b"\0asm\x0d\0\1\0", "WebAssembly component"),
        ("a", elf(2, 0x3E), "ELF program for x86-64"),
        ("a.so", elf(3, 0xB7), "ELF library or program for ARM64"),
        ("a", elf(2, 0x16, ">"), "ELF program for S390"),
        ("build/a.node", elf(3, 0x3E), "Node addon (ELF library) for x86-64"),
        ("a.exe", windows(0x8664, 0x22), "Windows program for x86-64"),
        ("a.dll", windows(0x14C, 0x2102), "Windows library for x86"),
        ("a.node", windows(0x8664, 0x2022), "Node addon (Windows) for x86-64"),
        ("a.exe", b"MZ\x90\0", "DOS or Windows program"),
        ("a", struct.pack("<IIII", 0xFEEDFACF, 0x0100000C, 0, 2), "Mach-O program for ARM64"),
        (
            "a.dylib",
            struct.pack("<IIII", 0xFEEDFACF, 0x01000007, 0, 6),
            "Mach-O library for x86-64",
        ),
        ("a.node", b"\xca\xfe\xba\xbe\0\0\0\2", "Node addon (Mach-O, universal)"),
        ("a", b"\xca\xfe\xba\xbe\0\0\0\2", "Mach-O universal program"),
        ("A.class", b"\xca\xfe\xba\xbe\0\0\0\x34", "Java class"),
        ("a.pyc", b"\xa7\x0d\r\n\0", "Python bytecode"),
        ("a.db", b"SQLite format 3\0", "SQLite database"),
        ("a.mp3", b"ID3\4", "MP3 audio"),
        ("a.mp4", b"\0\0\0\x20ftypisom", "MP4 video"),
        ("a.ogg", b"OggS\0", "OGG audio or video"),
        ("a.bin", b"\0\1\2\3", "unknown binary data"),
        ("a.bin", b"", "unknown binary data"),
    ],
)
def test_types_in_words(path: str, head: bytes, words: str) -> None:
    assert file_type(path, head) == words


@pytest.mark.parametrize(
    ("path", "head", "words"),
    [
        ("logo.png", elf(2, 0x3E), "ELF program for x86-64, though named .png"),
        ("font.WOFF2", b"PK\3\4", "ZIP archive, though named .woff2"),
        ("a.jpg", b"\0\0\0", "unknown binary data, though named .jpg"),
    ],
)
def test_a_file_that_is_not_what_its_name_says(path: str, head: bytes, words: str) -> None:
    assert file_type(path, head) == words


@pytest.mark.parametrize(
    ("head", "mime"),
    [
        (PNG, "image/png"),
        (JPEG, "image/jpeg"),
        (GIF, "image/gif"),
        (WEBP, "image/webp"),
        (b"\0\0\0\x20ftypavif", "image/avif"),
        (b"\0\0\1\0", "image/x-icon"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", ""),
        (b"<html>", ""),
        (b"%PDF-1.7", ""),
        (b"\0\0\0\x20ftypisom", ""),
        (b"", ""),
    ],
)
def test_only_images_that_cannot_do_anything_have_a_mime_type(head: bytes, mime: str) -> None:
    assert image_type(head) == mime


def frame(width: int, height: int) -> bytes:
    """The part of a JPEG image that tells its size."""
    return b"\xff\xc0\0\x0b\x08" + struct.pack(">HH", height, width) + b"\1\1\x11\0"


def gif(width: int, height: int, *frames: tuple[int, int]) -> bytes:
    """A GIF image with tables of colours, a comment, and frames of these sizes."""
    content = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x81, 0, 0) + b"," * 12
    for across, down in frames:
        content += b"!\xfe\x03,,,\x01!\0"
        content += b"," + struct.pack("<HHHHB", 0, 0, across, down, 0x80) + b";" * 6
        content += b"\x02\x02,,\0"
    return content + b";"


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (PNG, (640, 480)),
        (GIF, (320, 200)),
        (JPEG, (64, 48)),
        (WEBP, (256, 128)),
        (LOSSLESS, (100, 50)),
        (LOSSY, (30, 20)),
        (b"\0\0\1\0", None),
        (PNG[:20], None),
        (PNG[:16] + bytes(8), None),
        (b"\xff\xd8\xff" * 5000, None),
        (b"\xff\xd8" + b"\xff\xe0\0\0" * 5000, None),
        (b"", None),
        # A zero behind FF begins no segment: the browser goes on to the next marker.
        (b"\xff\xd8\xff\0\0\x20" + frame(9000, 8000) + bytes(9) + frame(1, 1), (9000, 8000)),
        (b"\xff\xd8\xff\0junk\xff\xff\xff\0\xff" + frame(9000, 8000) + frame(1, 1), (9000, 8000)),
        (b"\xff\xd8\xff\xd9" + frame(1, 1), None),
        (b"\xff\xd8\xff\xda\0\2" + frame(1, 1), None),
        (b"\xff\xd8" + b"\xff\xe0\0\2" * 5000 + frame(1, 1), None),
        (b"\xff\xd8" + b"\xff" * 10_000_000, None),
        (gif(4, 3, (2, 2), (5000, 1), (1, 6000)), (5000, 6000)),
        (gif(4, 3, (2, 2)), (4, 3)),
        (gif(4, 3, (2, 2), (65535, 65535))[:-4], (65535, 65535)),
        (GIF[:10] + b"\0\0\0" + b"!\xf9\0" * 1_000_000, None),
    ],
    ids=range(22),
)
def test_the_size_of_images(content: bytes, size: tuple[int, int] | None) -> None:
    assert image_dimensions(content) == size


@given(
    st.sampled_from([b"", PNG, GIF, JPEG, WEBP, LOSSLESS, LOSSY, elf(2, 3), windows(1, 2)]),
    st.integers(0, 60),
    st.binary(max_size=80),
    st.text(max_size=20),
)
def test_junk_never_raises(start: bytes, kept: int, junk: bytes, path: str) -> None:
    data = start[:kept] + junk
    words = file_type(path, data)
    assert 0 < len(words) <= LONGEST
    assert words.isprintable()
    assert image_type(data).partition("/")[0] in ("image", "")
    size = image_dimensions(data)
    assert size is None or min(size) > 0
