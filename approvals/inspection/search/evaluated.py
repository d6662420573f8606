"""Where text becomes code, and whether that text was decoded or read from a file just before."""

import re

from tree_sitter import Node

from approvals.inspection.search import syntax
from approvals.inspection.search.look import Use
from approvals.inspection.search.needles import needles

EVALUATORS = needles(
    *("module.constructor", "constructor.constructor(", "execSync(", "importScripts("),
    patterns=(
        r"\beval\b.{0,4}\(",
        r"\bFunction\s{0,2}\(",
        r"\b_compile\b.{0,4}\(",
        r"\brunIn(This|New)?Context\b.{0,4}\(",
        r"vm.{0,4}\.(Script|compileFunction)\s{0,2}\(",
        r"import\(\s{0,4}[\"'`]data:",
        r"\)\.constructor\s{0,2}\(",
        r"\[\s?[\"'`]constructor[\"'`]\s?\].{0,3}\(",
        r"\bReflect\s?\.\s?(construct|apply)\s?\(\s?(eval|Function)\b",
        r"\beval\s{0,2}:\s{0,2}(true\b|!0)",
        r"\b(setTimeout|setInterval|exec)\s{0,2}\(\s{0,2}(atob|Buffer)",
        r"[\"'](-e|--eval)[\"']\s{0,2},",
    ),
)
"""Calls that run text. `Function("return this")` and the like are sorted out by `evaluated`."""

DECODES = re.compile(
    r"\batob\b|[\"'`](?:base64(?:url)?|hex)[\"'`]|\bunescape\s*\(|decodeURIComponent\s*\(\s*escape"
    r"|fromCharCode|fromCodePoint|createDecipher|Decipheriv|inflate(?:Raw)?(?:Sync)?\s*\(|gunzip"
    r"|(?:\\x[2-7][0-9a-fA-F]){4}|(?:\\u00[2-7][0-9a-fA-F]){4}|unzipSync|brotliDecompress"
    r"|Buffer\.from\(\s*\[|Uint8Array(?:\.(?:from|of))?\(\s*\["
    r"|\.reverse\(\)\s*\.join|TextDecoder|CryptoJS|rot13"
)
READS = re.compile(r"\breadFile(?:Sync)?\b|\brequire\s?\(\s?[\"'`][^\"'`\n]{1,100}\.json[\"'`]")

_SIMPLE = re.compile(r"[\"'`]\s*return (?:this|globalThis|global)\b")
_NAME = re.compile(r"(?<![\w$.\"'`])[A-Za-z_$][\w$]{0,60}(?![\w$])")
_BEFORE, _AFTER = 6_000, 1_500
_MOST_TEXT = 2_000
_VALUE = 600
_NEAR, _SHORT = 600, 2
_MOST_NAMES = 8
_DEEPEST = 3


def evaluated(use: Use) -> str:
    """The text, in code, of what this call runs, with what its names stand for behind it.

    "" where it runs nothing but a fixed text of no interest, or where nothing is decoded or read
    anywhere near.
    """
    before = use.around(_BEFORE, 0)
    after = use.around(0, _AFTER)
    if not DECODES.search(before + after) and not READS.search(before + after):
        return ""
    given = _arguments(use, after)
    if not given or _SIMPLE.search(given):
        return ""
    around = before + after, before[-_NEAR:] + after[:_NEAR]
    return given + _stands_for(given, around, _DEEPEST)


def _arguments(use: Use, after: str) -> str:
    call = syntax.call_around(use.node)
    if call is None or use.needle.startswith("module.constructor"):
        # Text of no grammar, or what names nothing to run: what stands close is what there is.
        return after[: _MOST_TEXT // 4]
    parts = [_text(node) for node in syntax.arguments_of(call)]
    return "\n".join(parts)[:_MOST_TEXT]


def _stands_for(given: str, texts: tuple[str, str], depth: int) -> str:
    """What is assigned to the names in `given`, and what functions called there do.

    Minifiers give the same short name to one thing here and to another further off.
    """
    if depth <= 0:
        return ""
    names = dict.fromkeys(_NAME.findall(given))
    found = ""
    for name in list(names)[:_MOST_NAMES]:
        around = texts[len(name) <= _SHORT]
        for sign in (f"function {name}(", f"{name} = ", f"{name}=", f"{name}+="):
            place = around.rfind(sign)
            if place < 0 or (place and (around[place - 1].isalnum() or around[place - 1] in "_$.")):
                continue
            value = around[place + len(sign) : place + len(sign) + _VALUE]
            if "function" not in sign and "=>" not in value[:60] and "function" not in value[:20]:
                value = re.split(r";|\n\s*\n", value, maxsplit=1)[0]
            found += f"\n{value}"
    return found + (_stands_for(found, texts, depth - 1) if found else "")


def _text(node: Node) -> str:
    return "" if node.text is None else node.text[:_MOST_TEXT].decode("utf-8", "replace")
