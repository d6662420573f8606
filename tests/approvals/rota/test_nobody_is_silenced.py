"""Whatever people do, somebody who can let a version out is asked until enough of them look at it.

People do what comes to their minds, with versions whose policies want one or two of a team. Who
is enough is told here from the policy's words alone.
"""

import contextlib
import random
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import time_machine
from django.utils import timezone

from approvals.audit.models import OutboxEvent
from approvals.decisions.judging import policy_states
from approvals.people.models import User
from approvals.queue.models import StagedVersion, State
from approvals.rota import escalation
from approvals.rota.assignment import AssignmentRefused, pass_on, snooze, take
from approvals.rota.models import Assignment, Taking
from tests.approvals.demands import wanting
from tests.approvals.factories import (
    make_inspection,
    make_policies,
    make_staged_version,
    make_team,
    make_user,
)
from tests.approvals.rota.factories import make_schedule

pytestmark = pytest.mark.django_db
START = datetime(2026, 1, 7, 10, 0, tzinfo=UTC)
STEPS = ((0, "on_call"), (15, "next"), (30, "all_approvers"))
WEEK = timedelta(days=7)


def sweep() -> None:
    policy_states.refresh_due()
    escalation.look_after()
    escalation.follow_duty()


def waiting() -> StagedVersion:
    now = timezone.now()
    row = make_staged_version(found_at=now, state_changed_at=now)
    make_inspection(row, findings=[])
    sweep()
    return row


@pytest.mark.parametrize("seed", range(6))
def test_somebody_is_asked_until_enough_look_at_it(seed: int) -> None:
    choose = random.Random(seed)
    people = [make_user(f"person-{number}") for number in range(4)]
    crew = people[: choose.choice((2, 3))]
    number = choose.choice((1, 2))
    with time_machine.travel(START, tick=False) as clock:
        make_schedule(*people, steps=STEPS)
        make_team("crew", *crew)
        make_policies(wanting(f"{number} of crew"))
        row = waiting()
        for _ in range(25):
            who = choose.choice(people)
            now = timezone.now()
            with contextlib.suppress(AssignmentRefused):
                match choose.randrange(4):
                    case 0:
                        take(row, user=who)
                    case 1:
                        pass_on(row, to=choose.choice(people), user=who)
                    case 2:
                        until = now + timedelta(minutes=choose.randrange(2000))
                        snooze(row, until=until, reason="Later.", user=who)
            clock.shift(timedelta(minutes=choose.choice((1, 5, 20, 60, 300))))
            sweep()
            check(row, crew, number)


def check(row: StagedVersion, crew: list[User], number: int) -> None:
    found = Assignment.objects.get(staged_version=row)
    now = timezone.now()
    taking = Taking.objects.filter(ended_at__isnull=True, person__in=crew)
    enough = taking.count() >= number
    assert found.is_covered == enough
    # Something happens within a day, whatever anybody did.
    assert found.next_step_at is not None
    assert now < found.next_step_at <= now + timedelta(hours=24)
    if found.snoozed_until is None:
        return
    assert number == 1
    assert found.snoozed_by in crew
    assert now < found.snoozed_until <= now + timedelta(hours=24)


def test_who_is_not_of_the_crew_cannot_put_off_that_all_of_it_are_asked() -> None:
    crew, others = [make_user(), make_user()], [make_user(), make_user()]
    choose = random.Random(0)
    with time_machine.travel(START, tick=False) as clock:
        make_schedule(*others, *crew, steps=STEPS)
        make_team("crew", *crew)
        make_policies(wanting("1 of crew"))
        row = waiting()
        for minute in range(0, 50, 5):
            for who in others:
                later = timezone.now() + timedelta(hours=20)
                for doing in (
                    partial(take, row, user=who),
                    partial(pass_on, row, to=choose.choice(crew), user=who),
                    partial(snooze, row, until=later, reason="Later.", user=who),
                ):
                    with contextlib.suppress(AssignmentRefused):
                        doing()
            clock.move_to(START + timedelta(minutes=minute))
            sweep()
    told = OutboxEvent.objects.filter(
        topic__in=["assignment.assigned", "assignment.escalated", "assignment.reminder"]
    )
    asked = {key for one in told for key in one.payload["people"]}
    assert {one.pk for one in crew} <= asked


def test_a_week_in_which_nobody_does_anything_is_not_a_week_of_noise() -> None:
    people = [make_user(), make_user()]
    with time_machine.travel(START, tick=False) as clock:
        make_schedule(*people, steps=STEPS)
        row = waiting()
        while timezone.now() < START + WEEK:
            first_hour = timezone.now() < START + timedelta(hours=1)
            clock.shift(timedelta(minutes=15) if first_hour else timedelta(hours=4))
            sweep()
        told = OutboxEvent.objects.filter(topic__startswith="assignment.").count()
        assert 5 <= told <= 15
        StagedVersion.objects.filter(pk=row.pk).update(state=State.WITHDRAWN)
        clock.shift(WEEK)
        sweep()
    assert OutboxEvent.objects.filter(topic__startswith="assignment.").count() == told
