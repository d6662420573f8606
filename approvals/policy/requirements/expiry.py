from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from approvals.policy import typed
from approvals.policy.answers import Answer
from approvals.policy.case import Case
from approvals.policy.requirement import Option, Requirement
from approvals.policy.times import remaining

MOST_DAYS = 365


class Expiry(Requirement):
    """The version has not waited so long that nobody knows any more what it was made for."""

    key = "expiry"
    title = "Not too old"
    words = (
        "The version has been in the queue for fewer days than this. After that it can only be "
        "rejected, and staged again; those concerned are asked to."
    )
    options = (
        Option(
            "days",
            "May be approved for so many days",
            "number",
            f"Counted from when Countersign found it: from 1 to {MOST_DAYS}.",
            initial="30",
        ),
    )

    @classmethod
    def checked(cls, given: Mapping[str, str]) -> dict[str, Any]:
        return {"days": typed.number_of(given, "days", least=1, most=MOST_DAYS, of_what="days")}

    def as_typed(self) -> dict[str, str]:
        return {"days": str(int(self.settings["days"]))}

    def demand(self) -> str:
        return f"Approved within {_days(int(self.settings['days']))}, or staged again."

    def look(self, case: Case) -> Answer:
        days = int(self.settings["days"])
        ends = case.version.found_at + timedelta(days=days)
        if case.at >= ends:
            return self.blocked(
                f"It has been in the queue for {_days(days)} or longer, and may no longer be "
                "approved.",
                "Have it rejected and staged again.",
                at=ends,
            )
        return self.satisfied(f"It may be approved for {remaining(ends - case.at)} more.", at=ends)


def _days(number: int) -> str:
    return f"{number} {'day' if number == 1 else 'days'}"
