"""Modules that are loaded by a name that is spelled so that no search finds it."""

import re
from itertools import islice

from tree_sitter import Node

from approvals.inspection.search import syntax
from approvals.inspection.search.look import Look, Use
from approvals.inspection.search.needles import needles
from approvals.inspection.search.sign import Sign, last_leaf, leaf

_PARTS = r"\"[^\"\n]{0,30}\"\s*\+|'[^'\n]{0,30}'\s*\+|`[^`\n]{0,30}\$\{|[\"'][a-zA-Z]{0,20}\\[xu]"
NEEDLES = needles(
    "mainModule",
    patterns=(
        r"\b(require|import)\s*\(\s*[^\"'\s)]",
        r"\brequire\s*\(\s*(\"[^\"\n]{0,60}\"|'[^'\n]{0,60}')\s*[^\s)]",
        r"\brequire\s*\(\s*[\"'][^\"'\n]{0,60}\\[xu0-9]",
        r"\bimport\s*\(\s*(\"[^\"\n]{0,60}\"|'[^'\n]{0,60}')\s*[^\s),]",
        r"=\s*(module\.)?require\s*[;,\n]",
        r"=\s*([A-Za-z_$]{1,30}\.)?createRequire\s*\(",
        r"\bcreateRequire\s*\([^()\n]{0,80}\)\s*\(",
        r"\bcreateRequire\b[^;\n]{0,60}\.url\s*\)\s*\(",
        r"\bgetBuiltinModule\s*(\?\.)?\s*\(",
        r"\brequire\s*(\?\.|\)|\/\*[^\n]{0,40}|\.\s*(call|apply|bind))\s*\(",
        r"\bReflect\s*\.\s*apply\s*\(\s*(module\.)?require\b",
        r"\b(from|import)\s*\(?\s*[\"'][^\"'\n]{0,60}\\[xu0-9]",
        rf"\b(globalThis|global|window|self)\s*(\?\.)?\[\s*({_PARTS})",
        # The usual pieces, whatever they are given to.
        r"[\"'`](node:)?(chi|chil|child|child_|child_p|child_pr|child_pro|child_proc)[\"'`]\s*[+,.\]]",
        r"process\s*\[\s*['\"][a-z]{1,6}['\"]\s*\+\s*['\"]",
        r"process\.binding\s*\(",
    ),
)
_DANGEROUS = frozenset(
    {"child_process", "http", "https", "http2", "net", "tls", "dgram", "dns", "vm", "fs", "os"}
    | {"module", "worker_threads", "spawn_sync", "cluster", "inspector", "repl", "fs/promises"}
)
GLOBALS = frozenset(
    {"fetch", "eval", "Function", "process", "require", "XMLHttpRequest", "WebSocket"}
)
"""Names that are hidden where somebody spells them to find what they stand for."""
_SPELLED = re.compile(r"^(node:)?([a-z_0-9/]+)$")


_LOADS = Sign(NEEDLES, lambda use: bool(use.file.language))


def loads(look: Look) -> list[tuple[Use, str, int]]:
    """Every new place where a module may be loaded by a name that is worked out: the name, where
    that is known, matters and is hidden, else "", and the byte where it is loaded."""
    return [(use, *(_spelled(use) or ("", use.match.start))) for use in _LOADS.uses(look)]


def _call(use: Use) -> Node | None:
    node = leaf(use)
    if node is None or use.piece is None:
        return None
    call = syntax.call_around(node)
    return call if call is not None and syntax.is_called(node) else None


def is_computed(use: Use) -> bool:
    if _OTHER_WAY.search(use.needle):
        given = [] if use.needle.startswith("Reflect") else _given(use)[:2]
        return any(
            one.type not in ("string", "number", "null", "this", "undefined")
            and syntax.text_of(one, use.piece) is None
            for one in given[-1:]
        )
    if not use.needle.startswith(("require", "import")):
        return False
    call = _call(use)
    if call is None or syntax.callee_of(call) not in ("require", "import"):
        return False
    arguments = syntax.arguments_of(call)
    if not arguments or arguments[0].type in ("string", "number"):
        return False
    return syntax.text_of(arguments[0], use.piece) is None


def _spelled(use: Use) -> tuple[str, int] | None:
    """The name that is hidden in a call, if it is one that matters, and where."""
    if use.piece is None:
        return None
    name = None
    if use.needle[0] in "\"'`":
        name = _in_pieces(use)
    elif use.needle.startswith(("global", "window", "self")):
        name = _global(use)
    elif _QUOTED_AT_END.search(use.needle):
        name = _imported(use)
    elif _OTHER_WAY.search(use.needle):
        name = next((name for one in _given(use) if (name := _hidden(one, use))), None)
    elif use.needle.startswith(("=", "process")) or "mainModule" in use.needle:
        return _by_another_way(use)
    else:
        arguments = _arguments(_call(use))
        name = _hidden(arguments[0], use) if arguments else None
    return None if name is None else (name, use.match.start)


