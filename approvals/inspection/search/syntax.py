"""Pieces of JavaScript and TypeScript as syntax trees. Nothing is executed.

tree-sitter makes something of whatever it is given, also where a piece was cut out of a file: its
trees say what a place most likely is, code, text or a comment.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from posixpath import splitext
from time import thread_time
from urllib.parse import unquote

import tree_sitter
import tree_sitter_javascript
import tree_sitter_typescript
from tree_sitter import Node

_LANGUAGES = {
    ".js": "javascript",
    ".cjs": "javascript",
    ".mjs": "javascript",
    ".jsx": "javascript",
    ".ts": "typescript",
    ".cts": "typescript",
    ".mts": "typescript",
    ".tsx": "tsx",
}
_STRINGS = frozenset({"string", "string_fragment", "template_string", "escape_sequence"})
_COMMENTS = frozenset({"comment", "html_comment"})
_OTHER_TEXTS = frozenset({"jsx_text", "regex", "regex_pattern"})
_NO_CODE = _COMMENTS | _STRINGS | _OTHER_TEXTS
_CALLS = frozenset({"call_expression", "new_expression"})
_MOST_STEPS = 40
"""Up the tree from one place: nobody nests what matters deeper."""
_MOST_SECONDS = 0.4
_MOST_MENDED = 5
_MOST_LOOKED_AT = 200
_MOST_FOLDED = 200
"""Parts of one text that is worked out."""
_LONGEST_NAME = 100
_MOST_DECLARED = 5_000
_DECLARATION = re.compile(rb"\b(?:const|let|var)\s+([\w$\x80-\xff]{1,100})\s*=(?!=)")


def language_of(path: str, first_line: bytes = b"") -> str:
    """The grammar for a file by its name, or by its `#!` line; "" for what is no JavaScript."""
    ending = splitext(path)[1].lower()
    if ending in _LANGUAGES:
        return _LANGUAGES[ending]
    if (
        not ending
        and first_line.startswith(b"#!")
        and any(name in first_line for name in (b"node", b"bun", b"deno"))
    ):
        return "javascript"
    return ""


@dataclass(frozen=True, slots=True)
class Piece:
    """A parsed piece of a file. `start` is where in the file it begins, in bytes."""

    root: Node
    start: int
    _declared: dict[bytes, int | None] = field(default_factory=dict, compare=False, repr=False)

    def declared(self) -> dict[bytes, int | None]:
        """Where each name is declared in the file, in bytes; None where that is done twice.

        Worked out once, as a text may be made of hundreds of names. Of very many only the first.
        """
        if self._declared:
            return self._declared
        # A root begins where the first of its nodes does, behind white space.
        start = self.start + self.root.start_byte
        for found in _DECLARATION.finditer(self.root.text or b""):
            name = found[1]
            if name in self._declared:
                self._declared[name] = None
            elif len(self._declared) < _MOST_DECLARED:
                self._declared[name] = start + found.start(1)
        self._declared.setdefault(b"", None)
        return self._declared

    def at(self, start: int, end: int) -> Node | None:
        """The smallest named node around these bytes of the file."""
        return self.root.named_descendant_for_byte_range(
            start - self.start, max(end - self.start, start - self.start + 1)
        )


def parsed(
    content: bytes, language: str, *, start: int = 0, end: int | None = None, within: bytes = b""
) -> Piece | None:
    """The piece of the content from `start` to `end`, in bytes; None if that takes too long.
    `within` is what begins a text or a comment that the piece begins in.

    Comments that never end take a time that grows with the square of their number.
    """
    piece, ends_at = within + content[start:end], thread_time() + _MOST_SECONDS
    root = _root(piece, language, ends_at)
    seen = 0
    for _ in range(_MOST_MENDED):
        at = None if root is None else _html_comment(root, piece, seen)
        if at is None:
            break
        # The grammar takes it for operators where one may be, and Node never does in a script.
        piece = piece[:at] + b"//--" + piece[at + 4 :]
        root, seen = _root(piece, language, ends_at), at + 4
    return None if root is None else Piece(root, start - len(within))


def _root(piece: bytes, language: str, ends_at: float) -> Node | None:
    parser = _parser(language)
    try:
        tree = parser.parse(
            lambda offset, _: piece[offset:],
            progress_callback=lambda *_: thread_time() > ends_at,
        )
    except ValueError:
        # Or it would go on with this piece when it is given the next one.
        parser.reset()
        return None
    return tree.root_node


def _html_comment(root: Node, piece: bytes, start: int) -> int | None:
    """Where `<!--` stands that is not in a text and not known to be a comment."""
    for _ in range(_MOST_LOOKED_AT):
        start = piece.find(b"<!--", start)
        if start < 0:
            return None
        node = root.named_descendant_for_byte_range(start, start + 1)
        if node is None or not is_any_text(node):
            return start
        start += 4
    return None


def is_comment(node: Node | None) -> bool:
    """Whether it stands in a comment."""
    return node is not None and node.type in _COMMENTS


def how_much_of_code(piece: Piece, offset: int) -> int:
    """From 0 for a comment to 3 for code; text in quotes is between, and least in a template."""
    node = piece.at(offset, offset + 1)
    if node is None:
        return 3
    if node.type in _COMMENTS:
        return 0
    if node.type not in _STRINGS and node.type not in _OTHER_TEXTS:
        return 3
    of = node if node.type in ("string", "template_string") else node.parent
    return 1 if node.type in _OTHER_TEXTS or (of and of.type == "template_string") else 2


def is_text(node: Node | None) -> bool:
    """Whether it is text in quotes, or part of one."""
    return node is not None and (node.type in _STRINGS)


def holder_of(piece: Piece, offset: int) -> Node | None:
    """The whole text or comment that this byte stands in, or None in code."""
    node, holder = piece.at(offset, offset + 1), None
    while node is not None and is_any_text(node):
        node, holder = node.parent, node
    return holder


def is_sound_code(piece: Piece, offset: int) -> bool:
    """Whether this byte stands in a statement without errors, and in no comment or template."""
    if how_much_of_code(piece, offset) < 2:  # noqa: PLR2004 - text in quotes
        return False
    node = piece.at(offset, offset + 1)
    for _ in range(_MOST_STEPS):
        if node is None or node.type.endswith(("_statement", "_declaration")):
            return node is not None and not node.has_error
        node = node.parent
    return False


def is_any_text(node: Node) -> bool:
    """Whether it is no code: text, a pattern, what stands between tags, or a comment."""
    return node.type in _NO_CODE


def call_around(node: Node | None) -> Node | None:
    """The closest call (`f(…)`, `new F(…)`) that the node is part of, or None."""
    for _ in range(_MOST_STEPS):
        if node is None or node.type in _CALLS:
            return node
        node = node.parent
    return None


def callee_of(call: Node) -> str:
    """What is called, as it is written: `cp.exec`, `eval`."""
    function = call.child_by_field_name("function") or call.child_by_field_name("constructor")
    return _text(function)


def arguments_of(call: Node) -> list[Node]:
    """The arguments of a call."""
    arguments = call.child_by_field_name("arguments")
    if arguments is None:
        return []
    return [node for node in arguments.named_children if node.type not in _COMMENTS]


def is_called(node: Node | None) -> bool:
    """Whether the node is what a call calls, or the last name of it (`exec` in `cp.exec()`)."""
    call = call_around(node)
    if node is None or call is None:
        return False
    function = call.child_by_field_name("function") or call.child_by_field_name("constructor")
    return (
        function is not None
        and function.start_byte <= node.start_byte
        and node.end_byte <= function.end_byte
    )


def text_of(node: Node | None, piece: Piece | None = None) -> str | None:
    """The text that a node stands for, or None where that takes running it.

    Strings, templates, and what spells a text in a way in which nobody does by chance: sums and
    joins (`"child_" + "process"`), reversed ones, and the usual encodings. With the piece that it
    is from also names of what is declared once in it.
    """
    return Folding(piece).text(node, _MOST_STEPS)


class Folding:
    """Works out constant texts, within a number of steps."""

    def __init__(self, piece: Piece | None) -> None:
        self._piece = piece
        self._room = _MOST_FOLDED

    def text(self, node: Node | None, steps: int) -> str | None:  # noqa: PLR0911 - one a form
        self._room -= 1
        if node is None or steps <= 0 or self._room <= 0:
            return None
        match node.type:
            case "string" | "template_string":
                return self._literal(node, steps)
            case "parenthesized_expression" | "as_expression" | "non_null_expression":
                return self.text(node.named_child(0), steps - 1)
            case "binary_expression":
                return self._sum(node, steps)
            case "call_expression":
                return self._call(node, steps)
            case "identifier":
                return self.text(self._declared(_text(node)), steps - 1)
        return None

    def _literal(self, node: Node, steps: int) -> str | None:
        parts: list[str | None] = [
            self.text(child.named_child(0), steps - 1)
            if child.type == "template_substitution"
            else _fragment(child)
            for child in node.named_children[:_MOST_FOLDED]
        ]
        return _all_of(parts)

    def _sum(self, node: Node, steps: int) -> str | None:
        operator = node.child_by_field_name("operator")
        if operator is None or operator.type != "+":
            return None
        left = self.text(node.child_by_field_name("left"), steps - 1)
        right = None if left is None else self.text(node.child_by_field_name("right"), steps - 1)
        return None if left is None or right is None else left + right

    def _call(self, call: Node, steps: int) -> str | None:  # noqa: PLR0911 - one a form
        function = call.child_by_field_name("function")
        arguments = arguments_of(call)
        if function is None:
            return None
        name = _text(function) if function.end_byte - function.start_byte < _LONGEST_NAME else ""
        if name in ("atob", "window.atob", "globalThis.atob", "unescape", "decodeURIComponent"):
            text = self.text(arguments[0], steps - 1) if arguments else None
            if text is None:
                return None
            return _decoded(text, "base64") if name.endswith("atob") else unquote(text)
        if name == "String.fromCharCode":
            return _from_codes(arguments)
        if function.type != "member_expression":
            return None
        of = function.child_by_field_name("object")
        method = _text(function.child_by_field_name("property"))
        if method == "join":
            return self._joined(of, arguments, steps)
        if method == "toString":
            return self._from_buffer(of, steps)
        if method == "concat":
            return _all_of([self.text(one, steps - 1) for one in (of, *arguments[:_MOST_FOLDED])])
        return None

    def _joined(self, array: Node | None, arguments: list[Node], steps: int) -> str | None:
        """`["a", "b"].reverse().join("")`"""
        parts = self._list(array, steps - 1)
        separator = self.text(arguments[0], steps - 1) if arguments else ","
        return None if separator is None or parts is None else separator.join(parts)

    def _list(self, node: Node | None, steps: int) -> list[str] | None:  # noqa: PLR0911 - one a form
        if node is None or steps <= 0:
            return None
        if node.type == "array":
            parts = [self.text(child, steps - 1) for child in node.named_children[:_MOST_FOLDED]]
            return None if None in parts else [part for part in parts if part is not None]
        function = node.child_by_field_name("function")
        if node.type != "call_expression" or function is None:
            return None
        of = function.child_by_field_name("object")
        method = _text(function.child_by_field_name("property"))
        if method == "reverse":
            parts_of = self._list(of, steps - 1)
            return None if parts_of is None else parts_of[::-1]
        if method == "split":
            text = self.text(of, steps - 1)
            arguments = arguments_of(node)
            by = self.text(arguments[0], steps - 1) if arguments else None
            if text is None or by is None:
                return None
            return text.split(by) if by else list(text)
        return None

    def _from_buffer(self, call: Node | None, steps: int) -> str | None:
        """`Buffer.from("…", "base64").toString()`"""
        if call is None or call.type != "call_expression" or callee_of(call) != "Buffer.from":
            return None
        arguments = arguments_of(call)
        text = self.text(arguments[0], steps - 1) if arguments else None
        encoding = self.text(arguments[1], steps - 1) if len(arguments) > 1 else "utf8"
        return None if text is None or encoding is None else _decoded(text, encoding)

    def _declared(self, name: str) -> Node | None:
        """What a name is declared as, if that is done once in the piece."""
        if self._piece is None or len(name) > _LONGEST_NAME:
            return None
        place = self._piece.declared().get(name.encode())
        if place is None:
            return None
        node = self._piece.at(place, place + len(name.encode()))
        declarator = None if node is None else node.parent
        if declarator is None or declarator.type != "variable_declarator":
            return None
        return declarator.child_by_field_name("value")


def _all_of(parts: Sequence[str | None]) -> str | None:
    known = [part for part in parts if part is not None]
    return "".join(known) if len(known) == len(parts) else None


def _from_codes(arguments: list[Node]) -> str | None:
    try:
        return "".join(chr(int(_text(one), 0)) for one in arguments[:_MOST_FOLDED])
    except (ValueError, OverflowError):
        return None


def _decoded(text: str, encoding: str) -> str | None:
    try:
        if encoding in ("base64", "base64url"):
            data = base64.b64decode(
                text + "=" * (-len(text) % 4),
                altchars=b"-_" if "-" in text or "_" in text else None,
            )
        elif encoding == "hex":
            data = bytes.fromhex(text)
        else:
            return text
    except ValueError:
        return None
    return data.decode("utf-8", "replace")


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "f": "\f", "v": "\v"}


def _fragment(node: Node) -> str:
    text = _text(node)
    if node.type != "escape_sequence" or len(text) < 2:  # noqa: PLR2004 - the backslash and one more
        return text
    kind = text[1]
    if kind in "xu":
        digits = text[2:].strip("{}")
        try:
            return chr(int(digits, 16))
        except (ValueError, OverflowError):
            return text
    return _ESCAPES.get(kind, text[1:])


def _text(node: Node | None) -> str:
    if node is None or node.text is None:
        return ""
    return node.text.decode("utf-8", "replace")


@cache
def _parser(language: str) -> tree_sitter.Parser:
    grammar = {
        "javascript": tree_sitter_javascript.language,
        "typescript": tree_sitter_typescript.language_typescript,
        "tsx": tree_sitter_typescript.language_tsx,
    }[language]
    return tree_sitter.Parser(tree_sitter.Language(grammar()))
