"""Two browsers at once: one swap holds, one answer counts, one gap is told of once."""

from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from approvals.audit.models import OutboxEvent
from approvals.people.models import Role
from approvals.rota import feeds, gap_watch, leavers, overrides, schedules, swaps
from approvals.rota.models import CalendarFeed, LayerMember, Override, Schedule, Swap
from approvals.rota.on_call import on_call
from approvals.rota.overrides import OverrideRefused
from approvals.rota.plans import plan_of
from approvals.rota.schedules import ScheduleRefused, WantedSchedule
from approvals.rota.swaps import SwapRefused
from tests.approvals.at_once import at_once
from tests.approvals.factories import make_user
from tests.approvals.rota.factories import make_override, make_schedule

# Each thread has a connection of its own, and sees what others have committed.
pytestmark = pytest.mark.django_db(transaction=True)


def test_of_two_who_accept_the_same_time_at_once_one_has_it() -> None:
    ada, grace, alan = (make_user(name) for name in ("ada", "grace", "alan"))
    layer = make_schedule(ada).layers.get()
    start = timezone.now() + timedelta(hours=1)
    asked = [
        swaps.ask(layer, other, start, start + timedelta(hours=2), actor=ada)
        for other in (grace, alan)
    ]

    results = at_once(
        *(
            partial(swaps.accept, swap, actor=other)
            for swap, other in zip(asked, (grace, alan), strict=True)
        )
    )

    assert sorted(type(one).__name__ for one in results) == ["NoneType", "SwapRefused"]
    override = Override.objects.get()
    assert override.swap == Swap.objects.get(state=Swap.State.ACCEPTED)
    found = on_call(plan_of(layer.schedule), start)
    assert found is not None
    assert found.person == override.user_id
    assert OutboxEvent.objects.filter(topic="swap.answered").count() == 1


def test_two_browsers_accept_once() -> None:
    ada, grace = make_user("ada"), make_user("grace")
    layer = make_schedule(ada).layers.get()
    start = timezone.now() + timedelta(hours=1)
    swap = swaps.ask(layer, grace, start, start + timedelta(hours=2), actor=ada)

    results = at_once(*[partial(swaps.accept, swap, actor=grace)] * 2)

    assert sum(isinstance(one, SwapRefused) for one in results) == 1
    assert Override.objects.count() == 1


def test_accepted_and_withdrawn_at_once_is_one_of_the_two() -> None:
    ada, grace = make_user("ada"), make_user("grace")
    layer = make_schedule(ada).layers.get()
    start = timezone.now() + timedelta(hours=1)
    swap = swaps.ask(layer, grace, start, start + timedelta(hours=2), actor=ada)

    results = at_once(
        partial(swaps.accept, swap, actor=grace), partial(swaps.withdraw, swap, actor=ada)
    )

    assert sum(isinstance(one, SwapRefused) for one in results) == 1
    swap.refresh_from_db()
    assert Override.objects.exists() == (swap.state == Swap.State.ACCEPTED)


def test_an_override_is_taken_back_once() -> None:
    mary, ada = make_user("mary", role=Role.ADMINISTRATOR), make_user("ada")
    layer = make_schedule(ada).layers.get()
    override = make_override(layer, ada, timezone.now() + timedelta(hours=1))

    results = at_once(*[partial(overrides.cancel_override, override, actor=mary)] * 2)

    assert sum(isinstance(one, OverrideRefused) for one in results) == 1
    assert OutboxEvent.objects.filter(topic="override.cancelled").count() == 1


def test_two_schedules_of_one_name_are_not_made() -> None:
    mary = make_user("mary", role=Role.ADMINISTRATOR)
    grace = make_user("grace", role=Role.ADMINISTRATOR)

    results = at_once(
        *(
            partial(schedules.make_schedule, WantedSchedule("Ours", ["*"]), [], actor=one)
            for one in (mary, grace)
        )
    )

    assert sum(isinstance(one, ScheduleRefused) for one in results) == 1
    assert Schedule.objects.count() == 1


def test_a_gap_is_told_of_once_by_two_workers() -> None:
    make_user("mary", role=Role.ADMINISTRATOR)
    make_schedule(name="Empty", is_round_the_clock=True)

    at_once(*[gap_watch.announce_gaps] * 2)

    assert OutboxEvent.objects.filter(topic="rota.gap").count() == 1


def test_a_leaver_leaves_once() -> None:
    ada, grace = make_user("ada"), make_user("grace", is_active=False)
    make_schedule(ada, grace)

    at_once(*[leavers.let_go] * 2)

    assert LayerMember.objects.get(user=grace).left_at is not None
    assert OutboxEvent.objects.filter(topic="rota.changed").count() == 1


def test_one_address_is_left_of_two_that_were_made_at_once() -> None:
    ada = make_user("ada")

    at_once(*[partial(feeds.make_feed, actor=ada)] * 2)

    assert CalendarFeed.objects.filter(revoked_at__isnull=True).count() == 1
