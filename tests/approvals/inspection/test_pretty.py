"""Minified text with line breaks: easier to read, and not one character other than it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.inspection.pretty import MOST_BREAKS, pretty

PIECES = [
    *(";", ",", "{", "}", "(", ")", "[", "]", "/", "`", "${", '"', "'", "\\", "\n", "\r\n", " "),
    *(
        "/*",
        "*/",
        "//",
        "=",
        "a",
        "return",
        "if(",
        "else",
        "++",
        "=>",
        "url(",
        "\t",
        "\0",
        "é",
        "$",
    ),
    *("for(;;)", "function(){", '"a;b"', "/[/;]/g", "x".ljust(120, "y")),
]


def js(text: str) -> str:
    return pretty(text.encode(), "a.js").decode()


def assert_only_breaks_were_added(before: bytes, after: bytes) -> None:
    """Every difference is a line break and spaces before something that can be seen."""
    place = position = 0
    while position < len(after):
        if place < len(before) and after[position] == before[place]:
            place += 1
            position += 1
            continue
        assert after[position] == ord("\n"), after[max(position - 30, 0) : position + 30]
        position += 1
        while after[position] == ord(" "):
            position += 1
        assert after[position] == before[place]
        assert before[place] not in b" \t\r\n"
    assert place == len(before)


@given(
    st.lists(st.sampled_from(PIECES), max_size=40),
    st.sampled_from(["a.js", "a.css", "a.json", "a.map", "a"]),
)
def test_no_character_is_changed(pieces: list[str], path: str) -> None:
    before = "".join(pieces).encode()
    assert_only_breaks_were_added(before, pretty(before, path))


@given(st.binary(max_size=200), st.sampled_from(["a.js", "a.css", "a.json"]))
def test_noise_is_borne_with(noise: bytes, path: str) -> None:
    assert_only_breaks_were_added(noise, pretty(noise, path))


def test_a_bundle_can_be_read_by_line() -> None:
    text = "(()=>{var e={12:(e,t)=>{if(t){e.a=1}else{e.b=[1,2]}return t}},n=3;for(;;){n++}})();"
    assert js(text) == (
        "(()=>{\n"
        "  var e={\n"
        "    12:(e,t)=>{\n"
        "      if(t){\n"
        "        e.a=1\n"
        "      }else{\n"
        "        e.b=[1,2]\n"
        "      }\n"
        "      return t\n"
        "    }\n"
        "  },\n"
        "  n=3;\n"
        "  for(;;){\n"
        "    n++\n"
        "  }\n"
        "})();"
    )


@pytest.mark.parametrize(
    "whole",
    [
        '"a;b,{c}"',
        "'a;\\'b;c'",
        "`a;b,${f(`x;${1}y;`)};c`",
        "/* a;b{c} */",
        "/[;{/]\\/;/g",
        "for(a=1;a<2;a++)",
        "f(a,b,c)",
        "[1,2,3]",
        "{}",
    ],
)
def test_what_belongs_together_stays_in_one_line(whole: str) -> None:
    text = f"x={whole};y=1;z={whole};last"
    assert js(text) == f"x={whole};\ny=1;\nz={whole};\nlast"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('a=b/c;d="/;";e', 3),
        ("a=b/c;d=e/f;g", 3),
        ('return/";/.test(a);b="x;";c', 3),
        ('if(a)/";/.test(b);c', 2),
        ('f(a)/2;b="/";c', 3),
        ('{}/";/.test(a);b', 2),
        ('x={a}/2;b="/"', 4),
        ('i++/2;b="/;";c', 3),
        ('a=1/* ; *//2;b="/";c', 3),
        ("a=/x;b", 2),
        ("a=/x;b;c\nd=/;/;e", 5),
    ],
)
def test_a_slash_is_a_division_or_starts_a_regular_expression(text: str, lines: int) -> None:
    assert js(text).count("\n") + 1 == lines


def test_lines_that_were_there_stay_as_they_are() -> None:
    text = "function f() {\n    if (a) {\n        b();\n    }\n\treturn { };\r\n}\r\n"
    assert js(text) == text


def test_long_lists_are_broken_where_they_grow_long() -> None:
    shown = js(f"f({','.join(['argument'] * 60)})")
    assert 100 < max(len(line) for line in shown.split("\n")) < 130
    short = "\n".join(["f(a, b)"] * 100)
    assert js(short) == short


def test_style_sheets() -> None:
    text = "@media x{a,b:not(c,d){color:red;background:url(data:x;base64,//;)}}p{}"
    assert pretty(text.encode(), "a.css").decode() == (
        "@media x{\n"
        "  a,b:not(c,d){\n"
        "    color:red;\n"
        "    background:url(data:x;base64,//;)\n"
        "  }\n"
        "}\n"
        "p{}"
    )


def test_json() -> None:
    text = '{"a":{"b":[1,2,3],"c":["x,y","z"]},"d":[],"e":[[1],[2]]}'
    assert pretty(text.encode(), "a.JSON").decode() == (
        "{\n"
        '  "a":{\n'
        '    "b":[\n'
        "      1,2,3\n"
        "    ],\n"
        '    "c":[\n'
        '      "x,y",\n'
        '      "z"\n'
        "    ]\n"
        "  },\n"
        '  "d":[],\n'
        '  "e":[\n'
        "    [\n"
        "      1\n"
        "    ],\n"
        "    [\n"
        "      2\n"
        "    ]\n"
        "  ]\n"
        "}"
    )


def test_one_change_in_a_bundle_is_one_change_in_its_lines() -> None:
    before = ";".join(f"var v{n}=function(a,b){{return a/{n}}}" for n in range(500))
    after = before.replace("a/250", "a/251")
    old, new = js(before).split("\n"), js(after).split("\n")
    assert [(a, b) for a, b in zip(old, new, strict=True) if a != b] == [
        ("  return a/250", "  return a/251")
    ]


def test_brackets_that_do_not_match_spoil_only_what_is_near() -> None:
    assert js("f(;g{(;}h;i").endswith("}\nh;i")
    assert js("a)]}b;c") == "a)]}b;\nc"
    assert js("{f(;}a;b") == "{\n  f(;\n}\na;\nb"


@pytest.mark.parametrize(
    "unit", ["{", "{;}", ";", "({[", "`${", '"\\"', "/*/", "a/", "=/[", "url(", "[,", "\\", "\0"]
)
@pytest.mark.parametrize("path", ["a.js", "a.css", "a.json"])
def test_hostile_text_cannot_grow_without_bound(unit: str, path: str) -> None:
    before = unit.encode() * (200_000 // len(unit))
    assert len(pretty(before, path)) <= 5 * len(before) + 64 * 1024


def test_breaks_are_bounded() -> None:
    shown = pretty(b";" * (MOST_BREAKS + 1000), "a.js")
    assert shown.count(b"\n") == MOST_BREAKS + 1
    assert shown.replace(b"\n", b"") == b";" * (MOST_BREAKS + 1000)


def test_text_in_two_bytes_a_letter_is_left_alone() -> None:
    text = "a;b;c".encode("utf-16")
    assert pretty(text, "a.js") == text
