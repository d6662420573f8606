"""Setting the rota up: from a template, and everything that can be changed afterwards."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from http import HTTPStatus

import pytest
import time_machine
from django.test import Client
from django.urls import URLPattern, reverse

from approvals.people.models import Role, Scope, User
from approvals.rota import schedules
from approvals.rota.models import Layer, Schedule
from approvals.rota.on_call import on_call
from approvals.rota.plans import plan_of
from approvals.web.urls import rota_urls
from tests.approvals.factories import make_registry, make_user
from tests.approvals.rota.factories import make_layer, make_schedule
from tests.approvals.web.pages import assert_strict, sign_in, text_of

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
SETTERS = [
    one for one in rota_urls if getattr(one.callback, "__module__", "").endswith(".rota_setup")
]


@pytest.fixture(autouse=True)
def _in_november() -> Iterator[None]:
    """Every test is on one day."""
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def browser() -> Client:
    """A release manager's."""
    return sign_in(make_user("mary", role=Role.RELEASE_MANAGER))


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def grace() -> User:
    return make_user("grace")


def new(template: str, *people: User, **other: str) -> dict[str, str]:
    places = {f"place_0_{at}": str(one.pk) for at, one in enumerate(people)}
    return {
        "template": template,
        "name": "Frontend",
        "packages": "@acme/*\r\nleft-pad\r\n",
        "registry_url": "",
        "zone_0": "Europe/Berlin",
        "start_date": "2026-11-18",
        **places,
        **other,
    }


# ---------- from a template


def test_a_weekly_rota_is_made_in_one_form(browser: Client, ada: User, grace: User) -> None:
    registry = make_registry("npm")
    response = browser.get(reverse("schedule_add"))
    assert_strict(response)
    assert "One person a week" in text_of(response)
    sent = new("weekly", grace, ada, registry_url=registry.url)
    answer = browser.post(reverse("schedule_add"), sent, follow=True)
    made = Schedule.objects.get()
    assert answer.redirect_chain == [(reverse("schedule", args=[made.pk]), HTTPStatus.FOUND)]
    page = text_of(answer)
    assert "“Frontend” is made." in page
    assert "For @acme/*, left-pad at npm." in page
    assert "grace Wed 18 Nov 13:00 to Mon 23 Nov 09:00 now" in page
    [layer] = schedules.layers_of(made)
    assert schedules.people_in(layer) == [grace, ada]
    assert (layer.time_zone, layer.start_date) == ("Europe/Berlin", date(2026, 11, 16))
    # Who is asked next is said from the beginning, and can be changed.
    assert list(made.steps.values_list("after_minutes", "whom")) == [
        (0, "on_call"),
        (15, "next"),
        (30, "all_approvers"),
    ]


def test_weekdays_and_weekend_are_two_layers(browser: Client, ada: User, grace: User) -> None:
    browser.post(reverse("schedule_add"), new("weekday_and_weekend", ada, grace))
    kinds = [layer.kind for layer in schedules.layers_of(Schedule.objects.get())]
    assert kinds == [Layer.Kind.WEEKDAY, Layer.Kind.WEEKEND]


def test_follow_the_sun_has_a_group_in_every_time_zone(
    browser: Client, ada: User, grace: User
) -> None:
    sent = new("follow_the_sun", ada) | {"zone_1": "Asia/Tokyo", "place_1_0": str(grace.pk)}
    browser.post(reverse("schedule_add"), sent)
    layers = list(schedules.layers_of(Schedule.objects.get()))
    assert {one.time_zone for one in layers} == {"Europe/Berlin", "Asia/Tokyo"}
    found = on_call(plan_of(Schedule.objects.get()), NOW)
    assert found is not None
    assert found.person == ada.pk


def test_groups_that_a_template_does_not_have_are_left_out(
    browser: Client, ada: User, grace: User
) -> None:
    sent = new("weekly", ada) | {"zone_1": "Asia/Tokyo", "place_1_0": str(grace.pk)}
    browser.post(reverse("schedule_add"), sent)
    [layer] = schedules.layers_of(Schedule.objects.get())
    assert schedules.people_in(layer) == [ada]


