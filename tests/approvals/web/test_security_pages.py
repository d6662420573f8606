"""The page of second factors, as its person and as whoever has a stolen password use it."""

import json
import re
import secrets
from collections.abc import Callable
from http import HTTPStatus

import pyotp
import pytest
from django.core.mail import EmailMessage
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from approvals.audit.models import OutboxEvent
from approvals.notifications.tell import tell
from approvals.people import enrolment, factors, recovery_codes, sessions
from approvals.people.models import Confirmation, RecoveryCode, Role, SealedTOTPDevice, User
from tests.approvals.at_once import at_once
from tests.approvals.codes import code_now, enrol, enrol_passkey, wrong_code
from tests.approvals.factories import make_user
from tests.approvals.web.pages import sign_in, sign_in_unverified
from tests.webauthn import SoftAuthenticator

pytestmark = pytest.mark.django_db

CODES = re.compile(r"<li>([2-9a-z]{5}-[2-9a-z]{5})</li>")


@pytest.fixture
def ana() -> User:
    return make_user("ana")


@pytest.fixture
def browser(ana: User) -> Client:
    """Ana's, verified by some second factor."""
    return sign_in(ana)


@pytest.fixture
def newcomer(ana: User) -> Client:
    """Ana's browser after she typed her password for the first time."""
    return sign_in_unverified(ana)


def text(answer: HttpResponse) -> str:
    return answer.content.decode()


def offered(browser: Client, page: str = "security_passkey_options", **form: str) -> dict:
    answer = browser.post(reverse(page), form)
    assert answer.status_code == HTTPStatus.OK, text(answer)
    return answer.json()


def create_passkey(browser: Client, name: str = "") -> tuple[SoftAuthenticator, HttpResponse]:
    key = SoftAuthenticator()
    made = key.create(offered(browser)["options"])
    answer = browser.post(
        reverse("security_passkey"), {"name": name, "credential": made}, follow=True
    )
    return key, answer


def touch(browser: Client, key: SoftAuthenticator, purpose: str) -> dict[str, str]:
    """What the form holds once the person has touched the passkey."""
    offer = offered(browser, "security_presence", purpose=purpose)
    return {**offer["fields"], "assertion": key.get(offer["options"])}


def secret_on(page: str) -> str:
    (secret,) = re.findall(r'id="totp-secret">([A-Z2-7 ]+)<', page)
    return str(secret)


def begin_app(browser: Client, name: str = "") -> str:
    """Goes through the first step; returns the secret that the page shows."""
    answer = browser.post(reverse("security_begin"), {"name": name}, follow=True)
    return secret_on(text(answer))


def confirm_app(browser: Client, secret: str) -> HttpResponse:
    code = pyotp.TOTP(secret.replace(" ", "")).now()
    return browser.post(reverse("security_confirm"), {"code": code}, follow=True)


def names(user: User) -> list[str]:
    return [one.name for one in factors.factors_of(user)]


def is_let_in(browser: Client) -> bool:
    return browser.get(reverse("profile")).status_code == HTTPStatus.OK


def fresh_code(user: User) -> str:
    SealedTOTPDevice.objects.filter(user=user).update(last_t=-1, throttling_failure_count=0)
    return code_now(user)


# ---------- the first factor


def test_the_first_passkey_lets_the_session_in_and_brings_codes(
    newcomer: Client, ana: User
) -> None:
    assert not is_let_in(newcomer)
    assert "Set up a passkey" in text(newcomer.get(reverse("security")))

    _, answer = create_passkey(newcomer, "Laptop")

    page = text(answer)
    assert "They are shown only now" in page
    assert "Earlier ones" not in page
    codes = CODES.findall(page)
    assert len(codes) == 10
    assert is_let_in(newcomer)
    assert names(ana) == ["Laptop"]
    assert "no-store" in answer.headers["Cache-Control"]
    for address in ("security", "security_recovery_codes"):
        assert not CODES.findall(text(newcomer.get(reverse(address))))
    assert codes[0] not in str(dict(newcomer.session))
    recovery_codes.use(ana, codes[0])


def test_the_first_app_does_so_without_javascript(newcomer: Client, ana: User) -> None:
    answer = confirm_app(newcomer, begin_app(newcomer, "Phone"))
    assert len(CODES.findall(text(answer))) == 10
    assert is_let_in(newcomer)
    assert names(ana) == ["Phone"]


