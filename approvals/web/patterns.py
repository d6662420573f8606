"""Patterns that people type, matched by the database."""

import fnmatch
import re
from typing import TYPE_CHECKING, Any

from django.db.models import CharField, Lookup, TextField

if TYPE_CHECKING:
    _Lookup = Lookup[str]
else:
    _Lookup = Lookup


@CharField.register_lookup
@TextField.register_lookup
class Like(_Lookup):
    """`name__like=like_of(glob)`: without regard to case, and in time that no pattern can stretch.

    A regular expression would do, but for patterns like `*?*?*?!`, on which it tries every way to
    share a name out. SQLite and PostgreSQL end such a search of LIKE early.
    """

    lookup_name = "like"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        return self._written(compiler, connection, "LIKE")

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        return self._written(compiler, connection, "ILIKE")

    def _written(self, compiler: Any, connection: Any, word: str) -> tuple[str, tuple[Any, ...]]:
        left, left_values = self.process_lhs(compiler, connection)
        right, right_values = self.process_rhs(compiler, connection)
        return f"{left} {word} {right} ESCAPE '!'", (*left_values, *right_values)


def like_of(glob: str) -> str:
    """The pattern for `like`: `*` stands for any characters, `?` for one, all else for itself."""
    literal = re.sub(r"([!%_])", r"!\1", glob)
    return re.sub(r"\*+", "%", literal).replace("?", "_")


def matches_glob(text: str, glob: str) -> bool:
    """Whether a text matches such a pattern as a whole, for rows that are in memory.

    Safe with any pattern: since Python 3.9, `fnmatch` never goes back behind a star.
    """
    return fnmatch.fnmatchcase(text.casefold(), glob.casefold().replace("[", "[[]"))
