"""Coming in, as a person and as an attacker try it: password, passkey, GitHub, second factor."""

import json
import re
from base64 import b32encode
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialToken
from allauth.socialaccount.providers.github.views import GitHubOAuth2Adapter
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import get_resolver, reverse
from django.utils import timezone
from pytest_django import Settings

from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.notifications.tell import tell
from approvals.people import recovery_codes
from approvals.people.models import SealedTOTPDevice, User
from tests.approvals.at_once import at_once
from tests.approvals.codes import code_now, enrol, enrol_passkey, wrong_code
from tests.approvals.factories import make_registry, make_staged_version, make_user
from tests.approvals.people.conftest import Clock, Phone, clock, unlock
from tests.approvals.web.github import CLIENT_ID, CLIENT_SECRET, TOKEN, GitHub, running_github
from tests.approvals.web.pages import (
    HTMX,
    assert_strict,
    sign_in,
    sign_in_unverified,
    text_of,
)
from tests.webauthn import SoftAuthenticator

__all__ = ["clock"]

pytestmark = pytest.mark.django_db

PASSWORD = "a long password"
ELSEWHERE = [
    "https://evil.example.org/",
    "//evil.example.org/",
    "/\\evil.example.org",
    "javascript:alert(1)",
    "https:evil.example.org",
    "http://localhost:9999/",
    "http://testserver/history/",
]


@pytest.fixture
def ana() -> User:
    return make_user("ana")


@pytest.fixture
def phone(ana: User) -> SoftAuthenticator:
    """Ana's, with a passkey on it."""
    return enrol_passkey(ana)


def send_password(browser: Client, name: str = "ana", password: str = PASSWORD, **more: str) -> Any:
    return browser.post(reverse("account_login"), {"login": name, "password": password, **more})


def send_code(browser: Client, code: str, **more: str) -> Any:
    return browser.post(reverse("verify"), {"code": code, **more})


def touch(browser: Client, phone: SoftAuthenticator, **more: str) -> Any:
    """Signs in with a passkey, as the page's button does."""
    options = browser.post(reverse("sign_in_options")).json()["options"]
    return browser.post(reverse("sign_in_passkey"), {"assertion": phone.get(options), **more})


def touch_again(browser: Client, phone: SoftAuthenticator, **more: str) -> Any:
    """Shows a passkey as the second factor."""
    asked = browser.post(reverse("verify_passkey")).json()
    answer = {"assertion": phone.get(asked["options"]), **asked["fields"], **more}
    return browser.post(reverse("verify"), answer)


def is_in(browser: Client) -> bool:
    return browser.get(reverse("queue")).status_code == HTTPStatus.OK


def place(answer: HttpResponse) -> str:
    return answer.headers.get("Location", "")


# ---------- password, then a second factor


def test_a_password_alone_leads_to_the_second_factor_and_from_there_on(ana: User) -> None:
    enrol(ana)
    browser = Client()
    assert place(send_password(browser, next="/history/?q=x")) == "/history/?q=x"
    asked = browser.get("/history/?q=x")
    assert place(asked) == "/verify/?next=/history/%3Fq%3Dx"
    page = browser.get(place(asked))
    assert "Now your second factor" in text_of(page)
    assert 'autocomplete="one-time-code"' in page.content.decode()
    assert_strict(page)
    assert not is_in(browser)
    assert place(send_code(browser, code_now(ana), next="/history/?q=x")) == "/history/?q=x"
    assert is_in(browser)
    kinds = AuditEvent.objects.order_by("sequence").values_list("kind", flat=True)
    assert list(kinds)[-2:] == ["person.signed_in", "session.verified"]


def test_a_wrong_code_says_so_in_its_place_and_lets_nobody_in(ana: User) -> None:
    enrol(ana)
    browser = sign_in_unverified(ana)
    page = send_code(browser, wrong_code(ana), next="/history/")
    assert "This code is wrong" in text_of(page)
    assert 'name="next" value="/history/"' in page.content.decode()
    assert not is_in(browser)


def test_a_passkey_is_a_second_factor(ana: User, phone: SoftAuthenticator) -> None:
    browser = sign_in_unverified(ana)
    assert place(touch_again(browser, phone, next="/people/")) == "/people/"
    assert is_in(browser)


