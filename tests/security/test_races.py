"""Twice at the same moment: a proof of presence, an invitation, a code. It counts once."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from approvals.decisions.deciding import stepup
from approvals.decisions.models import Decision, StepUp
from approvals.people import recovery_codes
from approvals.people.membership import deactivate
from approvals.people.models import Role, User
from approvals.queue.models import StagedVersion
from registry_client.sandbox.server import SandboxRegistry
from tests.approvals.at_once import PATIENCE_SECONDS, at_once
from tests.approvals.codes import code_now, enrol
from tests.approvals.conftest import House
from tests.approvals.factories import make_user
from tests.approvals.managing import invite
from tests.approvals.web.pages import sign_in_unverified
from tests.security.browsing import Browser, assert_nothing_was_decided, browser_of, ready

# Each thread has a connection of its own, and sees what others have committed.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[SandboxRegistry]:
    """A registry that asks nobody for a code: only Countersign stands in the way."""
    with SandboxRegistry(tmp_path / "sandbox", otp="none") as registry:
        yield registry


@pytest.fixture
def ada(house: House) -> Browser:
    return browser_of(house, "ada")


@pytest.fixture
def rows(house: House, ada: Browser) -> list[StagedVersion]:
    return ready(house, "left-pad", "right-pad")


def tab_of(client: Client) -> Client:
    """Another tab of the same browser: the same session, and a connection of its own."""
    tab = Client()
    tab.cookies = SimpleCookie({name: one.value for name, one in client.cookies.items()})
    return tab


def posts(client: Client, url: str, form: dict[str, Any]) -> Callable[[], HttpResponse]:
    tab = tab_of(client)
    return lambda: tab.post(url, form)


def statuses(*doings: Callable[[], HttpResponse]) -> list[int]:
    results = at_once(*doings)
    for one in results:
        assert isinstance(one, HttpResponse), one
    return sorted(one.status_code for one in results)  # type: ignore[attr-defined] # as asserted


def assert_decided_once(house: House, rows: int = 1) -> None:
    house.work()
    assert Decision.objects.count() == 1
    assert StepUp.objects.filter(consumed_at__isnull=False).count() == 1
    assert house.approvals_sent() == rows


@pytest.mark.parametrize("proof", ["passkey", "code"])
def test_a_form_that_is_sent_twice_at_once_decides_once(
    house: House, ada: Browser, rows: list[StagedVersion], proof: str
) -> None:
    form = ada.page(rows)
    form = ada.touched(form) if proof == "passkey" else form | {"code": ada.code()}
    sent = statuses(*[posts(ada.client, reverse("confirm_approve_several"), form)] * 2)
    assert sent[0] == 302
    assert sent[1] in {409, 422}
    assert_decided_once(house, rows=2)


@pytest.mark.parametrize("proof", ["passkey", "code"])
def test_one_proof_does_not_decide_two_versions_at_once(
    house: House, ada: Browser, rows: list[StagedVersion], proof: str
) -> None:
    forms = [ada.page([row]) for row in rows]
    if proof == "passkey":
        touched = ada.touched(forms[0])
        given = {name: touched[name] for name in ("intent", "assertion")}
    else:
        given = {"code": ada.code()}
    url = reverse("confirm_approve_several")
    assert statuses(*(posts(ada.client, url, form | given) for form in forms)) == [302, 422]
    assert_decided_once(house)


def test_two_tabs_that_are_both_touched_decide_once(
    house: House, ada: Browser, rows: list[StagedVersion]
) -> None:
    form = ada.page(rows)
    url = reverse("confirm_approve_several")
    sent = statuses(*(posts(ada.client, url, ada.touched(form)) for _ in range(2)))
    assert (sent[0], sent[1]) == (302, 409)
    assert_decided_once(house, rows=2)


def test_of_an_approval_and_a_rejection_at_once_one_counts(
    house: House, ada: Browser, rows: list[StagedVersion]
) -> None:
    approval = ada.touched(ada.page(rows))
    rejection = ada.touched(ada.page(rows, "reject"), "reject")
    sent = statuses(
        posts(ada.client, reverse("confirm_approve_several"), approval),
        posts(ada.client, reverse("confirm_reject_several"), rejection),
    )
    assert (sent[0], sent[1]) == (302, 409)
    house.work()
    decision = Decision.objects.get()
    assert house.approvals_sent() == (2 if decision.action == "approve" else 0)


@pytest.mark.parametrize("proof", ["passkey", "code"])
def test_who_is_removed_while_the_proof_is_checked_decides_nothing(
    house: House,
    ada: Browser,
    rows: list[StagedVersion],
    proof: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    form = ada.page(rows)
    form = ada.touched(form) if proof == "passkey" else form | {"code": ada.code()}
    name = f"prove_with_{proof}"
    prove, boss = getattr(stepup, name), make_user(role=Role.ADMINISTRATOR)

    def removed_meanwhile(*arguments: object, **named: object) -> None:
        prove(*arguments, **named)
        remover = threading.Thread(target=lambda: at_once(lambda: deactivate(ada.user, actor=boss)))
        remover.start()
        remover.join(PATIENCE_SECONDS)

    monkeypatch.setattr(stepup, name, removed_meanwhile)
    assert ada.send(form).status_code == 403
    assert not User.objects.get(pk=ada.user.pk).is_active
    assert_nothing_was_decided(house)


@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_one_code_lets_one_of_two_browsers_in(transactional_db: None, kind: str) -> None:
    user = make_user("ada")
    enrol(user)
    form = {"code": code_now(user)}
    if kind == "recovery":
        form = {"recovery_code": recovery_codes.make(user)[0]}
    browsers = [sign_in_unverified(user) for _ in range(2)]
    sent = statuses(*(partial(one.post, reverse("verify"), form) for one in browsers))
    assert sent == [200, 302]
    let_in = [one.get(reverse("queue")).status_code for one in browsers]
    assert sorted(let_in) == [200, 302]


def test_one_passkeys_answer_signs_one_browser_in_once(house: House, ada: Browser) -> None:
    stranger = Client()
    options = stranger.post(reverse("sign_in_options")).json()["options"]
    form = {"assertion": ada.authenticator.get(options)}
    tabs = [tab_of(stranger) for _ in range(2)]
    at_once(*(partial(tab.post, reverse("sign_in_passkey"), form) for tab in tabs))
    let_in = [tab.get(reverse("queue")).status_code for tab in tabs]
    assert sorted(let_in) == [200, 302]


def test_one_invitation_makes_one_account(transactional_db: None) -> None:
    boss = make_user(role=Role.ADMINISTRATOR)
    _, token = invite(actor=boss, role=Role.ADMINISTRATOR, note="")
    url = reverse("invitation", args=[token])

    def form(name: str) -> dict[str, str]:
        return {
            "username": name,
            "email": f"{name}@example.org",
            "password": "nine otters under a bridge",
        }

    sent = statuses(*(posts(Client(), url, form(name)) for name in ("eve", "mallory")))
    assert sent == [302, 410]
    assert User.objects.exclude(pk=boss.pk).count() == 1
