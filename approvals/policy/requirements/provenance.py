from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from approvals.policy import typed
from approvals.policy.answers import Answer
from approvals.policy.case import Case
from approvals.policy.requirement import Option, Requirement
from approvals.policy.wanted import listed
from approvals.provenance.case import Case as ProvenanceCase
from approvals.provenance.expected_met import reported_facts
from approvals.provenance.models import Provenance as Proof
from approvals.provenance.words import plain, repository_name

LONGEST_REASON = 300


class Provenance(Requirement):
    """It is proven where the tarball was built."""

    key = "provenance"
    title = "Provenance"
    words = (
        "It is proven where the tarball was built; if the policy says so, also that this is where "
        "the package has to be built."
    )
    options = (
        Option(
            "pinned",
            "From the pinned publisher",
            "flag",
            "Built where the package's page says that it has to be built.",
        ),
    )

    @classmethod
    def checked(cls, given: Mapping[str, str]) -> dict[str, Any]:
        return {"pinned": typed.flag_of(given, "pinned")}

    def as_typed(self) -> dict[str, str]:
        return {"pinned": typed.flag(self._wants_pinned)}

    def demand(self) -> str:
        pinned = ", by the publisher that is pinned for the package" if self._wants_pinned else ""
        return f"Proven where it was built{pinned}."

    @property
    def _wants_pinned(self) -> bool:
        return bool(self.settings["pinned"])

    def look(self, case: Case) -> Answer:
        wants_pinned, known = self._wants_pinned, case.provenance
        if known is None or known.provenance is None:
            return self.not_yet(
                "Where it was built has not been looked up yet.", "Countersign does this by itself."
            )
        if known.now is None:
            return self._unproven(known.provenance)
        repository = repository_name(known.now.build.repository)
        if not wants_pinned:
            return self.satisfied(f"It is proven to be built from {repository}.")
        return self._pinned(known, repository)

    def _unproven(self, proof: Proof) -> Answer:
        if proof.outcome == Proof.Outcome.MISSING:
            return self.blocked(
                "No provenance was found: nothing proves where this was built.",
                "Hand its bundle in; or have it rejected, and staged from CI with --provenance.",
            )
        reason = plain(proof.reason, LONGEST_REASON)
        return self.blocked(
            f"Its provenance does not hold. {reason}",
            "Find out who staged it and from where; it can be rejected.",
        )

    def _pinned(self, known: ProvenanceCase, repository: str) -> Answer:
        if known.expected is None:
            return self.blocked(
                f"It is built from {repository}, but nobody has said where this package has to be "
                "built.",
                "A release manager pins its publisher on the package's page.",
            )
        differing = reported_facts(known)
        if differing:
            expected = repository_name(known.expected.repository)
            return self.blocked(
                f"It is built from {repository}, but not as it is pinned for this package "
                f"({expected}): another {listed(differing, 'and')}.",
                "Reject it; or, where the package has moved, a release manager pins the new "
                "publisher.",
            )
        return self.satisfied(f"It is proven to be built from {repository}, as it is pinned.")
