"""Signing in, and everybody's own pages, as a person and as an attacker use them."""

import json
import logging
import re
from http import HTTPStatus

import pytest
import responses
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from approvals.audit.models import AuditEvent
from approvals.people.models import RegistryAccount, User
from approvals.queue.models import Registry
from tests.approvals.factories import make_account, make_registry, make_user
from tests.approvals.web.pages import sign_in as let_in
from tests.approvals.web.pages import text_of

pytestmark = pytest.mark.django_db

PASSWORD = "a long password"
TOKEN = "npm_TOKEN-of-ana-0123456789"


@pytest.fixture(autouse=True)
def _nobody_tried_before() -> None:
    """Forgets the tries that limits were counted from."""
    cache.clear()


@pytest.fixture
def ana() -> User:
    return make_user("ana")


@pytest.fixture
def browser(client: Client, ana: User) -> Client:
    """Ana's."""
    let_in(ana, client)
    AuditEvent.objects.all().delete()
    return client


@pytest.fixture
def registry() -> Registry:
    return make_registry("main", url="https://registry.example.org/")


def sign_in(client: Client, login: str, password: str = PASSWORD, **more: str) -> str:
    """Sends the form; returns where it leads, or nothing."""
    answer = client.post(reverse("account_login"), {"login": login, "password": password, **more})
    return answer.headers.get("Location", "")


def signed_in(client: Client) -> bool:
    """Whether or not a second factor was shown: everybody signed in may sign out."""
    return client.get(reverse("account_logout")).status_code == HTTPStatus.OK


# ---------- signing in


@pytest.mark.parametrize("login", ["ana", "ana@example.org"])
def test_people_sign_in_with_name_or_address(client: Client, ana: User, login: str) -> None:
    assert sign_in(client, login) == "/"
    assert signed_in(client)
    event = AuditEvent.objects.get(kind="person.signed_in")
    assert (event.actor_id, event.detail) == (ana.pk, {"address": "127.0.0.1"})


def test_every_page_but_a_few_needs_signing_in(client: Client, registry: Registry) -> None:
    for name in ("profile", "accounts", "people", "registries"):
        answer = client.get(reverse(name))
        assert answer.status_code == HTTPStatus.FOUND, name
        assert answer.headers["Location"].startswith(reverse("account_login"))
    assert client.post(reverse("registry_add")).status_code == HTTPStatus.FOUND
    answer = client.post(reverse("account_link", args=[registry.pk]), {"token": TOKEN})
    assert answer.status_code == HTTPStatus.FOUND
    assert not RegistryAccount.objects.exists()


def test_a_failed_sign_in_does_not_tell_who_has_an_account(client: Client, ana: User) -> None:
    def page(login: str) -> str:
        answer = client.post(reverse("account_login"), {"login": login, "password": "wrong"})
        return re.sub(r'value="[^"]*"', "", answer.content.decode())

    assert page("ana") == page("nobody")


def test_failed_sign_ins_are_recorded_without_what_was_typed(client: Client, ana: User) -> None:
    sign_in(client, "ana", "wrong-secret-1")
    sign_in(client, "hunter2-typed-into-the-wrong-field", "wrong-secret-2")
    known, unknown = AuditEvent.objects.filter(kind="person.sign_in_failed").order_by("sequence")
    assert known.subject == f"people.User:{ana.pk}"
    assert (unknown.subject, unknown.detail["known"]) == ("", False)
    written = json.dumps(list(AuditEvent.objects.values("detail", "subject_name")))
    assert "wrong-secret" not in written
    assert "hunter2" not in written


def test_guessing_passwords_is_stopped(client: Client, ana: User) -> None:
    for _ in range(5):
        sign_in(client, "ana", "wrong")
    assert sign_in(client, "ana") == ""
    assert not signed_in(client)


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example.org/",
        "//evil.example.org/",
        "/\\evil.example.org",
        "javascript:alert(1)",
        "https:evil.example.org",
    ],
)
def test_signing_in_does_not_lead_elsewhere(client: Client, ana: User, target: str) -> None:
    assert sign_in(client, "ana", next=target) == "/"
    signed_in_already = client.get(reverse("account_login"), {"next": target})
    assert signed_in_already.headers["Location"] == "/"


def test_signing_in_leads_back_to_the_page_that_was_asked_for(client: Client, ana: User) -> None:
    assert sign_in(client, "ana", next="/accounts/") == "/accounts/"


def test_a_deactivated_person_is_out_at_once_and_stays_out(browser: Client, ana: User) -> None:
    assert signed_in(browser)
    User.objects.update(is_active=False)
    assert not signed_in(browser)
    assert sign_in(browser, "ana") == reverse("account_inactive")
    assert "deactivated" in browser.get(reverse("account_inactive")).content.decode()
    assert not signed_in(browser)


