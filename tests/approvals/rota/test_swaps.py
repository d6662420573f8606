"""Swaps: nothing changes hands until the other accepts, and then only what is still to come."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

import pytest
import time_machine

from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.people.models import Role, Scope, User
from approvals.rota import swaps
from approvals.rota.models import Layer, Override, Swap
from approvals.rota.on_call import shifts
from approvals.rota.plans import plan_of
from approvals.rota.swaps import SwapRefused
from tests.approvals.factories import make_user
from tests.approvals.rota.factories import make_override, make_schedule

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 7, 12, tzinfo=UTC)
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
# Ada has the first week, Grace the second, Alan the third.
ADAS_WEEK = (datetime(2026, 1, 26, 9, tzinfo=UTC), datetime(2026, 2, 2, 9, tzinfo=UTC))
GRACES_WEEK = (datetime(2026, 1, 12, 9, tzinfo=UTC), datetime(2026, 1, 19, 9, tzinfo=UTC))


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def grace() -> User:
    return make_user("grace")


@pytest.fixture
def alan() -> User:
    return make_user("alan")


@pytest.fixture
def layer(ada: User, grace: User, alan: User) -> Layer:
    return make_schedule(ada, grace, alan, name="Ours").layers.get()


def who(layer: Layer, *moments: datetime) -> list[str]:
    plan = plan_of(layer.schedule)
    names = dict(User.objects.values_list("pk", "username"))
    found = [shifts(plan, at, at + timedelta(minutes=1)) for at in moments]
    return [names[one[0].person] if one else "" for one in found]


def test_nothing_changes_hands_until_it_is_accepted(ada: User, grace: User, layer: Layer) -> None:
    swap = swaps.ask(layer, grace, *ADAS_WEEK, actor=ada, back=GRACES_WEEK, words="A wedding")

    assert who(layer, ADAS_WEEK[0], GRACES_WEEK[0]) == ["ada", "grace"]
    event = OutboxEvent.objects.get(topic="swap.asked")
    assert event.payload["people"] == [grace.pk]
    assert "Mon 26 Jan 09:00 to Mon 2 Feb 09:00 (UTC), for Mon 12 Jan" in event.payload["reason"]
    assert "A wedding" in event.payload["reason"]
    assert list(swaps.waiting_for(grace)) == [swap]
    assert list(swaps.asked_by(ada)) == [swap]

    swaps.accept(swap, actor=grace)

    assert who(layer, ADAS_WEEK[0], GRACES_WEEK[0]) == ["grace", "ada"]
    assert who(layer, ADAS_WEEK[1] - HOUR, ADAS_WEEK[1]) == ["grace", "grace"]
    assert who(layer, GRACES_WEEK[0] - HOUR, GRACES_WEEK[1]) == ["ada", "alan"]
    assert not swaps.waiting_for(grace).exists()
    answered = OutboxEvent.objects.get(topic="swap.answered")
    assert answered.payload["people"] == [ada.pk]
    assert answered.payload["reason"].startswith("Accepted: ")
    assert AuditEvent.objects.get(kind="swap.accepted").actor == grace


def test_declined_or_withdrawn_it_stays_as_it_is(ada: User, grace: User, layer: Layer) -> None:
    declined = swaps.ask(layer, grace, *ADAS_WEEK, actor=ada)
    swaps.decline(declined, actor=grace)
    withdrawn = swaps.ask(layer, grace, *ADAS_WEEK, actor=ada)
    swaps.withdraw(withdrawn, actor=ada)

    for swap in (declined, withdrawn):
        for answer in (swaps.accept, swaps.decline):
            with pytest.raises(SwapRefused, match="answered, withdrawn or is over"):
                answer(swap, actor=grace)
    assert who(layer, ADAS_WEEK[0]) == ["ada"]
    assert not Override.objects.exists()


def test_only_who_was_asked_answers_and_only_who_asked_withdraws(
    ada: User, grace: User, alan: User, layer: Layer
) -> None:
    swap = swaps.ask(layer, grace, *ADAS_WEEK, actor=ada)

    for person in (ada, alan, make_user(role=Role.ADMINISTRATOR)):
        for answer in (swaps.accept, swaps.decline):
            with pytest.raises(SwapRefused, match="Only who was asked"):
                answer(swap, actor=person)
    with pytest.raises(SwapRefused, match="Only who has asked"):
        swaps.withdraw(swap, actor=grace)
    swap.refresh_from_db()
    assert swap.state == Swap.State.ASKED


def test_accepted_after_it_has_begun_the_rest_changes_hands(
    ada: User, grace: User, layer: Layer
) -> None:
    first_week = (datetime(2026, 1, 5, 9, tzinfo=UTC), datetime(2026, 1, 12, 9, tzinfo=UTC))
    swap = swaps.ask(layer, grace, *first_week, actor=ada, back=GRACES_WEEK)

    later = NOW + DAY
    with time_machine.travel(later, tick=False):
        swaps.accept(swap, actor=grace)

    assert who(layer, first_week[0], NOW, later - HOUR, later, first_week[1] - HOUR) == [
        "ada",
        "ada",
        "ada",
        "grace",
        "grace",
    ]
    assert who(layer, GRACES_WEEK[0], GRACES_WEEK[1] - HOUR) == ["ada", "ada"]


@pytest.mark.parametrize("over", [ADAS_WEEK[1], GRACES_WEEK[1]])
def test_when_one_half_is_over_nobody_gives_the_other_for_nothing(
    over: datetime, ada: User, grace: User, layer: Layer
) -> None:
    swap = swaps.ask(layer, grace, *ADAS_WEEK, actor=ada, back=GRACES_WEEK)

    with time_machine.travel(over, tick=False):
        with pytest.raises(SwapRefused, match="over"):
            swaps.accept(swap, actor=grace)
        assert not swaps.waiting_for(grace).exists()
        swaps.lapse_due()
        swap.refresh_from_db()
        assert swap.state == Swap.State.LAPSED
    assert not Override.objects.exists()
    assert AuditEvent.objects.filter(kind="swap.lapsed").count() == 1


def test_what_is_still_to_come_does_not_lapse(ada: User, grace: User, layer: Layer) -> None:
    swap = swaps.ask(layer, grace, *ADAS_WEEK, actor=ada)

    with time_machine.travel(ADAS_WEEK[1] - HOUR, tick=False):
        swaps.lapse_due()

    swap.refresh_from_db()
    assert swap.state == Swap.State.ASKED


def test_one_asks_for_what_is_there_to_swap(
    ada: User, grace: User, alan: User, layer: Layer
) -> None:
    with pytest.raises(SwapRefused, match="You are not on call then"):
        swaps.ask(layer, grace, *GRACES_WEEK, actor=ada)
    with pytest.raises(SwapRefused, match="You are not on call then"):
        swaps.ask(layer, grace, ADAS_WEEK[0], ADAS_WEEK[1] + HOUR, actor=ada)
    with pytest.raises(SwapRefused, match="alan is not on call then"):
        swaps.ask(layer, alan, *ADAS_WEEK, actor=ada, back=GRACES_WEEK)
    with pytest.raises(SwapRefused, match="You have this time already"):
        swaps.ask(layer, ada, *ADAS_WEEK, actor=ada)
    with pytest.raises(SwapRefused, match="over"):
        swaps.ask(layer, grace, NOW - DAY, NOW, actor=ada)
    with pytest.raises(SwapRefused, match="ends before it begins"):
        swaps.ask(layer, grace, *ADAS_WEEK[::-1], actor=ada)
    with pytest.raises(SwapRefused, match="may not approve"):
        swaps.ask(layer, make_user(role=Role.VIEWER), *ADAS_WEEK, actor=ada)
    stranger = make_user()
    Scope.objects.create(user=stranger, packages="@other/*")
    layer.schedule.packages = "@acme/*"
    layer.schedule.save()
    with pytest.raises(SwapRefused, match="may not approve"):
        swaps.ask(layer, stranger, *ADAS_WEEK, actor=ada)
    with pytest.raises(SwapRefused, match="at most 200 characters"):
        swaps.ask(layer, grace, *ADAS_WEEK, actor=ada, words="x" * 201)
    assert not Swap.objects.exists()


def test_the_same_is_asked_once(ada: User, grace: User, layer: Layer) -> None:
    swaps.ask(layer, grace, *ADAS_WEEK, actor=ada)

    with pytest.raises(SwapRefused, match="asked this already"):
        swaps.ask(layer, grace, *ADAS_WEEK, actor=ada)
    assert OutboxEvent.objects.filter(topic="swap.asked").count() == 1


def test_of_two_who_were_asked_the_first_to_accept_has_it(
    ada: User, grace: User, alan: User, layer: Layer
) -> None:
    to_grace = swaps.ask(layer, grace, *ADAS_WEEK, actor=ada)
    to_alan = swaps.ask(layer, alan, *ADAS_WEEK, actor=ada)

    swaps.accept(to_grace, actor=grace)
    with pytest.raises(SwapRefused, match="answered, withdrawn or is over"):
        swaps.accept(to_alan, actor=alan)

    assert who(layer, ADAS_WEEK[0]) == ["grace"]
    to_alan.refresh_from_db()
    assert to_alan.state == Swap.State.LAPSED


def test_where_the_rota_has_changed_meanwhile_nothing_changes_hands(
    ada: User, grace: User, alan: User, layer: Layer
) -> None:
    swap = swaps.ask(layer, grace, *ADAS_WEEK, actor=ada, back=GRACES_WEEK)
    make_override(layer, alan, GRACES_WEEK[0] + DAY)

    with pytest.raises(SwapRefused, match="another one than when this was asked"):
        swaps.accept(swap, actor=grace)

    assert who(layer, ADAS_WEEK[0], GRACES_WEEK[0]) == ["ada", "grace"]
    swap.refresh_from_db()
    assert swap.state == Swap.State.ASKED


@pytest.mark.parametrize("leaver", ["ada", "grace"])
def test_who_was_shut_out_swaps_nothing(leaver: str, ada: User, grace: User, layer: Layer) -> None:
    swap = swaps.ask(layer, grace, *ADAS_WEEK, actor=ada)
    User.objects.filter(username=leaver).update(is_active=False)

    with pytest.raises(SwapRefused):
        swaps.accept(swap, actor=grace)

    assert not Override.objects.exists()


def test_a_swap_is_for_the_hours_of_the_layer(ada: User, grace: User) -> None:
    layer = make_schedule(
        ada, grace, from_time=time(9), until_time=time(17), weekdays=[0, 1, 2, 3, 4]
    ).layers.get()
    weeks = (datetime(2026, 1, 19, 9, tzinfo=UTC), datetime(2026, 1, 26, 9, tzinfo=UTC))
    swap = swaps.ask(layer, grace, *weeks, actor=ada)

    swaps.accept(swap, actor=grace)

    assert who(layer, weeks[0], weeks[0] + 7 * HOUR, weeks[0] + 8 * HOUR, weeks[0] + 5 * DAY) == [
        "grace",
        "grace",
        "",
        "",
    ]


def test_handing_over_is_asking_for_the_rest_of_the_turn(
    ada: User, grace: User, layer: Layer
) -> None:
    swap = swaps.hand_over(layer, grace, actor=ada)

    assert (swap.starts_at, swap.ends_at) == (NOW, datetime(2026, 1, 12, 9, tzinfo=UTC))
    assert who(layer, NOW) == ["ada"]
    swaps.accept(swap, actor=grace)
    assert who(layer, NOW, swap.ends_at - HOUR, swap.ends_at + WEEK) == ["grace", "grace", "alan"]


def test_what_was_handed_over_can_be_handed_on(
    ada: User, grace: User, alan: User, layer: Layer
) -> None:
    swaps.accept(swaps.hand_over(layer, grace, actor=ada), actor=grace)

    with time_machine.travel(NOW + DAY, tick=False):
        onward = swaps.hand_over(layer, alan, actor=grace)
        swaps.accept(onward, actor=alan)

    # Not on into the next week, which is Grace's by the rotation.
    assert onward.ends_at == datetime(2026, 1, 12, 9, tzinfo=UTC)
    assert who(layer, NOW - HOUR, NOW, NOW + DAY, onward.ends_at) == [
        "ada",
        "grace",
        "alan",
        "grace",
    ]


def test_handed_over_is_no_more_than_is_theirs(
    ada: User, grace: User, alan: User, layer: Layer
) -> None:
    make_override(layer, alan, NOW + DAY)

    assert swaps.hand_over(layer, grace, actor=ada).ends_at == NOW + DAY


def test_only_who_is_on_call_hands_over(grace: User, alan: User, layer: Layer) -> None:
    with pytest.raises(SwapRefused, match="You are not on call by this layer now"):
        swaps.hand_over(layer, alan, actor=grace)


def test_nobody_asks_without_end(
    monkeypatch: pytest.MonkeyPatch, ada: User, grace: User, layer: Layer
) -> None:
    monkeypatch.setattr(swaps, "MOST_OPEN", 1)
    swaps.ask(layer, grace, *ADAS_WEEK, actor=ada)

    with pytest.raises(SwapRefused, match="Withdraw some first"):
        swaps.ask(layer, grace, ADAS_WEEK[0] + HOUR, ADAS_WEEK[1], actor=ada)
