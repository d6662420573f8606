from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from approvals.policy import typed
from approvals.policy.answers import Answer
from approvals.policy.case import Case
from approvals.policy.requirement import Option, Requirement
from approvals.policy.times import remaining, span_in_words, span_of

LEAST, MOST = timedelta(minutes=1), timedelta(days=90)


class MinimumWait(Requirement):
    """The version has been in the queue for so long."""

    key = "minimum_wait"
    title = "Time in the queue"
    words = (
        "The version has been in the queue for so long, counted from when Countersign found it: "
        "time for somebody to notice what nobody meant to stage."
    )
    options = (
        Option(
            "wait",
            "At least",
            "text",
            "As “30 minutes”, “24 hours” or “2 days”.",
            initial="1 hour",
        ),
    )

    @classmethod
    def checked(cls, given: Mapping[str, str]) -> dict[str, Any]:
        wait = span_of(typed.text_of(given, "wait"), "wait", least=LEAST, most=MOST)
        return {"minutes": int(wait.total_seconds()) // 60}

    def as_typed(self) -> dict[str, str]:
        return {"wait": span_in_words(self._wait)}

    def demand(self) -> str:
        return f"In the queue for at least {span_in_words(self._wait)}."

    @property
    def _wait(self) -> timedelta:
        return timedelta(minutes=int(self.settings["minutes"]))

    def look(self, case: Case) -> Answer:
        wait = self._wait
        # What the registry says of when it was staged is not believed.
        due = case.version.found_at + wait
        if case.at >= due:
            return self.satisfied(f"It has been in the queue for {span_in_words(wait)} or longer.")
        return self.not_yet(
            f"It has to be in the queue for {span_in_words(wait)}: "
            f"{remaining(due - case.at)} more.",
            "Nothing is to be done: it holds by itself after that time.",
            at=due,
        )
