"""Changing assignments: held, changed at once, told of and written down."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F
from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.record import Happening, record_all
from approvals.decisions.deciding.locking import lock_versions
from approvals.people.models import User
from approvals.queue.models import StagedVersion, State
from approvals.queue.transitions import news_of
from approvals.rota.models import Assignment, Taking
from approvals.rota.turns import Turn, Turns, Whom

ASSIGNED, TAKEN, PASSED = "assignment.assigned", "assignment.taken", "assignment.passed"
SNOOZED, REMINDER = "assignment.snoozed", "assignment.reminder"
ESCALATED, DROPPED = "assignment.escalated", "assignment.dropped"


class ChangedMeanwhile(Exception):
    """Somebody else changed the assignment: what was to be done is worked out anew."""


@dataclass
class Pen:
    """What is to be told and written down of several assignments, in the caller's transaction.

    News is written before the audit log, whose end everybody waits for.
    """

    news: list[tuple[str, UUID | str | None, dict[str, Any]]] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    names: dict[int, User] = field(default_factory=dict)

    def name(self, key: int | None) -> str:
        """Of a person, by key."""
        if key is None:
            return ""
        if key not in self.names:
            self.names[key] = User.objects.get(pk=key)
        return str(self.names[key])

    def write(
        self,
        topic: str,
        assignment: Assignment,
        people: Iterable[int] = (),
        *,
        actor: User | None = None,
        who: str = "",
        reason: str = "",
        until: datetime | None = None,
        **detail: Any,
    ) -> None:
        """Tells these people, by key, and writes it down; the actor knows of it already."""
        row = assignment.staged_version
        people = sorted(set(people) - ({actor.pk} if actor else set()))
        said: dict[str, Any] = {"reason": reason, "who": who}
        if until is not None:
            said["until"] = until.isoformat()
        by = {"actor": actor.get_username(), "not_to": actor.pk} if actor else {}
        payload = {**news_of(row), **_without_nothing(said), **by, "people": people}
        # Whoever may be asked at any hour is asked for what is urgent alone.
        self.news.append((topic, row.stage_id, {**payload, "urgent": assignment.is_urgent}))
        self.happenings.append(
            Happening(
                topic,
                actor,
                row,
                row.stage_id,
                {**_without_nothing(said), **detail, "people": people},
            )
        )

    def note(self, kind: str, row: StagedVersion, **detail: Any) -> None:
        """Writes down what nobody is told of."""
        self.happenings.append(Happening(kind, None, row, row.stage_id, detail))

    def put_down(self) -> None:
        """Writes all of it; the last thing in the transaction."""
        outbox.publish_all(self.news)
        if self.happenings:
            record_all(self.happenings)


def hold(keys: Collection[int]) -> dict[int, Assignment]:
    """The assignments of these versions, if they are staged, held for the transaction.

    Whoever changes an assignment holds its version; so does whoever decides it.
    """
    rows = {row.pk: row for row in lock_versions(keys) if row.state == State.STAGED}
    found = list(Assignment.objects.filter(staged_version__in=list(rows)))
    for one in found:
        one.staged_version = rows[one.staged_version_id]
    return {one.staged_version_id: one for one in found}


def takers_of(assignments: Iterable[Assignment]) -> dict[int, list[Taking]]:
    """Who is looking at each, by the key of the assignment, oldest first."""
    found: dict[int, list[Taking]] = {one.pk: [] for one in assignments}
    rows = Taking.objects.filter(assignment__in=list(found), ended_at__isnull=True)
    for taking in rows.select_related("person"):
        found[taking.assignment_id].append(taking)
    return found


def end_takings(takings: Sequence[Taking], at: datetime) -> None:
    Taking.objects.filter(pk__in=[one.pk for one in takings], ended_at__isnull=True).update(
        ended_at=at
    )


def change(assignment: Assignment, **values: Any) -> None:
    """Sets these columns, if it is as it was read. Raises ChangedMeanwhile."""
    changed = Assignment.objects.filter(pk=assignment.pk, revision=assignment.revision).update(
        revision=F("revision") + 1, **values
    )
    if not changed:
        raise ChangedMeanwhile
    assignment.revision += 1
    for name, value in values.items():
        setattr(assignment, name, value)


def no_snooze() -> dict[str, Any]:
    """The columns of an assignment that is not snoozed."""
    return {"snoozed_until": None, "snooze_reason": "", "snoozed_by": None}


def asked_with(assignment: Assignment, people: Iterable[int]) -> list[int]:
    """All who were asked by then."""
    return sorted({*assignment.asked, *people})


def begun(turns: Turns, turn: Turn, at: datetime) -> dict[str, Any]:
    """The columns of an assignment that begins with this turn."""
    return {
        "schedule": turns.schedule,
        "person_id": turn.person,
        "since": at,
        "is_by_duty": turn.person is None or turn.step <= turns.first_step,
        "step": turn.step,
        "reminders": 0,
        "taken_at": None,
        "is_covered": False,
        "is_urgent": turns.is_urgent,
        "next_step_at": at + turns.wait(turn.step),
        "judged_at": at,
        **no_snooze(),
    }


def ask(
    pen: Pen,
    assignment: Assignment,
    turns: Turns,
    turn: Turn,
    *,
    why: str = "",
) -> None:
    """Tells whoever is asked with this turn, and why."""
    schedule = turns.schedule
    if not turn.people:
        return
    if turn.person is not None and turn.step <= turns.first_step:
        until = f" until {_moment(turn.until)}" if turn.until else ""
        duty = f"You are on call for “{schedule}”{until}."
        pen.write(
            ASSIGNED,
            assignment,
            turn.people,
            who=pen.name(turn.person),
            reason=f"{why} {duty}".strip(),
            schedule=schedule.name,
        )
        return
    pen.write(
        ESCALATED,
        assignment,
        turn.people,
        who=pen.name(turn.person) if turn.person else Whom.ALL_APPROVERS.label,
        reason=why or f"Nobody is on call for “{schedule}” who can approve it.",
        schedule=schedule.name,
        step=turn.step,
    )


def now() -> datetime:
    return timezone.now()


def _moment(at: datetime) -> str:
    return f"{timezone.localtime(at):%A %-d %B, %H:%M %Z}"


def _without_nothing(said: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value}
