"""Asking people to look at staged versions until somebody does: what workers do, sweep by sweep.

What policies say of versions is read before any is held, and a version whose assignment was changed
meanwhile is left for the next sweep.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, Q, QuerySet

from approvals.decisions.deciding.locking import lock_versions
from approvals.decisions.judging.checklist import Checklist, checklists_of
from approvals.people.scopes import Reach, packages_within
from approvals.policy.evaluate import counting
from approvals.queue.models import AT_REGISTRY_STATES, StagedVersion, State
from approvals.rota.able import is_covered, latest_snooze, only_time_helps
from approvals.rota.assignment import remind_after
from approvals.rota.models import Assignment, Taking
from approvals.rota.on_call import on_call
from approvals.rota.plans import first_covering
from approvals.rota.turning import (
    ASSIGNED,
    DROPPED,
    REMINDER,
    ChangedMeanwhile,
    Pen,
    ask,
    asked_with,
    begun,
    change,
    end_takings,
    hold,
    no_snooze,
    now,
    takers_of,
)
from approvals.rota.turns import Rota, Turns

logger = logging.getLogger(__name__)

BATCH = 100
# Rounds of one call, which lasts no longer than this: what is left is for the next sweep.
MOST_BATCHES = 50
MOST_SECONDS = 10
# Whoever said that they are looking at it has so long; then others are asked anew.
TAKING_LASTS = timedelta(hours=24)
# Until what is held for changes, or what broke us, is looked at again.
LATER = timedelta(minutes=5)


def look_after() -> int:
    """Assigns what is new, follows what policies say by now, and asks whoever is to be asked.

    Returns how many versions it did something about. Of two that run at once, one does it.
    """
    _stop_gone()
    return assign_new() + judge_changed() + ask_due()


def assign_new() -> int:
    """Assigns each staged version to who is on call; what no schedule is for stays nobody's."""
    rota = Rota.now()
    if not rota.schedules:
        return 0
    waiting = StagedVersion.objects.filter(
        _scheduled(rota), state=State.STAGED, assignment__isnull=True
    )
    return _in_batches(waiting, lambda keys: _assign(keys, rota))


def judge_changed() -> int:
    """Follows what policies say of versions by now: who counts, what is urgent, who has left."""
    changed = Assignment.objects.filter(
        staged_version__state=State.STAGED,
        staged_version__policy_state__made_at__gte=F("judged_at"),
    )
    return _in_batches(_versions_of(changed), lambda keys: _each(keys, _judge))


def ask_due() -> int:
    """Asks the next where nobody took it in time; reminds who did; ends snoozes."""
    due = Assignment.objects.filter(staged_version__state=State.STAGED, next_step_at__lte=now())
    return _in_batches(_versions_of(due), lambda keys: _each(keys, _ask_next))


def follow_duty() -> int:
    """Gives what nobody has taken to who is on call by now, where that is somebody else.

    Also takes up what no schedule was for, once one is.
    """
    rota, at = Rota.now(), now()
    on_duty: dict[tuple[int, bool], int | None] = {}
    moved = []
    waiting = Assignment.objects.filter(
        Q(is_by_duty=True, snoozed_until__isnull=True)
        | Q(next_step_at__isnull=True, is_covered=False),
        staged_version__state=State.STAGED,
    ).select_related("staged_version__package", "staged_version__registry")
    for one in waiting.iterator():
        row = one.staged_version
        schedule = first_covering(rota.schedules, row.registry.url, row.package.name)
        if schedule is None:
            continue
        key = (schedule.pk, one.is_urgent)
        if key not in on_duty:
            found = on_call(rota.plans[schedule.pk], at, urgent=one.is_urgent)
            on_duty[key] = found.person if found else None
        # Where nobody is on call, it stays whose it was.
        if one.next_step_at is None or on_duty[key] not in (None, one.person_id):
            moved.append(row.pk)
    for start in range(0, len(moved), BATCH):
        _each(moved[start : start + BATCH], _follow)
    return len(moved)


@dataclass(frozen=True)
class _Look:
    """One assignment, held, with what is known of it."""

    pen: Pen
    assignment: Assignment
    checklist: Checklist
    turns: Turns | None
    takings: Sequence[Taking]
    at: datetime

    @property
    def looking(self) -> list[Taking]:
        """The takings of those who may still decide it and have not done their part."""
        may = {one.key for one in self.checklist.case.deciders}
        done = {one.by.key for one in counting(self.checklist.case, self.checklist.policy)}
        if self.turns is not None:
            done -= self.turns.able
        return [one for one in self.takings if one.person_id in may - done]

    @property
    def lookers(self) -> list[int]:
        return [one.person_id for one in self.looking]


