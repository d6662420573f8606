"""Two years of a rota, lived through day by day: what was said then is what is said of it later."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
import time_machine

from approvals.audit.models import OutboxEvent
from approvals.people.models import Role, User
from approvals.rota import gap_watch, leavers, overrides, schedules, swaps
from approvals.rota.models import Layer, Schedule, Swap
from approvals.rota.on_call import gaps, on_call, shifts
from approvals.rota.plans import plan_of
from approvals.rota.schedules import WantedLayer, WantedSchedule
from tests.approvals.factories import make_user

pytestmark = pytest.mark.django_db
MONDAY = date(2026, 1, 5)
DAY, WEEK = timedelta(days=1), timedelta(weeks=1)
DAYS = 730


def change(schedule: Schedule, actor: User, people: list[User], **turns: object) -> None:
    [layer] = schedules.layers_of(schedule)
    wanted = WantedLayer([one.pk for one in people], MONDAY, time_zone=layer.time_zone, **turns)  # type: ignore[arg-type]  # by name
    schedules.change_layer(layer, wanted, actor=actor)


def swap_next(schedule: Schedule, now: datetime) -> None:
    """Whoever is on call swaps the next turn of theirs for the next of the one after them."""
    layer = schedules.layers_of(schedule).get()
    coming = shifts(plan_of(schedule), now, now + 60 * DAY)[1:-1]
    first = coming[0]
    other = next(one for one in coming if one.person != first.person)
    swap = swaps.ask(
        layer,
        User.objects.get(pk=other.person),
        first.start,
        first.end,
        actor=User.objects.get(pk=first.person),
        back=(other.start, other.end),
    )
    swaps.accept(swap, actor=User.objects.get(pk=other.person))


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_two_years_with_comings_and_goings(zone: str) -> None:
    manager = make_user("mary", role=Role.ADMINISTRATOR)
    ada, grace, alan, joan = (make_user(name) for name in ("ada", "grace", "alan", "joan"))
    there = ZoneInfo(zone)
    begin = datetime(2026, 1, 5, 9, tzinfo=there).astimezone(UTC)
    with time_machine.travel(begin, tick=False):
        schedule = schedules.make_schedule(
            WantedSchedule("Ours", ["*"], is_round_the_clock=True),
            [WantedLayer([one.pk for one in (ada, grace, alan)], MONDAY, time_zone=zone)],
            actor=manager,
        )

    def put_in(now: datetime) -> None:
        layer = schedules.layers_of(schedule).get()
        overrides.make_override(layer, joan, now, now + 36 * timedelta(hours=1), actor=manager)

    # In weeks with changes of clocks, at month ends, and in the middle of turns.
    happens: dict[int, Callable[[datetime], object]] = {
        20: lambda now: change(schedule, manager, [ada, grace, alan, joan]),
        58: partial(swap_next, schedule),
        79: partial(swap_next, schedule),
        83: put_in,
        120: lambda now: User.objects.filter(pk=grace.pk).update(is_active=False),
        200: lambda now: change(schedule, manager, [joan, ada, alan]),
        290: partial(swap_next, schedule),
        293: put_in,
        330: lambda now: change(schedule, manager, [alan, joan, ada], unit="days", length=3),
        400: lambda now: User.objects.filter(pk=ada.pk).update(role=Role.VIEWER),
        450: lambda now: change(schedule, manager, [joan, alan], unit="hours", length=12),
        600: lambda now: change(schedule, manager, [alan, joan]),
        650: partial(swap_next, schedule),
    }
    said: dict[datetime, int] = {}
    for number in range(DAYS):
        now = begin + number * DAY + timedelta(hours=5)
        with time_machine.travel(now, tick=False):
            if number in happens:
                happens[number](now)
                leavers.let_go()
            plan = plan_of(schedule)
            found = on_call(plan, now)
            assert found is not None
            assert User.objects.get(pk=found.person).is_active
            said[now] = found.person
            if number % 30 == 0:
                gap_watch.announce_gaps()

    end = begin + DAYS * DAY
    with time_machine.travel(end, tick=False):
        plan = plan_of(schedule)
        later = {at: on_call(plan, at) for at in said}
    assert {at: found.person if found else None for at, found in later.items()} == said
    assert gaps(plan, begin, end) == []
    assert (
        sum((one.end - one.start for one in shifts(plan, begin, end)), timedelta(0)) == end - begin
    )
    assert not OutboxEvent.objects.filter(topic="rota.gap").exists()
    assert Swap.objects.filter(state=Swap.State.ACCEPTED).count() == 4
    # Weekly and daily turns change hands at nine there, in summer and in winter.
    by_hours = Layer.objects.get(unit="hours")
    assert by_hours.ended_at is not None
    turns = [
        one.start.astimezone(there)
        for one in shifts(plan, begin, end)
        if one.kind == "rotation" and one.layer != by_hours.pk
    ]
    changes = {begin, *(begin + number * DAY + timedelta(hours=5) for number in happens)}
    odd = [
        at
        for at in turns
        if (at.hour, at.minute) != (9, 0)
        and at.astimezone(UTC) not in changes
        and at.astimezone(UTC) - timedelta(hours=36) not in changes
    ]
    assert odd == []
    assert {at.utcoffset() for at in turns} == {
        there.utcoffset(datetime(2026, month, 1)) for month in (1, 7)
    }
