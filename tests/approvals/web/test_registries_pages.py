"""The pages of registries: who may change them, and that tokens stay put."""

import json
import logging
from http import HTTPStatus

import pytest
import responses
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.audit.models import AuditEvent
from approvals.people.models import Role, User
from approvals.queue.models import Registry
from approvals.sealing import unseal
from tests.approvals.factories import make_registry, make_user
from tests.approvals.web.pages import sign_in, text_of

pytestmark = pytest.mark.django_db

TOKEN = "npm_READ-token-0123456789"
FORM = {
    "name": "main",
    "url": "https://registry.example.org/",
    "read_token": TOKEN,
    "poll_seconds": "30",
}


@pytest.fixture
def chief() -> User:
    return make_user("chief", role=Role.ADMINISTRATOR)


@pytest.fixture
def browser(client: Client, chief: User) -> Client:
    """The administrator's."""
    sign_in(chief, client)
    return client


def registry_answers(url: str = "https://registry.example.org") -> None:
    responses.get(f"{url}/-/whoami", json={"username": "reader"})
    responses.get(f"{url}/-/stage", json={"items": [], "page": 0, "perPage": 100, "total": 0})


@responses.activate
def test_adding_a_registry(browser: Client, chief: User, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    registry_answers()
    page = browser.post(reverse("registry_add"), FORM, follow=True).content.decode()
    registry = Registry.objects.get()
    assert unseal(registry.sealed_read_token, bound_to=registry.url) == TOKEN
    assert "main answered and is added" in page
    assert TOKEN not in page + caplog.text
    events = list(AuditEvent.objects.values("kind", "actor_id", "detail"))
    assert TOKEN not in json.dumps(events)
    assert any(
        (event["kind"], event["actor_id"]) == ("registry.added", chief.pk) for event in events
    )


@responses.activate
def test_a_registry_that_refuses_the_token_is_not_added(browser: Client) -> None:
    responses.get("https://registry.example.org/-/whoami", json={"error": "no"}, status=401)
    page = browser.post(reverse("registry_add"), FORM).content.decode()
    assert page.count("does not accept the token") == 1
    assert "The registry says: no. Make a read token" in page
    assert TOKEN not in page
    assert 'value="main"' in page
    assert not Registry.objects.exists()


@responses.activate
@pytest.mark.parametrize(
    "url",
    [
        "registry.example.org",
        "ftp://registry.example.org/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "https://user:secret@registry.example.org/",
        "https://registry.example.org/?x=1",
        "https://registry.example.org/#x",
        "https://registry example org/",
        "https://registry.example.org:port/",
        "https://registry.example.org/" + "a" * 500,
    ],
)
def test_what_is_no_address_is_asked_nothing(browser: Client, url: str) -> None:
    page = browser.post(reverse("registry_add"), {**FORM, "url": url}).content.decode()
    assert 'id="id_url_error"' in page
    assert len(responses.calls) == 0
    assert not Registry.objects.exists()


@responses.activate
def test_a_name_that_cannot_be_one_is_explained_without_jargon(browser: Client) -> None:
    page = text_of(browser.post(reverse("registry_add"), {**FORM, "name": "our registry!"}))
    assert "letters from a to z, digits" in page
    assert "slug" not in page
    assert len(responses.calls) == 0


@responses.activate
def test_a_token_that_sees_nothing_is_warned_of_apart(browser: Client) -> None:
    registry_answers()
    page = browser.post(reverse("registry_add"), FORM, follow=True)
    told = [(message.level_tag, str(message)) for message in page.context["messages"]]
    assert [tag for tag, _ in told] == ["success", "warning"]
    assert "sees no staged version" not in told[0][1]
    assert "sees no staged version" in told[1][1]


@responses.activate
def test_the_same_registry_twice_is_refused(browser: Client) -> None:
    registry_answers()
    browser.post(reverse("registry_add"), FORM)
    page = browser.post(reverse("registry_add"), FORM).content.decode()
    assert "already a registry with this name or address" in page
    assert Registry.objects.count() == 1


@responses.activate
def test_changing_a_registry(browser: Client) -> None:
    registry = make_registry("main", url="https://registry.example.org/", token="old-token")
    registry_answers()
    page = browser.get(reverse("registry_edit", args=[registry.pk])).content.decode()
    assert "old-token" not in page
    browser.post(
        reverse("registry_edit", args=[registry.pk]),
        {"poll_seconds": "90", "read_token": TOKEN, "url": "https://evil.example.org/"},
    )
    registry.refresh_from_db()
    assert (registry.poll_seconds, registry.enabled) == (90, False)
    assert registry.url == "https://registry.example.org/"
    assert unseal(registry.sealed_read_token, bound_to=registry.url) == TOKEN


@responses.activate
def test_an_empty_token_keeps_the_one_there_is(browser: Client) -> None:
    registry = make_registry(token="old-token")
    browser.post(
        reverse("registry_edit", args=[registry.pk]),
        {"poll_seconds": "30", "enabled": "on", "read_token": ""},
    )
    registry.refresh_from_db()
    assert unseal(registry.sealed_read_token, bound_to=registry.url) == "old-token"


@pytest.mark.parametrize("seconds", ["0", "-1", "86401", "soon", ""])
def test_a_pause_out_of_bounds_is_refused(browser: Client, seconds: str) -> None:
    registry = make_registry()
    address = reverse("registry_edit", args=[registry.pk])
    page = browser.post(address, {"poll_seconds": seconds, "enabled": "on"}).content.decode()
    assert 'id="id_poll_seconds_error"' in page
    registry.refresh_from_db()
    assert registry.poll_seconds == 30


@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER])
def test_only_administrators_change_registries(client: Client, role: Role) -> None:
    registry = make_registry()
    sign_in(make_user(role=role), client)
    for address in (reverse("registry_add"), reverse("registry_edit", args=[registry.pk])):
        assert client.get(address).status_code == HTTPStatus.FORBIDDEN
        assert client.post(address, FORM).status_code == HTTPStatus.FORBIDDEN
    page = client.get(reverse("registries"))
    assert page.status_code == HTTPStatus.OK
    assert reverse("registry_add") not in page.content.decode()
    assert Registry.objects.count() == 1