def test_the_key_of_the_session_is_another_once_it_is_let_in(newcomer: Client) -> None:
    before = newcomer.session.session_key
    create_passkey(newcomer)
    assert newcomer.session.session_key != before
    assert newcomer.session[sessions.VERIFIED]["method"] == "passkey"


def test_a_stolen_password_gets_nowhere_once_there_is_a_factor(newcomer: Client, ana: User) -> None:
    enrol(ana)
    for name in (
        "security",
        "security_qr",
        "security_recovery_codes",
    ):
        answer = newcomer.get(reverse(name))
        assert answer.headers["Location"].startswith(reverse("verify")), name
    for name in (
        "security_begin",
        "security_confirm",
        "security_abandon",
        "security_passkey",
        "security_passkey_options",
        "security_presence",
        "security_allow",
        "security_recovery_codes",
    ):
        answer = newcomer.post(reverse(name))
        assert answer.headers["Location"].startswith(reverse("verify")), name
    (factor,) = factors.factors_of(ana)
    for name in ("security_remove", "security_rename"):
        answer = newcomer.post(reverse(name, args=[factor.key]), {"name": "Mine now"})
        assert answer.headers["Location"].startswith(reverse("verify")), name
    assert names(ana) == ["authenticator app"]


def test_what_somebody_else_began_with_the_password_is_not_seen_nor_finished(
    newcomer: Client, ana: User
) -> None:
    thief = sign_in_unverified(ana)
    thiefs_secret = begin_app(thief, "Thief's")
    assert thiefs_secret not in text(newcomer.get(reverse("security")))
    assert newcomer.get(reverse("security_qr")).status_code == HTTPStatus.NOT_FOUND

    create_passkey(newcomer)

    confirm_app(thief, thiefs_secret)
    assert not is_let_in(thief)
    assert names(ana) == ["Passkey"]


def test_strangers_are_sent_to_sign_in(client: Client) -> None:
    for name in ("security", "security_qr", "security_recovery_codes"):
        answer = client.get(reverse(name))
        assert answer.headers["Location"].startswith(reverse("account_login"))
    for name in ("security_begin", "security_passkey_options", "security_presence"):
        answer = client.post(reverse(name))
        assert answer.headers["Location"].startswith(reverse("account_login"))


# ---------- the app's secret


def test_the_secret_is_shown_only_until_it_is_confirmed(newcomer: Client, ana: User) -> None:
    secret = begin_app(newcomer)
    image = newcomer.get(reverse("security_qr"))
    assert image.headers["Content-Type"] == "image/svg+xml"
    assert "no-store" in image.headers["Cache-Control"]
    confirm_app(newcomer, secret)
    page = newcomer.get(reverse("security"))
    for form in (secret, secret.replace(" ", "")):
        assert form not in text(page)
    assert "no-store" in page.headers["Cache-Control"]
    assert newcomer.get(reverse("security_qr")).status_code == HTTPStatus.NOT_FOUND


def test_giving_up_forgets_the_secret(newcomer: Client) -> None:
    begin_app(newcomer)
    assert "totp-secret" not in text(newcomer.post(reverse("security_abandon"), follow=True))
    assert not SealedTOTPDevice.objects.exists()


def test_a_wrong_first_code_says_so_beside_the_field(newcomer: Client) -> None:
    begin_app(newcomer)
    for code, words in (("12345", "six digits"), ("000000", "wrong")):
        page = text(newcomer.post(reverse("security_confirm"), {"code": code}))
        assert 'id="confirm_code_error"' in page
        assert words in page
        assert code not in page.replace("#000000", "")


# ---------- a further factor


def test_a_further_one_is_offered_after_a_code(browser: Client, ana: User) -> None:
    enrol(ana)
    page = text(browser.get(reverse("security")))
    assert "First show that it is you" in page
    assert reverse("security_passkey") not in page
    browser.post(reverse("security_allow"), {"code": code_now(ana)})
    assert reverse("security_passkey") in text(browser.get(reverse("security")))
    _, answer = create_passkey(browser, "Laptop")
    assert "Laptop is set up" in text(answer)
    assert not CODES.findall(text(answer))
    assert names(ana) == ["Laptop", "authenticator app"]


def test_or_after_a_touch(browser: Client, ana: User) -> None:
    key = enrol_passkey(ana)
    browser.post(reverse("security_allow"), touch(browser, key, enrolment.ADD))
    confirm_app(browser, begin_app(browser, "Phone"))
    assert names(ana) == ["Passkey", "Phone"]


