"""Syntax highlighting of parts of files, with Pygments: which characters are a keyword, a string, …

Package content is hostile, and Pygments' lexers are regular expressions, some of which take
quadratic time on text made for it. So the language follows from the file's name and never from its
content, lexers with worse than quadratic rules are not used (see simple_lexers.py), and a lexer
gets little text at a time: the worst that one match may cost is then a fraction of a second.
Between matches a budget of time is watched. What is over is left without colours.
"""

import re
import time
from collections.abc import Iterator
from functools import cache

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import (
    Comment,
    Generic,
    Keyword,
    Literal,
    Name,
    Number,
    Operator,
    String,
    _TokenType,
)

from approvals.web import simple_lexers

# Characters that a lexer gets at a time, and that it gets for one piece of a diff, both sides
# together. Longer lines are not highlighted. Seconds are of the processor, not of the clock.
CHUNK = 10_000
MOST_CHARACTERS = 100_000
LONGEST_LINE = 500
SECONDS = 0.4

Span = tuple[int, int, str]

_OWN: dict[str, type[Lexer]] = {
    "c": simple_lexers.CLexer,
    "curly": simple_lexers.CurlyLexer,
    "make": simple_lexers.MakeLexer,
    "settings": simple_lexers.SettingsLexer,
    "shell": simple_lexers.ShellLexer,
}
# Pygments' names of lexers, or ours, by the end of a file's name.
_BY_EXTENSION = {
    extension: language
    for language, extensions in {
        "javascript": "js mjs cjs es es6 jsm",
        "jsx": "jsx flow",
        "typescript": "ts mts cts",
        "tsx": "tsx",
        "json": "json jsonc json5 map webmanifest jsonl ndjson geojson",
        "css": "css pcss postcss",
        "scss": "scss",
        "less": "less",
        "html": "html htm xhtml hbs ejs mustache svelte astro njk liquid",
        "xml": "xml svg plist xsd xsl xslt rss atom csproj vcxproj storyboard xib nuspec",
        "vue": "vue",
        "markdown": "md markdown mdx mkd mdown",
        "yaml": "yaml yml",
        "toml": "toml",
        "python": "py pyi gyp gypi",
        "c": "c h cc cpp cxx c++ hh hpp hxx inc ino m mm",
        "curly": "java kt kts swift go rs cs gradle groovy dart php",
        "settings": "ini cfg conf env properties npmrc yarnrc editorconfig",
        "shell": "sh bash zsh ksh",
        "make": "mk mak dockerfile",
    }.items()
    for extension in extensions.split()
}
_BY_NAME = {
    "makefile": "make",
    "gnumakefile": "make",
    "dockerfile": "make",
    "pipfile": "toml",
    "cargo.lock": "toml",
    "poetry.lock": "toml",
    "yarn.lock": "yaml",
    ".babelrc": "json",
    ".eslintrc": "json",
    ".jshintrc": "json",
    ".nycrc": "json",
    ".prettierrc": "json",
    ".releaserc": "json",
    ".stylelintrc": "json",
    ".swcrc": "json",
}
# In these a comment runs from /* to */.
_WITH_BLOCK_COMMENTS = frozenset(
    ("javascript", "jsx", "typescript", "tsx", "css", "scss", "less", "c", "curly")
)
# In these the lexers call a key what they call a tag elsewhere.
_KEYS = frozenset(("json", "yaml"))

# The class of a token: that of the first of its kinds, from the narrowest, which is here.
_CLASSES: dict[_TokenType, str] = {
    Comment: "c",
    Comment.Preproc: "k",
    Comment.PreprocFile: "s",
    Generic.Heading: "k",
    Generic.Subheading: "k",
    Generic.Emph: "",
    Keyword: "k",
    Keyword.Constant: "n",
    Keyword.Type: "t",
    Literal: "n",
    Name.Attribute: "a",
    Name.Builtin: "t",
    Name.Class: "f",
    Name.Constant: "n",
    Name.Decorator: "f",
    Name.Entity: "n",
    Name.Exception: "t",
    Name.Function: "f",
    Name.Namespace: "f",
    Name.Property: "a",
    Name.Tag: "t",
    Name.Variable: "a",
    Number: "n",
    Operator.Word: "k",
    String: "s",
    String.Interpol: "",
}
_IN_COMMENT = re.compile(r"[ \t]*\*(?:[ \t/]|$)")


def language_of(path: str) -> str:
    """The language that a file's name says, or ""."""
    name = path.rsplit("/", 1)[-1].lower()
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name.startswith(("dockerfile.", "makefile.", ".env.")):
        return "settings" if name.startswith(".env.") else "make"
    return _BY_EXTENSION.get(name.rsplit(".", 1)[-1], "") if "." in name else ""