def test_what_is_wrong_is_said_beside_its_field(browser: Client, ada: User, grace: User) -> None:
    viewer = make_user(role=Role.VIEWER)
    for odd, words in (
        ({"name": ""}, "Give the schedule a name, to tell it from others."),
        ({"packages": "@acme/* and more"}, "names no packages."),
        ({"packages": "*" * 6000}, "Ensure this value has at most"),
        ({"zone_0": "Mars/Olympus"}, "“Mars/Olympus” is no time zone."),
        ({"zone_0": "../../etc/passwd"}, "“../../etc/passwd” is no time zone."),
        ({"zone_0": ""}, "Name a time zone, such as Europe/Berlin."),
        ({"place_0_0": ""}, "Choose at least one person."),
        ({"place_0_1": str(ada.pk)}, "They have a turn already. Choose somebody else."),
        ({"place_0_1": str(viewer.pk)}, "They cannot be on call. Choose among those listed."),
        ({"template": "follow_the_sun"}, "Choose who follows the first group."),
        (
            {"template": "follow_the_sun", "place_1_0": str(grace.pk), "zone_1": ""},
            "Name their time zone, such as Asia/Tokyo.",
        ),
        ({"template": "three_shifts"}, "Select a valid choice."),
        ({"start_date": "soon"}, "Enter a valid date."),
        ({"start_date": "1999-01-01"}, "Begin on a day of the years 2020 to 2199."),
        ({"registry_url": "https://elsewhere.example.org/"}, "Select a valid choice."),
    ):
        response = browser.post(reverse("schedule_add"), new("weekly", ada) | odd)
        assert words in text_of(response)
        assert_strict(response)
    assert not Schedule.objects.exists()


def test_more_places_keep_what_was_typed_and_complain_of_nothing(
    browser: Client, ada: User
) -> None:
    sent = new("weekly", ada, name="") | {"more": "0", "place_0_3": ""}
    response = browser.post(reverse("schedule_add"), sent)
    page, html = text_of(response), response.content.decode()
    assert "Give the schedule a name" not in page
    assert 'name="place_0_5"' in html
    assert f'<option value="{ada.pk}" selected>' in html
    assert not Schedule.objects.exists()


def test_the_enter_key_makes_the_schedule_instead_of_more_places(
    browser: Client, ada: User
) -> None:
    html = browser.get(reverse("schedule_add")).content.decode()
    form = html[html.index('class="fields new-schedule"') :]
    assert form.index('<button class="visually-hidden"') < form.index('name="more"')


# ---------- afterwards


def test_name_and_packages_are_changed(browser: Client, ada: User) -> None:
    schedule = make_schedule(ada, name="Old")
    response = browser.get(reverse("schedule_setup", args=[schedule.pk]))
    assert_strict(response)
    sent = {"name": "New", "packages": "@new/*", "registry_url": "", "is_round_the_clock": "on"}
    answer = browser.post(reverse("schedule_change", args=[schedule.pk]), sent, follow=True)
    assert "“New” is saved" in text_of(answer)
    schedule.refresh_from_db()
    assert (schedule.name, schedule.packages, schedule.is_round_the_clock) == (
        "New",
        "@new/*",
        True,
    )


def test_a_name_is_taken_once(browser: Client, ada: User) -> None:
    make_schedule(name="Frontend")
    schedule = make_schedule(ada, name="Backend")
    sent = {"name": "frontend", "packages": "*"}
    page = text_of(browser.post(reverse("schedule_change", args=[schedule.pk]), sent))
    assert "Another schedule is called “frontend” already." in page


def test_steps_are_set_and_the_odd_ones_refused(browser: Client, ada: User) -> None:
    schedule = make_schedule(ada)
    address = reverse("schedule_steps", args=[schedule.pk])
    sent = {"after_0": "0", "whom_0": "on_call", "after_1": "20", "whom_1": "all_approvers"}
    assert "is saved" in text_of(browser.post(address, sent, follow=True))
    assert list(schedule.steps.values_list("after_minutes", "whom")) == [
        (0, "on_call"),
        (20, "all_approvers"),
    ]
    for odd, words in (
        ({"after_2": "5", "whom_2": ""}, "Say who is asked then, or clear the minutes."),
        ({"after_2": "", "whom_2": "next"}, "Say after how many minutes."),
        ({"after_2": "-1", "whom_2": "next"}, "greater than or equal to 0"),
        ({"after_2": "99999", "whom_2": "next"}, "less than or equal to 10080"),
        ({"after_2": "5", "whom_2": "the boss"}, "Select a valid choice."),
    ):
        assert words in text_of(browser.post(address, sent | odd))
    assert schedule.steps.count() == 2
    assert "15 min later" not in text_of(browser.get(reverse("schedule", args=[schedule.pk])))


def test_schedules_change_places(browser: Client) -> None:
    first, second = make_schedule(name="First"), make_schedule(name="Second")
    browser.post(reverse("schedule_move", args=[second.pk]), {"position": "1"})
    assert list(Schedule.objects.all()) == [second, first]
    answer = browser.post(
        reverse("schedule_move", args=[second.pk]), {"position": "9"}, follow=True
    )
    assert "Choose the place again." in text_of(answer)


def test_a_schedule_is_removed(browser: Client, ada: User) -> None:
    schedule = make_schedule(ada, name="Frontend")
    answer = browser.post(reverse("schedule_remove", args=[schedule.pk]), follow=True)
    assert "“Frontend” is removed." in text_of(answer)
    assert not Schedule.objects.exists()


# ---------- layers


