"""Gaps are told of ahead, once, to those who can do something about them."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

import pytest
import time_machine

from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.people.models import Role, Scope, User
from approvals.rota import gap_watch, leavers
from approvals.rota.models import GapNotice, LayerMember
from approvals.rota.on_call import on_call
from approvals.rota.plans import plan_of
from tests.approvals.factories import make_user
from tests.approvals.rota.factories import make_override, make_schedule

pytestmark = pytest.mark.django_db
# A Wednesday.
NOW = datetime(2026, 1, 7, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def manager() -> User:
    return make_user("mary", role=Role.RELEASE_MANAGER)


def told() -> list[dict[str, object]]:
    return [one.payload for one in OutboxEvent.objects.filter(topic="rota.gap").order_by("pk")]


def test_a_rota_without_gaps_is_quiet() -> None:
    make_schedule(make_user(), is_round_the_clock=True)

    gap_watch.announce_gaps()

    assert told() == []


def test_a_gap_is_told_of_once_to_who_can_fill_it(manager: User) -> None:
    ada = make_user("ada")
    scoped = make_user(role=Role.RELEASE_MANAGER)
    Scope.objects.create(user=scoped, packages="@acme/*")
    make_user("bystander")
    schedule = make_schedule(ada, name="Ours", is_round_the_clock=True)
    LayerMember.objects.update(left_at=NOW + 3 * DAY)

    gap_watch.announce_gaps()
    gap_watch.announce_gaps()

    [event] = told()
    assert event["schedule"] == "Ours"
    # Ada leaves, and is not in it any more.
    assert event["people"] == [manager.pk]
    assert event["reason"] == "Sat 10 Jan 12:00 to Wed 14 Jan 12:00 (UTC)"
    assert AuditEvent.objects.get(kind="schedule.gap_told").subject_name == str(schedule)


def test_a_gap_that_comes_into_sight_day_by_day_is_one(manager: User) -> None:
    make_schedule(name="Empty", is_round_the_clock=True)

    for hours in range(0, 6 * 24, 6):
        with time_machine.travel(NOW + hours * HOUR, tick=False):
            gap_watch.announce_gaps()
    assert len(told()) == 1

    # Nobody has done anything about it in a week.
    with time_machine.travel(NOW + 7 * DAY, tick=False):
        gap_watch.announce_gaps()
    assert len(told()) == 2


def test_several_gaps_are_one_message(manager: User) -> None:
    schedule = make_schedule(
        make_user("ada"), weekdays=[0, 1, 2, 3, 4], from_time=time(9), until_time=time(17)
    )
    LayerMember.objects.update(left_at=NOW - DAY)

    gap_watch.announce_gaps()

    [event] = told()
    # Hours in which nobody has to be there are none.
    assert str(event["reason"]).splitlines() == [
        "Wed 7 Jan 12:00 to 17:00 (UTC)",
        "Thu 8 Jan 09:00 to 17:00 (UTC)",
        "Fri 9 Jan 09:00 to 17:00 (UTC)",
        "Mon 12 Jan 09:00 to 17:00 (UTC)",
        "Tue 13 Jan 09:00 to 17:00 (UTC)",
        "Wed 14 Jan 09:00 to 12:00 (UTC)",
    ]
    assert schedule.gap_notices.count() == 6


def test_a_gap_that_somebody_has_filled_is_none(manager: User) -> None:
    schedule = make_schedule(make_user("ada"), is_round_the_clock=True)
    LayerMember.objects.update(left_at=NOW + DAY)
    make_override(schedule.layers.get(), manager, NOW + DAY, ends_at=NOW + 30 * DAY)

    gap_watch.announce_gaps()

    assert told() == []


def test_a_gap_that_was_filled_and_comes_back_is_told_of_again(manager: User) -> None:
    schedule = make_schedule(make_user("ada"), is_round_the_clock=True)
    LayerMember.objects.update(left_at=NOW + DAY)
    gap_watch.announce_gaps()
    override = make_override(schedule.layers.get(), manager, NOW + DAY, ends_at=NOW + 30 * DAY)
    gap_watch.announce_gaps()
    assert len(told()) == 1

    override.delete()
    gap_watch.announce_gaps()
    gap_watch.announce_gaps()

    assert len(told()) == 2


def test_what_was_told_long_ago_is_forgotten(manager: User) -> None:
    schedule = make_schedule(make_user("ada"))
    GapNotice.objects.create(schedule=schedule, starts_at=NOW - 100 * DAY, ends_at=NOW - 99 * DAY)

    gap_watch.announce_gaps()

    assert not GapNotice.objects.exists()


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": Role.VIEWER}])
def test_who_may_not_approve_any_more_leaves_and_the_gap_is_told(
    change: dict[str, object], manager: User
) -> None:
    ada = make_user("ada")
    schedule = make_schedule(ada, is_round_the_clock=True)
    make_override(schedule.layers.get(), ada, NOW + DAY)
    User.objects.filter(pk=ada.pk).update(**change)

    gap_watch.announce_gaps()
    leavers.let_go()
    leavers.let_go()

    place = LayerMember.objects.get()
    assert place.left_at == NOW
    assert [event["people"] for event in told()] == [sorted([manager.pk, ada.pk])]
    assert AuditEvent.objects.filter(kind="layer.member_left").count() == 1
    assert AuditEvent.objects.filter(kind="override.cancelled").count() == 1
    # That she was on call stays as it was.
    before = on_call(plan_of(schedule), NOW - DAY)
    assert before is not None
    assert before.person == ada.pk


def test_who_is_put_in_by_an_override_alone_leaves_too(manager: User) -> None:
    ada, grace = make_user("ada"), make_user("grace")
    schedule = make_schedule(ada)
    make_override(schedule.layers.get(), grace, NOW - HOUR, ends_at=NOW + DAY)
    User.objects.filter(pk=grace.pk).update(is_active=False)

    leavers.let_go()

    at = (NOW - HOUR, NOW)
    assert [getattr(on_call(plan_of(schedule), one), "person", None) for one in at] == [
        grace.pk,
        ada.pk,
    ]
    assert OutboxEvent.objects.filter(topic="rota.changed").count() == 1


def test_who_comes_back_is_not_in_the_rota_by_themselves(manager: User) -> None:
    ada, grace = make_user("ada"), make_user("grace")
    schedule = make_schedule(ada, grace)
    User.objects.filter(pk=ada.pk).update(is_active=False)
    leavers.let_go()
    User.objects.filter(pk=ada.pk).update(is_active=True)

    found = on_call(plan_of(schedule), NOW)

    assert found is not None
    assert found.person == grace.pk
