"""Code that programs have made unreadable on purpose."""

import re
from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search import syntax
from approvals.inspection.search.encoded import sort_of
from approvals.inspection.search.look import Look, LookedFile, Use
from approvals.inspection.search.needles import needles, together
from approvals.inspection.search.places import is_too_late

GROUP = Group.HIDING
RULES = {
    "obfuscated": "Code that is made unreadable on purpose",
    "escaped-text": "Plain text that is written as numbers or escapes",
    "computed-global": "Names of powerful functions that are put together",
}
_GLOBALS = r"(globalThis|global|window|self|this|process|module)"
_COMPUTED = needles(patterns=(rf"\b{_GLOBALS}\[\s{{0,4}}[\"'`][^\n]{{0,12}}[\"'`]\s{{0,2}}[\+\.]",))
_NAMES = needles(patterns=(r"\b_0x[0-9a-f]{1,8}\b.{0,2}=", r"(function|,) ?_0x[0-9a-f]{1,8}"))
_ROTATION = needles(patterns=(r"push.{1,4}\w{1,20}.{1,3}shift.{1,3}\)\)",))
_ORDER = needles(patterns=(r"[0-9]{1,3}(\|[0-9]{1,3}){3,200}[\"'`].{1,3}split",))
_PACKER = needles("eval(function(p,a,c,k,e")
_SIGNS = needles("(![]+[])[", "[][(![]+[])", "(!![]+[])[", "!+[]+!+[]")
_FRIENDLY = needles("$=~[];$={___:++$", "\uff9f\u03c9\uff9f\uff89", "\uff9f\u0414\uff9f")
_ALL = together(_NAMES, _ROTATION, _ORDER, _PACKER, _SIGNS, _FRIENDLY)
# Behind what is no part of such a run itself, so that each is found once.
_ESCAPED = needles(
    patterns=(
        r"[^0-9a-fA-F](\\x[2-7][0-9a-fA-F]){6}",
        r"[^0-9a-fA-F](\\u00[2-7][0-9a-fA-F]){6}",
        r"[^0-9a-fA-F](\\u\{[2-7][0-9a-fA-F]\}){6}",
    )
)
_NUMBERED = needles("fromCharCode", "fromCodePoint")
NEEDLES = together(_ALL, _COMPUTED, _ESCAPED, _NUMBERED)

_LEAST_NAMES = 20
_LEAST_SIGNS = 8
_LEAST_PARSES = 3
_PARSES = re.compile(r"parseInt\(\w{1,20}\(")
_FLAT = re.compile(r"while\s*\((?:!!\[\]|!0|true)\)\s*\{\s*switch\s*\(\w{1,20}\[")
_BEFORE = 900
_ESCAPES = re.compile(
    rb"(?:\\x[2-7][0-9a-fA-F]|\\u00[2-7][0-9a-fA-F]|\\u\{[2-7][0-9a-fA-F]\}){6,2000}+"
)
_NUMBERS = re.compile(
    rb"(?:fromCharCode|fromCodePoint)(?:\.(?:apply|call)\s*\(\s*\w{1,20}\s*,)?\s*[(\[ .]{1,6}"
    rb"((?:\s*+(?:0x[0-9a-fA-F]{1,4}|\d{1,4})\s*+,){10,5000}+\s*+(?:0x[0-9a-fA-F]{1,4}|\d{1,4})?)"
)
_ESCAPE = re.compile(rb"\\(?:x|u00|u\{)([2-7][0-9a-fA-F])")
_NUMBER = re.compile(rb"0x[0-9a-fA-F]{1,4}|\d{1,4}")
_LEAST_ESCAPED = 40
_MOST_RUNS = 200
_SHOWN = 100
_POWERFUL = frozenset(
    {
        *("eval", "Function", "require", "process", "fetch", "atob", "module", "constructor"),
        *("mainModule", "XMLHttpRequest", "WebSocket", "document", "localStorage", "binding"),
        *("execSync", "child_process", "env", "importScripts", "setTimeout", "dlopen", "ethereum"),
    }
)


def in_tarball(look: Look) -> Iterator[Finding]:
    for file, uses in look.uses_by_file(_ALL).items():
        if file.language and (signs := list(_signs(file, uses))):
            yield _obfuscated(file, signs)
    for file, uses in look.uses_by_file(together(_ESCAPED, _NUMBERED)).items():
        if file.language and not is_too_late(look, file):
            yield from _escaped(file, uses)
    yield from _computed(look)


