"""Parts of pages that ask by themselves whether anything is new."""

import hashlib
import re

# A form's token differs each time, and nobody who reads is to be interrupted because time passes.
_NOT_NEW = r'name="csrfmiddlewaretoken" value="\w+"|<time.*?</time>'


def mark_of(content: str, *, ignoring: str = "") -> str:
    """Tells a part of a page from a later one that says something else.

    `ignoring` is a pattern of what says nothing new either.
    """
    stable = re.sub(f"{_NOT_NEW}|{ignoring}" if ignoring else _NOT_NEW, "", content)
    return hashlib.sha256(stable.encode()).hexdigest()[:16]
