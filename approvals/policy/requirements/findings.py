from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from approvals.inspection.finding import Severity
from approvals.inspection.standing import StandingFinding
from approvals.policy import typed
from approvals.policy.answers import Answer
from approvals.policy.case import Case
from approvals.policy.requirement import Option, Requirement

LEVELS = {
    Severity.CRITICAL: "Critical",
    Severity.HIGH: "High or critical",
    Severity.MEDIUM: "Medium or more serious",
    Severity.LOW: "Low or more serious",
}


class Findings(Requirement):
    """Nothing serious was found that nobody has looked at.

    An override covers what was found when it was made; what is found later wants another.
    """

    key = "findings"
    title = "Findings"
    words = (
        "Nothing so serious was found that nobody has marked as looked at. The policy may let an "
        "approver override it with a reason, which is shown for ever."
    )
    options = (
        Option(
            "severity",
            "None that is",
            "choice",
            choices=tuple((str(value), words) for value, words in LEVELS.items()),
            initial="high",
        ),
        Option(
            "overridable",
            "An approver may override it with a reason",
            "flag",
            "The reason is shown for ever.",
        ),
    )

    @classmethod
    def checked(cls, given: Mapping[str, str]) -> dict[str, Any]:
        levels = {str(value): words for value, words in LEVELS.items()}
        return {
            "severity": typed.choice_of(given, "severity", levels),
            "overridable": typed.flag_of(given, "overridable"),
        }

    def as_typed(self) -> dict[str, str]:
        return {
            "severity": str(self._limit),
            "overridable": typed.flag(self._may_be_overridden),
        }

    def demand(self) -> str:
        but = " An approver may override it with a reason." if self._may_be_overridden else ""
        return f"No open finding that is {LEVELS[self._limit].lower()}.{but}"

    @property
    def _limit(self) -> Severity:
        return Severity(self.settings["severity"])

    @property
    def _may_be_overridden(self) -> bool:
        return self.settings["overridable"] is True

    def look(self, case: Case) -> Answer:
        limit, overridable = self._limit, self._may_be_overridden
        if not case.step:
            return self.not_yet(
                "It is not known yet what will be found: it has not been compared.",
                "Countersign does this by itself.",
            )
        found = [one for one in case.findings if one.is_open and one.severity.rank <= limit.rank]
        if not found:
            return self.satisfied(f"No open finding is {LEVELS[limit].lower()}.")
        evidence = {one.row.fingerprint for one in found}
        passed = [one for one in case.overridden if one.requirement == self.key]
        sentence = _sentence(found)
        if overridable and evidence <= frozenset().union(*(one.evidence for one in passed)):
            last = [one for one in passed if evidence & one.evidence][-1]
            return self.satisfied(f"{sentence} {last.by} let it pass: “{last.reason}”.")
        afterwards = " Something of it was found after it was let pass." if passed else ""
        return self.blocked(
            f"{sentence}{afterwards if overridable else ''}",
            "Look at each of them, and mark what is harmless as looked at"
            + ("; or approve with the reason why it may pass." if overridable else "."),
            asks=frozenset(one.key for one in case.counted_deciders),
            may_be_overridden=overridable,
            evidence=tuple(sorted(evidence)) if overridable else (),
        )


def _sentence(found: Sequence[StandingFinding]) -> str:
    worst = min(found, key=lambda one: one.severity.rank)
    title = worst.row.title[:200].rstrip(".")
    others = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{worst.severity.label}: {title}{others}."
