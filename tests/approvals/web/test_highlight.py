import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pygments.token import Text

from approvals.web import highlight
from approvals.web.highlight import CHUNK, LONGEST_LINE, MOST_CHARACTERS, Highlighter, language_of
from approvals.web.visible import line_html

# A file name for each lexer that is used.
FILES = {
    "c": "a.cc",
    "css": "a.css",
    "curly": "a.java",
    "html": "a.html",
    "javascript": "a.js",
    "json": "package.json",
    "jsx": "a.jsx",
    "less": "a.less",
    "make": "Makefile",
    "markdown": "README.md",
    "python": "binding.gyp",
    "scss": "a.scss",
    "settings": ".npmrc",
    "shell": "install.sh",
    "toml": "a.toml",
    "tsx": "a.tsx",
    "typescript": "a.d.ts",
    "vue": "a.vue",
    "xml": "a.svg",
    "yaml": "a.yml",
}
# Text that makes regular expressions go back again and again: (beginning, what is repeated).
HOSTILE = [
    ("", "("),
    ("", "<"),
    ("", "["),
    ("", "{{"),
    ("", " "),
    ("a", "\n "),
    ("", '\\"'),
    ("", "\\'"),
    ("'", '"'),
    ("/", "[\\"),
    ("", "/*"),
    ("", "<!--"),
    ("", "${`"),
    ("super(", "\n"),
    ("super(", "a "),
    ("$'", "\\1"),
    ("<div ", "a="),
    ("<a ", "<b c={"),
    ("```js\n", "\n"),
    ("", "[a]("),
    ("", "*a_"),
    ("a: ", "a: "),
    ("", "a::"),
    ("match ", "_ "),
    ("url('", "url("),
    ("f'{", "{a"),
]


