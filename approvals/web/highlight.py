"""Syntax highlighting of hunks."""

Span = tuple[int, int, str]


class Highlighter:
    def __init__(self, path: str) -> None:
        self._path = path

    def lines(self, lines: list[str]) -> list[list[Span]]:
        """Of each line the (start, end, class) of its tokens."""
        return [[] for _ in lines]