def test_or_with_a_recovery_code_which_is_told(
    browser: Client, ana: User, mailoutbox: list[EmailMessage]
) -> None:
    enrol(ana)
    code = recovery_codes.make(ana)[0]
    assert "Use a recovery code" in text(browser.get(reverse("security")))
    short = text(browser.post(reverse("security_allow"), {"recovery_code": code[:5]}))
    assert "ten letters and digits, such as 4kb7k-yy9xk" in short
    browser.post(reverse("security_allow"), {"recovery_code": code})
    assert reverse("security_passkey") in text(browser.get(reverse("security")))
    tell()
    (mail,) = mailoutbox
    assert mail.to == ["ana@example.org"]
    assert "recovery code" in mail.subject
    assert "9 are left" in str(mail.body)
    assert code not in str(mail.body)


def test_an_open_browser_alone_adds_nothing(browser: Client, ana: User) -> None:
    enrol(ana)
    refused = browser.post(reverse("security_allow"), {"code": wrong_code(ana)})
    assert "This code is wrong" in text(refused)
    assert "Nothing was changed" in text(refused)
    assert browser.post(reverse("security_passkey_options")).json()["error"]
    for page, form in (
        ("security_begin", {"name": "x"}),
        ("security_passkey", {"credential": "{}"}),
    ):
        assert "Start again" in text(browser.post(reverse(page), form))
    assert names(ana) == ["authenticator app"]


@pytest.mark.parametrize("credential", ["", "{}", "[]", "null", "x" * 20_000])
def test_a_credential_that_is_none_is_explained(
    newcomer: Client, ana: User, credential: str
) -> None:
    offered(newcomer)
    answer = newcomer.post(reverse("security_passkey"), {"credential": credential})
    assert answer.status_code == HTTPStatus.OK
    assert 'role="alert"' in text(answer)
    assert not factors.has_factor(ana)


def test_a_name_is_text(newcomer: Client, ana: User) -> None:
    create_passkey(newcomer, "<b>My</b> & key")
    page = text(newcomer.get(reverse("security")))
    assert "&lt;b&gt;My&lt;/b&gt; &amp; key" in page
    assert "<b>My</b>" not in page


# ---------- what a change does


def test_a_change_ends_other_sessions_and_is_told(
    browser: Client, ana: User, mailoutbox: list[EmailMessage]
) -> None:
    enrol(ana)
    other, bens = sign_in(ana), sign_in(make_user("ben"))
    browser.post(reverse("security_allow"), {"code": code_now(ana)})
    assert is_let_in(other)
    create_passkey(browser, "Laptop")
    assert is_let_in(browser)
    assert not is_let_in(other)
    assert is_let_in(bens)

    other = sign_in(User.objects.get(pk=ana.pk))
    (laptop, _) = factors.factors_of(ana)
    browser.post(reverse("security_remove", args=[laptop.key]), {"code": fresh_code(ana)})
    assert names(ana) == ["authenticator app"]
    assert is_let_in(browser)
    assert not is_let_in(other)
    tell()
    added, removed = mailoutbox
    assert added.to == removed.to == ["ana@example.org"]
    assert "second factor was added: passkey “Laptop”" in added.subject
    assert "second factor was removed: passkey “Laptop”" in removed.subject


def test_what_changes_nothing_ends_no_session(newcomer: Client, ana: User) -> None:
    other = sign_in(ana)
    begin_app(newcomer)
    newcomer.post(reverse("security_confirm"), {"code": "000000"})
    newcomer.post(reverse("security_abandon"))
    offered(newcomer)
    assert is_let_in(other)
    assert not OutboxEvent.objects.exists()


# ---------- removing and renaming


def test_removing_with_a_touch(browser: Client, ana: User) -> None:
    keys = [enrol_passkey(ana, name) for name in ("Laptop", "Phone")]
    laptop, phone = factors.factors_of(ana)
    page = text(browser.get(reverse("security_remove", args=[laptop.key])))
    assert "Laptop" in page
    proof = touch(browser, keys[1], enrolment.removal_of(laptop))
    # What was touched for one is worth nothing for the other.
    refused = browser.post(reverse("security_remove", args=[phone.key]), proof)
    assert "Nothing was changed" in text(refused)
    browser.post(reverse("security_remove", args=[laptop.key]), proof)
    assert names(ana) == ["Phone"]


def test_a_touch_in_another_browser_is_worth_nothing(browser: Client, ana: User) -> None:
    keys = [enrol_passkey(ana, name) for name in ("Laptop", "Phone")]
    laptop, _ = factors.factors_of(ana)
    proof = touch(sign_in(ana), keys[1], enrolment.removal_of(laptop))
    refused = browser.post(reverse("security_remove", args=[laptop.key]), proof)
    assert "Nothing was changed" in text(refused)
    assert len(names(ana)) == 2


