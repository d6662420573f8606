"""Patterns that people type."""

import re


def glob_as_regex(glob: str) -> str:
    """`*` stands for any characters and `?` for one; all else for itself.

    The regular expression means the same to Python (which SQLite uses) and to PostgreSQL.
    """
    parts = ("[^\n]*" if c == "*" else "[^\n]" if c == "?" else re.escape(c) for c in glob)
    # A hundred asterisks in a row would make the matcher try every way to share out a name.
    return "^" + re.sub(r"(\[\^\n\]\*)+", "[^\n]*", "".join(parts)) + "$"
