"""What a requirement says of one staged version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class Outcome(Enum):
    """How a requirement stands. Time or people bring what is not yet; what is blocked stays so."""

    SATISFIED = "satisfied"
    NOT_YET = "not yet"
    BLOCKED = "blocked"


@dataclass(frozen=True)
class Answer:
    """One line of the checklist.

    `sentence` says how it stands; `next_step` what would satisfy it, "" where nothing is wanted.
    `asks` are the keys of the people who can do that; `at` is when it holds by itself, or stops to.
    """

    requirement: str
    title: str
    outcome: Outcome
    sentence: str
    next_step: str = ""
    asks: frozenset[int] = frozenset()
    at: datetime | None = None
    # An approver may let the version pass in spite of it, and says why.
    may_be_overridden: bool = False
    # What an override of it stands on: fingerprints of findings.
    evidence: tuple[str, ...] = ()
    # Two people may let the version pass in spite of it, and say why.
    may_break_glass: bool = False
    # All that is missing are more approvals: who approves now takes part, and decides nothing yet.
    is_about_approvals: bool = False
    # Whoever is asked to look is asked at any hour, and again soon.
    is_urgent: bool = False

    @property
    def holds(self) -> bool:
        return self.outcome is Outcome.SATISFIED
