"""Calendar addresses: made once, read by anybody who has them, revoked."""

import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from http import HTTPStatus

import pytest
import time_machine
from django.conf import settings
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from icalendar import Calendar
from pytest_django import Settings

from approvals.people.models import Scope, User
from approvals.people.secret_paths import HideSecretPaths
from approvals.rota.models import CalendarFeed, Schedule
from tests.approvals.factories import make_user
from tests.approvals.rota.factories import make_schedule
from tests.approvals.web.pages import assert_strict, sign_in, text_of

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _in_november() -> Iterator[None]:
    """Every test is on one day."""
    cache.clear()
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def schedule(ada: User) -> Schedule:
    return make_schedule(ada, make_user("grace"), name="Frontend", packages="@acme/*")


def path_in(response: HttpResponse) -> str:
    """The path of the address that the page shows."""
    [path] = re.findall(r"/calendar/[\w-]+\.ics", text_of(response))
    return str(path)


def read(path: str) -> Calendar:
    """What a calendar program gets, which is signed in nowhere."""
    response = Client().get(path)
    assert response.status_code == HTTPStatus.OK
    assert response["Content-Type"] == "text/calendar; charset=utf-8"
    assert "no-store" in response["Cache-Control"]
    found = Calendar.from_ical(response.content)
    assert isinstance(found, Calendar)
    return found


def summaries(calendar: Calendar) -> set[str]:
    return {str(event["SUMMARY"]) for event in calendar.walk("VEVENT")}


def test_a_person_reads_their_own_shifts_without_signing_in(ada: User, schedule: Schedule) -> None:
    browser = sign_in(ada)
    assert "Make an address with your own shifts" in text_of(browser.get(reverse("rota")))
    response = browser.post(reverse("feed_make"))
    assert_strict(response)
    assert "It is shown only now." in text_of(response)
    assert "no-store" in response["Cache-Control"]
    path = path_in(response)
    assert summaries(read(path)) == {"On call: Frontend"}
    page = text_of(browser.get(reverse("rota")))
    assert "was made just now and last read just now" in page
    # It is nowhere again, not even in the database.
    secret = path.removeprefix("/calendar/").removesuffix(".ics")
    assert secret not in page
    assert secret not in str(list(CalendarFeed.objects.values()))


def test_a_schedule_s_address_has_everybody_s_shifts(ada: User, schedule: Schedule) -> None:
    browser = sign_in(ada)
    path = path_in(browser.post(reverse("schedule_feed_make", args=[schedule.pk])))
    assert summaries(read(path)) == {"ada: Frontend", "grace: Frontend"}


def test_the_address_is_that_of_the_installation(ada: User, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://countersign.example.org"
    response = sign_in(ada).post(reverse("feed_make"))
    assert "https://countersign.example.org/calendar/" in text_of(response)


def test_a_revoked_address_is_worthless_and_so_is_one_that_was_replaced(ada: User) -> None:
    browser = sign_in(ada)
    first = path_in(browser.post(reverse("feed_make")))
    second = path_in(browser.post(reverse("feed_make")))
    assert Client().get(first).status_code == HTTPStatus.NOT_FOUND
    read(second)
    feed = CalendarFeed.objects.get(revoked_at=None)
    answer = browser.post(reverse("feed_revoke", args=[feed.pk]), follow=True)
    assert "The calendar address works no longer." in text_of(answer)
    assert Client().get(second).status_code == HTTPStatus.NOT_FOUND
    # A second click, or another browser, is told so.
    again = browser.post(reverse("feed_revoke", args=[feed.pk]), follow=True)
    assert "was revoked already" in text_of(again)


def test_nobody_revokes_the_address_of_another(ada: User) -> None:
    path = path_in(sign_in(ada).post(reverse("feed_make")))
    feed = CalendarFeed.objects.get()
    answer = sign_in(make_user()).post(reverse("feed_revoke", args=[feed.pk]))
    assert answer.status_code == HTTPStatus.NOT_FOUND
    read(path)


def test_who_is_shut_out_or_loses_the_packages_has_nothing_to_read(schedule: Schedule) -> None:
    somebody = make_user()
    browser = sign_in(somebody)
    own = path_in(browser.post(reverse("feed_make")))
    whole = path_in(browser.post(reverse("schedule_feed_make", args=[schedule.pk])))
    Scope.objects.create(user=somebody, packages="@other/*")
    assert Client().get(whole).status_code == HTTPStatus.NOT_FOUND
    read(own)
    User.objects.filter(pk=somebody.pk).update(is_active=False)
    assert Client().get(own).status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("secret", ["x", "A" * 43, "A" * 5000, "%00", "..", "ada"])
def test_a_guessed_address_is_not_found(ada: User, secret: str) -> None:
    sign_in(ada).post(reverse("feed_make"))
    assert Client().get(f"/calendar/{secret}.ics").status_code == HTTPStatus.NOT_FOUND


def test_nothing_is_changed_there(ada: User) -> None:
    path = path_in(sign_in(ada).post(reverse("feed_make")))
    assert Client().post(path).status_code == HTTPStatus.METHOD_NOT_ALLOWED


def test_reading_is_limited_by_address(ada: User, settings: Settings) -> None:
    settings.TRY_LIMITS = {**settings.TRY_LIMITS, "calendar": {"address": (2, 900)}}
    path = path_in(sign_in(ada).post(reverse("feed_make")))
    for _ in range(2):
        read(path)
    answer = Client().get(path)
    assert answer.status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert answer["Retry-After"] == "900"
    assert "BEGIN:VCALENDAR" not in answer.content.decode()
    elsewhere = Client(REMOTE_ADDR="192.0.2.7")
    assert elsewhere.get(path).status_code == HTTPStatus.OK


def test_the_limit_lets_an_office_read_its_calendars() -> None:
    number, seconds = settings.TRY_LIMITS["calendar"]["address"]
    assert number >= seconds / 300 * 100, "a hundred programs that read every five minutes"


def test_no_log_has_the_address() -> None:
    record = logging.LogRecord(
        "django.request", logging.WARNING, "", 0, "Not Found: %s", ("/calendar/s3cret-x.ics",), None
    )
    assert HideSecretPaths().filter(record)
    assert record.getMessage() == "Not Found: /calendar/(hidden)"
