from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from approvals.inspection.finding import Severity
from approvals.policy import typed
from approvals.policy.answers import Answer
from approvals.policy.case import Approval, Case
from approvals.policy.requirement import Option, Requirement, SettingRefused
from approvals.policy.wanted import RESERVED, Line, listed, read_wanted

COUNTS_FOR = {"each": "every line they are named in", "one": "one line only"}
VOID_ON = {
    "finding": "a new finding",
    "baseline": "another baseline",
    "policy": "a changed policy",
}
MOST_LINES = 20
_TOO_FEW = (
    "An administrator can let more people in, or into the team; a release manager can change the "
    "policy."
)


class Approvals(Requirement):
    """As many people have approved as are wanted.

    Each line wants so many different people. Somebody who is named in several lines counts for each
    of them, as somebody of two teams who looked at it did so for both; a policy can have people
    count for one line only.
    """

    key = "approvals"
    title = "Approvals"
    words = (
        "As many people have approved as are wanted, of those who are wanted. Each approval has a "
        "proof of presence of its own, and is void once what it was given for is another thing."
    )
    options = (
        Option(
            "wanted",
            "How many, of whom",
            "lines",
            "One a line: “1 of anyone”, “2 of frontend”, “1 of security or @ada for major”, “1 of "
            "security for finding high”, “1 of administrators for @acme/*”. Lines that are for "
            "other versions want nothing.",
            initial="1 of anyone",
        ),
        Option(
            "counts_for",
            "One person's approval counts for",
            "choice",
            "No line ever takes one person for two.",
            choices=tuple(COUNTS_FOR.items()),
            initial="each",
        ),
        Option("void_on_finding", "Void after a new finding", "flag", initial="yes"),
        Option("void_on_baseline", "Void after another baseline", "flag", initial="yes"),
        Option(
            "void_on_policy",
            "Void after a change of what this policy demands",
            "flag",
            "Whoever approved did so under the rules of then.",
            initial="yes",
        ),
    )

    @classmethod
    def checked(cls, given: Mapping[str, str]) -> dict[str, Any]:
        lines = typed.lines_of(given, "wanted", most=MOST_LINES)
        if not lines:
            raise SettingRefused("wanted", "Write at least one line, such as “1 of anyone”.")
        counts_for = {"counts_for": "each", **given}
        return {
            "wanted": [read_wanted(line, "wanted").as_json() for line in lines],
            "counts_for": typed.choice_of(counts_for, "counts_for", COUNTS_FOR),
            "void_on": [one for one in VOID_ON if typed.flag_of(given, f"void_on_{one}")],
        }

    def as_typed(self) -> dict[str, str]:
        void_on = self.settings.get("void_on", VOID_ON)
        return {
            "wanted": "\n".join(map(str, self._lines)),
            "counts_for": self.settings.get("counts_for", "each"),
            **{f"void_on_{one}": typed.flag(one in void_on) for one in VOID_ON},
        }

    def demand(self) -> str:
        wanted = "; ".join(map(str, self._lines))
        void_on = [VOID_ON[one] for one in self.settings.get("void_on", VOID_ON)]
        alone = ", each person counting for one line only" if self._one_line_each else ""
        void = f" An approval is void after {listed(void_on, 'or')}." if void_on else ""
        return f"Approvals: {wanted}{alone}.{void}"

    def named(self) -> frozenset[str]:
        return frozenset(name for line in self._lines for name in line.people.names) - RESERVED

    @property
    def _lines(self) -> list[Line]:
        return [Line.from_json(row) for row in self.settings["wanted"]]

    @property
    def _one_line_each(self) -> bool:
        return bool(self.settings.get("counts_for", "each") == "one")

    def look(self, case: Case) -> Answer:
        wanted = self._wanted(case)
        given = [one.by.key for one in case.approvals]
        counted = self._shares(wanted, given)
        sentence = _sentence(case, wanted, counted)
        if all(len(who) >= line.number for (line, _), who in zip(wanted, counted, strict=True)):
            return self.satisfied(sentence)
        if hopeless := self._hopeless(case, wanted):
            return self.blocked(f"{sentence} {hopeless}", _TOO_FEW)
        missing = [
            (line, line.number - len(who), able - set(given))
            for (line, able), who in zip(wanted, counted, strict=True)
            if len(who) < line.number
        ]
        return self.not_yet(
            sentence,
            _next_step([(line, number) for line, number, _ in missing]),
            asks=frozenset().union(*(able for _, _, able in missing)),
            is_about_approvals=True,
        )

    def progress(self, case: Case) -> tuple[int, int]:
        """As on the checklist; who counts for several lines counts once, and so do those wanted."""
        wanted = self._wanted(case)
        if not wanted:
            return len(case.approvals), 1
        approved = [one.by.key for one in case.approvals]
        counted = self._shares(wanted, approved)
        missing = [
            (line.number - len(who), able - set(approved))
            for (line, able), who in zip(wanted, counted, strict=True)
        ]
        given = len(set().union(*counted))
        alone = self._one_line_each
        more = sum(number for number, _ in missing) if alone else _more_needed(missing)
        return given, max(given + more, 1)

    def voids(self, approval: Approval, case: Case) -> str:
        void_on = self.settings.get("void_on", VOID_ON)
        if "finding" in void_on:
            new = [
                one
                for one in case.findings
                if one.severity != Severity.INFO and one.row.fingerprint not in approval.findings
            ]
            if new:
                others = f", and {len(new) - 1} more" if len(new) > 1 else ""
                return (
                    f"Something was found afterwards: {new[0].row.title[:200].rstrip('.')}{others}."
                )
        # While it is being compared again, there is none to compare with.
        compared = bool(case.step)
        if (
            "baseline" in void_on
            and compared
            and approval.baseline_version != case.baseline_version
        ):
            was, now = approval.baseline_version or "nothing", case.baseline_version or "nothing"
            return f"It was given for the difference to {was}; now it is compared with {now}."
        if "policy" in void_on and approval.policy != case.policy:
            return "What the policy demands was changed afterwards."
        return ""

    def _wanted(self, case: Case) -> list[tuple[Line, frozenset[int]]]:
        """The lines that are for this version, and who could be counted for each."""
        lines = [(line, line.people.keys(case)) for line in self._lines]
        return [(line, able) for line, able in lines if line.when.applies(case, able)]

    def _shares(
        self, wanted: Sequence[tuple[Line, frozenset[int]]], given: Sequence[int]
    ) -> list[list[int]]:
        """Whom of these people each line counts, no more than it wants."""
        if self._one_line_each:
            return _matched([(line.number, able) for line, able in wanted], given)
        return [[one for one in given if one in able][: line.number] for line, able in wanted]

    def _hopeless(self, case: Case, wanted: Sequence[tuple[Line, frozenset[int]]]) -> str:
        """Why there will never be enough approvals as things are, in a sentence; or nothing."""
        for line, able in wanted:
            if len(able) >= line.number:
                continue
            if unknown := line.people.unknown(case):
                teams = listed([f"“{name}”" for name in unknown], "or")
                return f"There is no team called {teams}."
            number = f"only {len(able)}" if able else "nobody"
            who = "" if line.people.is_anyone else f" of {line.people}"
            return f"But {number}{who} can approve this version so that it counts."
        everybody = sorted(one.key for one in case.counted_deciders)
        possible = self._shares(wanted, everybody)
        if any(len(who) < line.number for (line, _), who in zip(wanted, possible, strict=True)):
            return "But these groups have too few people for each to count for one line only."
        return ""


