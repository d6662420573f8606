"""What a policy says of a case."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from approvals.policy.answers import Answer, Outcome
from approvals.policy.book import Book, Policy
from approvals.policy.case import Approval, Case
from approvals.policy.requirement import CANNOT_BE_READ, Requirement

logger = logging.getLogger(__name__)
Said = TypeVar("Said")


def answers_of(case: Case, policy: Policy, book: Book | None = None) -> list[Answer]:
    """One answer for each requirement that is in force, in the order of a checklist.

    With `book`, also that its policies can be relied on. A requirement that cannot answer is
    blocked: its settings may be those of another version of Countersign.
    """
    asked = _Asked(case)
    counted = _counted(asked, policy)
    answers = []
    for requirement in policy.in_force:
        if case.action != "approve" and not requirement.holds_for_rejecting:
            continue
        answer = asked(requirement, lambda one: one.look(counted), None)
        if answer is None or requirement.key in asked.failed:
            answer = requirement.blocked("It cannot be told how this stands.", CANNOT_BE_READ)
        answers.append(answer)
    if book is not None and book.broken and case.action == "approve":
        answers.insert(
            0, Answer("policies", "Policies as people set them", Outcome.BLOCKED, book.broken)
        )
    return answers


def counted_case(case: Case, policy: Policy) -> Case:
    """The case with the approvals that count, and with whose do not: what requirements look at."""
    return _counted(_Asked(case), policy)


def counting(case: Case, policy: Policy) -> list[Approval]:
    """The approvals that count: by people who may, and not void by now."""
    return list(counted_case(case, policy).approvals)


def progress(case: Case, policy: Policy) -> tuple[int, int]:
    """How many approvals there are, and how many are needed: at least the one that decides."""
    asked = _Asked(case)
    counted = _counted(asked, policy)
    nothing = (len(counted.approvals), 1)
    said = (asked(one, lambda one: one.progress(counted), None) for one in policy.in_force)
    return next((numbers for numbers in said if numbers is not None), nothing)


def void_reason(approval: Approval, case: Case, policy: Policy) -> str:
    """Why this vote is void by now, in a sentence; "" where it stands."""
    return _void_reason(_Asked(case), approval, policy)


def waits_for(answers: Sequence[Answer]) -> frozenset[int]:
    """The people whom the version waits for: who can do what is missing, as far as it is routed.

    Where the policy says whom to ask (`ask_for`), an approval that several people could give waits
    for those of them who are to be asked; for all who could, where none of those is left.
    """
    routed = next((one.asks for one in answers if one.requirement == "ask_for"), frozenset())
    found: set[int] = set()
    for answer in unmet(list(answers)):
        narrowed = answer.asks & routed if answer.is_about_approvals else frozenset()
        found |= narrowed or answer.asks
    return frozenset(found)


def unmet(answers: list[Answer]) -> list[Answer]:
    """What stands in the way."""
    return [one for one in answers if not one.holds]


def sentences(answers: list[Answer]) -> list[str]:
    """What stands in the way, a sentence each."""
    return [one.sentence for one in unmet(answers)]


@dataclass
class _Asked:
    """Asks requirements about a case, and remembers those that could not answer."""

    case: Case
    failed: set[str] = field(default_factory=set)

    def __call__(
        self, requirement: Requirement, question: Callable[[Requirement], Said], otherwise: Said
    ) -> Said:
        try:
            return question(requirement)
        except Exception:  # whatever another version wrote must lock no page, and let nothing out
            self.failed.add(requirement.key)
            logger.exception(
                "%s cannot judge the stage %s", requirement.key, self.case.version.stage_id
            )
            return otherwise


def _counted(asked: _Asked, policy: Policy) -> Case:
    case = asked.case
    nobody: frozenset[int] = frozenset()
    out = nobody.union(
        *(asked(one, lambda one: one.not_counted(case), nobody) for one in policy.in_force)
    )
    approvals = tuple(
        one
        for one in case.approvals
        if one.by.key not in out and (_is_of_now(one, case) or not _void_reason(asked, one, policy))
    )
    return replace(case, approvals=approvals, not_counted=out)


def _void_reason(asked: _Asked, approval: Approval, policy: Policy) -> str:
    reasons = (
        asked(one, lambda one: one.voids(approval, asked.case), "") for one in policy.in_force
    )
    return next((reason for reason in reasons if reason), "")


def _is_of_now(approval: Approval, case: Case) -> bool:
    return case.voter is not None and approval.by.key == case.voter.key