def test_somebody_elses_passkey_is_none(ana: User, phone: SoftAuthenticator) -> None:
    bens = enrol_passkey(make_user("ben"))
    browser = sign_in_unverified(ana)
    asked = browser.post(reverse("verify_passkey")).json()
    signed = bens.get(asked["options"], credential=bens.credentials[0])
    answer = browser.post(reverse("verify"), {"assertion": signed, **asked["fields"]})
    assert "not accepted" in text_of(answer)
    assert not is_in(browser)


def test_a_passkeys_answer_verifies_one_session_once(ana: User, phone: SoftAuthenticator) -> None:
    enrol(ana)
    phone.counts = False
    mine, thiefs = sign_in_unverified(ana), sign_in_unverified(ana)
    asked = mine.post(reverse("verify_passkey")).json()
    answer = {"assertion": phone.get(asked["options"]), **asked["fields"]}
    thiefs.post(reverse("verify"), answer)
    assert not is_in(thiefs)
    mine.post(reverse("verify"), answer)
    assert is_in(mine)
    again = sign_in_unverified(ana)
    again.post(reverse("verify"), answer)
    assert not is_in(again)


def test_a_code_lets_one_browser_in_not_two(ana: User) -> None:
    enrol(ana)
    code = code_now(ana)
    first, second = sign_in_unverified(ana), sign_in_unverified(ana)
    send_code(first, code)
    assert "used before" in text_of(send_code(second, code))
    assert is_in(first)
    assert not is_in(second)


def test_a_recovery_code_lets_in_once_and_is_told_of(ana: User) -> None:
    enrol(ana)
    with transaction.atomic():
        codes = recovery_codes.make(ana)
    browser = sign_in_unverified(ana)
    page = browser.post(reverse("verify"), {"recovery_code": codes[0]}, follow=True)
    assert "You used a recovery code; 9 are left." in text_of(page)
    assert f'<a href="{reverse("security")}">Security</a>' in page.content.decode()
    assert is_in(browser)
    assert OutboxEvent.objects.filter(topic="recovery_code.used").count() == 1
    again = sign_in_unverified(ana)
    page = again.post(reverse("verify"), {"recovery_code": codes[0]})
    assert "used before" in text_of(page)
    assert codes[0] not in page.content.decode()
    assert not is_in(again)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"recovery_code": "4kb7k"}, "ten letters and digits, such as 4kb7k-yy9xk"),
        ({"recovery_code": "123456"}, "ten letters and digits, such as 4kb7k-yy9xk"),
        ({"recovery_code": ""}, "Enter one of your recovery codes."),
        ({"code": ""}, "Enter the code that your app shows."),
        ({"code": "12345"}, "A code has six digits"),
    ],
    ids=["short", "code of an app", "no recovery code", "no code", "five digits"],
)
def test_what_is_no_code_is_answered_in_words_of_its_field(
    ana: User, sent: dict[str, str], words: str
) -> None:
    enrol(ana)
    with transaction.atomic():
        recovery_codes.make(ana)
    browser = sign_in_unverified(ana)
    page = text_of(browser.post(reverse("verify"), sent))
    assert words in page
    assert ("six digits" in page) == (sent == {"code": "12345"})
    assert not is_in(browser)


def test_verifying_changes_the_key_of_the_session(ana: User) -> None:
    """A key that somebody planted or saw before is worth nothing afterwards."""
    enrol(ana)
    thief = Client()
    thief.get(reverse("account_login"))
    browser = Client()
    send_password(browser)
    planted = browser.session.session_key
    thief.cookies["sessionid"] = str(planted)
    send_code(browser, code_now(ana))
    assert browser.session.session_key != planted
    assert is_in(browser)
    assert not is_in(thief)


def test_signing_in_changes_the_key_of_the_session(ana: User, phone: SoftAuthenticator) -> None:
    browser = Client()
    browser.post(reverse("sign_in_options"))
    planted = browser.session.session_key
    assert place(touch(browser, phone)) == "/"
    assert browser.session.session_key != planted
    assert not Session.objects.filter(session_key=planted).exists()


