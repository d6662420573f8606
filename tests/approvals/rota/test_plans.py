"""The plan of a schedule is what the database has, and the first schedule that covers holds."""

from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from approvals.people.models import Role, User
from approvals.rota.models import Schedule
from approvals.rota.on_call import on_call
from approvals.rota.plans import plan_of, plans_of, schedule_for, without
from tests.approvals.factories import make_registry, make_user
from tests.approvals.rota.factories import make_layer, make_override, make_schedule

pytestmark = pytest.mark.django_db
FIRST_WEEK = datetime(2026, 1, 6, 12, tzinfo=UTC)


def person_on_call(schedule: Schedule, at: datetime) -> int | None:
    found = on_call(plan_of(schedule), at)
    return found.person if found else None


def test_turns_go_round_among_the_members() -> None:
    ada, grace = make_user("ada"), make_user("grace")
    schedule = make_schedule(ada, grace)

    weeks = [FIRST_WEEK + timedelta(weeks=number) for number in range(3)]
    assert [person_on_call(schedule, at) for at in weeks] == [ada.pk, grace.pk, ada.pk]


def test_overrides_are_in_the_plan_until_they_are_cancelled() -> None:
    ada, grace = make_user("ada"), make_user("grace")
    schedule = make_schedule(ada, grace)
    override = make_override(schedule.layers.get(), grace, FIRST_WEEK)
    assert person_on_call(schedule, FIRST_WEEK) == grace.pk

    override.cancelled_at, override.cancelled_by = FIRST_WEEK, ada
    override.save()

    assert person_on_call(schedule, FIRST_WEEK) == ada.pk


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": Role.VIEWER}])
def test_who_may_decide_nothing_any_more_is_not_on_call(change: dict[str, object]) -> None:
    ada, grace = make_user("ada"), make_user("grace")
    schedule = make_schedule(ada, grace)
    make_override(schedule.layers.get(), ada, FIRST_WEEK)

    User.objects.filter(pk=ada.pk).update(**change)

    assert person_on_call(schedule, FIRST_WEEK) == grace.pk


def test_the_next_stands_in_for_who_may_not_decide_a_version() -> None:
    ada, grace = make_user("ada"), make_user("grace")
    plan = plan_of(make_schedule(ada, grace))

    assert getattr(on_call(without(plan, {ada.pk, grace.pk}), FIRST_WEEK), "person", 0) == ada.pk
    assert getattr(on_call(without(plan, {grace.pk}), FIRST_WEEK), "person", 0) == grace.pk


def test_the_first_schedule_that_covers_a_package_holds() -> None:
    here, elsewhere = make_registry("here"), make_registry("elsewhere")
    make_schedule(name="everything", position=3)
    make_schedule(name="here", packages="*", registry_url=here.url, position=2)
    make_schedule(name="ours", packages="@acme/*\nacme-*", position=1)

    found = {
        (registry.name, package): getattr(schedule_for(registry, package), "name", None)
        for registry in (here, elsewhere)
        for package in ("@acme/ui", "acme-cli", "left-pad")
    }

    assert found == {
        ("here", "@acme/ui"): "ours",
        ("here", "acme-cli"): "ours",
        ("here", "left-pad"): "here",
        ("elsewhere", "@acme/ui"): "ours",
        ("elsewhere", "acme-cli"): "ours",
        ("elsewhere", "left-pad"): "everything",
    }


def test_a_package_of_no_schedule_has_none() -> None:
    make_schedule(make_user(), packages="@acme/*")

    assert schedule_for(make_registry(), "left-pad") is None


def test_many_schedules_need_no_more_queries_than_one(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    people = [make_user() for _ in range(3)]
    for _ in range(5):
        schedule = make_schedule(*people)
        layer = make_layer(schedule, *people)
        make_override(layer, people[0], FIRST_WEEK)
    schedules = list(Schedule.objects.all())

    with django_assert_num_queries(3):
        plans = plans_of(schedules)

    assert {key: len(plan.layers) for key, plan in plans.items()} == {
        one.pk: 2 for one in schedules
    }
