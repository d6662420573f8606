"""Which characters a reader does not see, or sees others in their place."""

import re
import unicodedata
from functools import lru_cache

# Letters of no width and no ink, which Unicode does not count as format characters.
BLANK_LETTERS = "\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5\U00016fe4\U0001d159"
VARIATION_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef\u180b-\u180f"
_HIDDEN_SELECTOR = re.compile(f"[{VARIATION_SELECTORS}]")


@lru_cache(maxsize=4096)
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
