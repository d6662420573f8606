"""What a binary file is, by its first bytes, and what it pretends to be by its name.

The first bytes are those in the formats' own specifications (the same that the `file` command
knows). Nothing here decodes anything: a header is read, never obeyed.
"""

import re
import struct
from collections.abc import Callable

from registry_client.tar_paths import printable

LONGEST = 60
_UNKNOWN = "unknown binary data"

# Where, what bytes, and what that is. The first that fits counts.
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "PNG image"),
    (0, b"\xff\xd8\xff", "JPEG image"),
    (0, b"GIF87a", "GIF image"),
    (0, b"GIF89a", "GIF image"),
    (0, b"\0\0\1\0", "ICO image"),
    (0, b"\0\0\2\0", "CUR image"),
    (0, b"II*\0", "TIFF image"),
    (0, b"MM\0*", "TIFF image"),
    (0, b"8BPS", "Photoshop image"),
    (0, b"icns", "ICNS image"),
    (0, b"wOFF", "WOFF font"),
    (0, b"wOF2", "WOFF2 font"),
    (0, b"\0\1\0\0\0", "TrueType font"),
    (0, b"true\0", "TrueType font"),
    (0, b"OTTO", "OpenType font"),
    (0, b"ttcf", "font collection"),
    (34, b"LP", "Embedded OpenType font"),
    (0, b"%PDF-", "PDF document"),
    (0, b"PK\3\4", "ZIP archive"),
    (0, b"PK\5\6", "ZIP archive"),
    (0, b"\x1f\x8b", "gzip data"),
    (0, b"\x28\xb5\x2f\xfd", "zstd data"),
    (0, b"\xfd7zXZ\0", "xz data"),
    (0, b"BZh", "bzip2 data"),
    (0, b"\x04\x22\x4d\x18", "LZ4 data"),
    (0, b"7z\xbc\xaf\x27\x1c", "7-Zip archive"),
    (0, b"Rar!\x1a\x07", "RAR archive"),
    (257, b"ustar", "tar archive"),
    (0, b"!<arch>\n", "static library"),
    (0, b"SQLite format 3\0", "SQLite database"),
    (0, b"ID3", "MP3 audio"),
    (0, b"\xff\xfb", "MP3 audio"),
    (0, b"\xff\xf3", "MP3 audio"),
    (0, b"OggS", "OGG audio or video"),
    (0, b"fLaC", "FLAC audio"),
    (0, b"MThd", "MIDI audio"),
    (0, b"\x1a\x45\xdf\xa3", "Matroska or WebM video"),
    (0, b"bplist00", "Apple property list"),
    (0, b"glTF", "glTF model"),
    (0, b"BC\xc0\xde", "LLVM bitcode"),
    (0, b"\x1bLua", "Lua bytecode"),
    (0, b"dex\n", "Android bytecode"),
    (0, b"\xed\xab\xee\xdb", "RPM package"),
    (0, b"\xde\x12\x04\x95", "gettext catalogue"),
    (0, b"\x95\x04\x12\xde", "gettext catalogue"),
    (0, b"\0\0\0\1Bud1", "Mac folder settings (.DS_Store)"),
)
_ZIPS = {
    "jar": "Java archive (JAR)",
    "apk": "Android package (APK)",
    "aar": "Android library (AAR)",
    "xpi": "browser extension (XPI)",
    "vsix": "editor extension (VSIX)",
    "whl": "Python wheel",
}
_ELF_MACHINES = {
    0x03: "x86",
    0x28: "ARM",
    0x3E: "x86-64",
    0xB7: "ARM64",
    0xF3: "RISC-V",
    0x08: "MIPS",
    0x14: "PowerPC",
    0x15: "PowerPC64",
    0x16: "S390",
    0x102: "LoongArch",
}
_ELF_TYPES = {1: "object file", 2: "program", 3: "library or program", 4: "core dump"}
_PE_MACHINES = {0x14C: "x86", 0x8664: "x86-64", 0x1C4: "ARM", 0xAA64: "ARM64"}
_PE_IS_LIBRARY = 0x2000
_MACH_MACHINES = {7: "x86", 0x01000007: "x86-64", 12: "ARM", 0x0100000C: "ARM64"}
_MACH_TYPES = {1: "object file", 2: "program", 6: "library", 8: "library"}
_MACH_MAGIC = {
    b"\xfe\xed\xfa\xce": ">",
    b"\xfe\xed\xfa\xcf": ">",
    b"\xce\xfa\xed\xfe": "<",
    b"\xcf\xfa\xed\xfe": "<",
}
# Programs for several machines in one start as Java classes do, but with a small count where those
# have their version, of which the first ever was 45.
_MOST_ARCHITECTURES = 40
_FTYP = {
    b"avif": "AVIF image",
    b"avis": "AVIF image",
    b"heic": "HEIC image",
    b"heix": "HEIC image",
    b"mif1": "HEIC image",
    b"M4A ": "MP4 audio",
    b"qt  ": "QuickTime video",
}
_RIFF = {b"WEBP": "WebP image", b"WAVE": "WAV audio", b"AVI ": "AVI video"}