def _more_needed(missing: Sequence[tuple[int, frozenset[int]]]) -> int:
    """How many more people are enough, if those are found who count for several lines."""
    chosen: set[int] = set()
    lacking = 0
    for number, able in sorted(missing, key=lambda one: len(one[1])):
        rest = sorted(able - chosen, key=lambda one: -sum(one in other for _, other in missing))
        wanted = max(number - len(chosen & able), 0)
        chosen |= set(rest[:wanted])
        lacking += max(wanted - len(rest), 0)
    return len(chosen) + lacking


def _matched(wanted: Sequence[tuple[int, frozenset[int]]], given: Sequence[int]) -> list[list[int]]:
    """As many people as can be shared out, each to one line that they are able for."""
    shared: list[list[int]] = [[] for _ in wanted]

    def place(person: int, tried: set[int]) -> bool:
        for number, (most, able) in enumerate(wanted):
            if person not in able or number in tried:
                continue
            tried.add(number)
            if len(shared[number]) < most:
                shared[number].append(person)
                return True
            for other in list(shared[number]):
                if place(other, tried):
                    shared[number].remove(other)
                    shared[number].append(person)
                    return True
        return False

    for person in given:
        place(person, set())
    return shared


def _sentence(
    case: Case, wanted: Sequence[tuple[Line, frozenset[int]]], counted: Sequence[Sequence[int]]
) -> str:
    if not wanted:
        return "No number is set for this version: whoever approves decides."
    parts = [
        f"{len(who)} of {line.number}{_of(line)}"
        for (line, _), who in zip(wanted, counted, strict=True)
    ]
    by = [one.by.name for one in case.approvals if any(one.by.key in who for who in counted)]
    names = f": {listed(by, 'and')}" if by else ""
    return f"{listed(parts, 'and')} have approved{names}."


def _of(line: Line) -> str:
    people = "" if line.people.is_anyone else f" of {line.people}"
    return f"{people}{f' ({str(line.when).strip()})' if str(line.when) else ''}"


def _next_step(missing: Sequence[tuple[Line, int]]) -> str:
    parts = [
        ("somebody" if number == 1 else f"{number} people")
        + ("" if line.people.is_anyone else f" of {line.people}")
        + (" approves" if number == 1 else " approve")
        for line, number in missing
    ]
    words = f"{listed(parts, 'and')}."
    return words[0].upper() + words[1:]
