"""Whose turn it is to look at a staged version: taking it, passing it on, and snoozing it.

Taking stops that others are asked only where whoever takes it can approve it without others; the
same is wanted of who snoozes it. So nobody can keep a version from those whom its policy wants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from approvals.decisions.judging.checklist import Checklist, checklists_of
from approvals.decisions.models import ReleaseMember
from approvals.people.models import User
from approvals.people.permissions import may_call_off, may_decide
from approvals.people.turnstile import turnstile
from approvals.policy.times import remaining
from approvals.queue.models import StagedVersion, State
from approvals.rota.able import able_to_help, is_covered, latest_snooze, urgent_wait
from approvals.rota.models import Assignment, Taking
from approvals.rota.models.assignment import LONGEST_SNOOZE_REASON
from approvals.rota.turning import (
    PASSED,
    SNOOZED,
    TAKEN,
    Pen,
    asked_with,
    change,
    end_takings,
    hold,
    no_snooze,
    now,
    takers_of,
)
from approvals.rota.turns import Rota

SHORTEST_SNOOZE = timedelta(minutes=5)
# Of one version: nobody puts it off for ever, nor hands it round.
MOST_SNOOZES, MOST_PASSES = 3, 20
# Whoever said that they are looking at it is reminded after this, and then again.
REMIND_TAKER, REMIND_TAKER_URGENT = timedelta(hours=4), timedelta(hours=1)
LONGEST_REASON = LONGEST_SNOOZE_REASON
_GONE = "It does not wait for a decision any more, so that nobody is asked to look at it."
_NOT_DECIDING = "Only who may approve this package looks at it in others' stead. Ask one of them."
_NOBODYS = "No schedule is for it: it is nobody's turn."
_ONLY_WHOSE_IT_IS = (
    "It is not yours. Take it first; or ask whose it is, or a release manager, to pass it on."
)
URGENT = "It is urgent, as its policy says, and cannot be snoozed. Take it, or pass it on."
NOT_WHOLE = (
    "Your approval alone does not let it out, so that you cannot snooze it for those whose "
    "approval is wanted, too. Take it, or pass it on."
)
_NOT_THEIRS = "It is not yours, so that you cannot snooze it. Take it first."
_ALARM = "Something is wrong with it, so that it cannot wait. Look at the alarm."
_OTHERS_LOOK = "Somebody else is looking at it, so that nobody needs to wait. Leave it to them."
_TOO_OFTEN = f"It was snoozed {MOST_SNOOZES} times already. Take it, pass it on, or decide on it."
_TOO_LATE = "It will soon be too old to be approved, and cannot wait. Decide on it."


class AssignmentRefused(Exception):
    """Nothing was changed; the text says why, and what to do."""


@dataclass
class _Held:
    """An assignment that one person is about to change, held for the transaction."""

    user: User
    assignment: Assignment
    takings: list[Taking]
    checklist: Checklist
    rota: Rota
    at: datetime

    @property
    def own(self) -> list[Taking]:
        return [one for one in self.takings if one.person_id == self.user.pk]

    @property
    def others(self) -> list[Taking]:
        return [one for one in self.takings if one.person_id != self.user.pk]

    @property
    def is_able(self) -> bool:
        return self.user.pk in able_to_help(self.checklist)

    @property
    def may_pass(self) -> bool:
        return may_pass_on(self.assignment, self.takings, self.checklist, self.user)

    @property
    def only_helps(self) -> bool:
        """Whether this person is looking at what is somebody else's."""
        return self.assignment.person_id != self.user.pk and bool(self.own)

    @property
    def is_asked_again(self) -> datetime:
        """When the next is asked, if nobody looks at it from now on."""
        turns = self.rota.turns(self.checklist)
        if turns is None:
            return self.at
        return self.at + turns.wait(self.assignment.step, self.assignment.reminders)


def take(staged_version: StagedVersion, *, user: User) -> bool:
    """Writes down that this person is looking at it. Raises AssignmentRefused.

    Also at what else waits of its release. Returns whether nobody else is asked any more: not so
    where the policy wants the approval of others, too, or does not count this person's.
    """
    with transaction.atomic():
        pen = Pen()
        covered = [_take(one, pen) for one in _hold(staged_version, user)]
        pen.put_down()
    return all(covered)


