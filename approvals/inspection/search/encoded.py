"""What long encoded text decodes to, found out in bounds. Nothing of it is executed or unpacked."""

import base64
import binascii
import re
import zlib
from dataclasses import dataclass
from typing import Literal

_MOST = 64 * 1024
"""Characters of one text that are decoded, and bytes that are decompressed."""
_DEEPEST = 3
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2})+")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]+={0,2}")
_PRINTABLE = bytes([9, 10, 13, *range(32, 127)])
_CODE = re.compile(
    rb"\brequire\s*\(|\bfunction\b|=>|\beval\s*\(|\bimport\b|\bconst\s|\bvar\s|\blet\s|\breturn\b"
    rb"|\bprocess\.|child_process|\bexec\w*\(|\batob\(|\bBuffer\.|\bdocument\.|\bwindow\.|\bfetch\("
    rb"|^#!|\bpowershell\b|\bcurl\s|\bwget\s|/bin/(?:ba)?sh\b|\bsubprocess\b|\bawait\b"
)
_LEAST_SIGNS = 3
_TELLING = re.compile(
    rb"child_process|process\.env|\brequire\b|\beval\b|npm_package_|powershell|/bin/(?:ba)?sh"
    rb"|\bcurl\s|\bwget\s|\.npmrc|\.ssh/|/etc/passwd|\bFunction\b|\./test/|execSync|module\.exports"
)
_ADDRESS = re.compile(rb"https?://[\w.-]+")

Sort = Literal["code", "words", "address", "program", "archive", "other"]

# What begins so is a program, and what kind of one.
_PROGRAMS = (
    (b"\x7fELF", "a program for Linux (ELF)"),
    (b"\xcf\xfa\xed\xfe", "a program for macOS (Mach-O)"),
    (b"\xce\xfa\xed\xfe", "a program for macOS (Mach-O)"),
    (b"\xca\xfe\xba\xbe", "a program for macOS or Java"),
    (b"#!", "a script with “#!”"),
)
_ARCHIVES = (
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\xfd7zXZ\0", "an archive (xz)"),
    (b"7z\xbc\xaf'\x1c", "an archive (7z)"),
    (b"BZh", "an archive (bzip2)"),
    (b"Rar!\x1a", "an archive (RAR)"),
)
_GZIP = b"\x1f\x8b\x08"
_ZLIB = (b"\x78\x01", b"\x78\x9c", b"\x78\xda")
_TAR_AT, _TAR = 257, b"ustar"
_PE_AT = 0x3C


@dataclass(frozen=True, slots=True)
class Decoded:
    """What text turned out to be: of which sort, in words, and how its content begins."""

    sort: Sort
    words: str
    content: bytes

    def begins(self, most: int = 120) -> str:
        """Its first characters in one line."""
        return " ".join(self.content[:most].decode("utf-8", "replace").split())


def decoded(text: bytes) -> Decoded | None:
    """What hex or Base64 stands for; None where it is neither, or what nobody needs to know."""
    text = text[:_MOST]
    if _HEX.fullmatch(text[: len(text) & ~1]):
        found = sort_of(bytes.fromhex(text[: len(text) & ~1].decode()))
        if found is not None:
            return found
    if not _BASE64.fullmatch(text):
        return None
    usual = text.replace(b"-", b"+").replace(b"_", b"/").rstrip(b"=")
    usual = usual[: len(usual) - (len(usual) % 4 == 1)]
    try:
        return sort_of(base64.b64decode(usual + b"=" * (-len(usual) % 4)))
    except binascii.Error:
        return None


def sort_of(content: bytes, depth: int = _DEEPEST) -> Decoded | None:
    """What these bytes are; None for what is no code, no program and no archive.

    WebAssembly, pictures and fonts are none: bundlers put them into code all the time.
    """
    for magic, words in _PROGRAMS:
        if content.startswith(magic):
            return Decoded("program", words, content if magic == b"#!" else b"")
    if _is_windows_program(content):
        return Decoded("program", "a program for Windows (PE)", b"")
    for magic, words in _ARCHIVES:
        if content.startswith(magic):
            return Decoded("archive", words, b"")
    if content[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR:
        return Decoded("archive", "a tar archive", b"")
    if content.startswith((_GZIP, *_ZLIB)):
        return _decompressed(content, depth)
    return _text(content)


def is_printable(content: bytes) -> bool:
    """Whether nearly all of it is ASCII that can be read."""
    head = content[:4096]
    return bool(head) and len(head.translate(None, _PRINTABLE)) <= len(head) // 50


def _is_windows_program(content: bytes) -> bool:
    if content[:2] != b"MZ" or len(content) < _PE_AT + 4:
        return False
    place = int.from_bytes(content[_PE_AT : _PE_AT + 4], "little")
    return content[place : place + 4] == b"PE\0\0" or b"DOS mode" in content[:512]


def _decompressed(content: bytes, depth: int) -> Decoded | None:
    try:
        inside = zlib.decompressobj(wbits=47).decompress(content, _MOST)
    except zlib.error:
        return None
    if depth <= 0 or not inside:
        return None
    found = sort_of(inside, depth - 1)
    if found is None:
        return None
    return Decoded(found.sort, f"compressed text of {found.words}", found.content)


def _text(content: bytes) -> Decoded | None:
    if not is_printable(content):
        return None
    head = content[:8192]
    signs = {sign.strip() for sign in _CODE.findall(head)}
    if len(signs) >= _LEAST_SIGNS:
        return Decoded("code", "code", content)
    if _TELLING.search(head):
        return Decoded("words", "words that code has", content)
    if _ADDRESS.match(head):
        return Decoded("address", "an address", content)
    return None