def _judge(look: _Look) -> None:
    assignment, at, turns = look.assignment, look.at, look.turns
    if turns is None:
        change(assignment, judged_at=at, next_step_at=None)
        return
    looking = look.looking
    end_takings([one for one in look.takings if one not in looking], at)
    covered = is_covered(look.checklist, look.lookers)
    person = assignment.person_id
    if not covered and _is_misplaced(look, turns):
        _begin(look, turns, why="Whoever it was assigned to is not wanted for it any more.")
        return
    became_urgent = turns.is_urgent and not assignment.is_urgent
    if became_urgent and not covered and assignment.is_by_duty and not look.lookers:
        found = turns.on_call(at)
        if found is not None and found.person != person:
            _begin(look, turns, why=_urgency(look.checklist))
            return
    values = {
        "judged_at": at,
        "is_urgent": turns.is_urgent,
        "is_covered": covered,
        "taken_at": min((one.at for one in looking), default=None),
    }
    next_step_at = assignment.next_step_at
    if covered and (not assignment.is_covered or next_step_at is None or became_urgent):
        next_step_at = at + remind_after(look.checklist)
    elif not covered and (assignment.is_covered or next_step_at is None):
        next_step_at = at + turns.wait(assignment.step, assignment.reminders)
    elif became_urgent:
        wait = at + turns.wait(assignment.step, assignment.reminders)
        next_step_at = min(next_step_at, wait) if next_step_at else wait
    if assignment.snoozed_until is not None:
        if became_urgent or _must_wake(look):
            values |= no_snooze()
            next_step_at = at + turns.wait(assignment.step, assignment.reminders)
        else:
            latest = max(latest_snooze(look.checklist, at), at)
            values["snoozed_until"] = next_step_at = min(assignment.snoozed_until, latest)
    woken = assignment.snoozed_until is not None and "snoozed_by" in values
    change(assignment, **values, next_step_at=next_step_at)
    if became_urgent or woken:
        look.pen.write(
            REMINDER,
            assignment,
            look.lookers or _asked_last(look, turns),
            reason=_urgency(look.checklist) if became_urgent else "It cannot wait any longer.",
        )


def _ask_next(look: _Look) -> None:
    assignment, at, turns = look.assignment, look.at, look.turns
    if turns is None:
        change(assignment, next_step_at=None)
    elif assignment.snoozed_until is not None:
        _wake(look, turns)
    elif look.checklist.case.wanted_changes:
        # Somebody has looked at it, and nobody can approve it before that is answered.
        change(assignment, next_step_at=at + LATER)
    elif is_covered(look.checklist, look.lookers):
        _remind_taker(look, turns)
    else:
        _escalate(look, turns)


def _wake(look: _Look, turns: Turns) -> None:
    assignment, at = look.assignment, look.at
    if assignment.snoozed_until is not None and assignment.snoozed_until > at:
        change(assignment, next_step_at=assignment.snoozed_until)
        return
    why = f"It was snoozed until now: “{assignment.snooze_reason}”"
    change(
        assignment,
        **no_snooze(),
        next_step_at=at + turns.wait(assignment.step, assignment.reminders),
    )
    look.pen.write(REMINDER, assignment, _asked_last(look, turns), reason=why)


def _remind_taker(look: _Look, turns: Turns) -> None:
    assignment, at = look.assignment, look.at
    if only_time_helps(look.checklist):
        change(assignment, next_step_at=at + remind_after(look.checklist))
        return
    if all(one.at <= at - TAKING_LASTS for one in look.looking):
        who = " and ".join(look.pen.name(key) for key in look.lookers)
        end_takings(look.takings, at)
        why = f"{who} took it a day ago, and it still waits."
        _begin(replace(look, takings=()), turns, why=why)
        return
    change(
        assignment,
        taken_at=min(one.at for one in look.looking),
        is_covered=True,
        next_step_at=at + remind_after(look.checklist),
    )
    look.pen.write(
        REMINDER, assignment, look.lookers, reason="You took it: decide on it, or pass it on."
    )


