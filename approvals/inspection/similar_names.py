"""Names of packages that a person or a program may take for one another."""

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from itertools import islice
from pathlib import Path

_POPULAR = Path(__file__).with_name("popular_names.txt")
_LEAST_FOR_EDIT = 5
"""Letters: shorter names are so close to one another that it says nothing."""
_LEAST_FOR_SWAP = 4
_LONGEST = 100
MOST_NAMES = 3_000
"""Compared with: no honest package has as many dependencies."""
_MARKS = re.compile(r"[-_.]+")
_DIGITS = re.compile(r"\d+")
_LOOKS_LIKE = (
    *(("rn", "m"), ("vv", "w"), ("cl", "d"), ("0", "o"), ("1", "l"), ("i", "l"), ("5", "s")),
    *(("\u0430", "a"), ("\u0435", "e"), ("\u043e", "o"), ("\u0440", "p"), ("\u0441", "c")),
    *(("\u0443", "y"), ("\u0445", "x"), ("\u0456", "l"), ("\u03bf", "o"), ("\u0131", "l")),
)


class Names:
    """Names to compare others with, found without comparing each with each."""

    def __init__(self, names: Iterable[str]) -> None:
        known = (name for name in names if len(name) <= _LONGEST)
        self.names = frozenset(islice(known, MOST_NAMES))
        self._by_key: dict[str, list[str]] = defaultdict(list)
        self._by_scope: dict[str, list[str]] = defaultdict(list)
        for name in sorted(self.names):
            for key in _keys(name):
                self._by_key[key].append(name)
            if name.startswith("@"):
                self._by_scope[name.partition("/")[0]].append(name)

    def like(self, name: str) -> tuple[str, str] | None:
        """One of these that the name may be taken for, and how it differs in words; or None."""
        if name in self.names or len(name) > _LONGEST:
            return None
        seen = {one: None for key in _keys(name) for one in self._by_key.get(key, ())}
        for other in seen:
            if words := _difference(name, other):
                return other, words
        return self._like_scope(name)

    def _like_scope(self, name: str) -> tuple[str, str] | None:
        scope, slash, rest = name.partition("/")
        if not slash or scope in self._by_scope:
            return None
        for known, names in self._by_scope.items():
            same = [other for other in names if other.partition("/")[2] == rest]
            if same and _difference(scope[1:], known[1:]):
                return same[0], "only the scope's name differs, by one letter"
        return None


@cache
def popular_names() -> Names:
    """Well-known packages. Nobody calls a new one almost like these without a reason."""
    return Names(_POPULAR.read_text("utf-8").split())


def _keys(name: str) -> set[str]:
    """What two names have in common that differ by one edit, by marks, or in look-alikes."""
    folded = _folded(name)
    without = {name[:place] + name[place + 1 :] for place in range(len(name))}
    return {name, folded, *without}


def _difference(name: str, other: str) -> str:
    """How two names differ that may be taken for one another, in words; else ""."""
    if _plain(name) == _plain(other):
        same_marks = name.startswith("@") == other.startswith("@")
        return (
            "only hyphens, dots or underscores differ" if same_marks else "only the scope differs"
        )
    if _is_family(name, other):
        return ""
    shortest = min(len(name), len(other))
    if shortest >= _LEAST_FOR_SWAP and _is_swapped(name, other):
        return "two letters have changed places"
    if shortest >= _LEAST_FOR_EDIT:
        if _folded(name) == _folded(other):
            return "only letters that look alike differ"
        if _is_one_edit(name, other):
            return "only one letter differs"
    return ""


def _is_family(name: str, other: str) -> bool:
    """Whether they differ only in a number, or are two packages of one scope."""
    if _DIGITS.sub("", name) == _DIGITS.sub("", other):
        return True
    return name.startswith("@") and name.partition("/")[0] == other.partition("/")[0]


def _plain(name: str) -> str:
    return _MARKS.sub("", name.lower().lstrip("@").replace("/", ""))


def _folded(name: str) -> str:
    text = _plain(name)
    for one, other in _LOOKS_LIKE:
        text = text.replace(one, other)
    return text


def _is_swapped(name: str, other: str) -> bool:
    if len(name) != len(other):
        return False
    places = [number for number, (a, b) in enumerate(zip(name, other, strict=True)) if a != b]
    if len(places) != 2 or places[1] != places[0] + 1:  # noqa: PLR2004 - a pair
        return False
    first, second = places
    return (name[first], name[second]) == (other[second], other[first])


def _is_one_edit(name: str, other: str) -> bool:
    if abs(len(name) - len(other)) > 1:
        return False
    short, long = sorted((name, other), key=len)
    for place, (a, b) in enumerate(zip(short, long, strict=False)):
        if a != b:
            after = place + (len(short) == len(long))
            return short[after:] == long[place + 1 :]
    return True
