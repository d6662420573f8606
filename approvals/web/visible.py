"""Making characters visible that would otherwise hide, or turn round, what a reviewer reads.

Package content is hostile: bidirectional controls reorder what is shown (the "Trojan Source"
attack, CVE-2021-42574), and zero-width characters, variation selectors and tag characters carry
text that no eye sees.
"""

import re
import unicodedata

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

# Letters of no width and no ink, which Unicode does not count as format characters.
BLANK_LETTERS = "\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5"
_VARIATION_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef\u180b-\u180f"
# How many of a run of hidden characters are spelt out before the rest is counted.
SPELT_OUT = 4

_SUSPECT = re.compile(
    # Everything but printable ASCII, tab, line feed and what lies in the usual letter blocks is
    # looked at one by one below.
    r"[^\t\n\x20-\x7e]"
)
_HIDDEN_SELECTOR = re.compile(f"[{_VARIATION_SELECTORS}]")


def is_hidden(character: str) -> bool:
    """Whether a reader would not see `character`, or would see others in its place."""
    if character in "\t\n ":
        return False
    category = unicodedata.category(character)
    return (
        category in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}
        or character in BLANK_LETTERS
        or _HIDDEN_SELECTOR.match(character) is not None
    )


def name_of(character: str) -> str:
    """The code point as "U+202E"."""
    return f"U+{ord(character):04X}"


def visible(text: str) -> SafeString:
    """`text` as HTML: escaped, with each hidden character spelt out in a marked box.

    A long run of hidden characters is spelt out only in its beginning, and then counted.
    """
    if text.isascii() and text.isprintable():
        return mark_safe(escape(text))  # noqa: S308 - escaped here
    parts: list[str] = []
    plain: list[str] = []
    hidden: list[str] = []

    def flush_plain() -> None:
        if plain:
            parts.append(str(escape("".join(plain))))
            plain.clear()

    def flush_hidden() -> None:
        if not hidden:
            return
        words = " ".join(name_of(character) for character in hidden[:SPELT_OUT])
        if len(hidden) > SPELT_OUT:
            words += f" … {len(hidden)} hidden characters"
        title = ", ".join(
            unicodedata.name(character, "a control character") for character in hidden[:SPELT_OUT]
        )
        parts.append(f'<span class="hidden-char" title="{escape(title)}">{words}</span>')
        hidden.clear()

    for character in text.replace("\r\n", "\n"):
        if _SUSPECT.match(character) and is_hidden(character):
            flush_plain()
            hidden.append(character)
        else:
            flush_hidden()
            plain.append(character)
    flush_plain()
    flush_hidden()
    return mark_safe("".join(parts))  # noqa: S308 - every part is escaped above