def test_whoever_has_no_second_factor_yet_is_led_to_setting_one_up(ana: User) -> None:
    browser = sign_in_unverified(ana)
    assert place(browser.get("/")) == "/security/?next=/"
    assert browser.get(reverse("security")).status_code == HTTPStatus.OK
    assert place(browser.get(reverse("verify"))) == "/security/"


def test_whoever_has_a_second_factor_sets_up_no_other_without_showing_it(ana: User) -> None:
    enrol(ana)
    browser = sign_in_unverified(ana)
    for name in ("security", "security_qr"):
        assert place(browser.get(reverse(name))).startswith("/verify/")
    for name in (
        "security_begin",
        "security_confirm",
        "security_passkey_options",
        "security_allow",
    ):
        assert place(browser.post(reverse(name))).startswith("/verify/")
    assert SealedTOTPDevice.objects.count() == 1


def test_a_removed_person_gets_nowhere_with_a_second_factor(ana: User) -> None:
    enrol(ana)
    browser = sign_in_unverified(ana)
    code = code_now(ana)
    User.objects.update(is_active=False)
    send_code(browser, code)
    assert not is_in(browser)


# What a session that showed no second factor reaches: the way in and out, and nothing of packages.
OPEN = {
    *("account_login", "account_logout", "account_inactive", "account_signup"),
    *("account_reset_password", "account_reset_password_done", "account_reset_password_from_key"),
    *("account_reset_password_from_key_done", "account_confirm_email"),
    *("account_email_verification_sent", "account_confirm_login_code"),
    *("sign_in_options", "sign_in_passkey", "verify", "verify_passkey"),
    *("github_login", "github_callback", "healthz", "invitation"),
    # Of no session: whoever has the address of a calendar, and what programs are told.
    *("calendar_feed", "push_worker", "webhook_schema"),
}
# Where a token opens what it covers, and no session anything.
CALLS = "/api/v1/"


def _every_page() -> Iterator[tuple[str, str]]:
    """The name and an address of every view."""
    found = {
        "int": 1,
        "str": "x",
        "path": "left-pad",
        "slug": "default",
        "uuid": "0b5e9f8e-5f0a-4c62-9d0e-5d3e2b8f6a11",
    }

    def walk(patterns: list[Any], before: str) -> Iterator[tuple[str, str]]:
        for pattern in patterns:
            route = str(pattern.pattern)
            if hasattr(pattern, "url_patterns"):
                yield from walk(pattern.url_patterns, before + route)
                continue
            address = before + route
            filled = re.sub(r"<(\w+):\w+>", lambda match: str(found[match[1]]), address)
            filled = filled.replace(r"(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)", "1-x")
            filled = filled.replace(r"(?P<key>[-:\w]+)", "x").strip("^$")
            yield pattern.name, f"/{filled}"

    return walk(get_resolver().url_patterns, "")


def test_nothing_but_the_way_in_is_open_to_a_session_without_a_second_factor(ana: User) -> None:
    enrol(ana)
    row = make_staged_version("left-pad", registry=make_registry("main"))
    reached = set()
    for name, address in _every_page():
        for method in ("get", "post"):
            browser = sign_in_unverified(ana)
            answer = getattr(browser, method)(address.replace("/1/", f"/{row.pk}/"))
            assert b"left-pad" not in answer.content, name
            if not (place(answer).startswith("/verify/") or address.startswith(CALLS)):
                reached.add(name)
    assert {name for name in reached if not name.startswith("first_run")} <= OPEN


def test_what_updates_itself_is_led_to_the_second_factor_as_a_whole(ana: User) -> None:
    enrol(ana)
    browser = sign_in_unverified(ana)
    answer = browser.get("/", {"part": "list"}, headers=HTMX)
    assert answer.headers["HX-Redirect"] == "/verify/?next=/"


# ---------- a passkey alone


def test_signing_in_with_a_passkey_alone(ana: User, phone: SoftAuthenticator) -> None:
    browser = Client()
    assert place(touch(browser, phone, next="/history/")) == "/history/"
    assert is_in(browser)
    event = AuditEvent.objects.get(kind="person.signed_in")
    assert (event.actor_id, event.detail) == (ana.pk, {"address": "127.0.0.1"})


