"""Schedules from a template: no hour of two years is lost, whatever the clocks do."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine

from approvals.people.models import Role, User
from approvals.rota import schedules
from approvals.rota.models import Layer, Schedule
from approvals.rota.on_call import gaps, on_call, shifts
from approvals.rota.plans import plan_of
from approvals.rota.schedules import WantedSchedule
from approvals.rota.templates import TEMPLATES, Group, layers_of
from tests.approvals.factories import make_user

pytestmark = pytest.mark.django_db
# A Thursday: the first turns begin on Monday before it.
NOW = datetime(2026, 1, 8, 12, tzinfo=UTC)
TWO_YEARS = timedelta(days=730)


def make(key: str, *groups: Group) -> Schedule:
    manager = make_user(role=Role.ADMINISTRATOR)
    with time_machine.travel(NOW, tick=False):
        return schedules.make_schedule(
            WantedSchedule("Ours", ["*"], is_round_the_clock=True),
            layers_of(key, groups, date(2026, 1, 8)),
            actor=manager,
        )


def three() -> list[User]:
    return [make_user(name) for name in ("ada", "grace", "alan")]


@pytest.mark.parametrize("key", [one.key for one in TEMPLATES])
def test_every_template_covers_every_hour_of_two_years(key: str) -> None:
    ada, grace, alan = three()
    zones = ("Europe/Berlin", "America/Los_Angeles", "Australia/Sydney")
    groups = [Group(zone, [one.pk]) for zone, one in zip(zones, (ada, grace, alan), strict=True)]

    plan = plan_of(make(key, *groups))

    assert gaps(plan, NOW, NOW + TWO_YEARS) == []
    found = shifts(plan, NOW, NOW + TWO_YEARS)
    assert sum((one.end - one.start for one in found), timedelta(0)) == TWO_YEARS


def test_a_weekly_rota_changes_hands_on_mondays_at_nine() -> None:
    people = three()
    berlin = ZoneInfo("Europe/Berlin")

    plan = plan_of(make("weekly", Group("Europe/Berlin", [one.pk for one in people])))

    found = shifts(plan, NOW, NOW + TWO_YEARS)
    starts = [one.start.astimezone(berlin) for one in found[1:]]
    assert {(at.weekday(), at.hour, at.minute) for at in starts} == {(0, 9, 0)}
    assert [one.person for one in found] == [people[at % 3].pk for at in range(len(found))]
    # Both changes of clocks of both years are in it.
    lengths = sorted({one.end - one.start for one in found[1:-1]})
    assert lengths == [timedelta(hours=hours) for hours in (167, 168, 169)]


def test_nobody_has_the_weekend_of_their_week() -> None:
    people = three()

    schedule = make("weekday_and_weekend", Group("Europe/Berlin", [one.pk for one in people]))

    plan = plan_of(schedule)
    found = shifts(plan, datetime(2026, 1, 12, 8, tzinfo=UTC), datetime(2026, 2, 2, 8, tzinfo=UTC))
    kinds = {one.pk: one.kind for one in schedule.layers.all()}
    assert [kinds[one.layer] for one in found] == [Layer.Kind.WEEKDAY, Layer.Kind.WEEKEND] * 3
    assert all(one.person != two.person for one, two in zip(found[::2], found[1::2], strict=True))
    berlin = ZoneInfo("Europe/Berlin")
    assert {(one.start.astimezone(berlin).weekday(), one.start.hour) for one in found} == {
        (0, 8),
        (5, 8),
    }


def test_the_sun_is_followed_from_nine_to_nine() -> None:
    ada, grace, alan = three()
    groups = [
        Group("America/Los_Angeles", [ada.pk]),
        Group("Europe/Berlin", [grace.pk]),
        Group("Asia/Tokyo", [alan.pk]),
    ]

    plan = plan_of(make("follow_the_sun", *groups))

    # 09:00 in Tokyo, Berlin and Los Angeles in January, and before the next one's.
    for hour, person in ((0, alan), (7, alan), (8, grace), (16, grace), (17, ada), (23, ada)):
        found = on_call(plan, datetime(2026, 1, 14, hour, 30, tzinfo=UTC))
        assert found is not None
        assert found.person == person.pk, hour


def test_one_group_alone_follows_itself() -> None:
    ada, grace, _ = three()

    plan = plan_of(make("follow_the_sun", Group("Asia/Kolkata", [ada.pk, grace.pk])))

    assert gaps(plan, NOW, NOW + TWO_YEARS) == []


def test_there_is_no_other_template() -> None:
    with pytest.raises(KeyError):
        layers_of("monthly", [], date(2026, 1, 8))
