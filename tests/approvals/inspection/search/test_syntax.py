from time import thread_time

import pytest

from approvals.inspection.search import syntax


def piece_of(code: str, language: str = "javascript") -> syntax.Piece:
    piece = syntax.parsed(code.encode(), language)
    assert piece is not None
    return piece


def folded(code: str) -> str | None:
    """The text that the argument of `f(…)` in this code stands for."""
    piece = piece_of(code)
    start = code.encode().index(b"f(")
    call = syntax.call_around(piece.at(start, start + 1))
    assert call is not None
    return syntax.text_of(syntax.arguments_of(call)[0], piece)


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ('"child_process"', "child_process"),
        ('"child_" + ("pro" + `cess`)', "child_process"),
        ("`child_${'process'}`", "child_process"),
        ('["s", "f"].reverse().join("")', "fs"),
        ('"sf".split("").reverse().join("")', "fs"),
        ('"f".concat("s")', "fs"),
        ('"\\x66\\u0073"', "fs"),
        ("String.fromCharCode(102, 0x73)", "fs"),
        ('Buffer.from("ZnM=", "base64").toString()', "fs"),
        ('Buffer.from("6673", "hex").toString()', "fs"),
        ('atob("ZnM=")', "fs"),
        ('unescape("%66%73")', "fs"),
        ('"f" + name', None),
        ('"f" - "s"', None),
        ("String.fromCharCode(1e400, -1)", None),
        ('atob("\U0001f600")', None),
    ],
)
def test_what_a_text_is_worked_out_as(argument: str, text: str | None) -> None:
    assert folded(f"f({argument});") == text


def test_a_name_stands_for_what_it_is_declared_as_once() -> None:
    assert folded('const a = "child_"; const b = a + "process"; f(b);') == "child_process"
    assert folded('let a = "fs"; { let a = "net"; } f(a);') is None
    assert folded("const a = b; const b = a; f(a);") is None
    assert folded("  \n const $ä = 'fs'; f($ä);") == "fs"


@pytest.mark.parametrize(
    "code",
    [
        "f(" + '"a"+' * 20_000 + '"b");',
        "f(" + "(" * 5_000 + '"a"' + ")" * 5_000 + ");",
        "f([" + '"a",' * 20_000 + '].join(""));',
        "".join(f"const a{n} = a{n + 1} + a{n + 1};\n" for n in range(400)) + "f(a0);",
        "f(`" + "${'a'}" * 10_000 + "`);",
    ],
    ids=["sum", "brackets", "array", "doubling names", "template"],
)
def test_a_text_beyond_the_bounds_is_given_up_soon(code: str) -> None:
    begun = thread_time()
    text = folded(code)
    assert thread_time() - begun < 3
    assert text is None or len(text) < 1_000


def test_where_a_place_is() -> None:
    code = '/* eval(a) */ eval("eval(b)"); const s = `eval(c)`; new Function(d);'
    piece = piece_of(code)

    def kind(text: str) -> tuple[bool, bool, bool]:
        start = code.index(text)
        node = piece.at(start, start + 4)
        return syntax.is_comment(node), syntax.is_text(node), syntax.is_called(node)

    assert kind("eval(a)") == (True, False, False)
    assert kind('eval("eval') == (False, False, True)
    assert kind("eval(b)")[:2] == (False, True)
    assert kind("eval(c)")[:2] == (False, True)
    assert kind("Function(d)") == (False, False, True)


def test_a_piece_knows_where_in_its_file_it_is() -> None:
    content = b"x();\n" * 100 + b"cp.exec(a);\n" + b"y();\n" * 100
    start = content.index(b"cp.exec")
    piece = syntax.parsed(content, "javascript", start=start - 5, end=start + 20)
    assert piece is not None
    call = syntax.call_around(piece.at(start + 3, start + 7))
    assert call is not None
    assert syntax.callee_of(call) == "cp.exec"


@pytest.mark.parametrize(
    ("path", "first", "language"),
    [
        ("a.js", b"", "javascript"),
        ("A.MJS", b"", "javascript"),
        ("a.d.ts", b"", "typescript"),
        ("a.tsx", b"", "tsx"),
        ("cli", b"#!/usr/bin/env node", "javascript"),
        ("cli", b"#!/bin/sh", ""),
        ("node", b"", ""),
        ("a.sh", b"#!/usr/bin/env node", ""),
    ],
)
def test_the_language_of_a_file(path: str, first: bytes, language: str) -> None:
    assert syntax.language_of(path, first) == language


def test_what_takes_too_long_to_parse_is_given_up_and_the_next_is_parsed() -> None:
    begun = thread_time()
    slow = syntax.parsed(b"eval(a)\n/*" * 40_000, "javascript")
    assert slow is None
    assert thread_time() - begun < 3
    assert piece_of("f('a');").root.has_error is False