def wanted_layer(*people: User, **other: object) -> dict[str, object]:
    places = {f"place_{at}": str(one.pk) for at, one in enumerate(people)}
    return {
        "kind": "incident",
        "length": "2",
        "unit": "days",
        "start_date": "2026-11-18",
        "handover_time": "08:30",
        "time_zone": "Europe/Berlin",
        "weekdays": ["0", "1", "2", "3", "4"],
        "from_time": "08:30",
        "until_time": "18:00",
        **places,
        **other,
    }


def test_a_layer_is_added_with_its_hours(browser: Client, ada: User, grace: User) -> None:
    schedule = make_schedule(ada)
    address = reverse("layer_add", args=[schedule.pk])
    assert_strict(browser.get(address))
    answer = browser.post(address, wanted_layer(grace, ada), follow=True)
    page = text_of(answer)
    assert "Incidents grace, ada Mon-Fri 08:30\N{EN DASH}18:00" in page
    assert "Turns of 2 days, from 18 Nov 2026, 08:30 (Europe/Berlin)" in page
    layer = Layer.objects.get(kind="incident")
    assert (layer.length, layer.handover_time) == (2, time(8, 30))
    assert schedules.people_in(layer) == [grace, ada]


def test_a_layer_s_people_change_and_their_order(browser: Client, ada: User, grace: User) -> None:
    schedule = make_schedule(ada, grace)
    layer = schedule.layers.get()
    address = reverse("layer", args=[layer.pk])
    response = browser.get(address)
    assert_strict(response)
    assert f'<option value="{ada.pk}" selected>' in response.content.decode()
    form = response.context["form"]
    same = {name: form[name].value() for name in form.fields if not name.startswith("place_")}
    sent = {name: "" if value is None else value for name, value in same.items()}
    sent |= {"handover_time": "09:00", "place_0": grace.pk}
    answer = browser.post(address, sent, follow=True)
    assert "The layer is changed, from now on." in text_of(answer)
    [layer] = schedules.layers_of(schedule)
    assert schedules.people_in(layer) == [grace]


def test_what_is_wrong_with_a_layer_is_said_beside_its_field(browser: Client, ada: User) -> None:
    schedule = make_schedule(ada)
    address = reverse("layer_add", args=[schedule.pk])
    for odd, words in (
        ({"until_time": ""}, "Say both, or neither for the whole day."),
        ({"weekdays": []}, "Choose at least one day."),
        ({"weekdays": ["9"]}, "Select a valid choice."),
        ({"length": "0"}, "greater than or equal to 1"),
        ({"length": "91"}, "A turn has 1 to 90 days."),
        ({"handover_time": "25:00"}, "Enter a valid time."),
        ({"place_0": ""}, "Choose 1 to 50 people."),
        ({"kind": "lunch"}, "Select a valid choice."),
    ):
        assert words in text_of(browser.post(address, wanted_layer(ada) | odd))
    assert schedules.layers_of(schedule).count() == 1


def test_who_may_approve_nothing_by_now_can_be_taken_out(browser: Client, ada: User) -> None:
    gone = make_user("gone", is_active=False)
    layer = make_schedule(ada, gone).layers.get()
    html = browser.get(reverse("layer", args=[layer.pk])).content.decode()
    assert f'<option value="{gone.pk}" selected>' in html


def test_a_layer_is_removed_and_what_was_stays(browser: Client, ada: User, grace: User) -> None:
    schedule = make_schedule(ada)
    layer = make_layer(schedule, grace)
    browser.post(reverse("layer_remove", args=[layer.pk]))
    assert schedules.layers_of(schedule).count() == 1
    assert Layer.objects.count() == 2
    # It is gone for whoever had its page open.
    for method in (browser.get, browser.post):
        assert method(reverse("layer", args=[layer.pk])).status_code == HTTPStatus.NOT_FOUND


# ---------- who may


@pytest.mark.parametrize("pattern", SETTERS, ids=lambda pattern: str(pattern.name))
def test_only_who_sets_the_rota_reaches_its_setting_up(pattern: URLPattern, ada: User) -> None:
    schedule = make_schedule(ada, name="Frontend")
    layer = schedule.layers.get()
    key = layer.pk if str(pattern.pattern).startswith("rota/layers/") else schedule.pk
    address = reverse(str(pattern.name), args=[key] if "<int" in str(pattern.pattern) else [])
    scoped = make_user(role=Role.RELEASE_MANAGER)
    Scope.objects.create(user=scoped, packages="@acme/*")
    for somebody in (ada, make_user(role=Role.VIEWER), scoped):
        answers = [sign_in(somebody).get(address), sign_in(somebody).post(address, {"position": 1})]
        for answer in answers:
            assert answer.status_code == HTTPStatus.FORBIDDEN
            assert "who sees every package sets the rota" in text_of(answer)
    assert Schedule.objects.filter(name="Frontend").exists()


def test_the_walk_finds_the_pages() -> None:
    assert len(SETTERS) == 9
