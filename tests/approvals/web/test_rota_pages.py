"""The pages of the rota: who is on call, and what those in it arrange with one another."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import pytest
import time_machine
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from approvals.people.models import Role, Scope, User
from approvals.rota.models import Layer, Override, Schedule, Swap
from approvals.rota.on_call import on_call
from approvals.rota.plans import plan_of
from tests.approvals.factories import make_registry, make_user
from tests.approvals.rota.factories import make_layer, make_override, make_schedule
from tests.approvals.web.pages import assert_strict, sign_in, text_of

pytestmark = pytest.mark.django_db

# A Wednesday; turns of a schedule from the factory change hands on Monday at 09:00 in UTC.
NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest.fixture(autouse=True)
def _in_november() -> Iterator[None]:
    """Every test is on one day."""
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def grace() -> User:
    return make_user("grace")


@pytest.fixture
def schedule(ada: User, grace: User) -> Schedule:
    """On call this week is who `on_duty` says, the other in the next."""
    return make_schedule(ada, grace, name="Frontend", packages="@acme/*\nleft-pad")


def on_duty(schedule: Schedule) -> tuple[User, User]:
    """Who is on call, and who is not."""
    found = on_call(plan_of(schedule), NOW)
    assert found is not None
    people = User.objects.filter(rota_places__layer__schedule=schedule).distinct()
    return people.get(pk=found.person), people.exclude(pk=found.person).get()


def layer_of(schedule: Schedule) -> Layer:
    return schedule.layers.get()


def forms_of(response: HttpResponse, address: str) -> list[dict[str, str]]:
    """What the forms of a page that lead to this address send, without what people choose."""
    html = response.content.decode()
    found = []
    for form in re.findall(rf'<form[^>]*action="{re.escape(address)}".*?</form>', html, re.S):
        hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form)
        found.append({name: value for name, value in hidden if name != "csrfmiddlewaretoken"})
    return found


# ---------- reading


def test_the_list_says_who_is_on_call_until_when_and_who_is_next(schedule: Schedule) -> None:
    person, other = on_duty(schedule)
    response = sign_in(make_user(role=Role.VIEWER)).get(reverse("rota"))
    assert_strict(response)
    page = text_of(response)
    assert "Frontend @acme/*, left-pad at every registry" in page
    assert f"{person} until Monday 09:00, UTC {other}" in page
    assert "You are on call" not in page
    assert "Make a schedule" not in page


def test_without_schedules_the_page_says_who_makes_one() -> None:
    assert "A release manager or an administrator makes one." in text_of(
        sign_in(make_user()).get(reverse("rota"))
    )
    response = sign_in(make_user(role=Role.RELEASE_MANAGER)).get(reverse("rota"))
    assert "Make the first from a template" in text_of(response)


def test_whoever_is_on_call_reads_it_on_every_page(schedule: Schedule) -> None:
    person, other = on_duty(schedule)
    assert "On call until Mon 09:00" in text_of(sign_in(person).get("/"))
    assert "You are on call until Monday 09:00 : Frontend" in text_of(
        sign_in(person).get(reverse("rota"))
    )
    browser = sign_in(other)
    assert "On call until" not in text_of(browser.get("/"))
    assert "You are on call next Monday 09:00 , until Mon 30 Nov 09:00" in text_of(
        browser.get(reverse("rota"))
    )


def test_somebody_who_covers_for_another_is_on_call_without_being_in_the_rotation(
    schedule: Schedule,
) -> None:
    helper = make_user("helper")
    make_override(layer_of(schedule), helper, NOW - timedelta(minutes=10))
    assert "On call until today 12:50" in text_of(sign_in(helper).get("/"))
    assert "On call until" not in text_of(sign_in(on_duty_by_turn(schedule)).get("/"))


def on_duty_by_turn(schedule: Schedule) -> User:
    Override.objects.all().delete()
    person, _ = on_duty(schedule)
    make_override(layer_of(schedule), make_user(), NOW - timedelta(minutes=10))
    return person


def test_the_week_lists_every_shift_and_draws_the_same(schedule: Schedule) -> None:
    person, other = on_duty(schedule)
    response = sign_in(make_user()).get(reverse("schedule", args=[schedule.pk]))
    assert_strict(response)
    page, html = text_of(response), response.content.decode()
    assert "16 to 22 November 2026" in page
    assert f"{person} Mon 16 Nov 09:00 to Mon 23 Nov 09:00 now" in page
    assert f"{other} Mon 9 Nov 09:00 to Mon 16 Nov 09:00" in page
    assert 'class="rota-week" aria-hidden="true"' in html


def test_the_month_names_everybody_by_day(schedule: Schedule) -> None:
    response = sign_in(make_user()).get(
        reverse("schedule", args=[schedule.pk]), {"view": "month", "day": "2026-12-05"}
    )
    assert_strict(response)
    page = text_of(response)
    assert "December 2026" in page
    person, other = on_duty(schedule)
    assert f"7 {person} until 09:00 {other} from 09:00" in page or (
        f"7 {other} until 09:00 {person} from 09:00" in page
    )


def test_times_are_those_of_the_time_zone_that_is_chosen(schedule: Schedule) -> None:
    Layer.objects.update(time_zone="Asia/Tokyo")
    browser, address = sign_in(make_user()), reverse("schedule", args=[schedule.pk])
    assert "Mon 23 Nov 09:00" in text_of(browser.get(address))
    assert "Mon 23 Nov 00:00" in text_of(browser.get(address, {"zone": "UTC"}))
    # What is none of those on offer is not even tried.
    for odd in ("Mars/Olympus", "../../etc/passwd", "Europe/Paris"):
        assert "Mon 23 Nov 09:00" in text_of(browser.get(address, {"zone": odd}))


def test_odd_addresses_show_this_week(schedule: Schedule) -> None:
    browser, address = sign_in(make_user()), reverse("schedule", args=[schedule.pk])
    for query in ({"day": "9999-99-99"}, {"day": "\0"}, {"view": "century"}, {"day": "0001-01-01"}):
        assert browser.get(address, query).status_code == HTTPStatus.OK


def test_hours_without_anybody_are_said(schedule: Schedule) -> None:
    Schedule.objects.update(is_round_the_clock=True, made_at=NOW - WEEK)
    Layer.objects.update(weekdays=[0, 1, 2, 3, 4])
    page = text_of(sign_in(make_user()).get(reverse("schedule", args=[schedule.pk])))
    assert "Nobody is on call from Sat 21 Nov 00:00 to Mon 23 Nov 00:00" in page
    assert "Nobody Sat 21 Nov 00:00 to Mon 23 Nov 00:00" in page
    assert "Gap Nobody is on call" in text_of(sign_in(make_user()).get(reverse("rota")))


def test_what_was_before_a_schedule_was_made_is_no_gap(ada: User) -> None:
    schedule = make_schedule(is_round_the_clock=True)
    layer = make_layer(schedule, ada)
    layer.members.update(joined_at=NOW)
    Schedule.objects.update(made_at=NOW)
    page = text_of(sign_in(ada).get(reverse("schedule", args=[schedule.pk])))
    shifts = page.partition("Shifts")[2].partition("Changed by hand")[0]
    # The one who is alone in it is on call for longer than the page looks ahead.
    assert shifts.strip().startswith(
        "ada (you) Wed 18 Nov 12:00 to Tue 1 Dec 00:00 and longer now Whole week"
    )
    assert "Nobody" not in shifts


def test_a_schedule_without_people_says_so() -> None:
    schedule = make_schedule()
    page = text_of(sign_in(make_user()).get(reverse("schedule", args=[schedule.pk])))
    assert "Nobody takes turns yet A release manager or an administrator adds people." in page


def test_who_may_approve_nothing_by_now_is_said_to_be_skipped(schedule: Schedule) -> None:
    person, other = on_duty(schedule)
    User.objects.filter(pk=person.pk).update(role=Role.VIEWER)
    page = text_of(sign_in(other).get(reverse("schedule", args=[schedule.pk])))
    assert f"skipped, as they may approve nothing now: {person}" in page
    assert "You are on call" in page


def test_names_are_shown_as_text(ada: User) -> None:
    make_schedule(ada, name="<script>alert(1)</script>")
    response = sign_in(ada).get(reverse("rota"))
    assert_strict(response)
    assert "<script>alert(1)</script>" not in response.content.decode()
    assert "<script>alert(1)</script>" in text_of(response)


# ---------- who sees what


def test_schedules_for_packages_out_of_reach_are_nowhere(schedule: Schedule) -> None:
    somebody = make_user()
    Scope.objects.create(user=somebody, packages="@other/*")
    browser, layer = sign_in(somebody), layer_of(schedule)
    assert "Frontend" not in text_of(browser.get(reverse("rota")))
    override = make_override(layer, make_user(), NOW + WEEK)
    swap = make_swap(schedule)
    shift = {"layer": layer.pk, "starts_at": NOW.isoformat(), "ends_at": MONDAY.isoformat()}
    for address in (
        reverse("hand_over", args=[schedule.pk]),
        reverse("hand_over_now", args=[schedule.pk]),
        reverse("take_over", args=[schedule.pk]),
        reverse("schedule_feed_make", args=[schedule.pk]),
        reverse("override_cancel", args=[override.pk]),
        reverse("swap_accept", args=[swap.pk]),
        reverse("swap_decline", args=[swap.pk]),
        reverse("swap_withdraw", args=[swap.pk]),
    ):
        assert browser.post(address, shift | {"other": 1}).status_code == HTTPStatus.NOT_FOUND
    assert browser.get(reverse("schedule", args=[schedule.pk])).status_code == HTTPStatus.NOT_FOUND
    override.refresh_from_db()
    swap.refresh_from_db()
    assert (override.cancelled_at, swap.state) == (None, Swap.State.ASKED)


def test_who_sees_some_of_its_packages_reads_of_no_others(schedule: Schedule) -> None:
    registry = make_registry("secret-registry")
    Schedule.objects.update(registry_url=registry.url)
    somebody = make_user()
    Scope.objects.create(user=somebody, packages="@acme/*", registry_url="")
    page = text_of(sign_in(somebody).get(reverse("schedule", args=[schedule.pk])))
    assert "For @acme/* and others at" in page
    assert "left-pad" not in page


def test_the_list_takes_as_many_queries_for_many_as_for_few(ada: User, grace: User) -> None:
    browser = sign_in(ada)

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert browser.get(reverse("rota")).status_code == HTTPStatus.OK
        return len(captured)

    make_schedule(ada, grace)
    queries()
    few = queries()
    for _ in range(6):
        make_schedule(ada, grace, make_user())
    assert queries() == few


# ---------- handing over, swapping, taking over


def make_swap(schedule: Schedule) -> Swap:
    """Who is on call asks the other to take the rest of this week."""
    person, other = on_duty(schedule)
    return Swap.objects.create(
        layer=layer_of(schedule), asked_by=person, other=other, starts_at=NOW, ends_at=MONDAY
    )


def test_handing_over_takes_two_clicks_and_the_other_s_word(schedule: Schedule) -> None:
    person, other = on_duty(schedule)
    browser, page_address = sign_in(person), reverse("schedule", args=[schedule.pk])
    address = reverse("hand_over_now", args=[schedule.pk])
    page = browser.get(page_address)
    assert f"Ask {other}" in text_of(page)
    [sent] = forms_of(page, address)
    answer = browser.post(address, sent | {"other": other.pk}, follow=True)
    assert f"{other} is asked to take over until Mon 23 Nov 09:00" in text_of(answer)
    assert "You are on call until Monday 09:00" in text_of(browser.get(page_address))
    swap = Swap.objects.get()

    others = sign_in(other)
    asked = text_of(others.get(reverse("rota")))
    assert f"{person} asks you Be on call Wed 18 Nov 12:00 to Mon 23 Nov 09:00" in asked
    answer = others.post(reverse("swap_accept", args=[swap.pk]), {"back": "rota"}, follow=True)
    assert answer.redirect_chain == [(reverse("rota"), HTTPStatus.FOUND)]
    assert "You are on call from Wed 18 Nov 12:00 to Mon 23 Nov 09:00." in text_of(answer)
    assert on_duty(schedule) == (other, person)
    assert "You are on call until" not in text_of(browser.get(page_address))


def test_a_coming_shift_is_handed_over_from_the_list(schedule: Schedule) -> None:
    _, other = on_duty(schedule)
    browser, address = sign_in(other), reverse("hand_over", args=[schedule.pk])
    week = {"day": "2026-11-25"}
    [sent] = [
        one
        for one in forms_of(browser.get(reverse("schedule", args=[schedule.pk]), week), address)
        if one["starts_at"] == MONDAY.isoformat() and "back_starts_at" not in one
    ]
    person, _ = on_duty(schedule)
    answer = browser.post(address, sent | {"other": person.pk}, follow=True)
    assert "It stays yours until they accept" in text_of(answer)
    # The page with the same days.
    assert "23 to 29 November 2026" in text_of(answer)
    swap = Swap.objects.get()
    assert (swap.asked_by, swap.other) == (other, person)
    assert (swap.starts_at, swap.ends_at) == (MONDAY, MONDAY + WEEK)


def test_a_shift_is_swapped_for_one_of_the_other_s(schedule: Schedule) -> None:
    person, other = on_duty(schedule)
    browser, address = sign_in(other), reverse("hand_over", args=[schedule.pk])
    month = browser.get(reverse("schedule", args=[schedule.pk]), {"day": "2026-11-30"})
    [sent] = [one for one in forms_of(month, address) if "back_starts_at" in one][:1]
    page = browser.post(address, sent | {"other": person.pk}, follow=True)
    assert f"You ask {person}" in text_of(page)
    swap = Swap.objects.get()
    assert (swap.starts_at, swap.back_starts_at) == (MONDAY, MONDAY + WEEK)
    sign_in(person).post(reverse("swap_accept", args=[swap.pk]))
    hour = timedelta(hours=1)
    taken = [on_call(plan_of(schedule), at + hour) for at in (MONDAY, MONDAY + WEEK)]
    assert [one.person for one in taken if one] == [person.pk, other.pk]


def test_a_swap_is_declined_or_withdrawn_and_changes_nothing(schedule: Schedule) -> None:
    person, other = on_duty(schedule)
    for answerer, route, words in (
        (other, "swap_decline", f"You declined. {person} stays on call"),
        (person, "swap_withdraw", f"You no longer ask {other}."),
    ):
        swap = make_swap(schedule)
        browser = sign_in(answerer)
        address = reverse(route, args=[swap.pk])
        assert words in text_of(browser.post(address, follow=True))
        assert on_duty(schedule) == (person, other)
        # A second browser is late, and told so.
        assert "answered, withdrawn or is over already" in text_of(
            browser.post(address, follow=True)
        )


def test_only_who_was_asked_answers(schedule: Schedule) -> None:
    person, other = on_duty(schedule)
    swap = make_swap(schedule)
    accept, withdraw = (reverse(one, args=[swap.pk]) for one in ("swap_accept", "swap_withdraw"))
    assert "Only who was asked answers." in text_of(sign_in(person).post(accept, follow=True))
    assert "Only who has asked withdraws that." in text_of(
        sign_in(other).post(withdraw, follow=True)
    )
    third = sign_in(make_user(role=Role.ADMINISTRATOR))
    assert third.post(accept).status_code == HTTPStatus.NOT_FOUND
    assert on_duty(schedule) == (person, other)


def test_nobody_hands_over_what_is_not_theirs(schedule: Schedule) -> None:
    person, other = on_duty(schedule)
    sent = {
        "layer": layer_of(schedule).pk,
        "starts_at": NOW.isoformat(),
        "ends_at": MONDAY.isoformat(),
        "other": person.pk,
    }
    browser = sign_in(other)
    answer = browser.post(reverse("hand_over", args=[schedule.pk]), sent, follow=True)
    assert "You are not on call then." in text_of(answer)
    answer = browser.post(reverse("hand_over_now", args=[schedule.pk]), sent, follow=True)
    assert "You are not on call by this layer now." in text_of(answer)
    assert not Swap.objects.exists()


def test_a_shift_is_taken_over_with_one_click(schedule: Schedule) -> None:
    person, other = on_duty(schedule)
    browser, address = sign_in(other), reverse("take_over", args=[schedule.pk])
    page = browser.get(reverse("schedule", args=[schedule.pk]))
    sent = forms_of(page, address)
    assert [one["ends_at"] for one in sent] == [MONDAY.isoformat()]
    answer = browser.post(address, sent[0], follow=True)
    assert "You are on call from Wed 18 Nov 12:00 to Mon 23 Nov 09:00." in text_of(answer)
    assert on_duty(schedule) == (other, person)
    [override] = Override.objects.all()
    answer = browser.post(reverse("override_cancel", args=[override.pk]), follow=True)
    assert "The rotation holds again" in text_of(answer)
    assert on_duty(schedule) == (person, other)


def test_a_viewer_is_offered_nothing_and_refused(schedule: Schedule) -> None:
    viewer = make_user(role=Role.VIEWER)
    browser, page_address = sign_in(viewer), reverse("schedule", args=[schedule.pk])
    page = text_of(browser.get(page_address))
    for words in ("Hand over", "Take it over", "Put somebody on call", "Set up:"):
        assert words not in page
    sent = {
        "layer": layer_of(schedule).pk,
        "starts_at": NOW.isoformat(),
        "ends_at": MONDAY.isoformat(),
    }
    browser.post(reverse("take_over", args=[schedule.pk]), sent)
    assert not Override.objects.exists()


@pytest.mark.parametrize("route", ["hand_over", "hand_over_now", "take_over"])
def test_what_no_page_sends_is_answered_with_words(schedule: Schedule, route: str) -> None:
    person, _ = on_duty(schedule)
    browser, address = sign_in(person), reverse(route, args=[schedule.pk])
    for odd in (
        {},
        {"layer": "x", "other": "y", "starts_at": "z", "ends_at": ""},
        {"layer": "1" * 30, "other": "1", "starts_at": "\0", "ends_at": "now"},
        {"layer": "1", "other": "1" * 40, "starts_at": "9999-12-31T23:59:59-14:00", "ends_at": "x"},
    ):
        assert "This page is out of date." in text_of(browser.post(address, odd, follow=True))
    # A layer of another schedule is none of this one.
    other_layer = make_layer(make_schedule(), person)
    sent = {"layer": other_layer.pk, "other": person.pk}
    sent |= {"starts_at": NOW.isoformat(), "ends_at": MONDAY.isoformat()}
    assert browser.post(address, sent).status_code == HTTPStatus.NOT_FOUND


# ---------- putting somebody in


@pytest.fixture
def manager() -> Client:
    return sign_in(make_user("mary", role=Role.RELEASE_MANAGER))


def wanted_override(schedule: Schedule, whom: User, **other: str) -> dict[str, str]:
    return {
        "person": str(whom.pk),
        "layer": str(layer_of(schedule).pk),
        "starts_at": "2026-11-18T11:00",
        "ends_at": "2026-11-19T17:00",
        "words": "She is ill.",
        **other,
    }


def test_a_manager_puts_somebody_on_call(manager: Client, schedule: Schedule) -> None:
    person, other = on_duty(schedule)
    Layer.objects.update(time_zone="Europe/Berlin")
    address = reverse("override_add", args=[schedule.pk])
    answer = manager.post(address, wanted_override(schedule, other), follow=True)
    assert f"{other} is on call from" in text_of(answer)
    [override] = Override.objects.all()
    # By the clock of the schedule, not by that of the server.
    assert override.ends_at == datetime(2026, 11, 19, 16, tzinfo=UTC)
    assert "“She is ill.”" in text_of(answer)
    assert on_duty(schedule) == (other, person)


def test_a_refused_override_says_what_is_wrong_beside_what_was_typed(
    manager: Client, schedule: Schedule
) -> None:
    person, _ = on_duty(schedule)
    address = reverse("override_add", args=[schedule.pk])
    for odd, words in (
        ({"ends_at": "2026-11-17T09:00"}, "It must end after it begins."),
        ({"ends_at": "tomorrow"}, "Write a day and a time, as 2026-11-20T09:00."),
        ({"ends_at": ""}, "Say when: a day and a time."),
        ({"starts_at": "9999-01-01T00:00"}, "Write a day and a time of this century."),
        ({"person": "999999"}, "They cannot be on call. Choose among those listed."),
        ({"ends_at": "2027-11-19T17:00"}, "Choose at most 90 days."),
    ):
        response = manager.post(address, wanted_override(schedule, person, **odd))
        assert words in text_of(response)
        assert "She is ill." in response.content.decode()
    assert not Override.objects.exists()


def test_whoever_does_not_set_the_rota_puts_nobody_else_in(schedule: Schedule) -> None:
    person, other = on_duty(schedule)
    address = reverse("override_add", args=[schedule.pk])
    response = sign_in(person).post(address, wanted_override(schedule, other))
    assert response.status_code == HTTPStatus.FORBIDDEN
    assert not Override.objects.exists()


def test_an_override_is_taken_back_by_whoever_may(manager: Client, schedule: Schedule) -> None:
    _, other = on_duty(schedule)
    override = make_override(layer_of(schedule), other, NOW + WEEK, made_by=make_user())
    address = reverse("override_cancel", args=[override.pk])
    sign_in(make_user()).post(address)
    override.refresh_from_db()
    assert override.cancelled_at is None
    assert address in manager.get(reverse("schedule", args=[schedule.pk])).content.decode()
    manager.post(address)
    override.refresh_from_db()
    assert override.cancelled_at is not None