def _escalate(look: _Look, turns: Turns) -> None:
    assignment, at = look.assignment, look.at
    # What came back to the queue has its time from then on.
    since = look.checklist.version.state_changed_at
    earliest = since + turns.wait(assignment.step, assignment.reminders)
    if earliest > at and since > assignment.made_at:
        change(assignment, next_step_at=earliest)
        return
    lookers = look.lookers
    turn = turns.after(assignment.step, at, asked=assignment.asked, looking=lookers)
    why = _nobody_took(look)
    if turn is None:
        reminders = min(assignment.reminders + 1, _MOST_REMINDERS)
        change(
            assignment,
            reminders=reminders,
            is_covered=False,
            next_step_at=at + turns.wait(assignment.step, reminders),
        )
        look.pen.write(REMINDER, assignment, _asked_last(look, turns), reason=why)
        return
    values = {
        "schedule": turns.schedule,
        "step": turn.step,
        "is_covered": False,
        "next_step_at": at + turns.wait(turn.step),
        "asked": asked_with(assignment, turn.people),
    }
    if turn.person is not None and not lookers and turn.person != assignment.person_id:
        values |= {"person_id": turn.person, "since": at, "is_by_duty": False}
    is_new = not turn.people <= set(assignment.asked)
    change(assignment, **values)
    if is_new:
        ask(look.pen, assignment, turns, turn, why=why)
    else:
        look.pen.write(REMINDER, assignment, turn.people, reason=why)


def _follow(look: _Look) -> None:
    assignment, at, turns = look.assignment, look.at, look.turns
    if turns is None:
        return
    if assignment.next_step_at is None and not assignment.is_covered:
        _begin(look, turns)
        return
    if not assignment.is_by_duty or assignment.snoozed_until is not None:
        return
    found = turns.on_call(at)
    if found is None or found.person == assignment.person_id:
        return
    if assignment.step <= turns.first_step:
        _begin(look, turns)
        return
    # All others were asked meanwhile: they need not be asked anew because of it.
    change(
        assignment,
        person_id=found.person,
        since=at,
        asked=asked_with(assignment, [found.person]),
    )
    look.pen.write(
        ASSIGNED,
        assignment,
        [found.person],
        who=look.pen.name(found.person),
        reason=f"You are on call for “{turns.schedule}”.",
    )


def _begin(look: _Look, turns: Turns, *, why: str = "") -> None:
    """Asks from the beginning, as if it were new."""
    assignment, at = look.assignment, look.at
    turn = turns.first(at)
    if assignment.person_id is not None and assignment.person_id != turn.person:
        look.pen.note(
            DROPPED,
            assignment.staged_version,
            before=look.pen.name(assignment.person_id),
            reason=why,
        )
    values = begun(turns, turn, at) | {"asked": asked_with(assignment, turn.people)}
    if look.looking:
        # Who is looking without being enough goes on.
        values["taken_at"] = min(one.at for one in look.looking)
    change(assignment, **values)
    ask(look.pen, assignment, turns, turn, why=why)


def _is_misplaced(look: _Look, turns: Turns) -> bool:
    """Whether it is the turn of somebody who left, or whose part is better somebody else's."""
    person = look.assignment.person_id
    if person is None or person in turns.able or person in look.lookers:
        return False
    found = turns.on_call(look.at)
    may = any(one.key == person for one in look.checklist.case.deciders)
    return not may or (found is not None and found.person != person)


def _must_wake(look: _Look) -> bool:
    """Whether a snooze does not hold any more: an alarm, or another policy."""
    by = look.assignment.snoozed_by_id
    return bool(look.checklist.version.alarm) or not is_covered(
        look.checklist, [by] if by is not None else []
    )


def _asked_last(look: _Look, turns: Turns) -> set[int]:
    """Whoever was asked and can still bring it on; all who can, where that is nobody."""
    assignment = look.assignment
    if assignment.step <= turns.first_step and assignment.person_id in turns.able:
        return {assignment.person_id}
    return (set(assignment.asked) & turns.able) - set(look.lookers) or set(turns.able)


def _nobody_took(look: _Look) -> str:
    if look.lookers:
        who = " and ".join(look.pen.name(key) for key in look.lookers)
        return f"{who} is looking at it, and its policy wants the approval of others, too."
    if look.assignment.person_id is None:
        return "Nobody has taken it yet."
    return f"{look.pen.name(look.assignment.person_id)} was asked, and has not taken it."


def _urgency(checklist: Checklist) -> str:
    return next(one.sentence for one in checklist.answers if one.is_urgent)