def test_signing_out_is_recorded_and_needs_a_post(browser: Client, ana: User) -> None:
    browser.get(reverse("account_logout"))
    assert signed_in(browser)
    browser.post(reverse("account_logout"))
    assert not signed_in(browser)
    assert AuditEvent.objects.get(kind="person.signed_out").actor_id == ana.pk


def test_nobody_signs_up_by_themselves(client: Client) -> None:
    filled = {"username": "eve", "email": "eve@example.org", "password1": "correct horse battery"}
    answer = client.post(reverse("account_signup"), filled)
    assert "by invitation" in answer.content.decode()
    assert not User.objects.exists()


def test_changing_the_password_is_recorded_and_signs_out_elsewhere(
    browser: Client, ana: User
) -> None:
    elsewhere = Client()
    let_in(ana, elsewhere)
    assert browser.get(reverse("account_change_password")).status_code == HTTPStatus.OK
    browser.post(
        reverse("account_change_password"),
        {
            "oldpassword": PASSWORD,
            "password1": "correct horse battery",
            "password2": "correct horse battery",
        },
    )
    ana.refresh_from_db()
    assert ana.check_password("correct horse battery")
    assert signed_in(browser)
    assert not signed_in(elsewhere)
    event = AuditEvent.objects.get(kind="person.password_changed")
    assert (event.actor_id, event.detail) == (ana.pk, {"by_mail": False})


def test_a_new_password_by_mail(client: Client, ana: User) -> None:
    client.post(reverse("account_reset_password"), {"email": "ANA@example.org"})
    (letter,) = mail.outbox
    assert letter.to == ["ana@example.org"]
    (path,) = re.findall(r"https?://[^/]+(/\S+)", str(letter.body))
    form = client.get(path, follow=True)
    assert "Choose a new password" in form.content.decode()
    client.post(
        form.redirect_chain[-1][0],
        {"password1": "correct horse battery", "password2": "correct horse battery"},
    )
    ana.refresh_from_db()
    assert ana.check_password("correct horse battery")
    assert AuditEvent.objects.get(kind="person.password_changed").detail == {"by_mail": True}
    assert "no longer good" in Client().get(path, follow=True).content.decode()


@pytest.mark.parametrize("host", ["localhost:9999", "127.0.0.1:1", "countersign.example.org:8443"])
def test_the_link_in_the_mail_does_not_follow_the_host_header(
    client: Client, ana: User, settings: Settings, host: str
) -> None:
    settings.PUBLIC_URL = "https://countersign.example.org"
    settings.ALLOWED_HOSTS = ["*"]
    form = {"email": "ana@example.org"}
    client.post(reverse("account_reset_password"), form, headers={"host": host})
    (letter,) = mail.outbox
    (link,) = re.findall(r"https?://\S+", str(letter.body))
    assert link.startswith("https://countersign.example.org/account/password/reset/key/")
    assert "Choose a new password" in client.get(link, follow=True).content.decode()


def test_asking_for_a_new_password_does_not_tell_who_has_an_account(
    client: Client, ana: User
) -> None:
    known = client.post(reverse("account_reset_password"), {"email": "ana@example.org"})
    unknown = client.post(reverse("account_reset_password"), {"email": "eve@example.org"})
    assert known.headers["Location"] == unknown.headers["Location"]
    # Nor does it make us write to strangers.
    assert [letter.to for letter in mail.outbox] == [["ana@example.org"]]


def test_a_deactivated_person_gets_no_new_password_by_mail(client: Client, ana: User) -> None:
    User.objects.update(is_active=False)
    client.post(reverse("account_reset_password"), {"email": "ana@example.org"})
    assert not any("/password/reset/key/" in str(letter.body) for letter in mail.outbox)


def new_password_by_mail(address: str, password: str) -> int:
    """Asks for a link, and uses it if one was sent; how many letters there were."""
    mail.outbox.clear()
    stranger = Client()
    stranger.post(reverse("account_reset_password"), {"email": address})
    for letter in mail.outbox:
        (path,) = re.findall(r"https?://[^/]+(/account/password/reset/key/\S+)", str(letter.body))
        form = stranger.get(path, follow=True)
        sent = {"password1": password, "password2": password}
        stranger.post(form.redirect_chain[-1][0], sent)
    return len(mail.outbox)


def move_to_another_address(user: User, password: str) -> None:
    user.refresh_from_db()
    browser = let_in(user)
    save_profile(browser, email="ana.new@example.org", password=password)
    user.refresh_from_db()
    assert user.email == "ana.new@example.org"