@pytest.mark.django_db(transaction=True)
def test_removals_at_once_in_two_windows_leave_one(ana: User) -> None:
    browser = sign_in(ana)
    keys = [enrol_passkey(ana, name) for name in ("Laptop", "Phone")]
    forms = [
        (reverse("security_remove", args=[one.key]), touch(browser, key, enrolment.removal_of(one)))
        for one, key in zip(factors.factors_of(ana), keys, strict=True)
    ]

    def posting(address: str, form: dict[str, str]) -> Callable[[], int]:
        window = Client()
        window.cookies = browser.cookies
        return lambda: window.post(address, form).status_code

    outcomes = at_once(*[posting(*one) for one in forms])

    assert set(outcomes) <= {HTTPStatus.OK, HTTPStatus.FOUND}
    assert len(names(ana)) == 1


@pytest.mark.django_db(transaction=True)
def test_one_code_at_once_in_two_windows_lets_one_factor_in(ana: User) -> None:
    enrol(ana)
    code = code_now(ana)
    windows = [sign_in(ana), sign_in(ana)]

    def posting(window: Client) -> Callable[[], int]:
        return lambda: window.post(reverse("security_allow"), {"code": code}).status_code

    outcomes = at_once(*[posting(window) for window in windows])

    assert sorted(map(str, outcomes)) == ["200", "302"]
    allowed = [reverse("security_passkey") in text(one.get(reverse("security"))) for one in windows]
    assert sorted(allowed) == [False, True]


def test_the_last_one_stays_and_the_page_says_why(browser: Client, ana: User) -> None:
    enrol(ana)
    (factor,) = factors.factors_of(ana)
    address = reverse("security_remove", args=[factor.key])
    assert address not in text(browser.get(reverse("security")))
    assert "This is your last second factor" in text(browser.get(address))
    answer = browser.post(address, {"code": code_now(ana)})
    assert "This is your last second factor" in text(answer)
    assert names(ana) == ["authenticator app"]


@pytest.mark.parametrize("key", ["app-0", "passkey-1", "nonsense", "app-", "app-999999999999999"])
def test_what_is_not_there_is_not_found(browser: Client, ana: User, key: str) -> None:
    enrol(make_user("ben"))
    assert browser.get(reverse("security_remove", args=[key])).status_code == HTTPStatus.NOT_FOUND
    answer = browser.post(reverse("security_rename", args=[key]), {"name": "x"}, follow=True)
    assert "You have no such second factor any more" in text(answer)


def test_renaming(browser: Client, ana: User) -> None:
    enrol(ana)
    (factor,) = factors.factors_of(ana)
    rename = reverse("security_rename", args=[factor.key])
    assert "The new name is saved" in text(browser.post(rename, {"name": "Phone"}, follow=True))
    assert names(ana) == ["Phone"]
    assert "at most 60" in text(browser.post(rename, {"name": "x" * 61}, follow=True))
    assert names(ana) == ["Phone"]


def test_the_page_says_when_each_was_last_used(browser: Client, ana: User) -> None:
    key = enrol_passkey(ana, "Laptop")
    enrol(ana)
    assert text(browser.get(reverse("security"))).count("never used") == 2
    browser.post(reverse("security_allow"), touch(browser, key, enrolment.ADD))
    assert text(browser.get(reverse("security"))).count("never used") == 1


# ---------- recovery codes


def test_new_recovery_codes(browser: Client, ana: User) -> None:
    enrol(ana)
    old = recovery_codes.make(ana)
    address = reverse("security_recovery_codes")
    assert "The 10 that you have left stop working" in text(browser.get(address))
    assert "10 of 10 left" in text(browser.get(reverse("security")))
    assert "Nothing was changed" in text(browser.post(address, {"code": old[0]}))
    answer = browser.post(address, {"code": code_now(ana)})
    codes = CODES.findall(text(answer))
    assert len(codes) == 10
    assert "Earlier ones no longer work." in text(answer)
    assert not set(codes) & set(old)
    assert "no-store" in answer.headers["Cache-Control"]
    # Sent again, the page shows nothing any more: the code is used up.
    SealedTOTPDevice.objects.update(throttling_failure_count=0)
    assert not CODES.findall(text(browser.post(address, {"code": code_now(ana)})))


