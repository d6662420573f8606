"""Over which packages a person's role reaches: checked where typed, matched here and in SQL.

In a scope's packages, "*" stands for any characters but "/"; alone, it stands for everything.
Matching never tries again what it tried, so that no pattern and no name can stretch its time.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import CharField, Lookup, Q

if TYPE_CHECKING:
    _Lookup = Lookup[str]
else:
    _Lookup = Lookup

EVERYTHING = "*"
MOST_STARS = 3
MOST_SCOPES = 50
LONGEST_NAME = 214
# What a package's name may be made of, and the star. Nothing that means something to a database.
_TYPED = re.compile(r"[A-Za-z0-9@._~*-]+(/[A-Za-z0-9@._~*-]+)?")


class ScopeRefused(Exception):
    """These scopes cannot be given to anybody; the text says why, and what to do."""


@dataclass(frozen=True, order=True)
class Reach:
    """Some packages at one registry (by its address), or at every one where that is empty."""

    registry_url: str
    packages: str

    def __str__(self) -> str:
        return f"{self.packages} at {self.registry_url or 'every registry'}"

    def covers(self, registry_url: str, package: str) -> bool:
        return self.registry_url in ("", registry_url) and matches(self.packages, package)


def checked(reaches: Iterable[Reach]) -> list[Reach]:
    """The scopes to be stored, each once, in order. Raises ScopeRefused."""
    found = sorted({Reach(one.registry_url, one.packages.strip()) for one in reaches})
    if len(found) > MOST_SCOPES:
        raise ScopeRefused(
            f"A person has at most {MOST_SCOPES} scopes. Cover several packages with one pattern, "
            "such as @acme/*."
        )
    for one in found:
        check_packages(one.packages)
    return found


def check_packages(glob: str) -> None:
    """Refuses what is no pattern of package names. Raises ScopeRefused."""
    if len(glob) > LONGEST_NAME or not _TYPED.fullmatch(glob):
        raise ScopeRefused(
            f"“{glob[:40]}” names no packages. Write a name, or a pattern such as @acme/* or "
            "acme-*, one a line; * alone covers everything."
        )
    if glob.count("*") > MOST_STARS:
        raise ScopeRefused(f"“{glob[:40]}” has more than {MOST_STARS} stars. Use fewer.")


def matches(glob: str, name: str) -> bool:
    """Whether the pattern covers the whole of this name, in exactly this spelling."""
    if glob == EVERYTHING:
        return True
    # As many slashes in both, and each of the pattern's own took one: none is left for a star.
    if glob.count("/") != name.count("/"):
        return False
    first, *between = glob.split("*")
    if not between:
        return glob == name
    last = between.pop()
    outside = len(first) + len(last)
    if len(name) < outside or not (name.startswith(first) and name.endswith(last)):
        return False
    at, end = len(first), len(name) - len(last)
    for part in between:
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def packages_within(reaches: Sequence[Reach], *, name: str, registry_url: str) -> Q:
    """The same for rows of a table, whose columns for the two are called so."""
    whole = Q(pk__in=[])
    exact: dict[str, set[str]] = {}
    for one in reaches:
        if one.packages != EVERYTHING and "*" not in one.packages:
            exact.setdefault(one.registry_url, set()).add(one.packages)
            continue
        part = Q(**{registry_url: one.registry_url}) if one.registry_url else Q()
        if one.packages != EVERYTHING:
            part &= Q(**{f"{name}__covered_by": one.packages})
            part &= ~Q(**{f"{name}__covered_by": "*/" * (one.packages.count("/") + 1) + "*"})
        elif not one.registry_url:
            return Q()
        whole |= part
    for url, names in exact.items():
        part = Q(**{f"{name}__in": sorted(names)})
        whole |= part & Q(**{registry_url: url}) if url else part
    return whole


@CharField.register_lookup
class CoveredBy(_Lookup):
    """`name__covered_by=glob`, in which a star also covers slashes; every letter counts.

    Neither GLOB nor LIKE tries every way to share a name out, as a regular expression would.
    """

    lookup_name = "covered_by"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        left, values = self.process_lhs(compiler, connection)
        pattern = re.sub(r"([?\[\]])", r"[\1]", str(self.rhs))
        return f"{left} GLOB %s", (*values, pattern)

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        left, values = self.process_lhs(compiler, connection)
        pattern = re.sub(r"([!%_])", r"!\1", str(self.rhs)).replace("*", "%")
        return f"{left} LIKE %s ESCAPE '!'", (*values, pattern)