@pytest.mark.parametrize("remembered", [False, True], ids=["forgotten", "remembered"])
def test_a_former_address_is_no_way_in(ana: User, remembered: bool) -> None:
    assert new_password_by_mail("ana@example.org", "correct horse battery") == 1
    move_to_another_address(ana, "correct horse battery")
    assert not EmailAddress.objects.filter(email="ana@example.org").exists()
    if remembered:
        # As an earlier version left it.
        EmailAddress.objects.create(user=ana, email="ana@example.org", verified=True, primary=True)

    assert new_password_by_mail("ana@example.org", "nine otters under a bridge") == 0
    ana.refresh_from_db()
    assert ana.check_password("correct horse battery")
    browser = Client()
    sign_in(browser, "ana@example.org", "correct horse battery")
    assert "sessionid" not in browser.cookies
    sign_in(browser, "ana.new@example.org", "correct horse battery")
    assert "sessionid" in browser.cookies
    assert new_password_by_mail("ana.new@example.org", "nine otters under a bridge") == 1
    # Nor is anybody asked for a password that is then looked up elsewhere.
    ana.refresh_from_db()
    save_profile(let_in(ana), email="ana@example.org", password="nine otters under a bridge")
    ana.refresh_from_db()
    assert ana.email == "ana@example.org"


def test_an_address_that_a_colleague_has_now_is_the_colleagues(ana: User) -> None:
    new_password_by_mail("ana@example.org", "correct horse battery")
    move_to_another_address(ana, "correct horse battery")
    ben = make_user("ben")
    User.objects.filter(pk=ben.pk).update(email="ana@example.org")
    assert new_password_by_mail("ana@example.org", "nine otters under a bridge") == 1
    for user in (ana, ben):
        user.refresh_from_db()
    assert ana.check_password("correct horse battery")
    assert ben.check_password("nine otters under a bridge")


# ---------- registry accounts


