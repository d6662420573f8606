from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from approvals.policy import typed
from approvals.policy.answers import Answer
from approvals.policy.case import Case
from approvals.policy.requirement import Option, Requirement, SettingRefused
from approvals.policy.wanted import RESERVED, Line, listed, read_asked

MOST_LINES = 50


class AskFor(Requirement):
    """Those who know the package are asked first.

    It never stands in the way: `asks` are the people whom its lines name for this version. Lists
    that say for whom a version waits take the people of `evaluate.waits_for`, in which the asks of
    a missing approval are narrowed to these, as long as one of them could give it. A page that
    shows who is asked takes the asks of this answer, too.
    """

    key = "ask_for"
    title = "Asked to approve"
    words = (
        "Says whom to ask, by package, version step or finding: the version waits for them in "
        "lists and messages. Who may approve stays the same."
    )
    options = (
        Option(
            "lines",
            "Whom to ask",
            "lines",
            "One a line: “frontend for @acme/ui-*”, “security or @ada for major”, “security for "
            "finding high”. All lines that are for a version hold together.",
        ),
    )

    @classmethod
    def checked(cls, given: Mapping[str, str]) -> dict[str, Any]:
        lines = typed.lines_of(given, "lines", most=MOST_LINES)
        if not lines:
            raise SettingRefused("lines", "Write at least one line, such as “security for major”.")
        return {"lines": [read_asked(line, "lines").as_json() for line in lines]}

    def as_typed(self) -> dict[str, str]:
        return {"lines": "\n".join(map(str, self._lines))}

    def demand(self) -> str:
        return f"Asked to approve: {'; '.join(map(str, self._lines))}."

    def named(self) -> frozenset[str]:
        return frozenset(name for line in self._lines for name in line.people.names) - RESERVED

    @property
    def _lines(self) -> list[Line]:
        return [Line.from_json(row) for row in self.settings["lines"]]

    def look(self, case: Case) -> Answer:
        lines = [(line, line.people.keys(case)) for line in self._lines]
        lines = [(line, able) for line, able in lines if line.when.applies(case, able)]
        names = list(dict.fromkeys(name for line, _ in lines for name in line.people.names))
        asks = frozenset().union(*(able for _, able in lines))
        if not lines:
            return self.satisfied("Anyone who may approve is asked.")
        asked = listed(names, "and")
        if not asks:
            return self.satisfied(
                f"To be asked: {asked}; but nobody of them may approve it, so anyone is asked."
            )
        return self.satisfied(f"Asked to approve: {asked}.", asks=asks)