def filled(start: str, pump: str, size: int) -> list[str]:
    """Lines of so many characters together, each of a length that is highlighted."""
    text = start + pump * (size // len(pump))
    longest = LONGEST_LINE
    lines = [
        line[at : at + longest]
        for line in text.split("\n")
        for at in range(0, max(len(line), 1), longest)
    ]
    kept, room = [], size
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    return kept


def shown(path: str, text: str) -> list[str]:
    """Lines with their tokens as {class text}."""
    lines = text.split("\n")
    return [
        re.sub(r'<span class="hl-(.)">(.*?)</span>', r"{\1 \2}", line_html(line, spans))
        .replace("&#x27;", "'")
        .replace("&quot;", '"')
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        for line, spans in zip(lines, Highlighter(path).lines(lines), strict=True)
    ]


class Recording:
    """In place of a lexer: keeps what it was given, and calls all of it text."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, Any, str]]:
        self.texts.append(text)
        yield 0, Text, text


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    # A slow machine must not change what is found here.
    monkeypatch.setattr(highlight, "SECONDS", 600)


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> Recording:
    lexer = Recording()
    monkeypatch.setattr(highlight, "_lexer", lambda language: lexer)
    return lexer


def test_every_language_has_a_file_here() -> None:
    used = {*highlight._BY_EXTENSION.values(), *highlight._BY_NAME.values()}
    assert {language: language_of(path) for language, path in FILES.items()} == {
        language: language for language in used
    }


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("dist/Index.MJS", "javascript"),
        ("a.d.cts", "typescript"),
        ("a/.eslintrc", "json"),
        ("Dockerfile.alpine", "make"),
        (".env.production", "settings"),
        ("bin/cli", ""),
        ("js", ""),
        ("a.js/LICENSE", ""),
        ("a.js.unknown", ""),
        ("", ""),
    ],
    ids=str,
)
def test_the_language_follows_from_the_name_alone(path: str, language: str) -> None:
    assert language_of(path) == language


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("a.js", "const a = 'b'; // it's", "{k const} a = {s 'b'}; {c // it's}"),
        ("a.js", "class Foo {}", "{k class} {f Foo} {}"),
        ("a.jsx", '<a href="x">', '<{t a} {a href}={s "x"}>'),
        ("a.ts", "type A = { b: string };", "{k type} A = { b: {t string} };"),
        ("a.json", '{"a": [1, true]}', '{{a "a"}: [{n 1}, {n true}]}'),
        ("a.css", ".a { color: red }", ".{f a} { {k color}: {n red} }"),
        ("a.html", "<p class='a'>x", "<{t p} {a class}={s 'a'}>x"),
        ("a.yml", "run: 'x' # c", "{a run}: {s 'x'} {c # c}"),
        ("a.py", "def f(): return None", "{k def} {f f}(): {k return} {n None}"),
        ("a.sh", 'if [ "$x" ]; then # c', '{k if} [ {s "$x"} ]; {k then} {c # c}'),
        ("a.c", "static int a = 'b'; /* c */", "{k static} {t int} a = {s 'b'}; {c /* c */}"),
        ("Makefile", "all: b # c", "{f all}: b {c # c}"),
        (".npmrc", "a=true", "{a a}={n true}"),
        ("a.txt", "const a = 'b';", "const a = 'b';"),
    ],
    ids=lambda value: value[:12],
)
def test_tokens_have_their_colours(path: str, before: str, after: str) -> None:
    assert shown(path, before) == [after]


def test_strings_and_comments_go_over_lines() -> None:
    assert shown("a.js", "x = `a\nconst b\n`; /* it's\nconst c */ const d") == [
        "x = {s `a}",
        "{s const b}",
        "{s `}; {c /* it's}",
        "{c const c */} {k const} d",
    ]


def test_a_comment_that_began_before_the_hunk_or_ends_after_it_is_one() -> None:
    assert shown("a.js", " * don't\n *\n */\nconst a;\n/**\n * don't") == [
        "{c  * don't}",
        "{c  *}",
        "{c  */}",
        "{k const} a;",
        "{c /**}",
        "{c  * don't}",
    ]
    assert shown("a.md", " * don't const") == [" {k *} don't const"]


def test_a_fence_does_not_choose_a_lexer() -> None:
    assert shown("a.md", "```python\ndef f(): pass\n```\n")[1] == "{s def f(): pass}"


def test_a_long_line_stays_plain_and_the_others_keep_their_colours() -> None:
    long = "const a = '" + "x" * LONGEST_LINE
    plain, after = shown("a.js", f"{long}\nconst b")
    assert plain == long
    assert after == "{k const} b"


def test_many_chunks_are_highlighted_each_in_its_place() -> None:
    lines = [f"  const a{n} = 'b'; // {n}" for n in range(1000)]
    assert shown("a.js", "\n".join(lines)) == [
        f"  {{k const}} a{n} = {{s 'b'}}; {{c // {n}}}" for n in range(1000)
    ]


def test_a_lexer_gets_little_at_a_time_no_long_lines_and_not_all(recording: Recording) -> None:
    lines = (["x" * 80] * 30 + ["y" * (LONGEST_LINE + 1)] + ["/*" * 200]) * 200
    highlighter = Highlighter("a.js")
    for _ in range(3):
        assert all(len(spans) == 0 for spans in highlighter.lines(lines))
    # What opens a comment gets an end.
    assert max(len(text) for text in recording.texts) <= CHUNK + len("*/\n")
    assert sum(len(text) for text in recording.texts) <= MOST_CHARACTERS * (1 + 3 / 1000)
    assert not any("y" in text for text in recording.texts)
    assert len(recording.texts) > 10


def test_after_the_time_is_over_nothing_more_is_asked_of_a_lexer(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr(highlight, "SECONDS", 0.4)
    monkeypatch.setattr(highlight.time, "thread_time", lambda: float(next(clock)))
    Highlighter("a.js").lines(["const a = 1;"] * 5000)
    assert len(recording.texts) == 1


@pytest.mark.parametrize("language", FILES)
def test_hostile_text_is_highlighted_in_full_and_in_order(language: str) -> None:
    lexer = highlight._lexer(language)
    for start, pump in HOSTILE:
        # Not a whole chunk: here no budget of time would end what takes quadratic time.
        lines = filled(start, pump, CHUNK // 4)
        assert len(lines) > 1
        text = "\n".join(lines) + "\n"
        tokens = [token for token in lexer.get_tokens_unprocessed(text) if token[2]]
        # Between looks at the clock a lexer goes on by a character at least.
        assert len(tokens) <= len(text)
        assert "".join(value for _, _, value in tokens) == text, (start, pump)


@settings(deadline=None, max_examples=60)
@given(
    path=st.sampled_from([*FILES.values(), "a.txt"]),
    lines=st.lists(
        st.text(
            st.one_of(
                st.sampled_from("<>{}()[]\"'`\\/*#$:=;-_ab1 \t"),
                st.characters(exclude_characters="\n"),
            ),
            max_size=60,
        ),
        max_size=12,
    ),
)
def test_whatever_the_text_spans_are_in_order_and_within_their_line(
    path: str, lines: list[str]
) -> None:
    found = Highlighter(path).lines(lines)
    assert len(found) == len(lines)
    for line, spans in zip(lines, found, strict=True):
        position = 0
        for start, end, name in spans:
            assert position <= start < end <= len(line)
            assert name in "kscntfa"
            position = end


def test_a_lexer_that_stumbles_costs_colours_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Stumbling:
        def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, Any, str]]:
            raise RecursionError

    monkeypatch.setattr(highlight, "_lexer", lambda language: Stumbling())
    assert Highlighter("a.js").lines(["const a", "b"]) == [[], []]
