from __future__ import annotations

from approvals.people.models import Role
from approvals.policy.answers import Answer
from approvals.policy.case import Case
from approvals.policy.requirement import Requirement


class FirstRelease(Requirement):
    """An administrator approves the first release of a package."""

    key = "first_release"
    title = "First release"
    words = (
        "A package's first release is approved by an administrator, too: from then on its name "
        "stands for something."
    )

    def demand(self) -> str:
        return "A first release is approved by an administrator, too."

    def look(self, case: Case) -> Answer:
        if not case.step:
            return self.not_yet(
                "It is not known yet whether this is a first release: it has not been compared.",
                "Countersign does this by itself.",
            )
        if case.step != "first":
            return self.satisfied("It is no first release.")
        approved = [one.by.name for one in case.approvals if one.by.role == Role.ADMINISTRATOR]
        if approved:
            return self.satisfied(f"It is a first release, and {approved[0]} has approved it.")
        asks = frozenset(one.key for one in case.counted_deciders if one.role == Role.ADMINISTRATOR)
        if not asks:
            return self.blocked(
                "It is a first release, and there is no administrator whose approval counts.",
                "Make somebody else an administrator.",
            )
        return self.not_yet(
            "It is a first release, and no administrator has approved it.",
            "An administrator approves.",
            asks=asks,
            is_about_approvals=True,
        )
