"""The pages of tokens for CI, and what CI gave on the review page."""

import re
from http import HTTPStatus

import pytest
from django.test import Client
from django.urls import reverse

from approvals.api.models import Token
from approvals.api.tokens import token_of
from approvals.people.models import Role
from approvals.people.scopes import Reach
from tests.approvals.api.factories import Caller, make_api_token
from tests.approvals.factories import make_registry, make_staged_version, make_user
from tests.approvals.web.pages import assert_strict, sign_in, text_of

pytestmark = pytest.mark.django_db
GOOD = {"name": "acme/lib: release", "packages": "@acme/*\nacme", "days": 30, "may_read": "on"}


@pytest.fixture
def browser() -> Client:
    return sign_in(make_user("chief", role=Role.ADMINISTRATOR))


def test_the_token_is_shown_once_and_works(browser: Client) -> None:
    answer = browser.post(reverse("token_make"), GOOD)
    assert answer.status_code == HTTPStatus.OK
    assert_strict(answer)
    assert "no-store" in answer["Cache-Control"]
    [secret] = re.findall(r'value="(cst_[\w-]+)"', answer.content.decode())
    token = token_of(secret)
    assert token.reaches == [Reach("", "@acme/*"), Reach("", "acme")]
    assert (token.may_read, token.may_hand_in_provenance, token.may_give_context) == (
        True,
        False,
        False,
    )
    listed = browser.get(reverse("tokens"))
    assert_strict(listed)
    assert secret not in listed.content.decode()
    assert "@acme/*, acme" in text_of(listed)
    assert "made by chief" in text_of(listed)


def test_a_token_can_be_for_one_registry(browser: Client) -> None:
    registry = make_registry("npm")
    browser.post(reverse("token_make"), GOOD | {"registry": registry.url})
    assert {one.registry_url for one in Token.objects.get().reaches} == {registry.url}
    assert "@acme/* at npm" in text_of(browser.get(reverse("tokens")))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "Name the project and pipeline"),
        ({"packages": " \n "}, "packages"),
        ({"packages": "a b"}, "names no packages"),
        ({"days": 0}, "greater than or equal to 1"),
        ({"days": 1000}, "less than or equal to 366"),
        ({"may_read": ""}, "may do nothing"),
        ({"registry": "https://nowhere.example.org/"}, "not one of the available choices"),
        ({"name": "there"}, "named there already"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said(browser: Client, change: dict[str, object], words: str) -> None:
    make_api_token(name="there")
    assert words in text_of(browser.post(reverse("token_make"), GOOD | change))
    assert Token.objects.count() == 1


def test_a_revoked_token_stops_and_stays_on_the_page(browser: Client) -> None:
    token, secret = make_api_token(name="old pipeline")
    ci = Caller(secret)
    assert ci.ask("stages")[0] == HTTPStatus.OK
    page = browser.post(reverse("token_revoke", args=[token.pk]), follow=True)
    assert "old pipeline is revoked" in text_of(page)
    assert "Expired or revoked" in text_of(page)
    assert ci.ask("stages")[0] == HTTPStatus.UNAUTHORIZED
    page = browser.post(reverse("token_revoke", args=[token.pk]), follow=True)
    assert "was revoked already" in text_of(page)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER, Role.RELEASE_MANAGER])
def test_only_administrators_see_or_do_any_of_it(role: Role) -> None:
    token, _ = make_api_token()
    browser = sign_in(make_user(role=role))
    assert browser.get(reverse("tokens")).status_code == HTTPStatus.FORBIDDEN
    assert browser.get(reverse("token_make")).status_code == HTTPStatus.FORBIDDEN
    assert browser.post(reverse("token_make"), GOOD).status_code == HTTPStatus.FORBIDDEN
    revoke = reverse("token_revoke", args=[token.pk])
    assert browser.post(revoke).status_code == HTTPStatus.FORBIDDEN
    assert Token.objects.get().is_good
    assert reverse("tokens") not in browser.get(reverse("registries")).content.decode()


def test_administrators_find_it(browser: Client) -> None:
    assert reverse("tokens") in browser.get(reverse("registries")).content.decode()
    assert "No tokens" in text_of(browser.get(reverse("tokens")))


def test_links_from_ci_are_on_the_review_page_as_not_verified(browser: Client) -> None:
    row = make_staged_version("@acme/lib")
    page = reverse("version", args=[row.pk])
    assert "From CI" not in text_of(browser.get(page))
    ci = Caller(make_api_token(name="acme ci")[1])
    url = "https://git.example.org/acme/lib/pull/7?a=1&b=2"
    ci.hand_in(f"stages/{row.stage_id}/context", {"pull_request": url})
    shown = browser.get(page)
    assert_strict(shown)
    assert "From CI, not verified" in text_of(shown)
    assert "Pull request" in text_of(shown)
    assert "with the token acme ci" in text_of(shown)
    html = shown.content.decode()
    assert f'href="{url.replace("&", "&amp;")}" rel="noopener noreferrer nofollow"' in html


def test_the_docs_page_is_strict_and_the_script_is_a_script() -> None:
    stranger = Client()
    page = stranger.get(reverse("api_docs"))
    assert_strict(page)
    assert "/api/v1/packages/{name}/versions/{version}" in text_of(page)
    script = stranger.get("/api/v1/wait.sh")
    assert script.status_code == HTTPStatus.OK
    assert script.content.startswith(b"#!/bin/sh\n")