@responses.activate
def test_linking_an_account(
    browser: Client, ana: User, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    responses.get("https://registry.example.org/-/whoami", json={"username": "ana-npm"})
    answer = browser.post(
        reverse("account_link", args=[registry.pk]), {"token": TOKEN}, follow=True
    )
    page = answer.content.decode()
    assert "From now on you approve at main as ana-npm." in page
    assert TOKEN not in page + caplog.text
    assert TOKEN not in json.dumps(list(AuditEvent.objects.values_list("detail", flat=True)))
    assert RegistryAccount.objects.get().registry_url == registry.url


@responses.activate
def test_a_refused_token_is_explained_and_not_repeated(browser: Client, registry: Registry) -> None:
    responses.get("https://registry.example.org/-/whoami", json={"error": "no"}, status=401)
    page = browser.post(reverse("account_link", args=[registry.pk]), {"token": TOKEN})
    assert "The registry does not know this token" in page.content.decode()
    assert TOKEN not in page.content.decode()


def test_the_token_that_reads_is_refused_as_ones_own(browser: Client, ana: User) -> None:
    registry = make_registry("main", token=TOKEN)
    page = browser.post(reverse("account_link", args=[registry.pk]), {"token": TOKEN})
    assert "This is the token Countersign reads with. Make one of your own." in text_of(page)
    assert not RegistryAccount.objects.exists()


@responses.activate
def test_an_account_shared_with_the_reading_one_is_warned_of(
    browser: Client, registry: Registry
) -> None:
    responses.get("https://registry.example.org/-/whoami", json={"username": "<i>ci"})
    page = browser.post(reverse("account_link", args=[registry.pk]), {"token": TOKEN}, follow=True)
    assert "Countersign reads with a token of <i>ci too." in text_of(page)
    assert "<i>" not in page.text


def test_the_page_says_where_to_make_a_token(browser: Client, registry: Registry) -> None:
    page = text_of(browser.get(reverse("accounts")))
    assert "a granular token with read and write access" in page
    assert "does not bypass two-factor authentication" in page


@responses.activate
def test_a_registrys_words_are_not_markup(browser: Client, registry: Registry) -> None:
    responses.get(
        "https://registry.example.org/-/whoami",
        json={"error": "<script>alert(1)</script>"},
        status=403,
    )
    page = browser.post(reverse("account_link", args=[registry.pk]), {"token": TOKEN})
    assert "<script>alert" not in page.content.decode()


def test_the_page_names_what_is_linked_refused_and_left_over(
    browser: Client, ana: User, registry: Registry
) -> None:
    make_registry("other")
    make_account(ana, registry, refused_at=ana.date_joined, username="ana-npm")
    gone = make_registry("gone")
    make_account(ana, gone, username="ana-gone")
    gone.delete()
    page = browser.get(reverse("accounts")).content.decode()
    for words in ("Token refused", "Not linked", "ana-gone", "no longer among the registries"):
        assert words in page


def test_what_the_registry_showed_of_an_account_is_told_with_what_to_do(
    browser: Client, ana: User, registry: Registry
) -> None:
    make_account(
        ana,
        registry,
        second_factor="code",
        codes="once",
        last_worked_at=timezone.now(),
        forbidden_at=timezone.now(),
        forbidden_words="<b>You may not publish this.</b>",
        bypasses_second_factor=True,
    )
    for page in ("accounts", "queue"):
        html = browser.get(reverse(page)).content.decode()
        assert "&lt;b&gt;You may not publish this." in html
        assert "Ask a maintainer of the package" in html
        assert "publishes at main without a second factor" in html
    html = browser.get(reverse("accounts")).content.decode()
    assert "Could not decide" in html
    assert "good for one call" in html


def test_somebody_elses_account_is_neither_seen_nor_unlinked(
    browser: Client, registry: Registry
) -> None:
    bens = make_account(make_user("ben"), registry, username="ben-npm")
    assert "ben-npm" not in browser.get(reverse("accounts")).content.decode()
    answer = browser.post(reverse("account_unlink", args=[bens.pk]))
    assert answer.status_code == HTTPStatus.NOT_FOUND
    assert RegistryAccount.objects.filter(pk=bens.pk).exists()


def test_unlinking(browser: Client, ana: User, registry: Registry) -> None:
    account = make_account(ana, registry)
    assert browser.get(reverse("account_unlink", args=[account.pk])).status_code == (
        HTTPStatus.METHOD_NOT_ALLOWED
    )
    browser.post(reverse("account_unlink", args=[account.pk]))
    assert not RegistryAccount.objects.exists()


# ---------- profile


def save_profile(browser: Client, **change: str) -> str:
    filled = {"first_name": "Ana", "last_name": "", "email": "ana@example.org", **change}
    return browser.post(reverse("profile"), filled, follow=True).content.decode()


def test_names_and_mail_wishes_change_without_a_password(browser: Client, ana: User) -> None:
    assert "Your profile is saved" in save_profile(browser)
    ana.refresh_from_db()
    assert (ana.first_name, ana.wants_email) == ("Ana", False)


def test_nobody_passes_for_somebody_else(browser: Client, ana: User) -> None:
    make_user("ada", first_name="Ada")
    save_profile(browser, first_name="Ada", last_name="")
    page = browser.get(reverse("people")).content.decode()
    assert page.count("Ada (ana)") >= 1
    for name in ("Ada (ada)", "a\u202eda", "A\u200bda", "A\x00da", "A\u2028da"):
        page = save_profile(browser, first_name=name)
        assert 'id="id_first_name_error"' in page, name
    ana.refresh_from_db()
    assert str(ana) == "Ada (ana)"


def test_the_profile_form_changes_nothing_else(browser: Client, ana: User) -> None:
    save_profile(browser, role="administrator", is_superuser="1", username="root", id="1")
    ana.refresh_from_db()
    assert (ana.role, ana.is_superuser, ana.username) == ("approver", False, "ana")


def test_another_address_needs_the_password(browser: Client, ana: User) -> None:
    page = save_profile(browser, email="eve@example.org", password="wrong")
    assert "This is not your password" in page
    ana.refresh_from_db()
    assert ana.email == "ana@example.org"
    save_profile(browser, email="Ana.New@example.org", password=PASSWORD)
    ana.refresh_from_db()
    assert ana.email == "ana.new@example.org"
    assert AuditEvent.objects.filter(kind="person.email_changed", actor=ana).count() == 1


def test_somebody_elses_address_is_refused(browser: Client, ana: User) -> None:
    make_user("ben")
    page = save_profile(browser, email="BEN@example.org", password=PASSWORD)
    assert "This e-mail address cannot be used here" in page


def test_allauths_own_page_of_addresses_is_closed(browser: Client, ana: User) -> None:
    for data in ({"action_add": "", "email": "eve@example.org"}, {"action_primary": ""}):
        answer = browser.post("/account/email/", data)
        assert answer.headers["Location"] == reverse("profile")
    ana.refresh_from_db()
    assert ana.email == "ana@example.org"


# ---------- other sites


def test_another_site_cannot_send_forms(ana: User, registry: Registry) -> None:
    browser = Client(enforce_csrf_checks=True)
    let_in(ana, browser)
    account = make_account(ana, registry)
    for address in (
        reverse("account_login"),
        reverse("account_logout"),
        reverse("profile"),
        reverse("account_link", args=[registry.pk]),
        reverse("account_unlink", args=[account.pk]),
    ):
        assert browser.post(address).status_code == HTTPStatus.FORBIDDEN, address
    assert RegistryAccount.objects.exists()


def test_pages_hold_no_inline_script_or_style(
    browser: Client, ana: User, registry: Registry
) -> None:
    make_account(ana, registry)
    for name in ("accounts", "profile", "account_change_password"):
        page = browser.get(reverse(name)).content.decode()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", page), name
