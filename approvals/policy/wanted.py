"""Whom a policy means, and for which versions: "2 of frontend or @ada for major for @acme/*".

approvals:  NUMBER of PEOPLE [for WHEN]…
routing:    PEOPLE [for WHEN]…
PEOPLE      names with "or" between them: a team's name, @ and somebody's user name, anyone,
            administrators, or release-managers (administrators are among those)
urgent:     WHEN [for WHEN]…
WHEN        steps with "or" between them (first, major, minor, patch, prerelease, lower, same),
            or "finding" and a severity, or packages with "or" between them (@acme/*, and after
            the word "package" any name). All that are written must apply.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from approvals.inspection.finding import Severity
from approvals.people.models import Role
from approvals.people.scopes import ScopeRefused, check_packages, matches
from approvals.people.teams import RESERVED as NO_TEAMS
from approvals.policy.case import Case
from approvals.policy.requirement import SettingRefused
from registry_client.versions import Step, parse_version, version_step

ANYONE = "anyone"
ADMINISTRATORS = "administrators"
RELEASE_MANAGERS = "release-managers"
_ROLES = {
    ADMINISTRATORS: frozenset({Role.ADMINISTRATOR}),
    RELEASE_MANAGERS: frozenset({Role.ADMINISTRATOR, Role.RELEASE_MANAGER}),
}
RESERVED = frozenset({ANYONE, *_ROLES})
"""Names that mean somebody, and are no team's."""
STEPS = tuple(step for step in get_args(Step) if step != "unknown")
MOST_NAMES = 20
MOST_OF_ONE_LINE = 20
# Teams are called in small letters.
_TEAM = re.compile(r"[a-z0-9_-]{1,40}")
_PERSON = re.compile(r"@[A-Za-z0-9][A-Za-z0-9._-]{0,149}")
_NUMBER = re.compile(r"[0-9]{1,4}")
_HOW = "Write lines such as “2 of frontend”, “1 of security for major” or “1 of anyone”."


@dataclass(frozen=True)
class People:
    """Who is meant, by what they are called in a policy."""

    names: tuple[str, ...]

    def keys(self, case: Case) -> frozenset[int]:
        """Those of them who may decide this package, and whose approval counts."""
        return frozenset(
            one.key
            for one in case.deciders
            if one.key not in case.not_counted
            and any(_is(name, one.key, one.username, one.role, case) for name in self.names)
        )

    def unknown(self, case: Case) -> tuple[str, ...]:
        """The teams among the names that there are not (any more)."""
        return tuple(
            name
            for name in self.names
            if name not in RESERVED and not name.startswith("@") and name not in case.teams
        )

    @property
    def is_anyone(self) -> bool:
        return ANYONE in self.names

    def __str__(self) -> str:
        return " or ".join(self.names)


def _is(name: str, key: int, username: str, role: Role, case: Case) -> bool:
    if name == ANYONE:
        return True
    if name in _ROLES:
        return role in _ROLES[name]
    if name.startswith("@"):
        return username.casefold() == name[1:].casefold()
    return key in case.teams.get(name, frozenset())


@dataclass(frozen=True)
class When:
    """For which versions a line is meant: all, where nothing is said."""

    steps: tuple[str, ...] = ()
    finding: str = ""
    packages: tuple[str, ...] = ()

    def applies(self, case: Case, people: frozenset[int]) -> bool:
        """Whether this version is one of them.

        A finding no longer counts once somebody of `people` has looked at it. Otherwise anybody
        could mark away what a line asks somebody else about.
        """
        if self.packages and not any(
            matches(one, case.version.package.name) for one in self.packages
        ):
            return False
        if self.steps and not steps_of(case) & {*self.steps, "unknown"}:
            return False
        if not self.finding:
            return True
        limit = Severity(self.finding).rank
        return any(
            one.severity.rank <= limit
            and (one.looked_at is None or one.looked_at.by_id not in people)
            for one in case.findings
        )

    def __str__(self) -> str:
        words = ""
        if self.steps:
            words += f" for {' or '.join(self.steps)}"
        if self.finding:
            words += f" for finding {self.finding}"
        if self.packages:
            plain = all("@" in one or "*" in one for one in self.packages)
            words += f" for {'' if plain else 'package '}{' or '.join(self.packages)}"
        return words

    def as_json(self) -> dict[str, Any]:
        """What of it is said."""
        said = {
            "steps": list(self.steps),
            "finding": self.finding,
            "packages": list(self.packages),
        }
        return {name: value for name, value in said.items() if value}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> When:
        return cls(
            tuple(row.get("steps", ())), row.get("finding", ""), tuple(row.get("packages", ()))
        )


def steps_of(case: Case) -> set[str]:
    """How far the version steps; nothing while it is not compared.

    A prerelease of a next major steps as far as that one will, too: users of its tag get it.
    """
    steps = {str(case.step)} - {""}
    parsed = parse_version(case.version.version)
    if case.step == "prerelease" and parsed is not None:
        release = f"{parsed.major}.{parsed.minor}.{parsed.patch}"
        steps.add(version_step(case.baseline_version or None, release))
    return steps


