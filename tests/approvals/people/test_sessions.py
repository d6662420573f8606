"""Sessions: what a second factor opens, how long they last, and how they are ended."""

from http import HTTPStatus

import pytest
from allauth.usersessions.models import UserSession
from django.conf import settings as django_settings
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from approvals.audit.models import AuditEvent
from approvals.people import sessions
from approvals.people.membership import deactivate
from approvals.people.models import Role, User
from approvals.people.tasks import forget_expired_sessions
from tests.approvals.factories import make_user
from tests.approvals.managing import reactivate
from tests.approvals.people.conftest import Clock
from tests.approvals.web.pages import HTMX, sign_in, sign_in_unverified, text_of

pytestmark = pytest.mark.django_db

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
)
EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/138.0.0.0 Safari/537.36 Edg/138.0.0.0"
)


@pytest.fixture
def ana() -> User:
    return make_user("ana")


def is_in(browser: Client) -> bool:
    return browser.get(reverse("profile")).status_code == HTTPStatus.OK


def poll(browser: Client) -> int:
    return browser.get(reverse("queue"), {"part": "list"}, headers=HTMX).status_code


# ---------- how long they last


def test_a_session_that_is_used_goes_on_until_it_is_too_old(ana: User, clock: Clock) -> None:
    browser = sign_in(ana)
    begun = clock.now
    while clock.now - begun < django_settings.SESSION_COOKIE_AGE - 1800:
        clock.now += 1800
        if clock.now - begun < django_settings.SESSION_COOKIE_AGE:
            assert is_in(browser)
    clock.now = begun + django_settings.SESSION_COOKIE_AGE
    assert not is_in(browser)
    assert not is_in(browser)


def test_a_session_that_is_left_alone_ends_and_says_so(ana: User, clock: Clock) -> None:
    browser = sign_in(ana)
    clock.now += django_settings.SESSION_IDLE_SECONDS - 1
    assert is_in(browser)
    clock.now += django_settings.SESSION_IDLE_SECONDS
    answer = browser.get(reverse("profile"), follow=True)
    assert answer.redirect_chain[0][0] == f"{reverse('account_login')}?next=/profile/"
    assert "nobody had used this session for some time" in text_of(answer)


def test_a_page_that_asks_by_itself_keeps_no_session_in_use(ana: User, clock: Clock) -> None:
    browser = sign_in(ana)
    for _ in range(django_settings.SESSION_IDLE_SECONDS // 600):
        clock.now += 600
        browser.get(reverse("queue"), {"part": "list"}, headers=HTMX)
    assert not is_in(browser)


def test_a_page_that_asks_by_itself_is_led_to_the_sign_in_page_as_a_whole(
    ana: User, clock: Clock
) -> None:
    browser = sign_in(ana)
    assert poll(browser) == HTTPStatus.OK
    clock.now += django_settings.SESSION_IDLE_SECONDS
    there = {**HTMX, "HX-Current-URL": "http://testserver/history/?page=2"}
    for _ in range(2):
        answer = browser.get(reverse("queue"), {"part": "list"}, headers=there)
        assert answer.content == b""
        wanted = f"{reverse('account_login')}?next=/history/%3Fpage%3D2"
        assert answer.headers["HX-Redirect"] == wanted


def test_an_address_of_elsewhere_is_not_where_a_page_is_led_back_to(
    ana: User, clock: Clock
) -> None:
    browser = sign_in(ana)
    clock.now += django_settings.SESSION_IDLE_SECONDS
    there = {**HTMX, "HX-Current-URL": "https://evil.example.org/queue/"}
    answer = browser.get(reverse("queue"), {"part": "list"}, headers=there)
    assert answer.headers["HX-Redirect"] == f"{reverse('account_login')}?next=/"


def test_a_session_from_before_there_were_limits_is_over(ana: User) -> None:
    browser = sign_in(ana)
    session = browser.session
    del session[sessions.SIGNED_IN_AT]
    session.save()
    assert not is_in(browser)


# ---------- what a second factor opens


def test_a_mark_of_somebody_elses_second_factor_verifies_nobody(ana: User) -> None:
    browser = sign_in_unverified(ana)
    session = browser.session
    session[sessions.VERIFIED] = {"method": "totp", "at": 0, "user": make_user("ben").pk}
    session.save()
    assert not is_in(browser)


def test_signing_in_again_asks_for_the_second_factor_again(ana: User) -> None:
    browser = sign_in(ana)
    assert is_in(browser)
    sign_in_unverified(ana, browser)
    assert not is_in(browser)


def test_two_people_on_one_browser_have_nothing_of_each_other(ana: User) -> None:
    browser = sign_in(ana)
    anas_key = browser.session.session_key
    sign_in_unverified(make_user("ben"), browser)
    assert browser.session.session_key != anas_key
    assert not Session.objects.filter(session_key=anas_key).exists()
    assert not is_in(browser)


# ---------- the list of them, and ending them


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        (IPHONE, "Safari on iPhone"),
        (EDGE, "Edge on Windows"),
        ("curl/8.5.0", "curl"),
        ("", "Unknown browser"),
        ("<script>alert(1)</script>", "Unknown browser"),
    ],
    ids=["firefox", "iphone", "edge", "curl", "none", "hostile"],
)
def test_a_browser_is_called_what_people_call_it(user_agent: str, name: str) -> None:
    assert sessions.browser_name(user_agent) == name