def pass_on(staged_version: StagedVersion, *, to: User, user: User, reason: str = "") -> None:
    """Gives it to somebody who can approve it. Raises AssignmentRefused.

    Also what else waits of its release, as far as that is this person's, too, and the other can
    approve it. They have no more time than was left before the next is asked.
    """
    reason = _checked(reason)
    with transaction.atomic():
        first, *others = _hold(staged_version, user)
        if refusal := _why_no_passing(first, to):
            raise AssignmentRefused(refusal)
        pen = Pen()
        for one in (first, *(other for other in others if not _why_no_passing(other, to))):
            _pass_on(one, to, reason, pen)
        pen.put_down()


def snooze(staged_version: StagedVersion, *, until: datetime, reason: str, user: User) -> None:
    """Lets nobody be asked until then, for this reason. Raises AssignmentRefused.

    For a day at most, never until it is too old to be approved, and never for what is urgent. Also
    for what else waits of its release, as far as this person can snooze that, too.
    """
    reason = _checked(reason)
    if not reason:
        raise AssignmentRefused("Say why it can wait: others will want to know.")
    with transaction.atomic():
        first, *others = _hold(staged_version, user)
        if refusal := _why_not_until(first, until):
            raise AssignmentRefused(refusal)
        pen = Pen()
        for one in (first, *(other for other in others if not _why_not_until(other, until))):
            _snooze(one, until, reason, pen)
        pen.put_down()


def _take(held: _Held, pen: Pen) -> bool:
    assignment, at, checklist = held.assignment, held.at, held.checklist
    if held.own:
        return assignment.is_covered
    Taking.objects.create(assignment=assignment, person=held.user, at=at)
    covered = is_covered(checklist, [held.user.pk, *(one.person_id for one in held.takings)])
    values: dict[str, Any] = {"taken_at": assignment.taken_at or at, "is_covered": covered}
    if held.is_able:
        if assignment.snoozed_until is not None or assignment.next_step_at is None:
            values["next_step_at"] = held.is_asked_again
        values |= no_snooze()
        if all(one.person_id != assignment.person_id for one in held.takings):
            values |= {"person": held.user, "since": at, "is_by_duty": False}
    if covered:
        values["next_step_at"] = at + remind_after(checklist)
    change(assignment, **values)
    pen.write(
        TAKEN,
        assignment,
        assignment.asked,
        actor=held.user,
        who=str(held.user),
        reason="" if covered else "Others are asked, too: this approval alone does not do.",
        is_covered=covered,
    )
    return covered


def _pass_on(held: _Held, to: User, reason: str, pen: Pen) -> None:
    assignment, at = held.assignment, held.at
    gone = held.own
    values: dict[str, Any] = {"asked": asked_with(assignment, [to.pk])}
    # Whoever only helps passes their own part on: it stays whose it is.
    if not held.only_helps:
        gone += [one for one in held.others if one.person_id == assignment.person_id]
        values |= {"person": to, "since": at, "is_by_duty": False, **no_snooze()}
    end_takings(gone, at)
    left = [one for one in held.takings if one not in gone]
    covered = is_covered(held.checklist, [one.person_id for one in left])
    was_quiet = assignment.is_covered or assignment.snoozed_until is not None
    if not covered and (was_quiet or assignment.next_step_at is None):
        values["next_step_at"] = held.is_asked_again
    before = assignment.person_id
    change(
        assignment,
        **values,
        taken_at=min((one.at for one in left), default=None),
        is_covered=covered,
        passes=assignment.passes + 1,
    )
    pen.write(
        PASSED,
        assignment,
        [to.pk],
        actor=held.user,
        who=str(to),
        reason=reason,
        before=pen.name(before),
    )


def _snooze(held: _Held, until: datetime, reason: str, pen: Pen) -> None:
    assignment = held.assignment
    end_takings(held.own, held.at)
    change(
        assignment,
        person=held.user,
        since=held.at,
        is_by_duty=False,
        taken_at=None,
        is_covered=False,
        snoozed_until=until,
        snooze_reason=reason,
        snoozed_by=held.user,
        snoozes=assignment.snoozes + 1,
        next_step_at=until,
    )
    pen.write(SNOOZED, assignment, assignment.asked, actor=held.user, reason=reason, until=until)


def _why_no_passing(held: _Held, to: User) -> str:
    assignment = held.assignment
    refusals = (
        (not held.may_pass, _ONLY_WHOSE_IT_IS),
        (to.pk == held.user.pk, "It would come back to you. Choose somebody else, or take it."),
        (to.pk == assignment.person_id, f"It is {to}'s already. Choose somebody else."),
        (
            to.pk not in able_to_help(held.checklist),
            f"{to} cannot bring it on: their approval of this version is not wanted. Choose "
            "somebody else.",
        ),
        (
            assignment.passes >= MOST_PASSES,
            f"It was passed on {MOST_PASSES} times already. Take it, or decide on it.",
        ),
    )
    return next((words for holds, words in refusals if holds), "")


