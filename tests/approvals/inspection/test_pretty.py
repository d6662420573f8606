"""Minified text with line breaks: easier to read, and not one character other than it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.inspection import pretty as pretty_module
from approvals.inspection.filediff import diff_texts
from approvals.inspection.pretty import TooManyLines, hides_breaks, pretty, pretty_printed
from approvals.inspection.results import CompareLimits

LIMITS = CompareLimits()

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


@pytest.mark.parametrize("own", [0, 30], ids=["none of its own", "some of its own"])
def test_lines_are_bounded(own: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretty_module, "MOST_LINES", 100)
    lines = b"a\n" * own
    assert pretty(lines + b";" * (101 - own), "a.js").count(b"\n") == 100
    with pytest.raises(TooManyLines):
        pretty(lines + b";" * (102 - own), "a.js")
    with pytest.raises(TooManyLines):
        pretty(b"\n" * 101, "a.js")


def test_it_stops_where_it_has_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretty_module, "MOST_LINES", 100)
    printer = pretty_module._Printer(b";" * 1_000_000, pretty_module._SCRIPT, 100)
    with pytest.raises(TooManyLines):
        printer.printed()
    assert len(printer.out) < 1000


def test_text_in_two_bytes_a_letter_is_left_alone() -> None:
    text = "a;b;c".encode("utf-16")
    assert pretty(text, "a.js") == text


@pytest.mark.parametrize(
    "comment",
    [
        pytest.param("#!/usr/bin/env node ;a{b}", id="first-line"),
        pytest.param("\ufeff#!/usr/bin/env node ;a{b}", id="first-line-behind-a-mark"),
        pytest.param("x=1 <!-- ;a{b}", id="html-like"),
        pytest.param("--> ;a{b}", id="arrow-in-the-first-line"),
        pytest.param("x=1\n --> ;a{b}", id="arrow"),
        pytest.param("x=1\n/**/ /* ; */--> ;a{b}", id="arrow-behind-comments"),
        pytest.param("x=1/*\n*/ /**/--> ;a{b}", id="arrow-behind-the-end-of-a-comment"),
        pytest.param("x=1 // ;a{b}", id="ordinary"),
    ],
)
def test_what_a_comment_says_is_not_shown_as_if_it_were_code(comment: str) -> None:
    assert js(f"{comment}\nc;d") == f"{comment}\nc;\nd"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("while(n-->0)a;b", "while(n-->0)a;\nb", id="counting-down"),
        pytest.param("a=1;#!/x;b", "a=1;\n#!/x;\nb", id="not-the-first"),
        pytest.param("//x\u2028a;b", "//x\u2028a;\nb", id="line-separator"),
        pytest.param("//x\ra;b", "//x\ra;\nb", id="carriage-return"),
        pytest.param("/**/n-->0;b", "/**/n-->0;\nb", id="arrow-behind-code"),
    ],
)
def test_what_is_no_comment_is_not_taken_for_one(text: str, shown: str) -> None:
    assert js(text) == shown


@given(
    st.lists(st.sampled_from([*PIECES, "\n  ", "#!", "<!--", "-->"]), max_size=20),
    st.sampled_from(["a.js", "a.css", "a.json"]),
)
def test_the_text_and_its_own_breaks_are_the_whole_file(pieces: list[str], path: str) -> None:
    before = "".join(pieces).encode()
    printed = pretty_printed(before, path)
    lines = printed.text.split(b"\n")
    own = printed.own_breaks()
    assert len(own) == len(lines) - 1
    again = lines[0]
    for line, is_own in zip(lines[1:], own, strict=True):
        again += b"\n" + line if is_own else line.lstrip(b" ")
    assert again == before


@given(
    st.lists(st.sampled_from(["a;", "b{", "}", ";", "\n", "\n  ", "//c;"]), max_size=30),
    st.lists(st.sampled_from(["a;", "b{", "}", ";", "\n", "\n  ", "//c;"]), max_size=30),
)
def test_no_difference_is_hidden(pieces: list[str], others: list[str]) -> None:
    before, after = ("".join(these).encode() for these in (pieces, others))
    old, new = pretty_printed(before, "a.js"), pretty_printed(after, "a.js")
    diff = diff_texts(old.text, new.text, LIMITS, LIMITS.file_diff).text
    hides = hides_breaks(old, new, diff, is_whole=True)
    assert (diff == "" and not hides) == (before == after)


@pytest.mark.parametrize("other", ["", "x=1;" * 10], ids=["alone", "among-others"])
def test_a_break_that_ends_a_comment_is_no_silence_even_if_the_comment_is_not_known(
    other: str,
) -> None:
    # Within a regular expression that is none, two slashes are no comment.
    before, after = (f"a++ /1;//;{end}evil();{more}b" for end, more in (("", ""), ("\n", other)))
    old, new = (pretty_printed(text.encode(), "a.css") for text in (before, after))
    diff = diff_texts(old.text, new.text, LIMITS, LIMITS.file_diff).text
    assert hides_breaks(old, new, diff, is_whole=True)
    assert not hides_breaks(old, old, "", is_whole=True)


def test_of_a_diff_that_ends_early_only_what_is_shown_is_looked_at() -> None:
    old, new = (pretty_printed(text, "a.js") for text in (b"a;b;c;d", b"x;b;c;\nd"))
    diff = diff_texts(old.text, new.text, LIMITS, LIMITS.file_diff).text
    assert hides_breaks(old, new, diff, is_whole=True)
    assert not hides_breaks(old, new, "\n".join(diff.split("\n")[:4]), is_whole=False)


@pytest.mark.parametrize(
    "unit", ["a/ ", "\n-->a", "<!--\n", "/*a*/\n-->", "   -->", "//\u2028", "a;\n"]
)
def test_hostile_comments_leave_the_text_whole(unit: str) -> None:
    before = unit.encode() * 60_000
    assert_only_breaks_were_added(before, pretty(before, "a.js"))