def test_another_site_cannot_send_forms(chief: User) -> None:
    registry = make_registry()
    browser = Client(enforce_csrf_checks=True)
    sign_in(chief, browser)
    for address in (reverse("registry_add"), reverse("registry_edit", args=[registry.pk])):
        assert browser.post(address, FORM).status_code == HTTPStatus.FORBIDDEN


def test_a_failing_registry_says_since_when_and_why(browser: Client) -> None:
    make_registry(
        "broken",
        failing_since=timezone.now(),
        failure_reason="The registry did not answer: <b>timeout</b>",
        failure_count=3,
    )
    page = browser.get(reverse("registries")).content.decode()
    for words in ("Failing", "3 times in a row", "did not answer: &lt;b&gt;timeout"):
        assert words in page


def test_without_registries_the_page_says_what_to_do(browser: Client) -> None:
    page = browser.get(reverse("registries")).content.decode()
    assert "No registries yet" in page
    assert reverse("registry_add") in page


# ---------- what a read token may see


def staged_item(package: str, number: int) -> dict[str, object]:
    return {
        "id": f"0f5e2a4e-0000-4000-8000-{number:012d}",
        "packageName": package,
        "version": f"1.0.{number}",
        "tag": "latest",
        "createdAt": "2026-01-02T03:04:05.000Z",
        "actor": "ci",
        "actorType": "user",
        "access": "public",
        "shasum": f"{number:040x}",
    }


@responses.activate
@pytest.mark.parametrize(
    ("readonly", "words"),
    [
        (True, "It may only read, as it should."),
        (False, "The read token may do more than read."),
        (None, "does not say whether it may do more"),
    ],
    ids=["only reads", "also writes", "unknown"],
)
def test_what_a_token_sees_is_told_on_the_spot(
    browser: Client, readonly: bool | None, words: str
) -> None:
    url = "https://registry.example.org"
    items = [staged_item(name, number) for number, name in enumerate(["ui", "ui", "core"])]
    responses.get(f"{url}/-/whoami", json={"username": "reader"})
    responses.get(
        f"{url}/-/stage", json={"items": items, "page": 0, "perPage": 100, "total": len(items)}
    )
    if readonly is None:
        responses.get(f"{url}/-/npm/v1/tokens", json={}, status=404)
    else:
        listed = {"objects": [{"token": TOKEN[:6], "readonly": readonly}], "urls": {}}
        responses.get(f"{url}/-/npm/v1/tokens", json=listed)
    page = text_of(browser.post(reverse("registry_add"), FORM, follow=True))
    assert "The token is of reader. It sees 3 staged versions of 2 packages." in page
    assert words in page
    (event,) = AuditEvent.objects.filter(kind="registry.added")
    assert event.detail["visible_packages"] == 2


# ---------- other hosts of the second factor


def save_hosts(browser: Client, registry: Registry, text: str) -> str:
    form = {"poll_seconds": "30", "enabled": "on", "read_token": "", "proof_hosts": text}
    page = text_of(browser.post(reverse("registry_edit", args=[registry.pk]), form, follow=True))
    registry.refresh_from_db()
    return page


def test_hosts_of_the_second_factor(browser: Client) -> None:
    registry = make_registry()
    save_hosts(browser, registry, " Login.Example.ORG \r\n\r\nsso.example.net\nlogin.example.org\n")
    assert registry.proof_hosts == "login.example.org\nsso.example.net"
    (event,) = AuditEvent.objects.filter(kind="registry.changed")
    assert event.detail["changed"] == ["proof_hosts"]
    page = browser.get(reverse("registry_edit", args=[registry.pk])).content.decode()
    assert "login.example.org\nsso.example.net" in page
    save_hosts(browser, registry, "")
    assert registry.proof_hosts == ""


@pytest.mark.parametrize(
    "text",
    [
        *("https://login.example.org", "login.example.org:8443", "login.example.org/login", "*"),
        *("*.example.org", "ada@login.example.org", "192.0.2.1", "[::1]", "..", "a..b", "é.org"),
        *("login.example.org,sso.example.org", "a." * 130 + "org"),
        "\n".join(f"h{number}.example.org" for number in range(11)),
    ],
    ids=lambda text: text[:24].replace("\n", " "),
)
def test_what_is_no_host_name_is_refused(browser: Client, text: str) -> None:
    registry = make_registry()
    page = save_hosts(browser, registry, text)
    assert "no host name" in page or "at most 10" in page or "at most 2550" in page
    assert registry.proof_hosts == ""