def test_the_page_asks_for_any_passkey_of_this_site_that_its_owner_unlocks(
    ana: User, phone: SoftAuthenticator
) -> None:
    options = Client().post(reverse("sign_in_options")).json()["options"]
    assert options["userVerification"] == "required"
    assert not options.get("allowCredentials")
    assert len(options["challenge"]) >= 43
    other = Client().post(reverse("sign_in_options")).json()["options"]
    assert other["challenge"] != options["challenge"]


def test_an_answer_signs_in_once_and_only_where_it_was_asked_for(
    ana: User, phone: SoftAuthenticator
) -> None:
    phone.counts = False
    browser, thief = Client(), Client()
    options = browser.post(reverse("sign_in_options")).json()["options"]
    thief.post(reverse("sign_in_options"))
    answer = {"assertion": phone.get(options)}
    thief.post(reverse("sign_in_passkey"), answer)
    assert not is_in(thief)
    browser.post(reverse("sign_in_passkey"), answer)
    assert is_in(browser)
    browser.post(reverse("account_logout"))
    browser.post(reverse("sign_in_passkey"), answer)
    assert not is_in(browser)


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_is_sent_twice_at_once_signs_in_once(
    ana: User, phone: SoftAuthenticator
) -> None:
    phone.counts = False
    browser = Client()
    options = browser.post(reverse("sign_in_options")).json()["options"]
    answer = {"assertion": phone.get(options)}
    browsers = [Client(), Client()]
    for one in browsers:
        one.cookies["sessionid"] = str(browser.session.session_key)
    at_once(*[lambda one=one: one.post(reverse("sign_in_passkey"), answer) for one in browsers])
    assert AuditEvent.objects.filter(kind="person.signed_in").count() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"user_verified": False},
        {"user_present": False},
        {"origin": "https://evil.example.org"},
        {"rp_id": "evil.example.org"},
        {"challenge": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
        {"cross_origin": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_passkeys_answer_that_is_not_as_asked_for_signs_nobody_in(
    ana: User, phone: SoftAuthenticator, change: dict[str, Any]
) -> None:
    for name, value in change.items():
        setattr(phone, name, value)
    browser = Client()
    page = browser.get(place(touch(browser, phone)))
    assert "This passkey was not accepted" in text_of(page)
    assert not is_in(browser)


def test_an_unknown_passkey_and_one_of_a_removed_person_are_refused_alike(
    ana: User, phone: SoftAuthenticator
) -> None:
    def said(phone: SoftAuthenticator) -> str:
        browser = Client()
        answer = touch(browser, phone)
        assert not is_in(browser)
        return text_of(browser.get(place(answer)))

    unknown = enrol_passkey(User.objects.create(username="ben", email="ben@example.org"))
    User.objects.filter(username="ben").delete()
    User.objects.update(is_active=False)
    assert said(phone) == said(unknown)


@pytest.mark.parametrize(
    "assertion",
    ["", "{}", "[]", "null", "{" * 9000, '{"id": "x", "response": {}}', "x" * 100_000],
    ids=["empty", "object", "list", "null", "deep", "half", "long"],
)
def test_what_is_no_answer_of_a_passkey_is_refused_calmly(ana: User, assertion: str) -> None:
    browser = Client()
    browser.post(reverse("sign_in_options"))
    answer = browser.post(reverse("sign_in_passkey"), {"assertion": assertion})
    assert place(answer) == reverse("account_login")
    assert not is_in(browser)


def test_a_passkey_that_is_touched_too_late_signs_nobody_in(
    ana: User, phone: SoftAuthenticator, clock: Clock
) -> None:
    browser = Client()
    options = browser.post(reverse("sign_in_options")).json()["options"]
    clock.now += 121
    answer = browser.post(reverse("sign_in_passkey"), {"assertion": phone.get(options)})
    assert "longer than two minutes" in text_of(browser.get(place(answer)))
    assert not is_in(browser)


def test_nobody_asks_for_challenges_without_end(
    ana: User, phone: SoftAuthenticator, settings: Settings, clock: Clock
) -> None:
    settings.TRY_LIMITS = {**settings.TRY_LIMITS, "door_passkey_asked": {"address": (3, 900)}}
    answers = [Client().post(reverse("sign_in_options")) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 3 + [400] * 2
    assert "Too many tries" in answers[-1].json()["error"]
    assert Session.objects.count() == 3
    inside = sign_in_unverified(ana).post(reverse("verify_passkey"))
    assert "Too many tries" in inside.json()["error"]


# ---------- where it leads


@pytest.mark.parametrize("target", ELSEWHERE)
def test_no_way_in_leads_elsewhere(ana: User, phone: SoftAuthenticator, target: str) -> None:
    enrol(ana)
    assert place(touch(Client(), phone, next=target)) == "/"
    assert place(send_password(Client(), next=target)) == "/"
    browser = sign_in_unverified(ana)
    assert place(send_code(browser, code_now(ana), next=target)) == "/"
    assert place(browser.get(reverse("verify"), {"next": target})) == "/"


def test_a_wrong_host_is_no_host_of_ours(ana: User) -> None:
    answer = Client().get(reverse("account_login"), headers={"host": "evil.example.org"})
    assert answer.status_code == HTTPStatus.BAD_REQUEST


# ---------- limits, and what they tell


def test_guessing_a_password_stops_and_recovers(ana: User, clock: Clock) -> None:
    for _ in range(5):
        send_password(Client(), password="wrong")
    page = send_password(Client())
    assert "Too many tries. Try again in 5 minutes." in text_of(page)
    clock.now += 300
    assert place(send_password(Client())) == "/"


def test_name_and_address_of_a_person_are_one_to_the_limit(ana: User, clock: Clock) -> None:
    for name in ("ana", "ana@example.org", "ANA", "Ana@Example.org", "ana"):
        send_password(Client(), name, "wrong")
    browser = Client()
    stopped = send_password(browser, "ana@example.org")
    assert place(stopped) == ""
    assert "verify" not in place(browser.get(reverse("queue")))
    # In other words it would be said that these are names of one person.
    assert text_of(stopped) == text_of(send_password(Client(), "eve@example.org")).replace(
        "eve@", "ana@"
    )
    clock.now += 300
    assert place(send_password(Client(), "ana@example.org")) == "/"


def test_no_limit_tells_which_names_are_of_one_person(ana: User, clock: Clock) -> None:
    def said(name: str, other: str) -> list[str]:
        names = [name] * 5 + [other]
        return [text_of(send_password(Client(), one, "wrong")).replace(one, "") for one in names]

    assert said("ana", "ana@example.org") == said("eve", "eve@example.org")
    ben = make_user("ben")
    assert said(ben.email, "ben") == said("joe@example.org", "joe")


def test_a_limit_that_is_reached_tells_nobody_who_has_an_account(ana: User, clock: Clock) -> None:
    def pages(name: str) -> list[str]:
        return [text_of(send_password(Client(), name, "wrong")) for _ in range(7)]

    assert pages("ana") == pages("nobody")


def test_guessing_at_everybody_from_one_address_stops(clock: Clock, settings: Settings) -> None:
    settings.TRY_LIMITS = {
        **settings.TRY_LIMITS,
        "sign_in": {"person": (5, 300), "address": (8, 300)},
    }
    people = [make_user() for _ in range(10)]
    for one in people[:8]:
        send_password(Client(), one.username, "wrong")
    assert "Too many tries" in text_of(send_password(Client(), people[9].username))
    elsewhere = Client(REMOTE_ADDR="192.0.2.7")
    assert place(send_password(elsewhere, people[9].username)) == "/"


def test_whoever_is_locked_out_by_a_guesser_comes_in_by_passkey(
    ana: User, phone: SoftAuthenticator, clock: Clock
) -> None:
    guesser = Client(REMOTE_ADDR="192.0.2.7")
    for _ in range(10):
        send_password(guesser, password="wrong")
    browser = Client()
    touch(browser, phone)
    assert is_in(browser)


def test_who_stole_the_password_keeps_nobody_from_deciding(
    ana: User, phone: SoftAuthenticator, clock: Clock
) -> None:
    enrol(ana)
    thief, browser = sign_in_unverified(ana), sign_in(ana)
    for _ in range(80):
        fields = thief.post(reverse("verify_passkey")).json().get("fields", {})
        thief.post(reverse("verify"), {"assertion": "x", **fields})
        send_code(thief, wrong_code(ana))
    asked = browser.post(reverse("security_presence"), {"purpose": "add a second factor"}).json()
    answer = {"assertion": phone.get(asked["options"]), **asked["fields"]}
    assert place(browser.post(reverse("security_allow"), answer)) == "/security/#add"
    allowed = browser.post(reverse("security_allow"), {"code": code_now(ana)})
    assert place(allowed) == "/security/#add"


def test_guessing_codes_stops_and_recovers(ana: User, clock: Clock) -> None:
    app = Phone(b32encode(enrol(ana).bin_key).decode(), clock)
    refused = []
    for _ in range(12):
        refused.append(text_of(send_code(sign_in_unverified(ana), app.wrong_code())))
        # The pauses of the app itself, which double, are over before.
        unlock(ana)
    assert ["Too many tries" in page for page in refused] == [False] * 10 + [True] * 2
    browser = sign_in_unverified(ana)
    send_code(browser, app.code())
    assert not is_in(browser)
    clock.now += 900
    browser = sign_in_unverified(ana)
    send_code(browser, app.code())
    assert is_in(browser)


@pytest.mark.django_db(transaction=True)
def test_guessing_at_once_is_no_way_around_the_limit(ana: User) -> None:
    answers = at_once(*[lambda: send_password(Client(), password="wrong")] * 9)
    pages = [text_of(answer) for answer in answers]  # type: ignore[arg-type] # none failed
    assert sum("Too many tries" in page for page in pages) == 4


def test_a_name_that_nobody_has_costs_as_much_as_one_that_somebody_has(
    ana: User, settings: Settings
) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    ana.set_password(PASSWORD)
    ana.save()

    def cost(name: str) -> int:
        CountingHasher.hashed = 0
        send_password(Client(), name, "wrong")
        return CountingHasher.hashed

    assert cost("ana") == cost("ana@example.org") == cost("nobody") == 1
    assert cost("nobody@example.org") == 1


class CountingHasher(MD5PasswordHasher):
    """Says how often a password was hashed: what takes the time of signing in."""

    hashed = 0

    def encode(self, password: str, salt: str) -> str:
        type(self).hashed += 1
        return super().encode(password, salt)


def test_asking_for_new_passwords_is_limited_alike_for_everybody(ana: User, clock: Clock) -> None:
    def said(address: str) -> list[tuple[int, str]]:
        answers = [
            Client().post(reverse("account_reset_password"), {"email": address}) for _ in range(5)
        ]
        return [(answer.status_code, place(answer) or text_of(answer)) for answer in answers]

    assert said("ana@example.org") == said("nobody@example.org")
    assert len(mail.outbox) == 3
    clock.now += 3600
    said("ana@example.org")
    assert len(mail.outbox) == 6


def test_the_letter_is_sent_when_the_answer_is_on_its_way(
    ana: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither its time nor its failure tells that there is an account."""

    def fail(*arguments: object) -> None:
        raise ConnectionRefusedError("no mail server")

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", fail)
    answer = Client().post(reverse("account_reset_password"), {"email": "ana@example.org"})
    assert place(answer) == reverse("account_reset_password_done")
    assert "no mail server" in caplog.text


# ---------- passwords and addresses


def test_another_password_is_told_and_ends_the_other_sessions(ana: User) -> None:
    here, there = sign_in(ana), sign_in(ana)
    new = {"password1": "correct horse battery", "password2": "correct horse battery"}
    here.post(reverse("account_change_password"), {"oldpassword": PASSWORD, **new})
    assert is_in(here)
    assert not is_in(there)
    assert OutboxEvent.objects.filter(topic="person.password_changed").count() == 1
    listed = text_of(here.get(reverse("sessions")))
    assert listed.count("last seen") == 1


@pytest.mark.parametrize("page", ["account_change_password", "account_reauthenticate", "profile"])
def test_an_open_browser_is_no_place_to_guess_the_password(
    ana: User, clock: Clock, page: str
) -> None:
    browser = sign_in(ana)

    def guess(password: str) -> str:
        other = {"password1": "correct horse battery", "password2": "correct horse battery"}
        sent = {"oldpassword": password, "password": password, "email": "eve@example.org"}
        return text_of(browser.post(reverse(page), {**sent, **other}))

    said = [guess(f"wrong {number}") for number in range(7)]
    assert ["Too many" in one for one in said] == [False] * 5 + [True] * 2
    guess(PASSWORD)
    ana.refresh_from_db()
    assert ana.check_password(PASSWORD)
    assert ana.email == "ana@example.org"
    clock.now += 300
    guess(PASSWORD)
    ana.refresh_from_db()
    changed = not ana.check_password(PASSWORD) or ana.email == "eve@example.org"
    assert changed == (page != "account_reauthenticate")


def test_a_new_password_by_mail_is_no_second_factor(ana: User) -> None:
    enrol(ana)
    browser = Client()
    browser.post(reverse("account_reset_password"), {"email": "ana@example.org"})
    (path,) = re.findall(r"https?://[^/]+(/\S+)", str(mail.outbox[0].body))
    form = browser.get(path, follow=True)
    new = {"password1": "correct horse battery", "password2": "correct horse battery"}
    browser.post(form.redirect_chain[-1][0], new)
    send_password(browser, password="correct horse battery")
    assert not is_in(browser)


def test_another_address_is_told_to_the_one_before(ana: User) -> None:
    browser = sign_in(ana)
    new = {"email": "eve@example.org", "password": PASSWORD, "first_name": "", "last_name": ""}
    browser.post(reverse("profile"), new)
    ana.refresh_from_db()
    assert ana.email == "eve@example.org"
    tell()
    (letter,) = mail.outbox
    assert letter.to == ["ana@example.org"]
    assert "The e-mail address of your account was changed" in str(letter.body)
    assert "eve@example.org" not in str(letter.body)


# ---------- through GitHub


@pytest.fixture
def github(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    with running_github() as running:
        settings.GITHUB_CLIENT_ID, settings.GITHUB_CLIENT_SECRET = CLIENT_ID, CLIENT_SECRET
        configured = settings.SOCIALACCOUNT_PROVIDERS["github"]
        app = {"client_id": CLIENT_ID, "secret": CLIENT_SECRET}
        settings.SOCIALACCOUNT_PROVIDERS = {"github": {**configured, "APPS": [app]}}
        for name, path in (
            ("access_token_url", "/login/oauth/access_token"),
            ("authorize_url", "/login/oauth/authorize"),
            ("profile_url", "/api/v3/user"),
            ("emails_url", "/api/v3/user/emails"),
        ):
            monkeypatch.setattr(GitHubOAuth2Adapter, name, running.url + path)
        yield running


def through(browser: Client, github: GitHub, **form: str) -> Any:
    """To GitHub, where the person says yes, and back."""
    there = browser.post(reverse("github_login"), form)
    return browser.get(github.allow(place(there)))


def connect(user: User, github: GitHub) -> None:
    answer = through(sign_in(user), github, process="connect", next="/sessions/")
    assert place(answer) == "/sessions/"


def test_a_connected_account_stands_for_the_password_only(ana: User, github: GitHub) -> None:
    enrol(ana)
    connect(ana, github)
    browser = Client()
    assert "Sign in through GitHub" in text_of(browser.get(reverse("account_login")))
    assert place(through(browser, github, next="/history/")) == "/history/"
    assert not is_in(browser)
    send_code(browser, code_now(ana))
    assert is_in(browser)


def test_connecting_is_told_and_keeps_no_token_and_no_address(ana: User, github: GitHub) -> None:
    connect(ana, github)
    account = SocialAccount.objects.get()
    assert (account.user, account.uid) == (ana, "4711")
    assert account.extra_data == {"login": "ana-gh"}
    assert not SocialToken.objects.exists()
    assert not EmailAddress.objects.exists()
    assert OutboxEvent.objects.filter(topic="github.connected").count() == 1
    event = AuditEvent.objects.get(kind="github.connected")
    assert (event.actor_id, event.detail) == (ana.pk, {"account": "ana-gh"})
    assert TOKEN not in json.dumps(list(Session.objects.values_list("session_data", flat=True)))
    # The scope is empty: GitHub is asked for nothing but who it is.
    assert all("emails" not in path for path, _ in github.asked)


def test_nobody_signs_up_through_it_and_no_address_stands_for_a_person(
    ana: User, github: GitHub
) -> None:
    """The stranger's GitHub says that Ana's e-mail address is theirs."""
    browser = Client()
    page = browser.get(place(through(browser, github)))
    assert "This GitHub account opens no account here" in text_of(page)
    assert not is_in(browser)
    assert list(User.objects.all()) == [ana]
    assert not SocialAccount.objects.exists()


def test_a_password_alone_connects_no_account(ana: User, github: GitHub) -> None:
    enrol(ana)
    browser = sign_in_unverified(ana)
    through(browser, github, process="connect")
    assert not SocialAccount.objects.exists()
    nobodys = Client()
    through(nobodys, github, process="connect")
    assert not SocialAccount.objects.exists()


def test_one_github_account_is_one_persons(ana: User, github: GitHub) -> None:
    connect(ana, github)
    bens = sign_in(make_user("ben"))
    through(bens, github, process="connect", next="/sessions/")
    assert SocialAccount.objects.get().user == ana
    assert is_in(bens)


def test_disconnected_it_opens_nothing(ana: User, github: GitHub) -> None:
    connect(ana, github)
    browser = sign_in(ana)
    assert "ana-gh" in text_of(browser.get(reverse("sessions")))
    browser.post(reverse("github_disconnect"))
    later = Client()
    through(later, github)
    assert later.session.get("_auth_user_id") is None
    assert OutboxEvent.objects.filter(topic="github.disconnected").count() == 1


def test_a_removed_person_is_not_signed_in_through_it(ana: User, github: GitHub) -> None:
    connect(ana, github)
    User.objects.update(is_active=False)
    browser = Client()
    assert place(through(browser, github)) == reverse("account_inactive")
    assert not is_in(browser)


def test_an_answer_that_this_browser_did_not_ask_for_is_worth_nothing(
    ana: User, github: GitHub
) -> None:
    """Neither does it sign the victim's browser in as the attacker, nor the other way round."""
    connect(ana, github)
    asked = Client()
    back = github.allow(place(asked.post(reverse("github_login"))))
    other = Client()
    assert place(other.get(back)) == reverse("account_login")
    assert not is_in(other)
    assert other.session.get("_auth_user_id") is None


def test_a_github_that_fails_signs_nobody_in_and_says_so(ana: User, github: GitHub) -> None:
    connect(ana, github)
    github.broken = True
    browser = Client()
    answer = through(browser, github)
    assert "GitHub did not say who you are" in text_of(browser.get(place(answer)))


def test_saying_no_there_leads_back(ana: User, github: GitHub) -> None:
    browser = Client()
    asked = place(browser.post(reverse("github_login")))
    (state,) = parse_qs(urlsplit(asked).query)["state"]
    answer = browser.get(reverse("github_callback"), {"error": "access_denied", "state": state})
    assert place(answer) == reverse("account_login")


@pytest.mark.parametrize("target", ELSEWHERE)
def test_through_github_leads_not_elsewhere_either(ana: User, github: GitHub, target: str) -> None:
    connect(ana, github)
    assert place(through(Client(), github, next=target)) == "/"


def test_where_it_is_not_configured_it_is_not_there(ana: User) -> None:
    browser = Client()
    assert "GitHub" not in text_of(browser.get(reverse("account_login")))
    assert browser.post(reverse("github_login")).status_code == HTTPStatus.NOT_FOUND
    assert browser.get(reverse("github_callback")).status_code == HTTPStatus.NOT_FOUND
    assert "GitHub" not in text_of(sign_in(ana).get(reverse("sessions")))


def test_nothing_of_a_failing_registry_is_told_before_the_second_factor(ana: User) -> None:
    make_registry(name="harbour", failing_since=timezone.now(), failure_reason="no @acme/secret")
    client = sign_in_unverified(ana)
    for path in ("/there-is-no-such-page/", reverse("verify"), reverse("security")):
        text = text_of(client.get(path, follow=True))
        assert "@acme/secret" not in text
        assert "harbour" not in text
    assert "@acme/secret" in text_of(sign_in(ana).get("/there-is-no-such-page/"))
