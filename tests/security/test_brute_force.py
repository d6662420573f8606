"""Whoever guesses is stopped, learns nothing of who has an account, and is let go after a while."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.core import mail
from django.db.models import F
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from approvals.decisions.models import Decision, StepUp
from approvals.people import recovery_codes
from approvals.people.models import Role, SealedTOTPDevice, TryCount, User
from tests.approvals.codes import code_now, enrol, enrol_passkey, wrong_code
from tests.approvals.factories import (
    make_account,
    make_inspection,
    make_staged_version,
    make_user,
)
from tests.approvals.managing import invite
from tests.approvals.web.pages import sign_in, sign_in_unverified, text_of

pytestmark = pytest.mark.django_db

HERE, ELSEWHERE = "192.0.2.7", "198.51.100.9"
PASSWORD = "a long password"
MANY = 400


@pytest.fixture
def ada() -> User:
    user = make_user("ada")
    enrol(user)
    return user


def limit(what: str, whose: str) -> tuple[int, int]:
    number, seconds = django_settings.TRY_LIMITS[what][whose]
    return number, seconds


def let_pass(seconds: int) -> None:
    """As if all tries had been made so long ago. The rest of the world stays in its time."""
    TryCount.objects.update(since=F("since") - timedelta(seconds=seconds + 1))


def is_stopped(response: HttpResponse) -> bool:
    return "Too many" in text_of(response) or "too many" in text_of(response)


def tries_until_stopped(attempt: Callable[[int], HttpResponse]) -> int:
    """How many guesses were looked at before somebody said that they are too many."""
    for number in range(MANY):
        if is_stopped(attempt(number)):
            return number
    raise AssertionError(f"{MANY} guesses, and nobody minds")


def log_in(
    name: str, password: str, address: str = HERE, client: Client | None = None
) -> HttpResponse:
    return (client or Client()).post(
        reverse("account_login"), {"login": name, "password": password}, REMOTE_ADDR=address
    )


# ---------- passwords


def test_guessing_a_password_stops_and_recovers(ada: User) -> None:
    number, seconds = limit("sign_in", "person")
    assert (
        tries_until_stopped(lambda one: log_in("ada", f"guess {one}", f"192.0.2.{one}")) == number
    )
    # Wherever it comes from, and were it right: nobody learns that it is.
    stopped = log_in("ada", PASSWORD, ELSEWHERE)
    assert is_stopped(stopped)
    assert "sessionid" not in stopped.cookies
    # By another name of the same person: refused, in words that do not say that it is one.
    other = log_in("ADA@example.org", PASSWORD, ELSEWHERE)
    assert not is_stopped(other)
    assert "sessionid" not in other.cookies
    let_pass(seconds)
    assert log_in("ada", PASSWORD).status_code == 302


def test_one_password_tried_at_everybody_stops() -> None:
    number, seconds = limit("sign_in", "address")
    people = [make_user().username for _ in range(5)]
    assert tries_until_stopped(lambda one: log_in(f"{people[one % 5]}{one}", PASSWORD)) == number
    let_pass(seconds)
    assert log_in(people[0], PASSWORD).status_code == 302


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "Client-IP"])
def test_nobody_says_themselves_where_they_are(header: str) -> None:
    """Without a proxy in front, whatever such a header says was written by whoever guesses."""

    def guess(one: int) -> HttpResponse:
        form = {"login": f"somebody-{one}", "password": "a guess"}
        headers = {header: f"for=203.0.113.{one}" if header == "Forwarded" else f"203.0.113.{one}"}
        return Client().post(reverse("account_login"), form, REMOTE_ADDR=HERE, headers=headers)

    assert tries_until_stopped(guess) == limit("sign_in", "address")[0]


def test_nobody_else_is_kept_out(ada: User) -> None:
    grace = make_user("grace")
    tries_until_stopped(lambda one: log_in("ada", "a guess", HERE))
    assert log_in(grace.username, PASSWORD, ELSEWHERE).status_code == 302


def test_signing_in_tells_nobody_who_has_an_account(ada: User) -> None:
    gone, grace = make_user("gone", is_active=False), make_user("grace")
    numbers = limit("sign_in", "person")[0] + 2

    def said_to(name: str) -> list[tuple[int, str]]:
        answers = [log_in(name, f"a guess {one}", f"203.0.113.{one}") for one in range(numbers)]
        return [(answer.status_code, text_of(answer).replace(name, "NAME")) for answer in answers]

    assert said_to(ada.username) == said_to(gone.username) == said_to("nobody")
    assert said_to(grace.email) == said_to("nobody@example.org")


def test_nor_does_asking_for_a_new_password(ada: User) -> None:
    url = reverse("account_reset_password")

    def ask(address: str, one: int) -> tuple[int, str, str]:
        answer = Client().post(url, {"email": address}, REMOTE_ADDR=f"192.0.2.{one}")
        return answer.status_code, answer.get("Location", ""), text_of(answer).replace(address, "A")

    number, seconds = limit("password_reset", "person")
    known = [ask(ada.email, one) for one in range(number + 2)]
    unknown = [ask("nobody@example.org", one) for one in range(number + 2)]
    assert known == unknown
    assert known[0] != known[-1]
    # Nobody's mailbox is filled.
    assert len([letter for letter in mail.outbox if letter.to == [ada.email]]) == number
    assert {address for letter in mail.outbox for address in letter.to} == {ada.email}
    let_pass(seconds)
    assert ask(ada.email, 9) == known[0]


# ---------- the second factor


def test_guessing_a_code_stops_and_recovers(ada: User) -> None:
    client = sign_in_unverified(ada)
    number, seconds = limit("door_code", "person")

    def guess(one: int) -> HttpResponse:
        # As patient as the app's own pauses want it.
        SealedTOTPDevice.objects.update(
            throttling_failure_count=0, throttling_failure_timestamp=None
        )
        return client.post(reverse("verify"), {"code": wrong_code(ada)})

    assert tries_until_stopped(guess) <= number
    SealedTOTPDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
    assert is_stopped(client.post(reverse("verify"), {"code": code_now(ada)}))
    # Nor in another browser, from elsewhere.
    other = sign_in_unverified(ada)
    elsewhere = other.post(reverse("verify"), {"code": code_now(ada)}, REMOTE_ADDR=ELSEWHERE)
    assert is_stopped(elsewhere)
    let_pass(seconds)
    client = sign_in_unverified(ada)
    assert client.post(reverse("verify"), {"code": code_now(ada)})["Location"] == "/"


def test_guessing_a_code_makes_nobody_wait_who_is_inside(ada: User) -> None:
    client, inside = sign_in_unverified(ada), sign_in(ada)
    tries_until_stopped(lambda one: client.post(reverse("verify"), {"code": wrong_code(ada)}))
    answer = inside.post(reverse("security_allow"), {"code": code_now(ada)})
    assert answer["Location"] == "/security/#add"


def test_guessing_a_recovery_code_stops_and_recovers(ada: User) -> None:
    genuine = recovery_codes.make(ada)[0]
    client = sign_in_unverified(ada)
    number, seconds = limit("door_recovery", "person")

    def send(code: str) -> HttpResponse:
        return client.post(reverse("verify"), {"recovery_code": code})

    assert tries_until_stopped(lambda one: send("abcdefghjk")) == number
    assert is_stopped(send(genuine))
    let_pass(seconds)
    assert send(genuine)["Location"] == "/"


def test_forging_a_touch_stops_and_recovers(ada: User) -> None:
    authenticator = enrol_passkey(ada)
    client = sign_in_unverified(ada)
    number, seconds = limit("door_step_up", "person")

    def ask() -> tuple[dict[str, str], str]:
        asked = client.post(reverse("verify_passkey")).json()
        return asked["fields"], authenticator.get(asked["options"])

    def forge(one: int) -> HttpResponse:
        fields, assertion = ask()
        forged = assertion.replace('"signature": "', '"signature": "AAAA')
        return client.post(reverse("verify"), fields | {"assertion": forged})

    assert tries_until_stopped(forge) == number
    fields, assertion = ask()
    assert is_stopped(client.post(reverse("verify"), fields | {"assertion": assertion}))
    let_pass(seconds)
    client = sign_in_unverified(ada)
    fields, assertion = ask()
    answer = client.post(reverse("verify"), fields | {"assertion": assertion})
    assert answer["Location"] == "/"


def test_guessing_a_code_at_a_decision_stops_and_recovers(ada: User) -> None:
    row = make_staged_version()
    make_inspection(row)
    make_account(ada, row.registry)
    client = sign_in(ada)
    url = reverse("confirm_approve", args=[row.pk])

    def send(code: str) -> HttpResponse:
        SealedTOTPDevice.objects.update(
            throttling_failure_count=0, throttling_failure_timestamp=None
        )
        # Those that led to nothing: their number is limited too, for itself.
        StepUp.objects.all().delete()
        seen = client.get(url).content.decode().split('name="seen" value="')[1].split('"')[0]
        return client.post(url, {"seen": seen, "code": code})

    number, seconds = limit("code", "person")
    assert tries_until_stopped(lambda one: send(wrong_code(ada))) == number
    assert is_stopped(send(code_now(ada)))
    assert not Decision.objects.exists()
    let_pass(seconds)
    assert send(code_now(ada)).status_code == 302
    assert Decision.objects.count() == 1


def test_nobody_fills_the_table_of_intents(ada: User) -> None:
    row = make_staged_version()
    make_inspection(row)
    make_account(ada, row.registry)
    enrol_passkey(ada)
    client = sign_in(ada)
    page = client.get(reverse("confirm_approve", args=[row.pk])).content.decode()
    seen = page.split('name="seen" value="')[1].split('"')[0]

    def begin() -> int:
        form = {"version": row.pk, "seen": seen}
        return client.post(reverse("approve_intent"), form).status_code

    # The oldest make room, so that the person is never kept from deciding.
    assert {begin() for _ in range(MANY // 4)} == {200}
    assert StepUp.objects.count() < MANY // 8


# ---------- an open browser


@pytest.mark.parametrize(
    ("name", "field", "others"),
    [
        (
            "account_change_password",
            "oldpassword",
            {"password1": "nine otters under a bridge", "password2": "nine otters under a bridge"},
        ),
        ("profile", "password", {"email": "eve@example.org", "first_name": "", "last_name": ""}),
        ("account_reauthenticate", "password", {}),
    ],
)
def test_guessing_the_password_in_an_open_browser_stops(
    ada: User, name: str, field: str, others: dict[str, str]
) -> None:
    client = sign_in(ada)
    tries_until_stopped(
        lambda one: client.post(reverse(name), {**others, field: f"guess {one}"}, follow=True)
    )
    stopped = client.post(reverse(name), {**others, field: PASSWORD}, follow=True)
    assert is_stopped(stopped)
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)
    assert ada.email == "ada@example.org"


def test_guessing_a_code_on_the_security_page_stops(ada: User) -> None:
    client = sign_in(ada)

    def guess(one: int) -> HttpResponse:
        SealedTOTPDevice.objects.update(
            throttling_failure_count=0, throttling_failure_timestamp=None
        )
        return client.post(reverse("security_allow"), {"code": wrong_code(ada)})

    assert tries_until_stopped(guess) == limit("code", "person")[0]


# ---------- links


def test_guessing_an_invitation_stops_and_recovers() -> None:
    boss = make_user(role=Role.ADMINISTRATOR)
    _, token = invite(actor=boss, role=Role.VIEWER, note="")
    number, seconds = limit("invitation", "address")

    def open_link(token: str, address: str = HERE) -> HttpResponse:
        return Client().get(reverse("invitation", args=[token]), REMOTE_ADDR=address)

    assert tries_until_stopped(lambda one: open_link(f"{one:043d}")) == number
    assert is_stopped(open_link(token))
    assert open_link(token, ELSEWHERE).status_code == 200
    let_pass(seconds)
    assert open_link(token).status_code == 200


def test_a_genuine_invitation_tells_little_of_who_has_an_account() -> None:
    boss = make_user("boss", role=Role.ADMINISTRATOR)
    _, token = invite(actor=boss, role=Role.VIEWER, note="")

    def accept(one: int) -> HttpResponse:
        name = "boss" if one % 2 else f"guess{one}"
        form = {"username": "boss", "email": f"{name}@example.org", "password": "x" * 3}
        return Client().post(reverse("invitation", args=[token]), form, REMOTE_ADDR=HERE)

    assert tries_until_stopped(accept) <= limit("invitation", "address")[0]
