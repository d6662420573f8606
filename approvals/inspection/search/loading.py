"""Files of a package that its code loads by path, whatever they are called.

Node takes for JavaScript whatever `require` loads, unless it ends in .json or .node.
"""

import re
from collections.abc import Container
from posixpath import dirname, join, normpath, splitext

from approvals.inspection.search.needles import Needles, needles

_MARK = "[\"'`]"
_REST = r"[^\"'`\n\/.]{0,15}"
_OF_OTHERS = "|".join(
    (
        rf"[^\"'`\n\/.jcmt]{_REST}",
        rf"j([^s\"'`\n\/.]{_REST})?",
        rf"js[^ox\"'`\n\/.]{_REST}",
        rf"[cm]([^jt\"'`\n\/.]{_REST})?",
        rf"t([^s\"'`\n\/.]{_REST})?",
    )
)
_TESTS = "tests?|__tests__|specs?|fixtures|__mocks__|examples?|docs?|demos?"
_LOADS = r"(\(|\/|from|import)\s{0,3}"
NEEDLES: Needles = needles(
    patterns=(
        rf"{_LOADS}{_MARK}\.{{1,2}}\/[^\"'`\n]{{0,200}}\.({_OF_OTHERS}){_MARK}",
        rf"\(\s{{0,3}}{_MARK}\.{{1,2}}\/[^\"'`\n]{{0,200}}\.d\.[cm]?ts{_MARK}",
        rf"{_LOADS}{_MARK}\.{{1,2}}\/([^\"'`\n]{{0,100}}\/)?({_TESTS})\/[^\"'`\n]{{0,100}}{_MARK}",
    )
)
"""Paths with endings that Node does not know, and of what is not meant to be loaded."""
NO_JAVASCRIPT = frozenset({".json", ".node", ".wasm", ".map"})
DOCUMENTATION = (".md", ".markdown", ".mdx", ".rst")
"""What is full of code that never runs, unless somebody loads it."""
_ENDINGS = ("", ".js", ".json", ".node", "/index.js", ".cjs", ".mjs", ".ts")
_HAS_CALLS = re.compile(rb"[\w$)\]]\s?[(`]")
_NO_BEGIN = (b"<", b'{"', b"---")
_LARGEST = 64 * 1024
_ASSETS = re.compile(
    r"\.(css|scss|sass|less|styl|svg|png|jpe?g|gif|webp|ico|html?|woff2?|ttf|vue|svelte|glsl|graphql"
    r"|jsx|tsx?|mts|cts|wasm)$",
    re.IGNORECASE,
)


def loaded(path: str, text: str, paths: Container[str]) -> str:
    """The file that what was found in a file loads, or "" if there is none."""
    found = _QUOTED.search(text)
    to = "" if found is None else target(path, found[1], paths)
    # Declarations of types are imported everywhere, and that loads nothing.
    return "" if to.endswith(_DECLARATIONS) and not text.startswith("(") else to


_QUOTED = re.compile(r"[\"'`](\.{1,2}/[^\"'`\n]*)[\"'`]$")
_DECLARATIONS = (".d.ts", ".d.mts", ".d.cts")


def target(path: str, written: str, paths: Container[str]) -> str:
    """The file that a path in quotes leads to from another one, or "" if there is none."""
    to = normpath(join(dirname(path), written.partition("?")[0]))
    return next((to + ending for ending in _ENDINGS if to + ending in paths), "")


def may_be_javascript(content: bytes) -> bool:
    """Whether it is worth parsing."""
    begin = content[:64].lstrip()
    is_title = begin.startswith(b"#") and not begin.startswith(b"#!")
    return (
        len(content) <= _LARGEST
        and not is_title
        and not begin.startswith(_NO_BEGIN)
        and bool(_HAS_CALLS.search(content))
    )


def is_odd(path: str) -> bool:
    """Whether Node does not know the ending, so that it takes the file for JavaScript."""
    ending = splitext(path)[1].lower()
    return path.endswith(_DECLARATIONS) or ending not in (".js", ".cjs", ".mjs", *NO_JAVASCRIPT)


def is_for_tests(path: str) -> bool:
    """Whether it is in a folder of what is not meant to be loaded."""
    return bool(_OF_TESTS.search(path.lower()))


_OF_TESTS = re.compile(rf"(^|/)({_TESTS})/")


def is_for_bundlers(path: str) -> bool:
    """Whether it is what bundlers load and Node is not meant to."""
    return bool(_ASSETS.search(path)) and not path.endswith(_DECLARATIONS)
