from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from approvals.inspection.finding import Severity
from approvals.people.scopes import matches
from approvals.policy import typed
from approvals.policy.answers import Answer
from approvals.policy.case import Case
from approvals.policy.requirement import UNREADABLE, Option, Requirement, SettingRefused
from approvals.policy.times import span_in_words, span_of
from approvals.policy.wanted import When, listed, read_when

MOST_LINES = 50
LEAST, MOST = timedelta(minutes=1), timedelta(hours=24)


class Urgent(Requirement):
    """Some versions cannot wait until people are awake.

    It never stands in the way: its answer is urgent where one of its lines is for the version, and
    `wait` says how long one person is waited for at most before the next is asked.
    """

    key = "urgent"
    title = "Urgency"
    words = (
        "Says which versions are urgent: whoever is asked to look at them is told in their quiet "
        "hours, too, the next is asked sooner, and nobody snoozes them. It keeps nothing from "
        "going out."
    )
    options = (
        Option(
            "lines",
            "What is urgent",
            "lines",
            "One a line: “finding critical”, “patch for @acme/core”, “package acme”, or * for "
            "everything. A version is urgent if one of the lines is for it.",
            initial="finding critical",
        ),
        Option(
            "wait",
            "The next is asked after at most",
            "text",
            "As “5 minutes” or “1 hour”; a schedule's own waits hold where they are shorter.",
            initial="5 minutes",
        ),
    )

    @classmethod
    def checked(cls, given: Mapping[str, str]) -> dict[str, Any]:
        lines = typed.lines_of(given, "lines", most=MOST_LINES)
        if not lines:
            raise SettingRefused("lines", "Write at least one line, such as “finding critical”.")
        wait = span_of(typed.text_of(given, "wait"), "wait", least=LEAST, most=MOST)
        return {
            "lines": [read_when(line, "lines").as_json() for line in lines],
            "minutes": int(wait.total_seconds()) // 60,
        }

    def as_typed(self) -> dict[str, str]:
        return {
            "lines": "\n".join(map(_in_words, self._lines)),
            "wait": span_in_words(self.wait),
        }

    def demand(self) -> str:
        lines = listed([_in_words(one) for one in self._lines], "or")
        return f"Urgent: {lines}; the next is asked after at most {span_in_words(self.wait)}."

    @property
    def _lines(self) -> list[When]:
        return [When.from_json(row) for row in self.settings["lines"]]

    @property
    def wait(self) -> timedelta:
        """How long an urgent version waits for one person at most."""
        return timedelta(minutes=int(self.settings["minutes"]))

    def calls_urgent(self, package: str, severity: str = "") -> bool:
        """Whether one of the lines is for this package at any version step.

        Lines about findings are, too, where there is one of this severity.
        """
        try:
            return any(
                not one.steps
                and (not one.packages or any(matches(glob, package) for glob in one.packages))
                and (not one.finding or _is_as_severe(severity, one.finding))
                for one in self._lines
            )
        except UNREADABLE:
            return False

    def look(self, case: Case) -> Answer:
        # Whoever may approve it has calmed a finding by looking at it, and nobody else has.
        able = frozenset(one.key for one in case.counted_deciders)
        wait = span_in_words(self.wait)
        found = [one for one in self._lines if one.applies(case, able)]
        if not found:
            return self.satisfied("It is not urgent.")
        return self.satisfied(
            f"It is urgent ({_in_words(found[0])}): people are asked at any hour, and the next "
            f"after at most {wait}.",
            is_urgent=True,
        )


def _is_as_severe(severity: str, limit: str) -> bool:
    return bool(severity) and Severity(severity).rank <= Severity(limit).rank


def _in_words(when: When) -> str:
    """What `read_when` reads."""
    return str(when).removeprefix(" for ")
