"""Where in the text of a package.json something stands."""

import re

# Strings and brackets; what is between them says nothing about depth.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]:,\n]', re.DOTALL)
_DEEPEST = 3
_MOST_TOKENS = 400_000


class KeyLines:
    """The line, from 1 on, of each key in an object, for keys at most three levels deep.

    For text that was parsed before: of what is no JSON it says something or nothing.
    """

    def __init__(self, content: bytes | None) -> None:
        self._lines: dict[tuple[str, ...], int] = {}
        if content is not None:
            self._read(content)

    def __call__(self, *keys: str) -> int | None:
        """The line of this key, or of the closest one around it that is there."""
        while keys:
            if keys in self._lines:
                return self._lines[keys]
            keys = keys[:-1]
        return None

    def _read(self, content: bytes) -> None:
        path: list[str | None] = []
        line, last, last_line, key = 1, "", 1, ""
        for number, found in enumerate(_TOKEN.finditer(content)):
            if number > _MOST_TOKENS:
                return
            token = found[0]
            mark = token[:1]
            if mark == b"\n":
                line += 1
            elif mark == b'"':
                last, last_line = _text(token), line
                line += token.count(b"\n")
            elif mark == b":":
                key = last
                if len(path) <= _DEEPEST and None not in path[1:]:
                    self._lines[(*map(str, path[1:]), key)] = last_line
            elif mark in (b"{", b"["):
                path.append(key if mark == b"{" else None)
                key = ""
            elif mark in (b"}", b"]") and path:
                path.pop()


def _text(token: bytes) -> str:
    inner = token[1:-1].decode("utf-8", "replace")
    return _ESCAPE.sub(_unescaped, inner) if "\\" in inner else inner


_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_NAMED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def _unescaped(found: re.Match[str]) -> str:
    what = found[1]
    return chr(int(what[1:], 16)) if len(what) > 1 else _NAMED.get(what, what)
