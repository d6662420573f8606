"""Reading HTML of diff lines back, strictly: what is not expected in it fails the test."""

import html
import re
from html.parser import HTMLParser

from approvals.web.visible import hidden_in

# All that may stand in the HTML of a line: escaped text, and the tags that we make ourselves.
_TITLE = r'(?: title="(?:[^<>"\'&]|&#x27;)*")?'
_ALLOWED = re.compile(
    r"(?:[^<>&\"']|&(?:amp|lt|gt|quot|\#x27);|</span>|</?mark>"
    r'|<span class="hl-[kscntfa]">'
    rf'|<span class="(?:hidden-char|look-alike)"{_TITLE}>)*+'
)
_BOX = re.compile(r'<span class="hidden-char"[^>]*>[^<]*</span>')


class _Nesting(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not (tag == "mark" and self.open), "a mark is the outermost"
        assert len(self.open) < 3
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def text_of_line(markup: str) -> str:
    """The text that the HTML of a line shows, without hidden characters."""
    assert _ALLOWED.fullmatch(markup), markup
    nesting = _Nesting()
    nesting.feed(markup)
    assert not nesting.open
    return html.unescape(re.sub(r"<[^>]*>", "", _BOX.sub("", markup)))


def without_hidden(text: str) -> str:
    hidden = hidden_in(text)
    return "".join(character for at, character in enumerate(text) if at not in hidden)


def marked(markup: str) -> str:
    """The text with the changed parts in [brackets]."""
    return html.unescape(
        re.sub(r"<[^>]*>", "", markup.replace("<mark>", "[").replace("</mark>", "]"))
    )


def alike(markup: str) -> list[str]:
    """The look-alikes that are marked as such."""
    return re.findall(r'<span class="look-alike"[^>]*>([^<]*)</span>', markup)
