"""Text that is decoded, or read from a file of another kind, and then run as code."""

import re
from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.evaluated import DECODES, EVALUATORS, READS, evaluated
from approvals.inspection.search.look import Look, Use
from approvals.inspection.search.needles import needles
from approvals.inspection.search.places import is_too_late

GROUP = Group.HIDING
RULES = {
    "decoded-code": "Text that is decoded and then run",
    "code-from-data": "Code that is loaded from a file of another kind",
    "reads-itself": "Code that reads its own source to run part of it",
    "keyed-decryption": "Decryption with a key that another package's installation gives",
    "code-as-module": "A module made of text",
}
_DECIPHERS = needles("createDecipher")
_KEYED = re.compile(r"npm_package_|6e706d5f7061636b616765|bnBtX3BhY2thZ2")
NEEDLES = needles(*EVALUATORS.texts, *_DECIPHERS.texts, patterns=EVALUATORS.patterns)

_MEDIA = re.compile(
    r"\.(?:png|jpe?g|gif|ico|bmp|webp|svg|woff2?|ttf|otf|eot|mp[34]|wav|pdf|zip|gz)[\"'`]",
    re.IGNORECASE,
)
_DATA = re.compile(
    r"(?:\.(?:txt|dat|bin|md|json|css|map|lock|log|csv|xml|ya?ml)|README|LICENSE|CHANGELOG)[\"'`]"
    r"|[\"'`./](?:tests?|__tests__|fixtures?|testdata)/[^\"'`\n]{0,80}[\"'`]",
    re.IGNORECASE,
)
_ITSELF = re.compile(r"__filename|import\.meta\.(?:url|filename)|process\.argv\[1\]")
_MAKES = re.compile(r"new\s+module\.constructor|[^\w$.]module\.constructor\s*(?:\(|\._|\.proto)")
_AROUND = 1_500
_NEAR = 3_000
_SMALL = 64 * 1024


def in_tarball(look: Look) -> Iterator[Finding]:
    seen: set[tuple[str, str]] = set()
    for use in look.uses(EVALUATORS):
        if is_too_late(look, use.file):
            break
        if use.is_comment or (use.is_text and use.needle[0] not in "i\"'"):
            continue
        found = _judged(use)
        if found is not None and (found.rule, use.path) not in seen:
            seen.add((found.rule, use.path))
            yield found
    yield from _deciphers(look)


def _judged(use: Use) -> Finding | None:
    if use.needle.startswith("module.constructor"):
        return _module(use)
    if use.needle.startswith("import") and "data:" in use.needle:
        return _decoded(use, "as a module of a data: address")
    return _of_code(use, evaluated(use))


def _of_code(use: Use, code: str) -> Finding | None:
    if READS.search(code):
        if _ITSELF.search(code):
            return _itself(use)
        if (media := _MEDIA.search(code)) or _DATA.search(code):
            return _from_data(use, Severity.CRITICAL if media else Severity.HIGH)
    if match := DECODES.search(code):
        return _decoded(use, f"through {match[0].strip(chr(34) + chr(39) + '` (.')}")
    return None


def _decoded(use: Use, how: str) -> Finding:
    return _finding(
        use,
        "decoded-code",
        Severity.CRITICAL,
        "Text is decoded and then run as code.",
        "What runs cannot be read in the package, only what it looks like before it is decoded. "
        "Attacks hide their programs so; releases have no reason to.",
        "Decode the text without running it, and read that. Do not approve before.",
        how,
    )


def _from_data(use: Use, severity: Severity) -> Finding:
    return _finding(
        use,
        "code-from-data",
        severity,
        "A file that is no code is read, and what stands in it is run.",
        "Nobody reviews pictures, fonts, or data of tests as code. The event-stream attack kept "
        "its program in a file of test data.",
        "Look into the file that is read, and at what is done with it.",
        "",
    )


def _itself(use: Use) -> Finding:
    return _finding(
        use,
        "reads-itself",
        Severity.HIGH,
        "It reads its own file, and runs what it takes from there.",
        "What runs may stand in a comment, or in characters that nobody sees.",
        "Find out which part of the file is taken, and what it becomes.",
        "",
    )


def _module(use: Use) -> Finding | None:
    if not _MAKES.search(use.around(8, 12)):
        return None
    near = use.around(_AROUND, _AROUND)
    decodes = DECODES.search(near)
    return _finding(
        use,
        "decoded-code" if decodes else "code-as-module",
        Severity.CRITICAL if decodes else Severity.MEDIUM,
        "A module is made of text that is decoded close by."
        if decodes
        else "A module is made of text.",
        "A module made so runs whatever text it is given, with everything that the package may do. "
        "The event-stream attack ran its program this way.",
        "Find out where the text comes from, and read it decoded.",
        decodes[0] if decodes else "",
    )


def _deciphers(look: Look) -> Iterator[Finding]:
    for file, uses in look.uses_by_file(_DECIPHERS).items():
        is_small = len(file.content or b"") <= _SMALL
        reach = _SMALL if is_small else _NEAR
        use = next((use for use in uses if _KEYED.search(use.around(reach, reach))), None)
        if use is None or is_too_late(look, file):
            continue
        yield _finding(
            use,
            "keyed-decryption",
            Severity.CRITICAL,
            "Something is decrypted with what npm tells of the package that is installed.",
            "It opens only where one chosen package is built, and stays shut for everybody who "
            "looks. The event-stream attack was aimed at one wallet so.",
            "Find out whose name or description is the key, decrypt with it, and read that.",
            "",
        )


def _finding(use: Use, rule: str, severity: Severity, *words: str) -> Finding:
    title, why, what_to_check, detail = words
    return Finding(
        rule,
        severity,
        title,
        why,
        what_to_check,
        path=use.path,
        line=use.line,
        excerpt=use.excerpt,
        detail=detail,
        evidence=use.file.change.new_sha256,
    )