class Highlighter:
    """Highlights the parts of one file that stand on one page, within one budget."""

    def __init__(self, path: str) -> None:
        self._language = language_of(path)
        self._characters = MOST_CHARACTERS
        self._seconds = SECONDS

    def lines(self, lines: list[str]) -> list[list[Span]]:
        """Of each of these consecutive lines the (start, end, class) of its tokens, in order.

        They are taken to begin anywhere in the file; lines have no line feeds.
        """
        spans: list[list[Span]] = [[] for _ in lines]
        if not self._language:
            return spans
        for start, end in _chunks(lines):
            first = start
            if self._language in _WITH_BLOCK_COMMENTS:
                first = _end_of_comment(lines, start, end)
                for index in range(start, first):
                    _add(spans[index], 0, _length(lines[index]), "c")
            self._highlight(lines[first:end], spans[first:end])
        return spans

    def _highlight(self, lines: list[str], spans: list[list[Span]]) -> None:
        """Adds to the spans of each line. The lines are at most a chunk."""
        text = "".join(line[: _length(line)] + "\n" for line in lines)
        if len(text) > self._characters or self._seconds <= 0:
            return
        self._characters -= len(text)
        if self._language in _WITH_BLOCK_COMMENTS and text.rfind("/*") > text.rfind("*/"):
            text += "*/\n"
        began = time.thread_time()
        line, offset = 0, 0
        for start, end, name in _tokens(self._language, text):
            if time.thread_time() - began > self._seconds:
                break
            while line < len(lines) and offset + _length(lines[line]) < start:
                offset += _length(lines[line]) + 1
                line += 1
            # A token may be of several lines.
            at, first = line, offset
            while name and at < len(lines) and first < end:
                length = _length(lines[at])
                _add(spans[at], max(start - first, 0), min(end - first, length), name)
                at, first = at + 1, first + length + 1
        self._seconds -= time.thread_time() - began


def _length(line: str) -> int:
    """How many characters of a line are highlighted."""
    return len(line) if len(line) <= LONGEST_LINE else 0


def _chunks(lines: list[str]) -> Iterator[tuple[int, int]]:
    """The lines as (start, end) of at most CHUNK characters, between statements where possible."""
    start, characters = 0, 0
    for index, line in enumerate(lines):
        characters += _length(line) + 1
        if characters <= CHUNK:
            continue
        end = next(
            (
                at
                for at in range(index, (start + index) // 2, -1)
                if lines[at][:1] not in ("", " ", "\t", "}", ")", "]", "*") or not lines[at - 1]
            ),
            index,
        )
        yield start, end
        start = end
        characters = sum(_length(line) + 1 for line in lines[start : index + 1])
    if start < len(lines):
        yield start, len(lines)


def _end_of_comment(lines: list[str], start: int, end: int) -> int:
    """Where a block comment ends that began before these lines, by the * that lines begin with."""
    for index in range(start, end):
        if not _IN_COMMENT.match(lines[index]):
            return index
        if lines[index].rstrip().endswith("*/"):
            return index + 1
    return end


def _tokens(language: str, text: str) -> Iterator[Span]:
    """The tokens as (start, end, class), in order, also those without a class."""
    position = 0
    names_follow = False
    try:
        for start, kind, value in _lexer(language).get_tokens_unprocessed(text):
            name = _class_of(kind)
            if kind is Keyword.Declaration:
                names_follow = value in ("function", "class", "interface", "enum")
            elif value.strip(" *"):
                if names_follow and str(kind).startswith("Token.Name") and not name:
                    name = "f"
                names_follow = False
            if name == "t" and kind is Name.Tag and language in _KEYS:
                name = "a"
            if start >= position and value:
                position = start + len(value)
                yield start, position, name
    except Exception:  # noqa: BLE001  # a lexer that stumbles costs colours, not the diff
        return


@cache
def _lexer(language: str) -> Lexer:
    if language in _OWN:
        return _OWN[language]()
    # Markdown would else choose further lexers by what the text says.
    return get_lexer_by_name(language, handlecodeblocks=False)


@cache
def _class_of(kind: _TokenType) -> str:
    narrowest = next((known for known in reversed(kind.split()) if known in _CLASSES), None)
    return _CLASSES[narrowest] if narrowest else ""


def _add(spans: list[Span], start: int, end: int, name: str) -> None:
    if start >= end:
        return
    if spans and spans[-1][1] == start and spans[-1][2] == name:
        spans[-1] = (spans[-1][0], end, name)
    else:
        spans.append((start, end, name))
