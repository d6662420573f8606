"""The first run in a browser: every page leads there, and from step to step."""

import re
from http import HTTPStatus

import pytest
from django.test import Client
from django.urls import reverse

from approvals.people import factors, first_run
from approvals.people.models import FirstRun, RegistryAccount, Role, TryCount, User
from approvals.queue.models import Registry
from registry_client.sandbox.server import SandboxRegistry
from tests.approvals.codes import enrol
from tests.approvals.factories import make_registry, make_staged_version, make_user
from tests.approvals.web.pages import HTMX, assert_strict, sign_in, text_of

pytestmark = pytest.mark.django_db

ADA = {"username": "ada", "email": "ada@example.org", "password": "correct horse battery"}
PAGES = ["/", "/history/", "/people/", "/people/invite/", "/registries/", "/audit/", "/profile/"]


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_run, "_is_over", False)


@pytest.fixture
def link() -> str:
    token = first_run.offer()
    assert token is not None
    return reverse("first_run_begin", args=[token])


@pytest.fixture
def ada(link: str) -> User:
    """The administrator that the link made, who has an authenticator app by now."""
    assert Client().post(link, ADA).status_code == HTTPStatus.FOUND
    user = User.objects.get()
    enrol(user)
    return user


@pytest.mark.parametrize("page", [*PAGES, "/account/login/", "/security/", "/invitation/x/"])
def test_before_anybody_is_here_every_page_says_to_open_the_link(
    client: Client, link: str, page: str
) -> None:
    answer = client.get(page)
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert "Open the link that manage.py up printed" in text_of(answer)
    assert link not in answer.content.decode()
    assert_strict(answer)


def test_health_is_told_meanwhile(client: Client, link: str) -> None:
    assert client.get("/healthz").status_code == HTTPStatus.OK


def test_the_link_makes_the_first_administrator(client: Client, link: str) -> None:
    page = client.get(link)
    assert "you become the first administrator" in text_of(page)
    assert_strict(page)
    answer = client.post(link, {**ADA, "role": "viewer"})
    assert answer.headers["Location"] == reverse("first_run")
    assert User.objects.get().role == Role.ADMINISTRATOR
    # Nothing is open without a second factor, which is the next step.
    page = client.get("/", follow=True)
    assert page.redirect_chain[-1][0].startswith("/security/")
    assert 'aria-current="step"' in page.content.decode()
    assert "A stolen password alone must not" in text_of(page)


def test_what_is_wrong_leaves_the_link_good(client: Client, link: str) -> None:
    assert "too short" in text_of(client.post(link, {**ADA, "password": "short"}))
    assert not User.objects.exists()
    assert client.post(link, ADA).status_code == HTTPStatus.FOUND


def test_the_link_is_worth_nothing_afterwards(ada: User, link: str) -> None:
    for answer in (Client().get(link), Client().post(link, {**ADA, "username": "eve"})):
        assert answer.status_code == HTTPStatus.GONE
        assert "used already" in text_of(answer)
    assert User.objects.count() == 1


def test_links_cannot_be_guessed_for_long(link: str) -> None:
    guess = reverse("first_run_begin", args=["guess"])
    answers = {Client().get(guess).status_code for _ in range(25)}
    assert answers == {HTTPStatus.GONE, HTTPStatus.TOO_MANY_REQUESTS}
    TryCount.objects.all().delete()
    assert Client().get(link).status_code == HTTPStatus.OK


@pytest.mark.parametrize("page", PAGES)
def test_until_it_is_over_every_page_leads_there(ada: User, page: str) -> None:
    browser = sign_in(ada)
    answer = browser.get(page)
    assert answer.headers["Location"] == reverse("first_run")
    assert browser.get(page, headers=HTMX).headers["HX-Redirect"] == reverse("first_run")
    answer = browser.get(page, follow=True)
    assert answer.redirect_chain[-1][0] == reverse("first_run_registry")


def test_whoever_is_not_signed_in_signs_in_first(ada: User) -> None:
    answer = Client().get("/")
    assert answer.headers["Location"].startswith(reverse("account_login"))
    assert Client().get(answer.headers["Location"]).status_code == HTTPStatus.OK


def test_nobody_else_sets_it_up(ada: User) -> None:
    browser = sign_in(make_user("ben", role=Role.RELEASE_MANAGER))
    assert "is being set up" in text_of(browser.get("/"))
    for name in ("first_run", "first_run_registry", "first_run_account", "first_run_done"):
        assert browser.get(reverse(name)).status_code == HTTPStatus.FORBIDDEN
    assert browser.post(reverse("first_run_finish")).status_code == HTTPStatus.FORBIDDEN
    assert FirstRun.objects.get().done_at is None


def test_from_the_registry_to_the_queue(ada: User, sandbox: SandboxRegistry) -> None:
    browser = sign_in(ada)
    form = {"name": "npm", "url": sandbox.url, "read_token": "npm_wrong"}
    page = text_of(browser.post(reverse("first_run_registry"), form))
    assert "does not accept the token" in page
    form["read_token"] = sandbox.create_user("reader")
    page = text_of(browser.post(reverse("first_run_registry"), form, follow=True))
    assert "The token is of reader." in page
    assert "The read token sees no staged version" in page
    assert "Link your own account" in page
    account = reverse("first_run_account")
    assert "does not know this token" in text_of(browser.post(account, {"token": "npm_wrong"}))
    page = text_of(browser.post(account, {"token": form["read_token"]}))
    assert "This is the token Countersign reads with." in page
    assert "does not bypass two-factor authentication" in page
    page = text_of(browser.post(account, {"token": sandbox.create_user("ada-npm")}, follow=True))
    assert "From now on you approve at npm as ada-npm." in page
    assert "Everything is set up" in page
    assert RegistryAccount.objects.get().user == ada
    assert browser.get("/").status_code == HTTPStatus.OK
    assert browser.get(reverse("first_run")).headers["Location"] == "/"
    assert browser.get(reverse("first_run_registry")).status_code == HTTPStatus.FORBIDDEN


def test_the_own_account_can_come_later(ada: User) -> None:
    make_registry()
    browser = sign_in(ada)
    page = browser.get("/", follow=True)
    assert page.redirect_chain[-1][0] == reverse("first_run_account")
    (action,) = re.findall(r'action="([^"]+)"[^>]*>(?:<[^>]+>)*<button[^>]*>Later', page.text)
    assert "Everything is set up" in text_of(browser.post(action, follow=True))
    assert browser.get("/").status_code == HTTPStatus.OK


def test_neither_the_factor_nor_the_registry_can_come_later(link: str) -> None:
    browser = Client()
    browser.post(link, ADA)
    user = User.objects.get()
    assert not factors.has_factor(user)
    browser.post(reverse("first_run_finish"))
    sign_in(user).post(reverse("first_run_finish"))
    enrol(user)
    assert not Registry.objects.exists()
    sign_in(user).post(reverse("first_run_finish"))
    assert FirstRun.objects.get().done_at is None


def test_without_a_first_run_nothing_leads_there() -> None:
    make_staged_version()
    browser = sign_in(make_user(role=Role.ADMINISTRATOR))
    assert browser.get("/").status_code == HTTPStatus.OK
    assert browser.get(reverse("first_run")).headers["Location"] == "/"


def test_another_site_cannot_send_forms(link: str) -> None:
    browser = Client(enforce_csrf_checks=True)
    assert browser.post(link, ADA).status_code == HTTPStatus.FORBIDDEN
    assert not User.objects.exists()