def _why_not_until(held: _Held, until: datetime) -> str:
    at = held.at
    if refusal := why_no_snooze(held.assignment, held.takings, held.checklist, held.user, at):
        return refusal
    latest = latest_snooze(held.checklist, at)
    if not at + SHORTEST_SNOOZE <= until <= latest:
        return (
            f"Choose a time from {remaining(SHORTEST_SNOOZE)} to {remaining(latest - at)} from now."
        )
    return ""


def may_pass_on(
    assignment: Assignment, takings: Sequence[Taking], checklist: Checklist, user: User
) -> bool:
    """Whether this person may give it to somebody else: it is theirs, or theirs to answer for.

    Whoever took it without being wanted has nothing to give.
    """
    row = assignment.staged_version
    return (
        assignment.person_id == user.pk
        or may_call_off(user, row.registry.url, row.package.name)
        or (is_theirs(assignment, takings, user) and user.pk in able_to_help(checklist))
    )


def is_theirs(assignment: Assignment, takings: Sequence[Taking], user: User) -> bool:
    """Whether it is this person's turn, or they are looking at it."""
    return assignment.person_id == user.pk or any(one.person_id == user.pk for one in takings)


def why_no_snooze(
    assignment: Assignment,
    takings: Sequence[Taking],
    checklist: Checklist,
    user: User,
    at: datetime,
) -> str:
    """Why this person cannot snooze it, in a sentence; "" where they can."""
    refusals = (
        (not is_theirs(assignment, takings, user), _NOT_THEIRS),
        (bool(checklist.version.alarm), _ALARM),
        (urgent_wait(checklist) is not None, URGENT),
        (any(one.person_id != user.pk for one in takings), _OTHERS_LOOK),
        (not is_covered(checklist, [user.pk]), NOT_WHOLE),
        (assignment.snoozed_until is not None, "It is snoozed already."),
        (assignment.snoozes >= MOST_SNOOZES, _TOO_OFTEN),
        (latest_snooze(checklist, at) < at + SHORTEST_SNOOZE, _TOO_LATE),
    )
    return next((words for holds, words in refusals if holds), "")


def remind_after(checklist: Checklist) -> timedelta:
    """When who looks at it is reminded, if they have not decided by then."""
    return REMIND_TAKER if urgent_wait(checklist) is None else REMIND_TAKER_URGENT


def _hold(staged_version: StagedVersion, user: User) -> list[_Held]:
    """It, and what else waits of its release that this person may decide: it is the first."""
    user = turnstile(user)
    # Before anything is said of it: whoever may not decide it learns nothing.
    if not _may_decide(user, staged_version):
        raise AssignmentRefused(_NOT_DECIDING)
    found = hold([staged_version.pk, *together_with(staged_version)])
    if staged_version.pk not in found:
        is_there = Assignment.objects.filter(staged_version=staged_version.pk).exists()
        raise AssignmentRefused(_GONE if is_there else _NOBODYS)
    takings = takers_of(found.values())
    checklists = checklists_of([one.staged_version for one in found.values()])
    at, rota = now(), Rota.now()
    held = [
        _Held(user, one, takings[one.pk], checklists[key], rota, at)
        for key, one in found.items()
        if _may_decide(user, one.staged_version)
    ]
    return sorted(held, key=lambda one: one.assignment.staged_version_id != staged_version.pk)


def together_with(staged_version: StagedVersion) -> list[int]:
    """The keys of what else waits of its release, and is assigned."""
    release = ReleaseMember.objects.filter(staged_version=staged_version.pk).values("release")
    others = StagedVersion.objects.filter(
        release_member__release__in=release, state=State.STAGED, assignment__isnull=False
    )
    return list(others.exclude(pk=staged_version.pk).values_list("pk", flat=True))


def _may_decide(user: User, row: StagedVersion) -> bool:
    return may_decide(user, row.registry.url, row.package.name)


def _checked(reason: str) -> str:
    reason = " ".join(reason.split())
    if not reason.isprintable():
        raise AssignmentRefused("The reason contains a character that nobody sees. Type it anew.")
    if len(reason) > LONGEST_REASON:
        raise AssignmentRefused(f"The reason is too long: at most {LONGEST_REASON} characters.")
    return reason
