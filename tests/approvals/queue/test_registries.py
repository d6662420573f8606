"""Adding and changing registries, and where their tokens may go."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import DatabaseError
from pytest_django import Settings

from approvals.audit.models import AuditEvent
from approvals.people.accounts import AccountNotLinked
from approvals.people.models import RegistryAccount
from approvals.queue.models import Registry
from approvals.queue.registries import (
    Linked,
    RegistryNotUsable,
    add_registry,
    change_registry,
    client_for,
    link_own_account,
    normalised_url,
)
from approvals.sealing import SealBroken
from registry_client.sandbox.server import SandboxRegistry
from tests.approvals.conftest import House
from tests.approvals.factories import make_user

pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[SandboxRegistry]:
    """A registry that belongs to an attacker."""
    with SandboxRegistry(tmp_path / "elsewhere", otp="none") as registry:
        yield registry


def add(house: House, **changes: object) -> Registry:
    given: dict[str, object] = {
        "actor": None,
        "name": "another",
        "url": house.sandbox.url,
        "read_token": house.sandbox.token("ci", "read-only"),
    }
    return add_registry(**{**given, **changes})  # type: ignore[arg-type]  # one test, one change


def test_a_registry_is_added_with_whose_token_it_is(house: House) -> None:
    event = AuditEvent.objects.get(kind="registry.added")
    assert event.detail["token_user"] == "ci"
    registry = Registry.objects.get()
    with client_for(registry) as client:
        assert client.whoami() == "ci"


def test_the_token_is_neither_stored_in_the_clear_nor_recorded_nor_shown(house: House) -> None:
    token = house.sandbox.token("ci", "read-only")
    change_registry(house.registry, actor=make_user("root"), read_token=f" {token}\n")
    assert token not in house.registry.sealed_read_token
    assert token not in repr(client_for(house.registry))
    assert not any(token in str(event.detail) for event in AuditEvent.objects.all())


def test_a_token_that_the_registry_does_not_know_is_refused(house: House) -> None:
    with pytest.raises(RegistryNotUsable, match="does not accept the token"):
        add(house, read_token="npm_wrong")
    assert Registry.objects.count() == 1


def test_a_token_of_ci_that_can_only_stage_is_refused(house: House) -> None:
    with pytest.raises(RegistryNotUsable):
        add(house, read_token=house.sandbox.token("ci", "automation"))


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "späße", "x" * 5000])
def test_what_cannot_be_a_token_is_never_sent(house: House, token: str) -> None:
    with pytest.raises(RegistryNotUsable, match="token") as refusal:
        add(house, read_token=token)
    assert token not in str(refusal.value)
    assert house.sandbox.control.calls() == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "registry.example.org",
        "ftp://registry.example.org/",
        "https://user:secret@registry.example.org/",
        "https://registry.example.org/?token=secret",
        "https://registry.example.org/a/../b",
        "https://registry.example.org/a/%2e%2E/b",
        "https://r\u00e9gistry.example.org/",
        "https://registry%2eexample.org/",
        "https://registry.example.org../",
        "javascript:alert(1)",
    ],
)
def test_what_is_no_address_is_refused_without_its_secret(house: House, url: str) -> None:
    with pytest.raises(RegistryNotUsable) as refusal:
        add(house, url=url)
    assert "secret" not in str(refusal.value)


def test_something_that_is_not_a_registry_is_refused(house: House) -> None:
    with pytest.raises(RegistryNotUsable):
        add(house, url=f"{house.sandbox.url}/-/sandbox/")


def test_nobody_there_is_refused(house: House) -> None:
    house.sandbox.stop()
    with pytest.raises(RegistryNotUsable, match="could not be used"):
        add_registry(actor=None, name="gone", url=house.registry.url, read_token="npm_any")


def test_a_second_one_of_the_same_name_is_refused(house: House, elsewhere: SandboxRegistry) -> None:
    with pytest.raises(RegistryNotUsable, match="already"):
        add(house, name="sandbox", url=elsewhere.url, read_token=elsewhere.create_user("ci"))


@pytest.mark.parametrize("spelling", ["{}", "{}/", "{}//", " {} ", "HTTP{}"])
def test_an_address_cannot_be_added_twice_however_it_is_spelled(
    house: House, spelling: str
) -> None:
    url = house.sandbox.url
    url = spelling.format(url.removeprefix("http") if spelling == "HTTP{}" else url)
    with pytest.raises(RegistryNotUsable, match="already"):
        add(house, url=url)
    assert Registry.objects.count() == 1


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("https://Registry.Example.org", "https://registry.example.org/"),
        ("HTTPS://registry.example.org:443/", "https://registry.example.org/"),
        ("https://registry.example.org.", "https://registry.example.org/"),
        ("https://registry.example.org.:443/npm", "https://registry.example.org/npm/"),
        ("https://registry.example.org/NPM//", "https://registry.example.org/NPM/"),
        ("https://registry.example.org//npm///a", "https://registry.example.org/npm/a/"),
        ("https://registry.example.org/./npm/.", "https://registry.example.org/npm/"),
        ("https://registry.example.org/%6epm/%7Ea", "https://registry.example.org/npm/~a/"),
        ("https://registry.example.org/%2e/npm", "https://registry.example.org/npm/"),
        ("https://registry.example.org/a%2fb", "https://registry.example.org/a%2Fb/"),
        ("https://registry.example.org/ä", "https://registry.example.org/%C3%A4/"),
        ("http://localhost:80", "http://localhost/"),
        ("http://LOCALHOST.:443", "http://localhost:443/"),
        ("http://[::1]:4873/", "http://[::1]:4873/"),
        ("http://[0:0:0:0:0:0:0:1]:4873/", "http://[::1]:4873/"),
    ],
)
def test_one_address_has_one_spelling(typed: str, stored: str) -> None:
    assert normalised_url(typed) == stored
    assert normalised_url(stored) == stored


@pytest.mark.parametrize(
    "url",
    [
        "http://registry.example.org/",
        "http://10.0.0.5:4873/",
        "http://127.0.0.1.example.org/",
        "http://localhost.example.org/",
    ],
)
def test_tokens_do_not_cross_the_network_in_the_clear_unless_that_is_allowed(
    house: House, settings: Settings, url: str
) -> None:
    with pytest.raises(RegistryNotUsable, match="COUNTERSIGN_ALLOW_HTTP_REGISTRIES=true"):
        add(house, url=url)
    settings.ALLOW_HTTP_REGISTRIES = True
    assert normalised_url(url) == url


@pytest.mark.parametrize("name", ["", "a b", "a/b", "x" * 61, "späße"])
def test_a_name_that_pages_cannot_show_is_refused(house: House, name: str) -> None:
    with pytest.raises(RegistryNotUsable, match="name"):
        add(house, name=name)


@pytest.mark.parametrize("seconds", [0, -1, 10**9])
def test_pauses_between_polls_have_bounds(house: House, seconds: int) -> None:
    with pytest.raises(RegistryNotUsable, match="seconds"):
        add(house, poll_seconds=seconds)
    with pytest.raises(RegistryNotUsable, match="seconds"):
        change_registry(house.registry, actor=None, poll_seconds=seconds)


def test_changing_says_what_changed_and_polls_at_once(house: House) -> None:
    house.poll()
    root = make_user("root")
    change_registry(house.registry, actor=root, poll_seconds=90, enabled=False)
    registry = Registry.objects.get()
    assert (registry.poll_seconds, registry.enabled) == (90, False)
    event = AuditEvent.objects.get(kind="registry.changed")
    assert (event.actor_id, event.detail["changed"]) == (root.pk, ["enabled", "poll_seconds"])
    change_registry(house.registry, actor=root, poll_seconds=90, enabled=False)
    assert AuditEvent.objects.filter(kind="registry.changed").count() == 1


def test_a_new_token_that_does_not_work_leaves_the_old_one(house: House) -> None:
    with pytest.raises(RegistryNotUsable):
        change_registry(house.registry, actor=None, read_token="npm_wrong")
    assert house.poll().failure == ""


def test_an_address_changed_in_the_database_is_not_sent_the_token(
    house: House, elsewhere: SandboxRegistry
) -> None:
    house.stage("left-pad", "1.5.0")
    house.poll()
    Registry.objects.update(url=f"{elsewhere.url}/")
    house.registry.refresh_from_db()
    with pytest.raises(SealBroken):
        client_for(house.registry)
    assert "another address" in house.poll().failure
    house.inspect()
    house.work()
    assert elsewhere.control.calls() == []


def test_the_database_refuses_a_poll_without_a_pause(house: House) -> None:
    with pytest.raises(DatabaseError):
        Registry.objects.update(poll_seconds=0)


def test_the_token_that_reads_does_not_decide(house: House) -> None:
    ada = make_user("ada")
    token = house.sandbox.token("ci", "read-only")
    change_registry(house.registry, actor=None, read_token=token)
    with pytest.raises(AccountNotLinked, match="the token Countersign reads with"):
        link_own_account(ada, house.registry, f" {token}\n")
    assert not RegistryAccount.objects.exists()


def test_an_account_that_also_reads_is_told_of(house: House) -> None:
    ada = make_user("ada")
    assert link_own_account(ada, house.registry, house.sandbox.create_user("ada")) == Linked(
        RegistryAccount.objects.get(), is_readers=False
    )
    linked = link_own_account(ada, house.registry, house.sandbox.token("ci"))
    assert (linked.account.username, linked.is_readers) == ("ci", True)


def test_an_account_is_linked_though_the_read_token_is_no_good(house: House) -> None:
    own = house.sandbox.create_user("ada")
    Registry.objects.update(sealed_read_token="sealed with a key that is lost")
    house.registry.refresh_from_db()
    assert not link_own_account(make_user("ada"), house.registry, own).is_readers
