"""What policies call urgent: for whoever asks people to look, and for their quiet hours."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from approvals.policy.answers import Answer
from approvals.policy.book import Policy, current_book
from approvals.policy.requirement import UNREADABLE
from approvals.policy.requirements.urgent import Urgent


def is_urgent(answers: Iterable[Answer]) -> bool:
    """Whether the policy that gave these answers calls the version urgent."""
    return any(one.is_urgent for one in answers)


def longest_wait(policy: Policy) -> timedelta | None:
    """How long one person is waited for at most where a version is urgent; None if nothing is."""
    found = _urgent_of(policy)
    try:
        return found.wait if found else None
    except UNREADABLE:
        return None


def calls_urgent(registry_url: str, package: str, severity: str = "") -> bool:
    """Whether news of this package is urgent whichever of its versions it is about.

    `severity` is that of a finding which the news is about, if any. What is urgent because of its
    version step is known only with its other answers: see `is_urgent`. In two queries.
    """
    found = _urgent_of(current_book().policy_for(registry_url, package))
    return found is not None and found.calls_urgent(package, severity)


def _urgent_of(policy: Policy) -> Urgent | None:
    return next((one for one in policy.in_force if isinstance(one, Urgent)), None)
