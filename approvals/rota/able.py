"""Who can bring a staged version on, and whether those who look at it can approve it alone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from approvals.decisions.judging.awaited import awaited_of
from approvals.decisions.judging.checklist import Checklist
from approvals.policy.answers import Answer, Outcome
from approvals.policy.evaluate import answers_of, counted_case
from approvals.policy.urgency import is_urgent, longest_wait

LONGEST_SNOOZE = timedelta(hours=24)
# A snooze leaves at least so much of the time in which the version may be approved.
LEFT_BEFORE_EXPIRY = timedelta(hours=1)


def able_to_help(checklist: Checklist) -> frozenset[int]:
    """Those whose approval counts and is still wanted, by key.

    All whose approval counts, where none is wanted in particular: somebody has to look at it.
    """
    case = counted_case(checklist.case, checklist.policy)
    counted = frozenset(one.key for one in case.counted_deciders)
    asks = frozenset[int]().union(*(one.asks for one in _missing(checklist.answers)))
    return counted & asks or counted


def is_covered(checklist: Checklist, people: Iterable[int]) -> bool:
    """Whether these people, with all who have approved, can approve it without anybody else.

    Also where nobody can, and they may reject it: asking others would bring nothing.
    """
    counted = {
        one.key: one for one in counted_case(checklist.case, checklist.policy).counted_deciders
    }
    case = checklist.case
    helping = [counted[key] for key in people if key in counted]
    for one in helping:
        case = case.voted_by(one)
    return bool(helping) and not _missing(answers_of(case, checklist.policy, checklist.book))


def only_time_helps(checklist: Checklist) -> bool:
    """Whether there is nothing at this moment that anybody could do but wait."""
    return bool(checklist.case.wanted_changes) or not (
        checklist.is_blocked or awaited_of(checklist)
    )


def urgent_wait(checklist: Checklist) -> timedelta | None:
    """How long one person is waited for at most; None where it is not urgent."""
    return longest_wait(checklist.policy) if is_urgent(checklist.answers) else None


def latest_snooze(checklist: Checklist, at: datetime) -> datetime:
    """Until when it can be snoozed at most; not after `at` where it cannot be."""
    latest = at + LONGEST_SNOOZE
    for answer in checklist.answers:
        if answer.requirement == "expiry" and answer.at is not None:
            latest = min(latest, answer.at - LEFT_BEFORE_EXPIRY)
    return latest


def _missing(answers: Iterable[Answer]) -> list[Answer]:
    """What more approvals would bring."""
    return [one for one in answers if one.is_about_approvals and one.outcome is Outcome.NOT_YET]