_QUOTED_AT_END = re.compile(r"^(from|import)\b[^\"']*[\"'][^\"']*\\[xu0-9]$")
_OTHER_WAY = re.compile(
    r"^(createRequire|getBuiltinModule|Reflect)|^require\s*(\?\.|\)|/\*|\.\s*(call|apply|bind))"
)
_MOST_PARENTS = 8
_MOST_CALLS = 20
_MOST_GIVEN = 8


def _arguments(call: Node | None) -> list[Node]:
    return [] if call is None else syntax.arguments_of(call)[:_MOST_GIVEN]


def _given(use: Use) -> list[Node]:
    """What a loader is given that is called in a manner of its own, also within an array."""
    # Or the parenthesis that opens its arguments.
    node = leaf(use) if use.needle.startswith("Reflect") else last_leaf(use)
    given = _arguments(syntax.call_around(node))
    return [
        part
        for one in given
        for part in (one.named_children[:_MOST_GIVEN] if one.type == "array" else [one])
    ]


def _in_pieces(use: Use) -> str | None:
    """`"child_" + "process"`, whatever it is given to."""
    node = leaf(use)
    for _ in range(_MOST_PARENTS):
        node = None if node is None else node.parent
        if node is None or node.type.endswith(("statement", "declaration", "declarator", "body")):
            return None
        if node.type in ("binary_expression", "call_expression", "template_string"):
            name = _hidden(node, use)
            if name is not None:
                return name
    return None


def _global(use: Use) -> str | None:
    """`globalThis["fe" + "tch"]`"""
    node = leaf(use)
    found = None if node is None else node.parent
    if found is None or found.type != "subscript_expression":
        return None
    name = syntax.text_of(found.child_by_field_name("index"), use.piece)
    return name if name in GLOBALS else None


def _imported(use: Use) -> str | None:
    """`import … from "child\\u005fprocess"`"""
    node = last_leaf(use)
    for _ in range(2):
        if node is not None and node.type != "string":
            node = node.parent
    return None if node is None or node.type != "string" else _hidden(node, use)


def _hidden(argument: Node, use: Use) -> str | None:
    written = (argument.text or b"").decode("utf-8", "replace")
    name = syntax.text_of(argument, use.piece)
    found = _SPELLED.match(name) if name else None
    if found is None or found[2] not in _DANGEROUS or found[2] in _said_by(argument, use):
        return None
    return found[0] if written.strip("\"'`") != found[0] else None


def _said_by(argument: Node, use: Use) -> str:
    """What a name stands for, where that is written out: `const name = "fs"; require(name)`."""
    piece = use.piece
    if argument.type != "identifier" or piece is None:
        return ""
    name = (argument.text or b"").decode("utf-8", "replace")
    text = syntax.text_of(argument, piece) or ""
    source = (piece.root.text or b"").decode("utf-8", "replace")
    written = re.search(rf"\b{re.escape(name)}\s*=\s*[\"'`]{re.escape(text)}[\"'`]", source)
    return text if written else ""


def _by_another_way(use: Use) -> tuple[str, int] | None:
    """A loader under another name: what is given to it, as far as that is hidden."""
    call = syntax.call_around(leaf(use))
    for argument in [] if call is None else syntax.arguments_of(call):
        if (name := _hidden(argument, use)) or (
            "bind" not in use.needle and (name := _plain_binding(use, argument))
        ):
            return name, use.match.start
    if not use.needle.startswith("="):
        return None
    alias = re.search(r"([A-Za-z_$][\w$]*)\s*$", use.around(60, 0)[: -len(use.needle)])
    piece = use.piece
    if alias is None or piece is None:
        return None
    source = piece.root.text or b""
    calls = re.finditer(rb"\b%s\s*(\?\.)?\s*\(" % re.escape(alias[1].encode()), source)
    for found in islice(calls, _MOST_CALLS):
        at = piece.start + piece.root.start_byte + found.start()
        other = syntax.call_around(piece.at(at, at + 1))
        for argument in [] if other is None else syntax.arguments_of(other)[:1]:
            if name := _hidden(argument, use):
                return name, at
    return None


def _plain_binding(use: Use, argument: Node) -> str | None:
    """`process["bin" + "ding"]("spawn_sync")`: what is hidden is the way to it."""
    if "+" not in use.needle:
        return None
    name = syntax.text_of(argument, use.piece)
    return name if name in _DANGEROUS else None
