"""What people write in Markdown, as HTML that can do nothing.

HTML in it is shown as text, pictures are links, and links lead to the web or to a mailbox alone.
Nothing in it decides on a style: the policy of the pages allows none.
"""

from __future__ import annotations

import html
import re
from collections.abc import MutableMapping, Sequence
from functools import lru_cache
from typing import Any

from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from approvals.inspection.hidden_characters import is_hidden, name_of

LONGEST_ADDRESS = 1000
# What is rendered grows with its source, but for what would be a mistake here.
MOST_TIMES_AS_LONG = 20
DEEPEST = 20
# The page has headings of its own above it.
HEADINGS_BELOW = 2
_ADDRESS = re.compile(r"(?:https?://[^/\s]|mailto:[^\s@]+@)", re.IGNORECASE)
_SUSPECT = re.compile(r"[^\t\n\x20-\x7e]")
# A picture in the text of an emoji, which would be spelt out for the selector in it alone.
_EMOJI_PARTS = "\ufe0f\u200d"


class _Parser(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802 - the library asks it so
        return len(url) <= LONGEST_ADDRESS and _ADDRESS.match(url) is not None


class _Renderer(RendererHTML):
    def heading_open(
        self, tokens: Sequence[Token], idx: int, options: Any, env: MutableMapping[str, Any]
    ) -> str:
        return self._lower(tokens, idx, options, env)

    def heading_close(
        self, tokens: Sequence[Token], idx: int, options: Any, env: MutableMapping[str, Any]
    ) -> str:
        return self._lower(tokens, idx, options, env)

    def link_open(
        self, tokens: Sequence[Token], idx: int, options: Any, env: MutableMapping[str, Any]
    ) -> str:
        tokens[idx].attrs["rel"] = "noopener noreferrer nofollow"
        return self.renderToken(tokens, idx, options, env)

    def th_open(
        self, tokens: Sequence[Token], idx: int, options: Any, env: MutableMapping[str, Any]
    ) -> str:
        return self._cell(tokens, idx, options, env)

    def td_open(
        self, tokens: Sequence[Token], idx: int, options: Any, env: MutableMapping[str, Any]
    ) -> str:
        return self._cell(tokens, idx, options, env)

    def table_open(
        self, tokens: Sequence[Token], idx: int, options: Any, env: MutableMapping[str, Any]
    ) -> str:
        # It scrolls by itself where it is wider than a phone.
        frame = '<div class="table-wrap" role="region" aria-label="Table" tabindex="0">'
        return f'{frame}<table class="table">\n'

    def table_close(
        self, tokens: Sequence[Token], idx: int, options: Any, env: MutableMapping[str, Any]
    ) -> str:
        return "</table></div>\n"

    def _cell(
        self, tokens: Sequence[Token], idx: int, options: Any, env: MutableMapping[str, Any]
    ) -> str:
        # How a column is aligned stands in a style, which the pages' policy forbids.
        style = tokens[idx].attrs.pop("style", "")
        if style and style != "text-align:left":
            tokens[idx].attrs["class"] = "end" if style == "text-align:right" else "middle"
        return self.renderToken(tokens, idx, options, env)

    def _lower(
        self, tokens: Sequence[Token], idx: int, options: Any, env: MutableMapping[str, Any]
    ) -> str:
        level = min(int(tokens[idx].tag[1]) + HEADINGS_BELOW, 6)
        tokens[idx].tag = f"h{level}"
        return self.renderToken(tokens, idx, options, env)


def _parser() -> MarkdownIt:
    parser = _Parser("commonmark", {"html": False, "maxNesting": DEEPEST}, renderer_cls=_Renderer)
    # Of a definition, each use repeats the whole address.
    parser.enable(["table", "strikethrough"]).disable(["image", "reference", "html_block"])
    parser.disable(["html_inline"])
    return parser


@lru_cache(maxsize=64)
def rendered(text: str) -> SafeString:
    """The text as HTML; what is hidden in it is spelt out, such as "[U+202E]"."""
    shown = _SUSPECT.sub(lambda found: _spelt_out(found[0]), text)
    made: str = _parser().render(shown)
    if len(made) > MOST_TIMES_AS_LONG * len(shown) + 1000:
        made = f"<pre>{html.escape(shown)}</pre>\n"
    return mark_safe(made)  # noqa: S308 - the parser escapes all that it does not make itself


def _spelt_out(character: str) -> str:
    if character in _EMOJI_PARTS or not is_hidden(character):
        return character
    # A space that is not the usual one looks like one.
    return f"[{name_of(character)}]"