def test_people_see_where_they_are_signed_in(ana: User, clock: Clock) -> None:
    phone = sign_in(ana, Client(headers={"user-agent": IPHONE}, REMOTE_ADDR="192.0.2.7"))
    desk = sign_in(ana, Client(headers={"user-agent": FIREFOX}, REMOTE_ADDR="198.51.100.9"))
    bens = sign_in(make_user("ben"), Client(headers={"user-agent": EDGE}))
    clock.now += 300
    for browser in (phone, bens, desk):
        assert is_in(browser)
    page = text_of(desk.get(reverse("sessions")))
    assert "Firefox on Linux (this browser) from 198.51.100.9" in page
    assert "Safari on iPhone from 192.0.2.7" in page
    assert "Edge" not in page


def test_one_session_is_ended_and_no_other(ana: User) -> None:
    phone, desk = sign_in(ana), sign_in(ana)
    phone.get(reverse("sessions"))
    desk.get(reverse("sessions"))
    row = UserSession.objects.get(session_key=phone.session.session_key)
    desk.post(reverse("session_end", args=[row.pk]))
    assert not is_in(phone)
    assert is_in(desk)
    assert AuditEvent.objects.filter(kind="session.ended", actor_id=ana.pk).count() == 1


def test_nobody_ends_somebody_elses(ana: User) -> None:
    anas, bens = sign_in(ana), sign_in(make_user("ben", role=Role.ADMINISTRATOR))
    anas.get(reverse("sessions"))
    row = UserSession.objects.get(user=ana)
    answer = bens.post(reverse("session_end", args=[row.pk]))
    assert answer.status_code == HTTPStatus.NOT_FOUND
    assert is_in(anas)


def test_ending_all_others_is_offered_where_there_are_some(ana: User) -> None:
    here = sign_in(ana)
    assert "End all other sessions" not in text_of(here.get(reverse("sessions")))
    sign_in(ana).get(reverse("sessions"))
    assert "End all other sessions" in text_of(here.get(reverse("sessions")))


def test_all_others_are_ended_also_those_that_were_never_listed(ana: User) -> None:
    here, listed, unlisted = sign_in(ana), sign_in(ana), sign_in(ana)
    bens = sign_in(make_user("ben"))
    listed.get(reverse("sessions"))
    UserSession.objects.exclude(session_key=listed.session.session_key).delete()
    here.post(reverse("sessions_end_others"))
    assert is_in(here)
    assert not is_in(listed)
    assert not is_in(unlisted)
    assert is_in(bens)


def test_ending_needs_a_post(ana: User) -> None:
    browser = sign_in(ana)
    browser.get(reverse("sessions"))
    row = UserSession.objects.get(user=ana)
    for address in (reverse("session_end", args=[row.pk]), reverse("sessions_end_others")):
        assert browser.get(address).status_code == HTTPStatus.METHOD_NOT_ALLOWED


def test_whoever_is_let_in_again_has_no_session_from_before(ana: User) -> None:
    chief = make_user("chief", role=Role.ADMINISTRATOR)
    listed, unlisted = sign_in(ana), sign_in(ana)
    listed.get(reverse("sessions"))
    deactivate(ana, actor=chief)
    reactivate(ana, actor=chief)
    assert not is_in(listed)
    assert not is_in(unlisted)


def test_the_session_is_named_without_its_key_being_told(ana: User, settings: Settings) -> None:
    browser = sign_in(ana)
    request = browser.get(reverse("profile")).wsgi_request
    name = sessions.session_id(request)
    assert len(name) == 64
    assert str(browser.session.session_key) not in name
    other = sign_in(ana).get(reverse("profile")).wsgi_request
    assert sessions.session_id(other) != name


def test_nothing_is_kept_of_sessions_that_are_over(ana: User) -> None:
    open_still, left = sign_in(ana), sign_in(ana)
    for browser in (open_still, left):
        browser.get(reverse("sessions"))
    left.post(reverse("account_logout"))
    assert UserSession.objects.count() == 2
    forget_expired_sessions()
    assert UserSession.objects.get().session_key == open_still.session.session_key
    assert is_in(open_still)
