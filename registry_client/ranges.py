"""npm's version ranges, as node-semver reads them loosely: `^1.2.3`, `~1.2`, `1.x || >=2 <3`."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import semver

from registry_client.versions import MAX_NUMBER, SortKey, parse_version, sort_key

LONGEST = 1_000
"""Characters of a range; real ones have a few dozen."""
# What is longer is parsed again each time: thousands of those would fill the memory.
_LONGEST_KEPT = 100
_MOST_PARTS = 100
_NUMBER = r"(?:0|[1-9]\d{0,15}|[xX*])"
_PARTIAL = re.compile(
    rf"[v=\s]*({_NUMBER})(?:\.({_NUMBER})(?:\.({_NUMBER})"
    r"(?:-?([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?)?)?"
)
_COMPARATOR = re.compile(r"(\^|~>?|[<>]=?|=|)(.*)", re.DOTALL)
_GAP = re.compile(r"([<>=~^]=?|~>)\s+")
_HYPHEN = re.compile(r"\s*(\S+)\s+-\s+(\S+)\s*")

_Bound = tuple[bool, semver.Version]
"""Whether the version itself is within, and the version."""


@dataclass(frozen=True)
class _Set:
    """What must hold together: from `low` on, up to `high`; None is no bound."""

    low: _Bound | None
    high: _Bound | None
    prereleases: frozenset[tuple[int, int, int]]

    def allows(self, version: semver.Version) -> bool:
        if self.low and not _is_after(version, self.low):
            return False
        if self.high and not _is_before(version, self.high):
            return False
        numbers = (version.major, version.minor, version.patch)
        return not version.prerelease or numbers in self.prereleases


@dataclass(frozen=True)
class Range:
    """A parsed range: what any of its sets allows."""

    sets: tuple[_Set, ...]

    def allows(self, version: str) -> bool:
        """Whether npm would install this version for it."""
        parsed = parse_version(version)
        return parsed is not None and any(one.allows(parsed) for one in self.sets)

    @property
    def has_no_end(self) -> bool:
        """Whether every later version is allowed as well."""
        return any(one.high is None for one in self.sets)

    @property
    def lowest(self) -> semver.Version:
        """Where the lowest of its sets begins: 0.0.0 where it does not say."""
        begins = [one.low[1] if one.low else semver.Version(0) for one in self.sets]
        return min(begins)


class Versions:
    """Versions of a package in the order of sort_key: what a range leads to is found by bisection.

    Only those that are looked at on the way are parsed, each once.
    """

    def __init__(self, ordered: Sequence[str]) -> None:
        self._stable: list[str] = []
        self._prereleases: list[str] = []
        for version in ordered:
            is_stable = "-" not in version.partition("+")[0]
            (self._stable if is_stable else self._prereleases).append(version)
        self._keys: dict[str, SortKey] = {}

    def leads_to(self, wanted: Range, latest: str = "") -> str:
        """What npm installs for it today: `latest` if that is allowed, or the highest; ""."""
        if latest and self._has(latest) and wanted.allows(latest):
            return latest
        found = {version for one in wanted.sets for version in self._highest(one)}
        return max(found, key=self._key, default="")

    def _has(self, version: str) -> bool:
        return any(
            version in among[bisect_left(among, self._key(version), key=self._key) :][:1]
            for among in (self._stable, self._prereleases)
        )

    def _highest(self, one: _Set) -> list[str]:
        """The highest that the set allows: of stable ones, and of prereleases of each version
        that the set names."""
        found = self._stable[: self._end(self._stable, one.high)][-1:]
        if one.prereleases:
            end = self._end(self._prereleases, one.high)
            for numbers in one.prereleases:
                release = sort_key("{}.{}.{}".format(*numbers))
                own_end = bisect_left(self._prereleases, release, key=self._key)
                last = min(end, own_end)
                found += self._prereleases[max(last - 1, 0) : last]
        return [version for version in found if _allows(one, version)]

    def _end(self, among: Sequence[str], high: _Bound | None) -> int:
        """Behind the last that is not above the bound."""
        if high is None:
            return len(among)
        bound = sort_key(str(high[1]))[:-1]
        bisect = bisect_right if high[0] else bisect_left
        return bisect(among, bound, key=lambda version: self._key(version)[:-1])

    def _key(self, version: str) -> SortKey:
        if version not in self._keys:
            self._keys[version] = sort_key(version)
        return self._keys[version]


def parse_range(text: str) -> Range | None:
    """The range, or None where npm would take it for the name of a dist-tag, or for nothing."""
    if len(text) > LONGEST:
        return None
    return _kept(text) if len(text) <= _LONGEST_KEPT else _parsed(text)


def leads_to(text: str, versions: Iterable[str], latest: str | None) -> str:
    """The version that npm installs for a range today: `latest` if allowed, or the highest; ""."""
    wanted = parse_range(text)
    if wanted is None:
        return ""
    return Versions(sorted(versions, key=sort_key)).leads_to(wanted, latest or "")


def _parsed(text: str) -> Range | None:
    known = [one for part in text.split("||") if (one := _set(part)) is not None]
    return Range(tuple(known)) if known else None


_kept = lru_cache(maxsize=4096)(_parsed)


def _allows(one: _Set, version: str) -> bool:
    parsed = parse_version(version)
    return parsed is not None and one.allows(parsed)


def _set(text: str) -> _Set | None:
    if found := _HYPHEN.fullmatch(text):
        parts = [">=" + found[1], "<=" + found[2]]
    else:
        parts = _GAP.sub(r"\1", text).split()
    if len(parts) > _MOST_PARTS:
        return None
    low: _Bound | None = None
    high: _Bound | None = None
    prereleases = set()
    for part in parts:
        bounds = _bounds(part)
        if bounds is None:
            return None
        for version in bounds[2]:
            prereleases.add((version.major, version.minor, version.patch))
        low = _tighter(low, bounds[0], sign=1)
        high = _tighter(high, bounds[1], sign=-1)
    return _Set(low, high, frozenset(prereleases))


def _tighter(one: _Bound | None, other: _Bound | None, *, sign: int) -> _Bound | None:
    if one is None or other is None:
        return one or other
    order = one[1].compare(other[1]) * sign
    if order == 0:
        return one if not one[0] else other
    return one if order > 0 else other


def _bounds(
    part: str,
) -> tuple[_Bound | None, _Bound | None, list[semver.Version]] | None:
    found = _COMPARATOR.fullmatch(part)
    partial = _PARTIAL.fullmatch(found[2]) if found else None
    if not found or found[2] in ("", "v") or not partial:
        # An empty comparator allows everything.
        return (None, None, []) if part in (">=", "^", "~", "=", "") else None
    sign = found[1]
    numbers = _numbers(partial)
    if numbers is None:
        return None
    base = [*numbers, 0, 0, 0][:3]
    tag = partial[4] if len(numbers) == len(base) else None
    try:
        version = semver.Version(base[0], base[1], base[2], prerelease=tag)
    except (ValueError, TypeError):
        return None
    tagged = [version] if version.prerelease else []
    if max(base) > MAX_NUMBER:
        return None
    return (*_between(sign, version, len(numbers)), tagged)


def _numbers(partial: re.Match[str]) -> list[int] | None:
    """The numbers before the first that is left open."""
    numbers: list[int] = []
    for text in partial.groups()[:3]:
        if text is None or not text.isdigit():
            break
        numbers.append(int(text))
    return numbers


def _between(sign: str, version: semver.Version, known: int) -> tuple[_Bound | None, _Bound | None]:
    nothing = (False, semver.Version(0, 0, 0, prerelease="0"))
    if sign in ("<", ">") and not known:
        return None, nothing
    if not known:
        return None, None
    low, whole = (True, version), known == 3  # noqa: PLR2004 - all three numbers
    after = (False, _next(version, known))
    result: tuple[_Bound | None, _Bound | None]
    if sign == "^":
        numbers = [version.major, version.minor, version.patch][:known]
        place = next((n for n, number in enumerate(numbers, 1) if number), known)
        result = low, (False, _next(version, place))
    elif sign.startswith("~"):
        result = low, (False, _next(version, min(known, 2)))
    elif sign == ">=":
        result = low, None
    elif sign == ">":
        result = ((False, version) if whole else (True, after[1])), None
    elif sign == "<=":
        result = None, ((True, version) if whole else after)
    elif sign == "<":
        result = None, (False, version if whole else version.replace(prerelease="0"))
    else:
        result = low, ((True, version) if whole else after)
    return result


def _next(version: semver.Version, known: int) -> semver.Version:
    """The first version beyond those that begin with so many of the same numbers."""
    numbers = [version.major, version.minor, version.patch][:known]
    numbers[-1] += 1
    major, minor, patch = [*numbers, 0, 0][:3]
    return semver.Version(major, minor, patch, prerelease="0")


def _is_after(version: semver.Version, bound: _Bound) -> bool:
    order = version.compare(bound[1])
    return order > 0 or (order == 0 and bound[0])


def _is_before(version: semver.Version, bound: _Bound) -> bool:
    order = version.compare(bound[1])
    return order < 0 or (order == 0 and bound[0])
