"""Sessions end when they must, wherever else a person is signed in, and for good."""

import re
from base64 import b32encode
from collections.abc import Callable
from http.cookies import SimpleCookie

import pyotp
import pytest
from allauth.usersessions.models import UserSession
from django.conf import settings as django_settings
from django.core import mail
from django.test import Client
from django.urls import reverse

from approvals.people.models import Role, SealedTOTPDevice, User
from tests.approvals.codes import code_now, enrol, enrol_passkey
from tests.approvals.factories import make_user
from tests.approvals.managing import reactivate
from tests.approvals.people.conftest import Clock
from tests.approvals.web.pages import HTMX, sign_in, sign_in_unverified, text_of
from tests.webauthn import SoftAuthenticator

pytestmark = pytest.mark.django_db

PASSWORD, NEW_PASSWORD = "a long password", "nine otters under a bridge"


@pytest.fixture
def ada() -> User:
    user = make_user("ada")
    enrol(user)
    enrol_passkey(user)
    return user


def copy_of(client: Client) -> Client:
    """What somebody has who stole the cookies."""
    thief = Client()
    thief.cookies = SimpleCookie({name: one.value for name, one in client.cookies.items()})
    return thief


def is_in(client: Client) -> bool:
    """Whether this browser is shown what waits."""
    return client.get(reverse("queue")).status_code == 200


def is_signed_in(client: Client) -> bool:
    """Whether it counts for anything: one whose second factor is asked for is signed in too."""
    goes_to = client.get(reverse("queue")).get("Location", "")
    return not goes_to.startswith(reverse("account_login"))


def fresh_code(user: User) -> str:
    SealedTOTPDevice.objects.filter(user=user).update(
        last_t=-1, throttling_failure_count=0, throttling_failure_timestamp=None
    )
    return code_now(user)


def enter(user: User) -> Client:
    """Signs in as people do, with a password and a code."""
    client = Client()
    client.post(reverse("account_login"), {"login": user.username, "password": PASSWORD})
    client.post(reverse("verify"), {"code": fresh_code(user)})
    return client


# ---------- what a person does here ends what is open elsewhere


def adds_a_passkey(here: Client, ada: User) -> None:
    here.post(reverse("security_allow"), {"code": fresh_code(ada)})
    options = here.post(reverse("security_passkey_options")).json()["options"]
    made = {"credential": SoftAuthenticator().create(options), "name": "Another"}
    assert "Another" in text_of(here.post(reverse("security_passkey"), made, follow=True))


def removes_a_passkey(here: Client, ada: User) -> None:
    page = here.get(reverse("security")).content.decode()
    key = re.findall(r"passkey-\d+", page)[0]
    form = {"code": fresh_code(ada)}
    assert here.post(reverse("security_remove", args=[key]), form).status_code == 302


def changes_the_password(here: Client, ada: User) -> None:
    form = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert here.post(reverse("account_change_password"), form).status_code == 302
    ada.refresh_from_db()
    assert ada.check_password(NEW_PASSWORD)


def ends_all_others(here: Client, ada: User) -> None:
    assert here.post(reverse("sessions_end_others")).status_code == 302


DOINGS = [adds_a_passkey, removes_a_passkey, changes_the_password, ends_all_others]


@pytest.mark.parametrize("does", DOINGS, ids=[does.__name__ for does in DOINGS])
def test_it_ends_every_other_session_and_not_this_one(
    ada: User, does: Callable[[Client, User], None]
) -> None:
    here, there, half_way = sign_in(ada), sign_in(ada), sign_in_unverified(ada)
    stranger = sign_in(make_user("grace"))
    assert is_in(here)
    assert is_in(there)

    does(here, ada)

    assert is_in(here)
    assert not is_signed_in(there)
    assert not is_signed_in(half_way)
    assert is_in(stranger)
    # Not even for what a page asks by itself, nor ever again.
    assert there.get(reverse("queue"), {"part": "list"}, headers=HTMX).content == b""
    assert not is_signed_in(there)


def test_one_session_is_ended_from_the_list(ada: User) -> None:
    here, there, third = enter(ada), enter(ada), enter(ada)
    thief = copy_of(there)
    for one in (here, thief, third):
        assert is_in(one)
    listed = re.findall(r"/sessions/(\d+)/end/", here.get(reverse("sessions")).content.decode())
    ended = UserSession.objects.get(session_key=there.session.session_key).pk
    assert str(ended) in listed

    assert here.post(reverse("session_end", args=[ended])).status_code == 302

    assert [is_signed_in(one) for one in (there, thief)] == [False, False]
    assert [is_in(one) for one in (here, third)] == [True, True]


def test_nobody_ends_somebody_elses_session(ada: User) -> None:
    here, grace = sign_in(ada), sign_in(make_user("grace"))
    third = sign_in(ada)
    third.get(reverse("sessions"))
    keys = re.findall(r"/sessions/(\d+)/end/", here.get(reverse("sessions")).content.decode())
    assert keys
    for key in keys:
        assert grace.post(reverse("session_end", args=[key])).status_code == 404
    assert is_in(here)
    assert is_in(third)


# ---------- what others do


def boss() -> Client:
    user = make_user(role=Role.ADMINISTRATOR)
    enrol(user)
    return sign_in(user)


def test_who_is_removed_is_out_at_once_and_for_good(ada: User) -> None:
    browsers, manager = [sign_in(ada), sign_in_unverified(ada)], boss()
    manager.post(reverse("person_deactivate", args=[ada.pk]))
    assert not any(is_signed_in(one) for one in browsers)
    assert not is_signed_in(copy_of(browsers[0]))
    Client().post(reverse("account_login"), {"login": "ada", "password": PASSWORD})
    reactivate(ada, actor=make_user(role=Role.ADMINISTRATOR))
    ada.refresh_from_db()
    assert ada.is_active
    assert not any(is_signed_in(one) for one in browsers)


