"""Markdown that people write becomes HTML that can do nothing."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.rota.markdown import rendered
from approvals.rota.runbooks import LONGEST_TEXT

TAGS = {
    *("h3", "h4", "h5", "h6", "p", "a", "em", "strong", "s", "code", "pre", "blockquote"),
    *("ul", "ol", "li", "hr", "br", "div", "table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {
    "a": {"href", "title", "rel"},
    "code": {"class"},
    "ol": {"start"},
    "div": {"class", "role", "aria-label", "tabindex"},
    "table": {"class"},
    "th": {"class"},
    "td": {"class"},
}


class _Reader(HTMLParser):
    """Fails on any tag, attribute and address that must not be there."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        for name, value in attrs:
            assert name in ATTRIBUTES.get(tag, set()), (tag, name)
            if name == "href":
                assert re.match(r"(?i)https?://[^/]|mailto:", value or "")

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError("a declaration")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError("a declaration")

    def handle_pi(self, data: str) -> None:
        raise AssertionError("an instruction")


def read(html: str) -> None:
    reader = _Reader()
    reader.feed(html)
    reader.close()


def test_what_people_write_in_a_runbook_is_shown_as_they_mean_it() -> None:
    html = rendered(
        "# Who approves\n\nTwo of **frontend**, see [the wiki](https://wiki.example.org/x).\n\n"
        "1. Look at `package.json`\n2. Ask <ada@example.org>\n\n"
        "| what | how many |\n|---|--:|\n| approvers | 2 |\n\n```sh\nnpm view left-pad\n```\n"
    )
    read(html)
    assert "<h3>Who approves</h3>" in html
    assert "<strong>frontend</strong>" in html
    assert 'href="https://wiki.example.org/x"' in html
    assert 'rel="noopener noreferrer nofollow"' in html
    assert 'href="mailto:ada@example.org"' in html
    assert '<td class="end">2</td>' in html
    assert "npm view left-pad\n</code>" in html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "a <img src=x onerror=alert(1)> b",
        "<div onclick='x'>\n\nfoo\n\n</div>",
        "<!-- hidden -->",
        "<?php ?>",
        "<![CDATA[ x ]]>",
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt:alert(1))",
        "[a](&#106;avascript:alert(1))",
        "[a](java\tscript:alert(1))",
        "[a]( javascript:alert(1))",
        "[a](data:text/html;base64,PHNjcmlwdD4=)",
        "[a](vbscript:x)",
        "[a](file:///etc/passwd)",
        "[a](//evil.example.org)",
        "[a](/sign-out)",
        "[a](https:evil)",
        "<javascript:alert(1)>",
        "[a]: javascript:alert(1)\n\n[a]",
        '[a](https://x.example.org "\\" onmouseover=alert(1) x=\\"")',
        "![x](https://pixel.example.org/seen.png)",
        "```js onload=alert(1)\nx\n```",
        '```"><script>\nx\n```',
        "|a|\n|:-:|\n|<b>x</b>|",
    ],
)
def test_nothing_in_it_can_do_anything(text: str) -> None:
    html = rendered(text)
    read(html)
    assert "<img" not in html
    assert "<script" not in html


@given(st.text(alphabet="[]()<>!`*_#|:-\\\"'&;/ \nahtps.x", max_size=300))
def test_no_text_makes_what_must_not_be_there(text: str) -> None:
    read(rendered(text))


def test_what_is_hidden_is_spelt_out() -> None:
    html = rendered("Approve \u202eevil\u202c and a\u200bb, and caf\u00e9")
    assert "Approve [U+202E]evil[U+202C] and a[U+200B]b, and caf\u00e9" in html


def test_an_address_cannot_be_repeated_at_will() -> None:
    """A definition that is used often would make megabytes of a short text."""
    text = f"[x]: https://{'a' * 9000}.example.org\n\n" + "[x] " * 2500
    assert len(rendered(text)) < 3 * LONGEST_TEXT


def test_a_table_of_very_many_cells_is_not_drawn() -> None:
    text = "a|" * 300 + "\n" + "-|" * 300 + "\n" + "x\n" * 6000
    assert len(rendered(text[:LONGEST_TEXT])) < 25 * LONGEST_TEXT
