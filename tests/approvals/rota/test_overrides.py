"""Overrides: who may put whom on call, for which times, and how that ends."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.people.models import Role, Scope, User
from approvals.rota import overrides
from approvals.rota.models import Layer, Override
from approvals.rota.on_call import on_call, shifts
from approvals.rota.overrides import OverrideRefused
from approvals.rota.plans import plan_of
from tests.approvals.factories import make_user
from tests.approvals.rota.factories import make_schedule

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 7, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def manager() -> User:
    return make_user("mary", role=Role.RELEASE_MANAGER)


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def grace() -> User:
    return make_user("grace")


@pytest.fixture
def layer(ada: User, grace: User) -> Layer:
    return make_schedule(ada, grace, name="Ours").layers.get()


def person_at(layer: Layer, at: datetime) -> int | None:
    found = on_call(plan_of(layer.schedule), at)
    return found.person if found else None


def test_who_sets_the_rota_puts_anybody_in_and_both_hear_of_it(
    manager: User, ada: User, grace: User, layer: Layer
) -> None:
    overrides.make_override(layer, grace, NOW, NOW + HOUR, "Ada is ill", actor=manager)

    assert person_at(layer, NOW) == grace.pk
    assert person_at(layer, NOW + HOUR) == ada.pk
    event = OutboxEvent.objects.get(topic="override.made")
    assert event.payload["people"] == sorted([ada.pk, grace.pk])
    assert event.payload["who"] == "grace"
    assert event.payload["reason"] == "Wed 7 Jan 12:00 to 13:00 (UTC)"
    assert OutboxEvent.objects.filter(topic="rota.changed").exists()
    assert AuditEvent.objects.get(kind="override.made").actor == manager


def test_everybody_else_takes_time_upon_themselves_only(
    ada: User, grace: User, layer: Layer
) -> None:
    overrides.make_override(layer, grace, NOW, NOW + HOUR, actor=grace)
    assert person_at(layer, NOW) == grace.pk

    with pytest.raises(OverrideRefused, match="Only whoever sets the rota puts somebody else in"):
        overrides.make_override(layer, grace, NOW + DAY, NOW + DAY + HOUR, actor=ada)
    assert Override.objects.count() == 1


def test_who_may_not_approve_is_not_put_in(manager: User, layer: Layer) -> None:
    viewer = make_user("val", role=Role.VIEWER)

    with pytest.raises(OverrideRefused, match="val may not approve what"):
        overrides.make_override(layer, viewer, NOW, NOW + HOUR, actor=manager)
    with pytest.raises(OverrideRefused, match="You may not approve"):
        overrides.make_override(layer, viewer, NOW, NOW + HOUR, actor=viewer)


def test_who_does_not_see_the_schedule_does_not_put_themselves_in(ada: User) -> None:
    stranger = make_user()
    Scope.objects.create(user=stranger, packages="@other/*")
    layer = make_schedule(ada, packages="@acme/*").layers.get()

    with pytest.raises(OverrideRefused, match="You may not approve"):
        overrides.make_override(layer, stranger, NOW, NOW + HOUR, actor=stranger)


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (NOW - 2 * HOUR, NOW - HOUR, "over"),
        (NOW + HOUR, NOW + HOUR, "ends before it begins"),
        (NOW + 2 * HOUR, NOW + HOUR, "ends before it begins"),
        (NOW, NOW + 91 * DAY, "at most 90 days"),
        (NOW + 401 * DAY, NOW + 402 * DAY, "within the next 400 days"),
    ],
)
def test_times_are_bounded(
    start: datetime, end: datetime, words: str, manager: User, grace: User, layer: Layer
) -> None:
    with pytest.raises(OverrideRefused, match=words):
        overrides.make_override(layer, grace, start, end, actor=manager)


def test_nobody_was_on_call_by_what_is_put_in_later(
    manager: User, ada: User, grace: User, layer: Layer
) -> None:
    overrides.make_override(layer, grace, NOW - DAY, NOW + HOUR, actor=manager)

    assert person_at(layer, NOW - HOUR) == ada.pk
    assert person_at(layer, NOW) == grace.pk


def test_there_are_no_more_overrides_than_a_plan_can_bear(
    monkeypatch: pytest.MonkeyPatch, manager: User, grace: User, layer: Layer
) -> None:
    monkeypatch.setattr(overrides, "MOST_IN_LAYER", 2)
    for number in range(2):
        start = NOW + number * DAY
        overrides.make_override(layer, grace, start, start + HOUR, actor=manager)

    with pytest.raises(OverrideRefused, match="which is the most"):
        overrides.make_override(layer, grace, NOW + 9 * DAY, NOW + 10 * DAY, actor=manager)


def test_one_that_has_begun_ends_now_and_was(
    manager: User, ada: User, grace: User, layer: Layer
) -> None:
    override = overrides.make_override(layer, grace, NOW, NOW + 4 * HOUR, actor=manager)

    with time_machine.travel(NOW + HOUR, tick=False):
        overrides.cancel_override(override, actor=manager)

    found = shifts(plan_of(layer.schedule), NOW - HOUR, NOW + 4 * HOUR)
    assert [(one.person, one.end - NOW) for one in found] == [
        (ada.pk, timedelta(0)),
        (grace.pk, HOUR),
        (ada.pk, 4 * HOUR),
    ]
    assert OutboxEvent.objects.get(topic="override.cancelled").payload["people"] == [grace.pk]


def test_one_is_taken_back_once(manager: User, grace: User, layer: Layer) -> None:
    override = overrides.make_override(layer, grace, NOW + HOUR, NOW + 2 * HOUR, actor=manager)
    overrides.cancel_override(override, actor=manager)

    with pytest.raises(OverrideRefused, match="taken back already"):
        overrides.cancel_override(override, actor=manager)
    assert AuditEvent.objects.filter(kind="override.cancelled").count() == 1
    assert OutboxEvent.objects.filter(topic="override.cancelled").count() == 1


def test_one_that_is_over_stays(manager: User, grace: User, layer: Layer) -> None:
    override = overrides.make_override(layer, grace, NOW, NOW + HOUR, actor=manager)

    with (
        time_machine.travel(NOW + 2 * HOUR, tick=False),
        pytest.raises(OverrideRefused, match="over"),
    ):
        overrides.cancel_override(override, actor=manager)
    assert person_at(layer, NOW) == grace.pk


def test_only_who_put_themselves_in_takes_that_back(
    manager: User, ada: User, grace: User, layer: Layer
) -> None:
    own = overrides.make_override(layer, grace, NOW, NOW + HOUR, actor=grace)
    by_manager = overrides.make_override(layer, grace, NOW + DAY, NOW + DAY + HOUR, actor=manager)

    for override, person in ((own, ada), (by_manager, grace), (by_manager, ada)):
        with pytest.raises(OverrideRefused, match="Only who has put themselves in"):
            overrides.cancel_override(override, actor=person)
    with time_machine.travel(NOW + HOUR / 2, tick=False):
        overrides.cancel_override(own, actor=grace)

    assert person_at(layer, NOW + HOUR / 2) == ada.pk
    assert person_at(layer, NOW + DAY) == grace.pk


def test_nothing_is_put_into_a_layer_that_is_gone(manager: User, grace: User, layer: Layer) -> None:
    Layer.objects.filter(pk=layer.pk).update(ended_at=NOW - HOUR)

    with pytest.raises(OverrideRefused, match="no longer there"):
        overrides.make_override(layer, grace, NOW, NOW + HOUR, actor=manager)