@dataclass(frozen=True)
class Line:
    """Whom a line of a policy means, and for which versions; `number` is 0 where it names none."""

    people: People
    when: When = When()
    number: int = 0

    def __str__(self) -> str:
        number = f"{self.number} of " if self.number else ""
        return f"{number}{self.people}{self.when}"

    def as_json(self) -> dict[str, Any]:
        number = {"number": self.number} if self.number else {}
        return {**number, "of": list(self.people.names), **self.when.as_json()}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Line:
        """What `as_json` has written. KeyError, TypeError or ValueError for anything else."""
        names, number = row["of"], int(row.get("number", 0))
        names = [names] if isinstance(names, str) else names
        if not isinstance(names, list) or not names:
            raise ValueError(names)
        return cls(People(tuple(str(name) for name in names)), When.from_json(row), number)


def read_wanted(line: str, option: str) -> Line:
    """A line of who has to approve. Raises SettingRefused."""
    number, *others = re.split(" of ", line, maxsplit=1, flags=re.IGNORECASE)
    rest = "".join(others)
    if not _NUMBER.fullmatch(number) or not rest:
        raise SettingRefused(option, f"“{line[:60]}” does not say how many of whom. {_HOW}")
    if not 1 <= int(number) <= MOST_OF_ONE_LINE:
        raise SettingRefused(
            option,
            f"“{line[:60]}” wants {int(number)} approvals: write a number from 1 to "
            f"{MOST_OF_ONE_LINE}.",
        )
    return replace(read_asked(rest, option), number=int(number))


def read_asked(line: str, option: str) -> Line:
    """A line of who is asked. Raises SettingRefused."""
    people, *conditions = _between_for(line)
    return Line(People(_names(people, line, option)), _when(conditions, line, option))


def read_when(line: str, option: str) -> When:
    """A line that says for which versions alone. Raises SettingRefused."""
    return _when(_between_for(line), line, option)


def _between_for(line: str) -> list[list[str]]:
    return [part.split() for part in re.split(" for ", f" {line} ", flags=re.IGNORECASE)]


def _when(conditions: Sequence[Sequence[str]], line: str, option: str) -> When:
    when = When()
    for words in conditions:
        said = _condition(words, line, option)
        for field in ("steps", "finding", "packages"):
            value = getattr(said, field)
            if value and getattr(when, field):
                raise SettingRefused(
                    option,
                    f"“{line[:60]}” says twice for which versions. Write “or” between them, as in "
                    "“for major or minor”; or two lines.",
                )
            if value:
                when = replace(when, **{field: value})
    return when


def _names(words: Sequence[str], line: str, option: str) -> tuple[str, ...]:
    names = [
        word if word.startswith("@") else word.lower() for word in _between_or(words, line, option)
    ]
    for name in names:
        # Nobody can make a team of such a name, so that nobody would ever be meant.
        nobodys = name in NO_TEAMS - RESERVED
        if nobodys or not (_TEAM.fullmatch(name) or _PERSON.fullmatch(name)):
            raise SettingRefused(
                option,
                f"“{name[:40]}” in “{line[:60]}” is nobody's name. Write a team's name, a person "
                "as @ada, anyone, administrators or release-managers, with “or” between several.",
            )
    return tuple(dict.fromkeys(names))


def _between_or(words: Sequence[str], line: str, option: str) -> list[str]:
    """The words at every other place, if those between them are "or"."""
    named, between = list(words[::2]), {word.lower() for word in words[1::2]}
    if len(words) % 2 == 0 or between - {"or"}:
        raise SettingRefused(
            option, f"“{line[:60]}” cannot be read. Put “or” between several names. {_HOW}"
        )
    if len(named) > MOST_NAMES:
        raise SettingRefused(
            option, f"“{line[:60]}” has too many names: write at most {MOST_NAMES} in a line."
        )
    return named


def _condition(words: Sequence[str], line: str, option: str) -> When:
    first = words[0].lower() if words else ""
    if first == "finding":
        severity = words[1].lower() if len(words) == len(("finding", "high")) else ""
        if severity not in Severity.values:
            raise SettingRefused(
                option,
                f"“{line[:60]}” names no severity. Write “for finding” and one of "
                f"{', '.join(Severity.values)}.",
            )
        return When(finding=severity)
    if first == "package":
        return When(packages=_packages(_between_or(words[1:], line, option), option))
    named = _between_or(words, line, option)
    if all(name.lower() in STEPS for name in named):
        return When(steps=tuple(dict.fromkeys(name.lower() for name in named)))
    if all("@" in name or "*" in name for name in named):
        return When(packages=_packages(named, option))
    raise SettingRefused(
        option,
        f"“{' '.join(words)[:40]}” in “{line[:60]}” says of no version whether it is meant. Write "
        f"“for” and one of {', '.join(STEPS)}; “for finding high”; “for @acme/*”; or “for package "
        "left-pad”.",
    )


def _packages(names: Sequence[str], option: str) -> tuple[str, ...]:
    for name in names:
        try:
            check_packages(name)
        except ScopeRefused as error:
            raise SettingRefused(option, str(error)) from error
    return tuple(dict.fromkeys(names))


def listed(words: Sequence[str], last: str) -> str:
    """ "a, b and c", with `last` for the "and"."""
    if len(words) <= 1:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"