_MIME = {
    "PNG image": "image/png",
    "JPEG image": "image/jpeg",
    "GIF image": "image/gif",
    "WebP image": "image/webp",
    "AVIF image": "image/avif",
    "ICO image": "image/x-icon",
}
# What a name promises; anything else under that name is said to be so.
_PROMISES = {
    "png": ("PNG",),
    "jpg": ("JPEG",),
    "jpeg": ("JPEG",),
    "gif": ("GIF",),
    "webp": ("WebP",),
    "avif": ("AVIF",),
    "ico": ("ICO", "PNG", "BMP"),
    "bmp": ("BMP",),
    "woff": ("WOFF font",),
    "woff2": ("WOFF2",),
    "ttf": ("TrueType", "OpenType"),
    "otf": ("OpenType", "TrueType"),
    "pdf": ("PDF",),
    "mp3": ("MP3",),
    "mp4": ("MP4",),
    "wasm": ("WebAssembly",),
}


def file_type(path: str, head: bytes) -> str:
    """What a binary file is in words, at most 60 characters; `head` are its first bytes.

    A file that is not what its name says ("ELF program for x86-64, though named .png") is called
    so.
    """
    ending = path.rpartition("/")[2].lower().rpartition(".")[2]
    found = _by_content(head, ending)
    promised = _PROMISES.get(ending)
    if promised and head and not found.startswith(promised):
        found = f"{found}, though named .{ending}"
    return printable(found)[:LONGEST]


def image_type(head: bytes) -> str:
    """The MIME type of an image that a browser may show as such, else ""."""
    return _MIME.get(_by_content(head, ""), "")


def image_dimensions(content: bytes) -> tuple[int, int] | None:
    """Width and height that a PNG, GIF, JPEG or WebP image says it has, in pixels."""
    measure = _MEASURES.get(_by_content(content[:64], ""))
    if measure is None:
        return None
    try:
        size = measure(content)
    except (struct.error, IndexError):
        return None
    return size if size and size[0] > 0 and size[1] > 0 else None


def _by_content(head: bytes, ending: str) -> str:
    for special in (_program, _mach, _wasm, _container, _bytecode):
        if found := special(head, ending):
            return found
    for start, magic, words in _MAGIC:
        if head.startswith(magic, start):
            return _ZIPS.get(ending, words) if words == "ZIP archive" else words
    # Two letters alone are too little to go by.
    if head.startswith(b"BM") and head[6:10] == bytes(4):
        return "BMP image"
    return _UNKNOWN


def _program(head: bytes, ending: str) -> str:
    """ELF and PE."""
    if head.startswith(b"\x7fELF"):
        order = ">" if head[5:6] == b"\2" else "<"
        kind, machine = _unpack(f"{order}HH", head, 16) or (0, 0)
        if ending == "node":
            return _for("Node addon (ELF library)", _ELF_MACHINES.get(machine))
        return _for(f"ELF {_ELF_TYPES.get(kind, 'program')}", _ELF_MACHINES.get(machine))
    if not head.startswith(b"MZ"):
        return ""
    (start,) = _unpack("<I", head, 0x3C) or (0,)
    if head[start : start + 4] != b"PE\0\0":
        return "DOS or Windows program"
    (machine,) = _unpack("<H", head, start + 4) or (0,)
    (flags,) = _unpack("<H", head, start + 22) or (0,)
    words = "Windows library" if flags & _PE_IS_LIBRARY else "Windows program"
    return _for("Node addon (Windows)" if ending == "node" else words, _PE_MACHINES.get(machine))


