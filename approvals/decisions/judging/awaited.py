"""Whom a staged version waits for now."""

from __future__ import annotations

from approvals.decisions.judging.checklist import Checklist
from approvals.policy.evaluate import counting, waits_for


def awaited_of(checklist: Checklist) -> frozenset[int]:
    """The keys of the people who can bring it on at this moment.

    Of those who can approve only where nothing else stands in the way: until then, they cannot.
    """
    before = {one.requirement for one in checklist.in_the_way(overriding=True)}
    if before:
        return waits_for([one for one in checklist.unmet if one.requirement in before])
    done = {one.by.key for one in counting(checklist.case, checklist.policy)}
    return waits_for(checklist.answers) - done