def test_none_yet_is_not_none_left(browser: Client, ana: User) -> None:
    enrol(ana)
    pages = [reverse("security"), reverse("security_recovery_codes")]
    for page in pages:
        assert "You have none" in text(browser.get(page))
        assert "none left" not in text(browser.get(page))
    made = text(browser.post(pages[1], {"code": code_now(ana)}))
    assert "Earlier ones" not in made
    RecoveryCode.objects.update(used_at=timezone.now())
    for page in pages:
        assert "You have none left" in text(browser.get(page))


# ---------- what passkeys are asked


def test_a_challenge_is_random_and_new_each_time(browser: Client, ana: User) -> None:
    enrol_passkey(ana)
    challenges = {
        offered(browser, "security_presence", purpose=enrolment.ADD)["options"]["challenge"]
        for _ in range(3)
    }
    assert len(challenges) == 3
    assert all(len(one) == 43 for one in challenges)


@pytest.mark.parametrize("purpose", ["", "second factor may be added", "x" * 5000, "remove app-0"])
def test_nothing_else_is_confirmed(browser: Client, ana: User, purpose: str) -> None:
    enrol_passkey(ana)
    answer = browser.post(reverse("security_presence"), {"purpose": purpose})
    assert answer.status_code == HTTPStatus.CONFLICT
    assert "nothing to confirm" in answer.json()["error"]


@pytest.mark.parametrize("assertion", ["{}", "[]", "null", "7", "x" * 20_000, "\x00", '{"id": 1}'])
def test_a_hostile_assertion_is_refused_in_words(
    browser: Client, ana: User, assertion: str
) -> None:
    enrol_passkey(ana)
    confirmation = offered(browser, "security_presence", purpose=enrolment.ADD)["fields"]
    answer = browser.post(reverse("security_allow"), {**confirmation, "assertion": assertion})
    assert answer.status_code == HTTPStatus.OK
    assert "This passkey was not accepted" in text(answer)


# ---------- other sites, and the page itself


def test_challenges_are_not_asked_for_without_end(ana: User, settings: Settings) -> None:
    settings.TRY_LIMITS = {**settings.TRY_LIMITS, "passkey_asked": {"person": (3, 900)}}
    User.objects.update(role=Role.ADMINISTRATOR)
    enrol_passkey(ana)
    browser = sign_in(User.objects.get())
    other = make_user("ben")
    purpose = {"purpose": enrolment.ADD}
    answers = [browser.post(reverse("security_presence"), purpose) for _ in range(2)]
    answers += [browser.post(reverse("person_reset_options", args=[other.pk])) for _ in range(3)]
    answers.append(browser.post(reverse("security_presence"), purpose))
    assert [answer.status_code for answer in answers] == [200] * 3 + [409] * 3
    assert "Too many tries" in answers[-1].json()["error"]
    assert Confirmation.objects.count() == 3


def test_another_site_cannot_send_forms(ana: User) -> None:
    enrol(ana)
    browser = sign_in(ana, Client(enforce_csrf_checks=True))
    for name in (
        "security_begin",
        "security_confirm",
        "security_abandon",
        "security_passkey",
        "security_passkey_options",
        "security_presence",
        "security_allow",
        "security_recovery_codes",
    ):
        assert browser.post(reverse(name)).status_code == HTTPStatus.FORBIDDEN, name
    for name in ("security_remove", "security_rename"):
        answer = browser.post(reverse(name, args=["app-1"]))
        assert answer.status_code == HTTPStatus.FORBIDDEN, name


def test_pages_hold_no_inline_script_or_style(browser: Client, ana: User) -> None:
    enrol(ana)
    enrol_passkey(ana)
    pages = [
        reverse("security"),
        reverse("security_recovery_codes"),
        *(reverse("security_remove", args=[one.key]) for one in factors.factors_of(ana)),
    ]
    browser.post(reverse("security_allow"), {"code": code_now(ana)})
    shown = [text(browser.get(page)) for page in pages]
    begin_app(browser)
    shown.append(text(browser.get(reverse("security"))))
    for page in shown:
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", page)


def test_logs_and_records_hold_neither_codes_nor_secrets(
    newcomer: Client, ana: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    secret = begin_app(newcomer, "Phone")
    codes = CODES.findall(text(confirm_app(newcomer, secret)))
    newcomer.post(reverse("security_allow"), {"code": codes[0]})
    written = caplog.text + json.dumps([*OutboxEvent.objects.values("payload")])
    for hidden in (secret, secret.replace(" ", ""), *codes, secrets.token_hex(8)):
        assert hidden not in written
