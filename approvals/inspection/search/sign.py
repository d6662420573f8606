"""What several rules about code share: signs of what code can do, judged once for all of them."""

import hashlib
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from posixpath import basename, dirname, splitext

from tree_sitter import Node

from approvals.inspection.finding import Finding, Severity
from approvals.inspection.search import syntax
from approvals.inspection.search.look import Look, LookedFile, Use
from approvals.inspection.search.needles import Needles, needles

_SCRIPTS = frozenset(
    {".sh", ".bash", ".zsh", ".bat", ".cmd", ".ps1", ".py", ".rb", ".pl", ".php", ".lua", ".vbs"}
    | {".gyp", ".gypi", ".vue", ".svelte", ".astro", ".mk"}
)
_COMPONENTS = frozenset({".vue", ".svelte", ".astro"})
_TESTS = re.compile(r"(^|/)(tests?|__tests__|spec|specs|fixtures|__mocks__|examples?|docs?)/")
_ENDING = re.compile(r"\.[cm]?[jt]sx?$")
_TEST_NAMES = re.compile(r"[.-](test|spec)\.[a-z]+$")
_COMMENT_LINE = re.compile(r"\s*(//|/\*|\*|#(?!!)|--\s|::|REM\b|rem\b)")
_STRETCH = 4_000
_MOST_OF_A_STRETCH = 6
"""So many places within so many bytes: what comes later in a file is judged, too."""
_NAMED = 8
_CLOSE = 6_000
"""Bytes that signs may be apart to belong together, in a file that is larger than by hand."""
_BY_HAND = 64 * 1024
_NOT_LOADING = re.compile(
    r"\b(includes|has|indexOf|startsWith|endsWith|push|add|test|equals?|ok|strictEqual|isBuiltin"
    r"|mock|unmock|doMock|split|join|replace|set|get|delete|log|warn|error|describe|it|Error)$"
)