# ---------- how many are worked on, and what happens to those that break us


def _in_batches(versions: QuerySet[StagedVersion], work: Callable[[Sequence[int]], None]) -> int:
    done, last, until = 0, 0, time.monotonic() + MOST_SECONDS
    for _ in range(MOST_BATCHES):
        # Each once: what is not done with by then is for the next sweep.
        following = versions.filter(pk__gt=last).order_by("pk")
        keys = list(following.values_list("pk", flat=True)[:BATCH])
        if not keys or time.monotonic() > until:
            break
        work(keys)
        done, last = done + len(keys), keys[-1]
    return done


def _each(keys: Sequence[int], doing: Callable[[_Look], None]) -> None:
    """Does it about each; one that breaks us keeps no other from it."""
    try:
        _together(keys, doing)
    except (OperationalError, InterfaceError):
        raise
    except ChangedMeanwhile:
        return
    except Exception:
        if len(keys) > 1:
            for key in keys:
                _each([key], doing)
            return
        logger.exception("stage=%s whom to ask about it cannot be told", _stage(keys[0]))
        _put_off(keys[0])


def _together(keys: Sequence[int], doing: Callable[[_Look], None]) -> None:
    at, rota = now(), Rota.now()
    revisions = dict(
        Assignment.objects.filter(staged_version__in=keys).values_list("pk", "revision")
    )
    checklists = checklists_of(_read(keys))
    with transaction.atomic():
        held = hold(keys)
        takings = takers_of(held.values())
        pen = Pen()
        for key, assignment in sorted(held.items()):
            checklist = checklists.get(key)
            if checklist is None or revisions.get(assignment.pk) != assignment.revision:
                continue
            turns = rota.turns(checklist)
            doing(_Look(pen, assignment, checklist, turns, takings[assignment.pk], at))
        pen.put_down()


def _assign(keys: Sequence[int], rota: Rota) -> None:
    try:
        _assign_together(keys, rota)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        if len(keys) > 1:
            for key in keys:
                _assign([key], rota)
            return
        logger.exception("stage=%s to whom it is assigned cannot be told", _stage(keys[0]))
        Assignment.objects.get_or_create(staged_version_id=keys[0])
        _put_off(keys[0])


def _assign_together(keys: Sequence[int], rota: Rota) -> None:
    at = now()
    checklists = checklists_of(_read(keys))
    with transaction.atomic():
        rows = {row.pk: row for row in lock_versions(keys) if row.state == State.STAGED}
        there = Assignment.objects.filter(staged_version__in=list(rows))
        for key in there.values_list("staged_version", flat=True):
            del rows[key]
        pen = Pen()
        for key, row in rows.items():
            turns = rota.turns(checklists[key]) if key in checklists else None
            if turns is None:
                continue
            turn = turns.first(at)
            values = begun(turns, turn, at) | {"asked": sorted(turn.people), "made_at": at}
            assignment = Assignment.objects.create(staged_version=row, **values)
            ask(pen, assignment, turns, turn)
        pen.put_down()


def _put_off(key: int) -> None:
    """Has what broke us looked at again later, and not at every sweep."""
    Assignment.objects.filter(staged_version=key).update(
        next_step_at=now() + LATER, judged_at=now(), revision=F("revision") + 1
    )


def _stage(key: int) -> object:
    return StagedVersion.objects.values_list("stage_id", flat=True).get(pk=key)


def _read(keys: Collection[int]) -> list[StagedVersion]:
    return list(
        StagedVersion.objects.with_package().filter(pk__in=keys, state=State.STAGED).order_by("pk")
    )


def _versions_of(assignments: QuerySet[Assignment]) -> QuerySet[StagedVersion]:
    return StagedVersion.objects.filter(pk__in=assignments.values("staged_version"))


def _scheduled(rota: Rota) -> Q:
    """Of staged versions, those that a schedule may be for."""
    reaches = [Reach(one.registry_url, glob) for one in rota.schedules for glob in one.globs]
    return packages_within(reaches, name="package__name", registry_url="registry__url")


def _stop_gone() -> None:
    """Nobody is asked about what does not wait any more."""
    gone = Assignment.objects.filter(next_step_at__isnull=False).exclude(
        staged_version__state__in=AT_REGISTRY_STATES
    )
    # On SQLite, every write is a turn that somebody else waits for.
    if gone.exists():
        gone.update(next_step_at=None)


_MOST_REMINDERS = 1000
