"""How the assignment of a staged version stands, for pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from approvals.decisions.judging.checklist import Checklist, checklists_of
from approvals.people.models import User
from approvals.people.permissions import may_decide
from approvals.queue.models import StagedVersion, State
from approvals.rota.able import able_to_help, latest_snooze
from approvals.rota.assignment import (
    MOST_PASSES,
    is_theirs,
    may_pass_on,
    together_with,
    why_no_snooze,
)
from approvals.rota.models import Assignment, Taking
from approvals.rota.turning import now, takers_of
from approvals.rota.turns import Rota, Whom


@dataclass(frozen=True)
class Standing:
    """Who looks at a version, who is asked next, and what this person can do about it."""

    # Whose turn it is, and since when; nobody where nobody was on call.
    person: User | None
    since: datetime
    is_mine: bool
    # Who said that they are looking at it, oldest first.
    takers: tuple[User, ...]
    i_take: bool
    # Nobody else is asked: those who look at it can approve it without others.
    is_covered: bool
    is_urgent: bool
    snoozed_until: datetime | None
    snooze_reason: str
    # Who is asked next if nobody takes it, in words as "everybody who may approve it", and when.
    next_words: str
    next_at: datetime | None
    may_take: bool
    may_pass: bool
    # To whom it can be passed on.
    others: tuple[User, ...]
    may_snooze: bool
    # Why it cannot be snoozed, in a sentence; "" where it can, or where it is not this person's.
    no_snooze: str
    # The latest moment to which it can be snoozed.
    latest_snooze: datetime | None
    # How many others of its release, which this person may decide, all of this is done to as well.
    together: int = 0


def how_it_stands(
    staged_version: StagedVersion, user: User, checklist: Checklist | None = None
) -> Standing | None:
    """None where it does not wait, or is nobody's turn: no schedule is for its package.

    `checklist` is its own, for whoever has made it.
    """
    if staged_version.state != State.STAGED:
        return None
    assignment = (
        Assignment.objects.filter(staged_version=staged_version)
        .select_related(
            "person", "snoozed_by", "staged_version__package", "staged_version__registry"
        )
        .first()
    )
    if assignment is None:
        return None
    at = now()
    checklist = checklist or checklists_of([staged_version])[staged_version.pk]
    takings = takers_of([assignment])[assignment.pk]
    may = may_decide(user, staged_version.registry.url, staged_version.package.name)
    mine = may and is_theirs(assignment, takings, user)
    is_snoozed = assignment.snoozed_until is not None
    refusal = why_no_snooze(assignment, takings, checklist, user, at) if mine else ""
    may_pass = (
        may
        and may_pass_on(assignment, takings, checklist, user)
        and assignment.passes < MOST_PASSES
    )
    words, when = _next(assignment, checklist)
    others = able_to_help(checklist) - {user.pk, assignment.person_id} if may_pass else frozenset()
    return Standing(
        person=assignment.person,
        since=assignment.since,
        is_mine=assignment.person_id == user.pk,
        takers=tuple(one.person for one in takings),
        i_take=any(one.person_id == user.pk for one in takings),
        is_covered=assignment.is_covered,
        is_urgent=assignment.is_urgent,
        snoozed_until=assignment.snoozed_until,
        snooze_reason=assignment.snooze_reason,
        next_words=words,
        next_at=when,
        may_take=may and all(one.person_id != user.pk for one in takings),
        may_pass=may_pass and bool(others),
        others=tuple(User.objects.filter(pk__in=others).order_by("username")),
        may_snooze=mine and not refusal,
        no_snooze="" if is_snoozed else refusal,
        latest_snooze=latest_snooze(checklist, at) if mine and not refusal else None,
        together=_together(staged_version, user) if may else 0,
    )


def assigned_to(user: User) -> Q:
    """Of staged versions, those that this person is to look at: for StagedVersion.objects.

    Those that they snoozed are not, until then.
    """
    looking = Taking.objects.filter(person=user, ended_at__isnull=True).values("assignment")
    own = Assignment.objects.filter(
        Q(person=user) | Q(pk__in=looking), snoozed_until__isnull=True
    ).values("staged_version")
    return Q(state=State.STAGED, pk__in=own)


def _together(staged_version: StagedVersion, user: User) -> int:
    others = together_with(staged_version)
    return StagedVersion.objects.visible_to(user).filter(pk__in=others).count() if others else 0


def _next(assignment: Assignment, checklist: Checklist) -> tuple[str, datetime | None]:
    """Who is asked next, in words, and when; nobody while those who look at it are enough."""
    if assignment.is_covered or assignment.snoozed_until or assignment.next_step_at is None:
        return "", None
    turns = Rota.now().turns(checklist)
    if turns is None:
        return "", None
    if assignment.step < len(turns.steps):
        return Whom(turns.steps[assignment.step].whom).label, assignment.next_step_at
    return "everybody who was asked, once more", assignment.next_step_at