def test_who_is_removed_does_not_come_back_by_any_door(ada: User) -> None:
    authenticator = enrol_passkey(ada)
    code = fresh_code(ada)
    boss().post(reverse("person_deactivate", args=[ada.pk]))
    by_password, by_passkey = Client(), Client()
    by_password.post(reverse("account_login"), {"login": "ada", "password": PASSWORD})
    by_password.post(reverse("verify"), {"code": code})
    options = by_passkey.post(reverse("sign_in_options")).json()["options"]
    by_passkey.post(reverse("sign_in_passkey"), {"assertion": authenticator.get(options)})
    assert not is_signed_in(by_password)
    assert not is_signed_in(by_passkey)


def test_who_lost_their_factors_is_out_until_there_are_new_ones(ada: User) -> None:
    administrator = make_user(role=Role.ADMINISTRATOR)
    enrol(administrator)
    here, manager = sign_in(ada), sign_in(administrator)
    form = {"code": fresh_code(administrator)}
    answer = manager.post(reverse("person_reset_factors", args=[ada.pk]), form)
    assert answer.status_code == 302
    assert not is_signed_in(here)
    assert is_in(manager)


def test_a_new_password_by_mail_ends_every_session_and_opens_none(ada: User) -> None:
    here, half_way = sign_in(ada), sign_in_unverified(ada)
    stranger = Client()
    stranger.post(reverse("account_reset_password"), {"email": ada.email})
    (letter,) = [one for one in mail.outbox if one.to == [ada.email]]
    path = re.search(r"https?://[^/]+(/account/password/reset/key/\S+)", letter.body)
    assert path
    page = stranger.get(path[1], follow=True)
    where = page.redirect_chain[-1][0]
    stranger.post(where, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})
    ada.refresh_from_db()
    assert ada.check_password(NEW_PASSWORD)
    assert not is_signed_in(here)
    assert not is_signed_in(half_way)
    # Who reads the mail has no second factor.
    assert not is_in(stranger)
    # And the link is good once.
    again = Client().get(path[1], follow=True)
    assert 'name="password1"' not in again.content.decode()


# ---------- by themselves


@pytest.mark.parametrize("verified", [True, False], ids=["verified", "unverified"])
def test_a_session_that_is_left_alone_ends(ada: User, clock: Clock, verified: bool) -> None:
    client = sign_in(ada) if verified else sign_in_unverified(ada)
    for _ in range(3):
        clock.now += django_settings.SESSION_IDLE_SECONDS / 3
        # A page that is left open asks for news: that is nobody's being there.
        client.get(reverse("queue"), {"part": "list"}, headers=HTMX)
    assert not is_signed_in(client)
    assert not is_signed_in(client)


def test_a_session_that_is_used_all_day_ends(ada: User, clock: Clock) -> None:
    client = sign_in(ada)
    begun, step = clock.now, django_settings.SESSION_IDLE_SECONDS / 2
    while clock.now + step < begun + django_settings.SESSION_COOKIE_AGE:
        clock.now += step
        assert is_in(client)
    clock.now = begun + django_settings.SESSION_COOKIE_AGE
    assert not is_signed_in(client)


def test_showing_a_second_factor_makes_no_session_younger(ada: User, clock: Clock) -> None:
    client = sign_in_unverified(ada)
    begun, step = clock.now, django_settings.SESSION_IDLE_SECONDS / 2
    while clock.now + step < begun + django_settings.SESSION_COOKIE_AGE:
        clock.now += step
        assert client.get(reverse("verify")).status_code == 200
    app = pyotp.TOTP(b32encode(SealedTOTPDevice.objects.get().bin_key).decode())
    client.post(reverse("verify"), {"code": app.at(int(clock.now))})
    assert is_in(client)
    clock.now = begun + django_settings.SESSION_COOKIE_AGE
    assert not is_signed_in(client)


# ---------- cookies that somebody else has


def test_signing_out_ends_the_session_and_not_only_the_cookie(ada: User) -> None:
    client = sign_in(ada)
    thief = copy_of(client)
    assert is_in(thief)
    client.post(reverse("account_logout"))
    assert not is_signed_in(thief)


@pytest.mark.parametrize("how", ["code", "passkey"])
def test_a_cookie_of_before_is_not_let_in_with_its_person(ada: User, how: str) -> None:
    """Planted in somebody's browser, or stolen while only the password was given."""
    victim = Client()
    if how == "passkey":
        authenticator = enrol_passkey(ada)
        options = victim.post(reverse("sign_in_options")).json()["options"]
        thief = copy_of(victim)
        victim.post(reverse("sign_in_passkey"), {"assertion": authenticator.get(options)})
    else:
        victim.post(reverse("account_login"), {"login": "ada", "password": PASSWORD})
        thief = copy_of(victim)
        victim.post(reverse("verify"), {"code": fresh_code(ada)})
    assert is_in(victim)
    assert not is_signed_in(thief)


def test_a_session_is_nobody_elses_after_signing_in_as_another(ada: User) -> None:
    """Two people at one computer: the second has to show a factor of their own."""
    grace = make_user("grace")
    enrol(grace)
    client = sign_in(ada)
    client.post(reverse("account_logout"))
    client.post(reverse("account_login"), {"login": "grace", "password": PASSWORD})
    assert client.get(reverse("queue"))["Location"].startswith(reverse("verify"))
