"""What the policies say of staged versions: the checklist of their pages, and of every decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from approvals.decisions.judging.cases import cases_of
from approvals.decisions.voting.votes import sight_of
from approvals.inspection.standing import StandingFinding
from approvals.people.deciders import Decider, decider_of
from approvals.people.models import User
from approvals.policy.answers import Answer, Outcome
from approvals.policy.book import Book, Policy, current_book
from approvals.policy.case import Case
from approvals.policy.evaluate import answers_of
from approvals.queue.models import StagedVersion


@dataclass(frozen=True)
class Checklist:
    """What must hold for one staged version, and how each of it stands."""

    version: StagedVersion
    policy: Policy
    case: Case
    answers: tuple[Answer, ...]
    book: Book

    def voted_by(self, voter: Decider) -> Checklist:
        """As it is once this person has approved, too."""
        case = self.case.voted_by(voter)
        return replace(self, case=case, answers=tuple(answers_of(case, self.policy, self.book)))

    def without_voter(self) -> Checklist:
        """As it would be if who approves at this moment had never done so."""
        voter = self.case.voter
        others = tuple(
            one for one in self.case.approvals if voter is None or one.by.key != voter.key
        )
        case = replace(self.case, approvals=others, voter=None)
        return replace(self, case=case, answers=tuple(answers_of(case, self.policy, self.book)))

    def for_action(self, action: str) -> Checklist:
        """The same version at the same moment, for the other action."""
        case = replace(self.case, action=action)
        return replace(self, case=case, answers=tuple(answers_of(case, self.policy, self.book)))

    @property
    def unmet(self) -> list[Answer]:
        """All that does not hold."""
        return [one for one in self.answers if not one.holds]

    @property
    def is_blocked(self) -> bool:
        return any(one.outcome is Outcome.BLOCKED for one in self.answers)

    @property
    def approvals(self) -> Answer | None:
        """What is said of approvals, if the policy wants any."""
        return next((one for one in self.answers if one.requirement == "approvals"), None)

    @property
    def overridable(self) -> list[Answer]:
        """What does not hold, and need not if an approver says why."""
        return [one for one in self.unmet if one.may_be_overridden]

    def in_the_way(self, *, overriding: bool = False) -> list[Answer]:
        """What keeps from approving, apart from that more approvals are wanted."""
        return [
            one
            for one in self.unmet
            if not one.is_about_approvals and not (overriding and one.may_be_overridden)
        ]

    @property
    def sight(self) -> list[str]:
        """What somebody who approves has before their eyes, beside the tarball."""
        return sight_of(
            self.version, self.policy.mark, self.case.baseline_version, self.case.fingerprints
        )


def checklists_of(
    staged_versions: Sequence[StagedVersion],
    *,
    action: str = "approve",
    voter: User | None = None,
    at: datetime | None = None,
    findings: Mapping[int, Sequence[StandingFinding]] | None = None,
) -> dict[int, Checklist]:
    """The checklist of each, by key; with `voter`, as it is once they have approved.

    The versions must have been read with package and registry. In as many queries for any number;
    `findings` are theirs, for whoever has read them.
    """
    book = current_book()
    cases = cases_of(staged_versions, book, action=action, at=at, findings=findings)
    person = decider_of(voter) if voter is not None else None
    found = {}
    for row in staged_versions:
        policy = book.policy_for(row.registry.url, row.package.name)
        case = cases[row.pk].voted_by(person) if person else cases[row.pk]
        answers = tuple(answers_of(case, policy, book))
        found[row.pk] = Checklist(row, policy, case, answers, book)
    return found