def _signs(file: LookedFile, uses: list[Use]) -> Iterator[tuple[str, Use]]:
    """In words how the code was made unreadable, and where that is to be seen first."""
    of = {kind: [use for use in uses if use.match.key in keys] for kind, keys in _KEYS if keys}
    if len(of["names"]) >= _LEAST_NAMES:
        count = (file.content or b"").count(b"_0x")
        yield f"{count:,} names like _0x3f2a", of["names"][0]
    for use in of["rotation"][:_MOST_RUNS]:
        if len(_PARSES.findall(use.around(_BEFORE, 0))) >= _LEAST_PARSES:
            yield "a table of texts that is turned until a sum is right", use
            break
    for use in of["order"][:_MOST_RUNS]:
        if _FLAT.search(use.around(0, _BEFORE)):
            yield "statements in an order that is a text", use
            break
    if of["packer"]:
        yield "a packer that evaluates what it unpacks", of["packer"][0]
    if len(of["signs"]) >= _LEAST_SIGNS:
        yield "code of nothing but brackets and signs (JSFuck)", of["signs"][0]
    if of["friendly"]:
        yield "code of nothing but signs (JJEncode, AAEncode)", of["friendly"][0]


_KEYS = tuple(
    (kind, frozenset(one.keys()))
    for kind, one in (
        ("names", _NAMES),
        ("rotation", _ROTATION),
        ("order", _ORDER),
        ("packer", _PACKER),
        ("signs", _SIGNS),
        ("friendly", _FRIENDLY),
    )
)


def _obfuscated(file: LookedFile, signs: list[tuple[str, Use]]) -> Finding:
    old = file.old_content or b""
    had = any(mark in old for mark in (b"_0x", b"eval(function(p,a,c,k,e", b"(![]+[])["))
    severity = Severity.CRITICAL if file.runs_first else Severity.HIGH
    first = signs[0][1]
    return Finding(
        "obfuscated",
        Severity.LOW if had else severity,
        "Code is made unreadable on purpose" + (", as it was before." if had else "."),
        "A minifier makes code short, an obfuscator makes it unreadable. Open source has no use "
        "for that; nearly every attack on npm used it.",
        "Do not approve what cannot be read. Ask for the source of this file, and for how it was "
        "built.",
        path=file.path,
        line=first.line,
        excerpt=first.excerpt,
        detail="; ".join(dict.fromkeys(words for words, _ in signs)),
        is_new=not had,
        evidence=file.change.new_sha256,
    )


def _escaped(file: LookedFile, uses: list[Use]) -> Iterator[Finding]:
    content = file.content or b""
    texts: list[tuple[Use, bytes]] = []
    for use in uses[:_MOST_RUNS]:
        if run := _ESCAPES.match(content, use.match.start + 1):
            codes = _ESCAPE.findall(run[0])
            texts.append((use, bytes(int(code, 16) for code in codes)))
        elif run := _NUMBERS.match(content, use.match.start):
            texts.append((use, _from_numbers(run[1])))
    if not texts:
        return
    amount = sum(len(text) for _, text in texts)
    whole = b" ".join(text for _, text in texts)
    found = sort_of(whole[:8192])
    if amount < _LEAST_ESCAPED and found is None:
        return
    use = texts[0][0]
    tells = found is not None
    shown = " ".join(whole[:_SHOWN].decode("ascii", "replace").split())
    yield Finding(
        "escaped-text",
        Severity.HIGH
        if tells
        else Severity.MEDIUM
        if amount >= _LEAST_ESCAPED * 5
        else Severity.LOW,
        "Plain text is written as numbers or escapes"
        + (", and it is what attacks hide." if tells else "."),
        "Letters that every editor can show are written so that nobody can read or search them.",
        "Read the text decoded, and find out what is done with it.",
        path=file.path,
        line=use.line,
        excerpt=use.excerpt,
        detail=f"{amount:,} characters: {shown}",
        evidence=file.change.new_sha256,
    )


def _from_numbers(text: bytes) -> bytes:
    codes = (int(number, 0 if number[:2] == b"0x" else 10) for number in _NUMBER.findall(text))
    return bytes(code if code < 128 else 63 for code in codes)  # noqa: PLR2004 - ASCII


def _computed(look: Look) -> Iterator[Finding]:
    for file, uses in look.uses_by_file(_COMPUTED).items():
        for use in uses:
            node = use.node
            for _ in range(6):
                if node is None or node.type == "subscript_expression":
                    break
                node = node.parent
            index = None if node is None else node.child_by_field_name("index")
            if index is None or index.type == "string":
                continue
            name = syntax.text_of(index)
            if name not in _POWERFUL:
                continue
            yield Finding(
                "computed-global",
                Severity.HIGH,
                f"The name “{name}” is put together from pieces to reach it.",
                "Nobody writes the name of a built-in function in pieces but to hide that it is "
                "used.",
                "Read what is done with it, and who wrote it.",
                path=use.path,
                line=use.line,
                excerpt=use.excerpt,
                detail=name,
                evidence=file.change.new_sha256,
            )
            break
