"""Long hex or Base64 that decodes to code, to a program or an archive, or to telling words."""

import re
from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.encoded import Decoded, decoded
from approvals.inspection.search.evaluated import DECODES
from approvals.inspection.search.look import Look, LookedFile, Use
from approvals.inspection.search.needles import needles, together
from approvals.inspection.search.places import is_too_late

GROUP = Group.HIDING
RULES = {
    "encoded-code": "Encoded text that is code",
    "encoded-program": "Encoded text that is a program",
    "encoded-archive": "Encoded text that is an archive",
    "encoded-words": "Encoded names of what code may not do openly",
    "encoded-address": "Encoded addresses",
    "reversed-words": "Names and addresses that are written backwards",
}
_WORDS = (
    *("child_process", "process.env", "require(", "function", "npm_package_", "powershell"),
    *("/bin/bash", "https://", "module.exports", "globalThis", "execSync", "http://"),
)
_IN_BASE64 = needles(*_WORDS, in_base64=True)
_HEX_WORDS = [word.encode().hex() for word in (*_WORDS, "require", "./test/", "eval(")]
_IN_HEX = needles(*_HEX_WORDS, *map(str.upper, _HEX_WORDS))
# How gzip, ZIP, ELF, PE, xz, bzip2 and 7z begin, in Base64 and in hex.
_BEGINNINGS = needles(
    *("H4sIA", "UEsDBB", "f0VMRgI", "f0VMRgE", "TVqQAAM", "/Td6WFoA", "QlpoOTFBWSZTW", "N3q8ryccA"),
    *("1f8b0800", "504b0304", "7f454c46", "4d5a9000"),
)
_REVERSED = needles("ssecorp_dlihc", "//:sptth", "vne.ssecorp", "cnyScexe", "egakcap_mpn")
_ENCODED = together(_IN_BASE64, _IN_HEX, _BEGINNINGS)
NEEDLES = together(_ENCODED, _REVERSED)

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-"
_WINDOW = 64 * 1024
_LEAST = 12
_SHORT = 400
_NEAR = 160
_MOST_A_FILE = 40
_WORKERS = re.compile(rb"\bWorker\s*\(|createObjectURL|new Blob\b")
_SHOWN = 100
_RULES: dict[str, tuple[str, str, str]] = {
    "code": (
        "encoded-code",
        "Code stands in the package as encoded text.",
        "What is encoded is not read when the package is reviewed. Attacks carry their program so, "
        "and decode it when nobody looks.",
    ),
    "program": (
        "encoded-program",
        "A program stands in the package as encoded text.",
        "Nothing shows that there is a program until it is written somewhere and started.",
    ),
    "archive": (
        "encoded-archive",
        "An archive stands in the package as encoded text.",
        "What is in it is not reviewed with the package.",
    ),
    "words": (
        "encoded-words",
        "A name that code uses to reach further is encoded.",
        "Whoever encodes what a program loads or runs does not want it to be found by a search.",
    ),
    "address": (
        "encoded-address",
        "An address is encoded.",
        "Addresses are encoded so that nobody sees where data goes, or code comes from.",
    ),
}


def in_tarball(look: Look) -> Iterator[Finding]:
    for file, uses in look.uses_by_file(_ENCODED).items():
        if not file.path.endswith(".map") and not is_too_late(look, file):
            yield from _in_file(file, uses)
    yield from _backwards(look)


def _in_file(file: LookedFile, uses: list[Use]) -> Iterator[Finding]:
    content = file.content or b""
    done, count, said = 0, 0, set()
    for use in uses:
        if use.match.start < done or count >= _MOST_A_FILE:
            continue
        start, done = _bounds(content, use)
        text = content[start:done]
        # Addresses with data: are what bundlers make of pictures, fonts and source maps.
        if len(text) < _LEAST or b"base64," in content[max(0, start - 40) : start]:
            continue
        count += 1
        found = decoded(text)
        if found is not None and (found.sort, found.begins()) not in said:
            said.add((found.sort, found.begins()))
            yield _finding(use, found, len(text), start)


def _bounds(content: bytes, use: Use) -> tuple[int, int]:
    """Where the text begins and ends that the match is part of, in characters of Base64."""
    before = content[max(0, use.match.start - _WINDOW) : use.match.start]
    after = content[use.match.end : use.match.end + _WINDOW]
    return (
        use.match.start - (len(before) - len(before.rstrip(_ALPHABET))),
        use.match.end + len(after) - len(after.lstrip(_ALPHABET)),
    )


def _finding(use: Use, found: Decoded, length: int, start: int) -> Finding:
    rule, title, why = _RULES[found.sort]
    begins = f": {found.begins(_SHOWN)}" if found.content else ""
    return Finding(
        rule,
        _severity(use, found, start),
        title,
        why,
        "Read it decoded, without running it, and find out what is done with it.",
        path=use.path,
        line=use.line,
        excerpt=use.excerpt,
        detail=f"{length:,} characters that decode to {found.words}{begins}",
        evidence=use.file.change.new_sha256,
    )


def _severity(use: Use, found: Decoded, start: int) -> Severity:
    content, file = use.file.content or b"", use.file
    if use.is_comment:
        return Severity.LOW
    if found.sort == "program":
        return Severity.CRITICAL if file.runs_first else Severity.HIGH
    if found.sort == "archive" or file.change.kind == "docs":
        return Severity.MEDIUM
    if found.sort == "code":
        return Severity.MEDIUM if _WORKERS.search(content) else Severity.HIGH
    is_short = len(found.content) <= _SHORT
    if found.sort == "words":
        return Severity.HIGH if is_short else Severity.MEDIUM
    near = content[max(0, start - _NEAR) : start].decode("utf-8", "replace")
    is_hidden = file.language and not file.change.is_minified and DECODES.search(near)
    return Severity.HIGH if is_short and is_hidden else Severity.MEDIUM


def _backwards(look: Look) -> Iterator[Finding]:
    for uses in look.uses_by_file(_REVERSED).values():
        use = uses[0]
        yield Finding(
            "reversed-words",
            Severity.HIGH,
            "A name or an address is written backwards.",
            "Whoever turns it round before it is used does not want it to be found by a search.",
            "Read it the right way round, and find out what is done with it.",
            path=use.path,
            line=use.line,
            excerpt=use.excerpt,
            detail=f"{use.needle} is {use.needle[::-1]}",
            evidence=use.file.change.new_sha256,
        )
