"""Making and changing schedules: who may, what is refused, and that what was stays as it was."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
import time_machine

from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.people.models import Role, Scope, User
from approvals.rota import schedules
from approvals.rota.models import EscalationStep, Layer, Override, Schedule, Swap
from approvals.rota.on_call import OnCall, on_call, shifts
from approvals.rota.plans import plan_of
from approvals.rota.schedules import (
    ScheduleRefused,
    WantedLayer,
    WantedSchedule,
    WantedStep,
    layers_of,
    people_in,
)
from tests.approvals.factories import make_registry, make_user
from tests.approvals.rota.factories import make_override, make_schedule

pytestmark = pytest.mark.django_db
MONDAY = date(2026, 1, 5)
WEDNESDAY = datetime(2026, 1, 7, 12, tzinfo=UTC)
WANTED = WantedSchedule("Ours", ["@acme/*", "acme-*"])


@pytest.fixture
def manager() -> User:
    return make_user("mary", role=Role.RELEASE_MANAGER)


def keys(*people: User) -> list[int]:
    return [one.pk for one in people]


def now_on_call(schedule: Schedule, at: datetime) -> int | None:
    found: OnCall | None = on_call(plan_of(schedule), at)
    return found.person if found else None


def test_a_schedule_is_made_with_its_layers_and_steps(manager: User) -> None:
    ada, grace = make_user("ada"), make_user("grace")

    with time_machine.travel(WEDNESDAY, tick=False):
        schedule = schedules.make_schedule(
            WANTED,
            [WantedLayer(keys(grace, ada), MONDAY)],
            [WantedStep(0, "on_call"), WantedStep(30, "all_approvers")],
            actor=manager,
        )

    assert schedule.globs == ["@acme/*", "acme-*"]
    assert people_in(layers_of(schedule).get()) == [grace, ada]
    assert [(one.after_minutes, one.whom) for one in schedule.steps.all()] == [
        (0, EscalationStep.Whom.ON_CALL),
        (30, EscalationStep.Whom.ALL_APPROVERS),
    ]
    # The first of the list takes what is left of the turn that runs, the second the next one.
    assert now_on_call(schedule, WEDNESDAY) == grace.pk
    assert now_on_call(schedule, WEDNESDAY + timedelta(weeks=1)) == ada.pk
    assert AuditEvent.objects.filter(kind="schedule.made", actor=manager).count() == 1
    assert OutboxEvent.objects.filter(topic="rota.changed").count() == 1


@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER])
def test_who_does_not_set_the_rota_changes_nothing(role: Role, manager: User) -> None:
    person = make_user(role=role)
    schedule = make_schedule(manager, name="Ours")
    layer = schedule.layers.get()
    wanted = WantedLayer(keys(manager), MONDAY, length=2)

    with pytest.raises(ScheduleRefused, match="Only a release manager"):
        schedules.make_schedule(WANTED, [], actor=person)
    with pytest.raises(ScheduleRefused, match="Only a release manager"):
        schedules.change_schedule(schedule, WANTED, actor=person)
    with pytest.raises(ScheduleRefused, match="Only a release manager"):
        schedules.move_schedule(schedule, 0, actor=person)
    with pytest.raises(ScheduleRefused, match="Only a release manager"):
        schedules.remove_schedule(schedule, actor=person)
    with pytest.raises(ScheduleRefused, match="Only a release manager"):
        schedules.add_layer(schedule, wanted, actor=person)
    with pytest.raises(ScheduleRefused, match="Only a release manager"):
        schedules.change_layer(layer, wanted, actor=person)
    with pytest.raises(ScheduleRefused, match="Only a release manager"):
        schedules.remove_layer(layer, actor=person)
    with pytest.raises(ScheduleRefused, match="Only a release manager"):
        schedules.set_steps(schedule, [], actor=person)

    assert list(layers_of(schedule)) == [layer]
    assert Schedule.objects.get().packages == "*"


def test_a_release_manager_of_some_packages_does_not_set_the_rota_of_all() -> None:
    person = make_user(role=Role.RELEASE_MANAGER)
    Scope.objects.create(user=person, packages="@acme/*")

    with pytest.raises(ScheduleRefused, match="who sees every package"):
        schedules.make_schedule(WANTED, [], actor=person)


def test_who_lost_the_role_meanwhile_changes_nothing(manager: User) -> None:
    schedule = make_schedule(manager)
    loaded_before = User.objects.get(pk=manager.pk)
    User.objects.filter(pk=manager.pk).update(role=Role.APPROVER)

    with pytest.raises(ScheduleRefused, match="Only a release manager"):
        schedules.remove_schedule(schedule, actor=loaded_before)

    assert Schedule.objects.filter(pk=schedule.pk).exists()


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (replace(WANTED, name=" "), "name"),
        (replace(WANTED, name="x" * 61), "name"),
        (replace(WANTED, name="turn\u202eed"), "name"),
        (replace(WANTED, name="THEIRS"), "name"),
        (replace(WANTED, packages=[" "]), "packages"),
        (replace(WANTED, packages=["a b"]), "packages"),
        (replace(WANTED, packages=[f"p{number}" for number in range(51)]), "packages"),
        (replace(WANTED, registry_url="https://elsewhere.example.org/"), "registry_url"),
        (replace(WANTED, registry_url="\0"), "registry_url"),
    ],
)
def test_a_schedule_is_refused_with_the_field(
    wanted: WantedSchedule, field: str, manager: User
) -> None:
    make_schedule(name="Theirs")

    with pytest.raises(ScheduleRefused) as refused:
        schedules.make_schedule(wanted, [], actor=manager)

    assert refused.value.field == field
    assert Schedule.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "holiday"}, "kind"),
        ({"time_zone": "Europe/Atlantis"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"start_date": date(1999, 1, 1)}, "start_date"),
        ({"start_date": date(2200, 1, 1)}, "start_date"),
        ({"unit": "months"}, "unit"),
        ({"length": 0}, "length"),
        ({"length": 27}, "length"),
        ({"unit": "hours", "length": 721}, "length"),
        ({"weekdays": []}, "weekdays"),
        ({"weekdays": [7]}, "weekdays"),
        ({"from_time": time(9)}, "until_time"),
        ({"until_time": time(9)}, "from_time"),
        ({"people": []}, "people"),
        ({"people": [987_654]}, "people"),
    ],
)
def test_a_layer_is_refused_with_the_field(
    change: dict[str, object], field: str, manager: User
) -> None:
    wanted = replace(WantedLayer([manager.pk], MONDAY), **change)  # type: ignore[arg-type]  # by name

    with pytest.raises(ScheduleRefused) as refused:
        schedules.make_schedule(WANTED, [wanted], actor=manager)

    assert refused.value.field == field
    assert not Schedule.objects.exists()


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": Role.VIEWER}])
def test_who_may_approve_nothing_is_put_in_no_rotation(
    change: dict[str, object], manager: User
) -> None:
    person = make_user("val", **change)  # type: ignore[arg-type]  # by name

    with pytest.raises(ScheduleRefused, match="val may not approve anything"):
        schedules.make_schedule(WANTED, [WantedLayer([person.pk], MONDAY)], actor=manager)


def test_who_may_not_approve_these_packages_is_put_in_no_rotation(manager: User) -> None:
    ada, grace = make_user("ada"), make_user("grace")
    Scope.objects.create(user=ada, packages="@other/*")
    Scope.objects.create(user=grace, packages="@acme/ui")
    schedule = schedules.make_schedule(WANTED, [WantedLayer([grace.pk], MONDAY)], actor=manager)

    with pytest.raises(ScheduleRefused, match="ada may not approve what this schedule is for"):
        schedules.add_layer(schedule, WantedLayer([ada.pk], MONDAY), actor=manager)

    assert schedules.choosable_people(schedule) == [grace, manager]
    assert schedules.choosable_people() == [ada, grace, manager]


def test_steps_are_bounded(manager: User) -> None:
    schedule = make_schedule(manager, steps=((0, "on_call"),))

    for steps in (
        [WantedStep(0, "the_moon")],
        [WantedStep(-1, "next")],
        [WantedStep(10_081, "next")],
        [WantedStep(1, "next")] * 11,
    ):
        with pytest.raises(ScheduleRefused) as refused:
            schedules.set_steps(schedule, steps, actor=manager)
        assert refused.value.field == "steps"

    schedules.set_steps(schedule, [WantedStep(5, "next")], actor=manager)
    assert [(one.after_minutes, one.whom) for one in schedule.steps.all()] == [(5, "next")]


def test_the_order_in_which_schedules_are_tried_can_be_changed(manager: User) -> None:
    first, second, third = (make_schedule(name=name) for name in ("one", "two", "three"))

    schedules.move_schedule(third, 0, actor=manager)
    assert list(Schedule.objects.all()) == [third, first, second]

    schedules.move_schedule(third, 99, actor=manager)
    assert list(Schedule.objects.all()) == [first, second, third]


def test_a_schedule_keeps_a_registry_that_is_gone(manager: User) -> None:
    schedule = make_schedule(registry_url="https://gone.example.org/")

    schedules.change_schedule(
        schedule, replace(WANTED, registry_url="https://gone.example.org/"), actor=manager
    )
    assert Schedule.objects.get().globs == ["@acme/*", "acme-*"]

    schedules.change_schedule(
        schedule, replace(WANTED, registry_url=make_registry().url), actor=manager
    )
    with pytest.raises(ScheduleRefused, match="no such registry"):
        schedules.change_schedule(
            Schedule.objects.get(),
            replace(WANTED, registry_url="https://gone.example.org/"),
            actor=manager,
        )


def test_who_joins_and_who_leaves_does_not_move_the_turn_that_runs(manager: User) -> None:
    ada, grace, alan, joan = (make_user(name) for name in ("ada", "grace", "alan", "joan"))
    schedule = make_schedule(ada, grace, alan)
    layer = schedule.layers.get()
    week = timedelta(weeks=1)
    assert now_on_call(schedule, WEDNESDAY + week) == grace.pk

    # In Grace's turn, Ada leaves and Joan comes to the end.
    with time_machine.travel(WEDNESDAY + week, tick=False):
        changed = schedules.change_layer(
            layer, WantedLayer(keys(grace, alan, joan), MONDAY), actor=manager
        )

    assert changed == layer
    found = [now_on_call(schedule, WEDNESDAY + number * week) for number in range(6)]
    assert found == keys(ada, grace, alan, joan, grace, alan)


def test_another_order_holds_from_the_next_turn_on(manager: User) -> None:
    ada, grace, alan = (make_user(name) for name in ("ada", "grace", "alan"))
    schedule = make_schedule(ada, grace, alan)
    week = timedelta(weeks=1)

    with time_machine.travel(WEDNESDAY + week, tick=False):
        schedules.change_layer(
            schedule.layers.get(), WantedLayer(keys(alan, grace, ada), MONDAY), actor=manager
        )

    found = [now_on_call(schedule, WEDNESDAY + number * week) for number in range(6)]
    assert found == keys(ada, grace, ada, alan, grace, ada)


def test_where_the_one_whose_turn_it_is_leaves_the_next_stands_in(manager: User) -> None:
    ada, grace, alan = (make_user(name) for name in ("ada", "grace", "alan"))
    schedule = make_schedule(ada, grace, alan)
    layer = schedule.layers.get()

    with time_machine.travel(WEDNESDAY, tick=False):
        schedules.change_layer(layer, WantedLayer(keys(grace, alan), MONDAY), actor=manager)

    found = shifts(plan_of(schedule), datetime(2026, 1, 5, 9, tzinfo=UTC), WEDNESDAY + 2 * WEEK)
    assert [(one.person, one.start, one.kind) for one in found] == [
        (ada.pk, datetime(2026, 1, 5, 9, tzinfo=UTC), "rotation"),
        (grace.pk, WEDNESDAY, "stand_in"),
        (grace.pk, datetime(2026, 1, 12, 9, tzinfo=UTC), "rotation"),
        (alan.pk, datetime(2026, 1, 19, 9, tzinfo=UTC), "rotation"),
    ]


WEEK = timedelta(weeks=1)


def test_other_turns_do_not_rewrite_those_that_were(manager: User) -> None:
    ada, grace = make_user("ada"), make_user("grace")
    schedule = make_schedule(ada, grace)
    before = shifts(plan_of(schedule), datetime(2026, 1, 5, 9, tzinfo=UTC), WEDNESDAY + WEEK)

    with time_machine.travel(WEDNESDAY + WEEK, tick=False):
        changed = schedules.change_layer(
            schedule.layers.get(),
            WantedLayer(keys(ada, grace), MONDAY, unit="days"),
            actor=manager,
        )

    assert list(layers_of(schedule)) == [changed]
    plan = plan_of(schedule)
    assert shifts(plan, datetime(2026, 1, 5, 9, tzinfo=UTC), WEDNESDAY + WEEK) == before
    # The first of the list has the day that runs.
    days = [WEDNESDAY + WEEK + timedelta(days=number) for number in range(3)]
    assert [now_on_call(schedule, at) for at in days] == keys(ada, grace, ada)


def test_what_was_arranged_holds_under_other_turns(manager: User) -> None:
    ada, grace, alan = (make_user(name) for name in ("ada", "grace", "alan"))
    schedule = make_schedule(ada, grace)
    layer = schedule.layers.get()
    hour = timedelta(hours=1)
    running = make_override(layer, alan, WEDNESDAY - hour, ends_at=WEDNESDAY + hour)
    coming = make_override(layer, alan, WEDNESDAY + 2 * hour)

    with time_machine.travel(WEDNESDAY, tick=False):
        schedules.change_layer(
            layer, WantedLayer(keys(ada, grace), MONDAY, length=2), actor=manager
        )

    at = [WEDNESDAY + number * hour for number in (-2, -1, 0, 1, 2, 3)]
    assert [now_on_call(schedule, one) for one in at] == keys(ada, alan, alan, ada, alan, ada)
    running.refresh_from_db()
    coming.refresh_from_db()
    assert (running.layer, running.ends_at) == (layer, WEDNESDAY)
    assert coming.layer == layers_of(schedule).get()


def test_who_leaves_is_on_call_by_no_override_and_asked_nothing(manager: User) -> None:
    ada, grace = make_user("ada"), make_user("grace")
    schedule = make_schedule(ada, grace)
    layer = schedule.layers.get()
    make_override(layer, grace, WEDNESDAY + timedelta(days=1))
    swap = Swap.objects.create(
        layer=layer,
        asked_by=ada,
        other=grace,
        starts_at=WEDNESDAY,
        ends_at=WEDNESDAY + timedelta(hours=1),
    )

    with time_machine.travel(WEDNESDAY, tick=False):
        schedules.change_layer(layer, WantedLayer(keys(ada), MONDAY), actor=manager)

    swap.refresh_from_db()
    assert swap.state == Swap.State.LAPSED
    assert Override.objects.get().cancelled_by == manager
    assert now_on_call(schedule, WEDNESDAY + timedelta(days=1)) == ada.pk


def test_a_layer_that_is_added_is_asked_last(manager: User) -> None:
    ada, grace = make_user("ada"), make_user("grace")
    schedule = make_schedule(ada, from_time=time(9), until_time=time(17))

    with time_machine.travel(WEDNESDAY, tick=False):
        layer = schedules.add_layer(schedule, WantedLayer(keys(grace), MONDAY), actor=manager)

    assert list(layers_of(schedule))[-1] == layer
    assert now_on_call(schedule, WEDNESDAY) == ada.pk
    assert now_on_call(schedule, WEDNESDAY + timedelta(hours=8)) == grace.pk
    assert AuditEvent.objects.get(kind="layer.made").detail["layer"]["people"] == ["grace"]


def test_there_are_no_more_layers_than_a_plan_can_bear(
    monkeypatch: pytest.MonkeyPatch, manager: User
) -> None:
    monkeypatch.setattr(schedules, "MOST_LAYERS", 1)
    wanted = WantedLayer(keys(manager), MONDAY)
    schedule = make_schedule(manager)

    with pytest.raises(ScheduleRefused, match="at most 1 layers"):
        schedules.add_layer(schedule, wanted, actor=manager)
    with pytest.raises(ScheduleRefused, match="at most 1 layers"):
        schedules.make_schedule(WANTED, [wanted, wanted], actor=manager)


def test_the_kind_alone_is_changed_in_place(manager: User) -> None:
    layer = make_schedule(manager).layers.get()

    changed = schedules.change_layer(
        layer, WantedLayer(keys(manager), MONDAY, kind=Layer.Kind.INCIDENT), actor=manager
    )

    assert changed == layer
    assert changed.kind == Layer.Kind.INCIDENT
    assert AuditEvent.objects.filter(kind="layer.changed").count() == 1


def test_what_is_the_same_is_no_change(manager: User) -> None:
    schedule = make_schedule(manager, name="Ours", packages="@acme/*\nacme-*")
    schedules.change_schedule(schedule, WANTED, actor=manager)
    schedules.change_layer(schedule.layers.get(), WantedLayer(keys(manager), MONDAY), actor=manager)
    schedules.set_steps(schedule, [], actor=manager)
    schedules.move_schedule(schedule, 0, actor=manager)

    assert not AuditEvent.objects.exists()
    assert not OutboxEvent.objects.exists()


def test_a_layer_that_is_removed_was_there_before(manager: User) -> None:
    ada = make_user("ada")
    schedule = make_schedule(ada)

    with time_machine.travel(WEDNESDAY, tick=False):
        schedules.remove_layer(schedule.layers.get(), actor=manager)

    assert not layers_of(schedule).exists()
    assert now_on_call(schedule, WEDNESDAY - timedelta(hours=1)) == ada.pk
    assert now_on_call(schedule, WEDNESDAY) is None
    with pytest.raises(ScheduleRefused, match="no longer there"):
        schedules.remove_layer(Layer.objects.get(), actor=manager)


def test_a_schedule_goes_with_all_that_belongs_to_it(manager: User) -> None:
    ada, grace = make_user("ada"), make_user("grace")
    schedule = make_schedule(ada, grace, steps=((0, "on_call"),))
    layer = schedule.layers.get()
    swap = Swap.objects.create(
        layer=layer,
        asked_by=ada,
        other=grace,
        starts_at=WEDNESDAY,
        ends_at=WEDNESDAY + timedelta(hours=1),
    )
    make_override(layer, grace, WEDNESDAY, swap=swap)

    schedules.remove_schedule(schedule, actor=manager)

    assert not Schedule.objects.exists()
    assert not Override.objects.exists()
    assert AuditEvent.objects.filter(kind="schedule.removed", actor=manager).exists()


def test_schedules_are_seen_by_who_sees_their_packages_or_is_in_them(manager: User) -> None:
    ada = make_user("ada")
    Scope.objects.create(user=ada, packages="@acme/ui-*")
    ours = make_schedule(name="ours", packages="@acme/*\n@secret/*")
    inside = make_schedule(ada, name="inside", packages="@secret/*")
    others = make_schedule(name="others", packages="@secret/*")
    elsewhere = make_schedule(name="elsewhere", packages="*", registry_url="https://x.example.org/")

    assert schedules.visible_to(manager) == [ours, inside, others, elsewhere]
    assert schedules.visible_to(ada) == [ours, inside, elsewhere]
    assert not schedules.may_see_schedule(ada, others)
    assert schedules.patterns_shown(ours, ada) == ["@acme/*"]
    assert schedules.patterns_shown(inside, ada) == []
    assert schedules.patterns_shown(ours, manager) == ["@acme/*", "@secret/*"]
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert schedules.visible_to(User.objects.get(pk=ada.pk)) == []