def _mach(head: bytes, ending: str) -> str:
    """Mach-O, and Java classes, which start with the same bytes as Mach-O for several machines."""
    if head.startswith(b"\xca\xfe\xba\xbe"):
        (count,) = _unpack(">I", head, 4) or (0,)
        if count > _MOST_ARCHITECTURES:
            return "Java class"
        return "Node addon (Mach-O, universal)" if ending == "node" else "Mach-O universal program"
    order = _MACH_MAGIC.get(head[:4])
    if order is None:
        return ""
    machine, _, kind = _unpack(f"{order}III", head, 4) or (0, 0, 0)
    words = "Node addon (Mach-O)" if ending == "node" else f"Mach-O {_MACH_TYPES.get(kind, 'file')}"
    return _for(words, _MACH_MACHINES.get(machine))


def _wasm(head: bytes, ending: str) -> str:
    if not head.startswith(b"\0asm"):
        return ""
    version, layer = _unpack("<HH", head, 4) or (0, 0)
    return "WebAssembly component" if layer else f"WebAssembly module, version {version}"


def _container(head: bytes, ending: str) -> str:
    """RIFF, and what is based on QuickTime's boxes."""
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12], "RIFF data")
    return _FTYP.get(head[8:12], "MP4 video") if head[4:8] == b"ftyp" else ""


def _bytecode(head: bytes, ending: str) -> str:
    return "Python bytecode" if ending == "pyc" and head[2:4] == b"\r\n" else ""


def _for(words: str, machine: str | None) -> str:
    return f"{words} for {machine}" if machine else words


def _unpack(form: str, data: bytes, start: int) -> tuple[int, ...] | None:
    if start + struct.calcsize(form) > len(data):
        return None
    return struct.unpack_from(form, data, start)


def _png_size(content: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", content, 16)
    return width, height


# Ten mebibytes of picture are about 40,000 blocks.
_MOST_BLOCKS = 200_000
_GIF_FRAME, _GIF_EXTENSION = 0x2C, 0x21


def _gif_size(content: bytes) -> tuple[int, int] | None:
    """What it says as a whole, or where a frame of it is larger, what that says."""
    width, height, flags = struct.unpack_from("<HHB", content, 6)
    position = 13 + _colours(flags)
    blocks = 0
    while position < len(content):
        if content[position] == _GIF_FRAME:
            if position + 10 > len(content):
                break
            left, top, across, down, flags = struct.unpack_from("<HHHHB", content, position + 1)
            width, height = max(width, left + across), max(height, top + down)
            position += 11 + _colours(flags)
        elif content[position] == _GIF_EXTENSION:
            position += 2
        else:
            break
        while position < len(content) and content[position]:
            position += 1 + content[position]
            blocks += 1
        position += 1
        blocks += 1
        if blocks > _MOST_BLOCKS:
            return None
    return width, height


def _colours(flags: int) -> int:
    """The size in bytes of the table of colours that these flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _webp_size(content: bytes) -> tuple[int, int] | None:
    form = content[12:16]
    if form == b"VP8X":
        width, height = content[24:27], content[27:30]
        if len(height) < 3:  # noqa: PLR2004 - 24 bits
            return None
        return int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1
    if form == b"VP8L" and content[20] == 0x2F:  # noqa: PLR2004 - its signature
        (bits,) = struct.unpack_from("<I", content, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if form == b"VP8 " and content[23:26] == b"\x9d\x01\x2a":
        width_bits, height_bits = struct.unpack_from("<HH", content, 26)
        return width_bits & 0x3FFF, height_bits & 0x3FFF
    return None


_MOST_SEGMENTS = 1_000
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
# Where the picture or the file begins or ends: no size comes behind it.
_JPEG_ENDS = frozenset({0xD8, 0xD9, 0xDA})
# A marker: what browsers skip before one, and how often its first byte may come, is no segment.
_JPEG_MARKER = re.compile(rb"\xff([^\xff\0])")


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    position = 2
    for _ in range(_MOST_SEGMENTS):
        found = _JPEG_MARKER.search(content, position)
        if found is None:
            return None
        marker, position = found[1][0], found.end()
        if marker in _JPEG_SIZES:
            height, width = struct.unpack_from(">HH", content, position + 3)
            return width, height
        if marker in _JPEG_ENDS:
            return None
        if marker not in _JPEG_ALONE:
            (length,) = struct.unpack_from(">H", content, position)
            if length < 2:  # noqa: PLR2004 - its own bytes
                return None
            position += length
    return None


_MEASURES: dict[str, Callable[[bytes], tuple[int, int] | None]] = {
    "PNG image": _png_size,
    "GIF image": _gif_size,
    "JPEG image": _jpeg_size,
    "WebP image": _webp_size,
}