@dataclass(frozen=True, eq=False)
class Sign:
    """One thing that code can do: where it may be, and what says that it is.

    `may_be` is asked first: it looks at the text alone, as parsing takes a hundred times as long.
    """

    needles: Needles
    is_one: Callable[[Use], bool]
    may_be: Callable[[Use], bool] = lambda _: True

    def uses(self, look: Look) -> list[Use]:
        """The new places where code does it, in the order of risk of their files."""
        known = look.judged.get(self)
        if known is None:
            known = look.judged[self] = []
            counts: dict[tuple[LookedFile, int], int] = {}
            for use in look.uses(self.needles):
                if look.is_out_of_time():
                    break
                stretch = (use.file, use.match.start // _STRETCH)
                count = counts.get(stretch, 0)
                if count >= _MOST_OF_A_STRETCH or not self.may_be(use):
                    continue
                if in_code(use) and self.is_one(use):
                    counts[stretch] = count + 1
                    known.append(use)
        return known

    def by_file(self, look: Look) -> dict[LookedFile, list[Use]]:
        """The same, for each file that has some."""
        found: dict[LookedFile, list[Use]] = {}
        for use in self.uses(look):
            found.setdefault(use.file, []).append(use)
        return found


def in_code(use: Use) -> bool:
    """Whether it stands in what can run: no comment, no declaration of types, no documentation."""
    file = use.file
    if is_declaration(file.path) and file.path not in use.look.loaded:
        return False
    if not file.language and not is_script(file):
        return False
    node = use.node
    if node is not None:
        return not syntax.is_comment(node) and not _is_type_only(node)
    return not _COMMENT_LINE.match(line_of(use)) and not use.look.is_out_of_time()


def is_script(file: LookedFile) -> bool:
    """Whether it can run without being JavaScript."""
    return file.info.shebang or splitext(file.path)[1].lower() in _SCRIPTS


def is_code(file: LookedFile) -> bool:
    """Whether it is JavaScript, or has some: components are judged by their text alone."""
    return bool(file.language) or splitext(file.path)[1].lower() in _COMPONENTS


def is_declaration(path: str) -> bool:
    return path.endswith((".d.ts", ".d.mts", ".d.cts"))


def is_for_tests(use: Use) -> bool:
    """Whether its file is for tests or examples, as long as nothing else loads it by name."""
    path = use.path.lower()
    if use.file.runs_first or not _is_test_path(path):
        return False
    stem = _ENDING.sub("", basename(path))
    name = basename(dirname(path)) if stem == "index" else stem
    return name not in _loaded_for_tests(use.look)


def _is_test_path(path: str) -> bool:
    return bool(_TESTS.search(path) or _TEST_NAMES.search(path))


LOADS_TESTS = needles(
    patterns=(
        r"\/(tests?|__tests__|specs?|fixtures|__mocks__|examples?|docs?)(\/[\w@.\/-]{1,100})?[\"'`]",
        r"[.-](test|spec)(\.[cm]?[jt]s)?[\"'`]",
    )
)
"""What names a file for tests in quotes."""


def _loaded_for_tests(look: Look) -> frozenset[str]:
    """The names of what files that are not for tests load from where tests are."""
    known = look.judged.get(LOADS_TESTS)
    if known is None:
        known = look.judged[LOADS_TESTS] = [
            use
            for use in [*look.uses(LOADS_TESTS), *look.stayed(LOADS_TESTS)]
            if use.file.language and not _is_test_path(use.path.lower())
        ]
    return frozenset(_loaded_name(use) for use in known[:_MOST_LOADED])


_MOST_LOADED = 200


def _loaded_name(use: Use) -> str:
    """`setup` of `./docs/setup.js` and of `./docs/setup/index`"""
    path = re.split(r"[\"'`]", use.around(100, 0)[:-1])[-1].lower()
    stem = _ENDING.sub("", basename(path))
    return basename(dirname(path)) if stem == "index" else stem


def line_of(use: Use, most: int = 400) -> str:
    """The line around it, within so many bytes on either side."""
    content = use.file.content or b""
    low = max(content.rfind(b"\n", 0, use.match.start) + 1, use.match.start - most)
    end = content.find(b"\n", use.match.end, use.match.end + most)
    high = use.match.end + most if end < 0 else end
    return content[low:high].decode("utf-8", "replace")


def leaf(use: Use) -> Node | None:
    """The node of the first byte of what was found."""
    # Asked for twice, it may be there once only: there is an end to the time for parsing.
    piece = use.piece
    return None if piece is None else piece.at(use.match.start, use.match.start + 1)


def last_leaf(use: Use) -> Node | None:
    """The node of its last byte."""
    piece = use.piece
    return None if piece is None else piece.at(use.match.end - 1, use.match.end)


def text_node(use: Use) -> Node | None:
    """The text in quotes that it stands in, as a whole."""
    node = use.node
    for _ in range(4):
        if node is None or node.type in ("string", "template_string"):
            return node
        node = node.parent
    return None


def text_around(use: Use) -> str | None:
    """The whole text in quotes that it stands in; None where it does not stand in one."""
    node = text_node(use)
    if node is None or node.text is None or node.end_byte - node.start_byte > _CLOSE:
        return None
    return node.text.decode("utf-8", "replace")[1:-1]


def is_in_text(use: Use) -> bool:
    """Whether it stands in quotes; what cannot be parsed is taken for it."""
    return use.node is None or text_node(use) is not None


def is_called(use: Use) -> bool:
    """Whether what was found is a name that is called; what cannot be parsed is taken for it."""
    return use.node is None or _is_callee(leaf(use))


def is_global_call(use: Use) -> bool:
    """The same, of a global function: no method of anything else, no declaration."""
    node = leaf(use)
    if node is None:
        return use.node is None and not re.search(r"[\w$.]$", use.around(before=1, after=0)[:1])
    if not _is_callee(node):
        return False
    parent = node.parent
    if parent is None or parent.type not in ("member_expression", "subscript_expression"):
        return True
    of = parent.child_by_field_name("object")
    return of is not None and (of.text or b"") in _GLOBALS


_GLOBALS = frozenset({b"window", b"globalThis", b"global", b"self", b"top", b"parent", b"Bun"})


def _is_callee(node: Node | None) -> bool:
    if node is None or node.type not in ("identifier", "property_identifier"):
        return False
    parent = node.parent
    if parent is None:
        return False
    if parent.type == "member_expression" and parent.child_by_field_name("property") == node:
        node, parent = parent, parent.parent
    for _ in range(3):
        # (0, eval)("…")
        if parent is None or parent.type not in ("sequence_expression", "parenthesized_expression"):
            break
        node, parent = parent, parent.parent
    if parent is None or parent.type not in ("call_expression", "new_expression"):
        return False
    return (
        parent.child_by_field_name("function") == node
        or parent.child_by_field_name("constructor") == node
    )


def is_loaded(use: Use) -> bool:
    """Whether a text in quotes is the name of a module that is loaded there, by whatever call."""
    piece = use.piece
    node = None if piece is None else piece.at(use.match.end - 2, use.match.end - 1)
    if node is None:
        before = use.around(30, 0)[: -len(use.needle)]
        return piece is None and not _NOT_LOADING.search(before.rstrip())
    if node.type == "string_fragment" and node.parent is not None:
        node = node.parent
    parent = node.parent
    if parent is None:
        return False
    if parent.type in ("import_statement", "export_statement"):
        return True
    call = parent.parent
    if parent.type != "arguments" or call is None or call.type != "call_expression":
        return False
    return not _NOT_LOADING.search(syntax.callee_of(call)[-60:])


def is_type_import(node: Node) -> bool:
    return (node.text or b"")[:12].startswith((b"import type", b"export type"))


def _is_type_only(node: Node) -> bool:
    for _ in range(4):
        if node.type in ("import_statement", "export_statement"):
            return is_type_import(node)
        if node.parent is None:
            return False
        node = node.parent
    return False


def module_needles(*names: str) -> Needles:
    """Modules by name where one may be loaded, as Node's own with `node:`, too."""
    any_of = "|".join(name.replace("/", "\\/") for name in names)
    return needles(patterns=(rf"(\(|from|import)\s{{0,3}}[\"'`](node:)?({any_of})[\"'`]",))


def joined(*several: Needles) -> Needles:
    """All of these at once."""
    return Needles(
        tuple(text for one in several for text in one.texts),
        tuple(pattern for one in several for pattern in one.patterns),
    )


def are_close(one: Use, other: Use) -> bool:
    """Whether two places of one file are the same piece of code."""
    if one.file is not other.file:
        return False
    if one.file.info.size <= _BY_HAND:
        return True
    return abs(one.match.start - other.match.start) <= _CLOSE


def close_pair(
    some: Iterable[Use], others: Iterable[Use], within: int | None = None
) -> tuple[Use, Use] | None:
    """The first two of the same piece of code, or of so many bytes; None if there are none."""
    by_file: dict[LookedFile, list[Use]] = {}
    for other in others:
        by_file.setdefault(other.file, []).append(other)
    for there in by_file.values():
        there.sort(key=_start)
    for use in some:
        there = by_file.get(use.file, [])
        at = bisect_left(there, use.match.start, key=_start)
        for near in sorted(there[max(0, at - 1) : at + 1], key=lambda one: _distance(one, use)):
            if are_close(use, near) if within is None else _distance(use, near) < within:
                return use, near
    return None


def _start(use: Use) -> int:
    return use.match.start


def _distance(one: Use, other: Use) -> int:
    return abs(one.match.start - other.match.start)


def first_of_files(some: Iterable[Use]) -> list[Use]:
    seen: set[LookedFile] = set()
    first = []
    for use in some:
        if use.file not in seen:
            seen.add(use.file)
            first.append(use)
    return first


def weight(look: Look, sign: Sign, severity: Severity = Severity.MEDIUM) -> Severity:
    """How serious a single capability is: little where the package had it, or has no past."""
    return Severity.LOW if look.is_first or look.had(sign.needles) else severity


def told(look: Look, severity: Severity, what: str, newly: str = "") -> str:
    """The title of a single capability that is as serious as `weight` says: only where there is
    a baseline is it new, or in more places than before."""
    if look.is_first:
        return f"{what}."
    return f"{what}{newly}." if severity is not Severity.LOW else f"{what} in more places."


def as_one(
    uses: list[Use],
    *,
    rule: str,
    severity: Severity,
    title: str,
    why: str,
    what_to_check: str,
    detail: str = "",
) -> Finding:
    """One finding for all places; the riskiest is shown, the others are named."""
    first = uses[0]
    others = [f"{use.path}:{use.line}" for use in first_of_files(uses)[1 : _NAMED + 1]]
    files = len(first_of_files(uses))
    if others:
        more = f" and {files - 1 - _NAMED:,} more files" if files - 1 > _NAMED else ""
        also = f"Also in {', '.join(others)}{more}"
        detail = f"{detail}; {also}" if detail else also
    digests = "".join(use.file.change.new_sha256 for use in first_of_files(uses))
    return Finding(
        rule,
        severity,
        title,
        why,
        what_to_check,
        path=first.path,
        line=first.line,
        excerpt=first.excerpt,
        detail=detail,
        evidence=hashlib.sha256(digests.encode()).hexdigest(),
    )


def pointing_to(finding: Finding, file: LookedFile, offset: int) -> Finding:
    """The same finding with its evidence at another byte of this file."""
    content = file.content or b""
    start = content.rfind(b"\n", 0, offset) + 1
    end = content.find(b"\n", offset)
    low, high = max(start, offset - 100), min(len(content) if end < 0 else end, offset + 160)
    text = content[low:high].decode("utf-8", "replace").strip()
    return replace(finding, path=file.path, line=file.line_at(offset), excerpt=text)


def next_of(pattern: re.Pattern[bytes], use: Use, within: int = 1_500) -> int | None:
    """Where the pattern is next in the rest of the line of a use, or behind it; None if nowhere."""
    content = use.file.content or b""
    start = max(content.rfind(b"\n", 0, use.match.start) + 1, use.match.start - 300)
    found = pattern.search(content, start, use.match.end + within)
    return None if found is None else found.start()
