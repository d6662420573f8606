"""Registry accounts: whose token it is, and that it goes nowhere else."""

import json
import logging

import pytest
import responses
from django.core.mail import EmailMessage
from django.db import connection

from approvals.audit.models import AuditEvent
from approvals.notifications.tell import tell
from approvals.people.accounts import (
    AccountNotLinked,
    link_account,
    mark_forbidden,
    mark_refused,
    note_asked,
    note_codes_serve_once,
    note_worked,
    token_of,
    troubles,
    unlink_account,
)
from approvals.people.models import CodeUse, RegistryAccount, SecondFactor, User
from approvals.sealing import SealBroken
from tests.approvals.factories import make_user

pytestmark = pytest.mark.django_db

URL = "https://registry.example.org/"
TOKEN = "npm_TOKEN-of-ana-0123456789"


@pytest.fixture
def ana() -> User:
    return make_user("ana")


def answer(status: int = 200, **body: object) -> None:
    responses.get("https://registry.example.org/-/whoami", json=body, status=status)


@responses.activate
def test_the_registry_says_whose_token_it_is(ana: User) -> None:
    answer(username="ana-npm")
    account = link_account(ana, registry_url=URL, token=f"  {TOKEN}\n")
    assert (account.username, token_of(account)) == ("ana-npm", TOKEN)
    assert responses.calls[0].request.headers["Authorization"] == f"Bearer {TOKEN}"
    event = AuditEvent.objects.get(kind="account.linked")
    assert (event.actor_id, event.detail["username"]) == (ana.pk, "ana-npm")


@responses.activate
def test_the_token_stands_nowhere_in_the_clear(ana: User, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answer(username="ana-npm")
    account = link_account(ana, registry_url=URL, token=TOKEN)
    unlink_account(account, actor=ana)
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(account) + str(account)
    assert TOKEN not in json.dumps(list(AuditEvent.objects.values_list("detail", flat=True)))


@responses.activate
def test_the_database_holds_the_token_sealed(ana: User) -> None:
    answer(username="ana-npm")
    link_account(ana, registry_url=URL, token=TOKEN)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM people_registryaccount")
        assert TOKEN not in " ".join(map(str, cursor.fetchone() or ()))


@responses.activate
def test_a_token_does_not_open_for_another_address(ana: User) -> None:
    answer(username="ana-npm")
    account = link_account(ana, registry_url=URL, token=TOKEN)
    RegistryAccount.objects.update(registry_url="https://evil.example.org/")
    account.refresh_from_db()
    with pytest.raises(SealBroken) as broken:
        token_of(account)
    assert TOKEN not in str(broken.value)


@responses.activate
def test_linking_again_replaces_the_token_and_forgets_that_it_was_refused(ana: User) -> None:
    answer(username="ana-npm")
    mark_refused(link_account(ana, registry_url=URL, token="npm_old"))
    account = link_account(ana, registry_url=URL, token=TOKEN)
    assert RegistryAccount.objects.get() == account
    assert (token_of(account), account.refused_at) == (TOKEN, None)


@responses.activate
def test_a_token_the_registry_does_not_know_is_not_linked(ana: User) -> None:
    answer(401, error="token expired")
    with pytest.raises(AccountNotLinked, match="does not know this token") as refusal:
        link_account(ana, registry_url=URL, token=TOKEN)
    assert TOKEN not in str(refusal.value)
    assert not RegistryAccount.objects.exists()
    assert not AuditEvent.objects.exists()


@responses.activate
@pytest.mark.parametrize(
    ("status", "body"),
    [(500, "{}"), (200, "<html>hello</html>"), (200, "{}"), (200, json.dumps({"username": ""}))],
)
def test_a_registry_that_does_not_say_is_a_clear_refusal(ana: User, status: int, body: str) -> None:
    responses.get("https://registry.example.org/-/whoami", body=body, status=status)
    with pytest.raises(AccountNotLinked, match="did not say whose token"):
        link_account(ana, registry_url=URL, token=TOKEN)
    assert not RegistryAccount.objects.exists()


@responses.activate
@pytest.mark.parametrize("token", ["", "  ", "a b", "a\nb", "npm_ü", "x" * 4097])
def test_what_cannot_be_a_token_is_not_sent_anywhere(ana: User, token: str) -> None:
    with pytest.raises(AccountNotLinked, match="not a token"):
        link_account(ana, registry_url=URL, token=token)
    assert len(responses.calls) == 0


@responses.activate
def test_refusals_and_unlinking_are_recorded_once(ana: User) -> None:
    answer(username="ana-npm")
    account = link_account(ana, registry_url=URL, token=TOKEN)
    mark_refused(account)
    mark_refused(account)
    account.refresh_from_db()
    assert account.refused_at is not None
    unlink_account(account, actor=ana)
    unlink_account(account, actor=ana)
    kinds = list(AuditEvent.objects.order_by("sequence").values_list("kind", flat=True))
    assert kinds == ["account.linked", "account.token_refused", "account.unlinked"]


@responses.activate
def test_a_late_refusal_of_the_old_token_does_not_touch_the_new_one(ana: User) -> None:
    answer(username="ana-npm")
    old = link_account(ana, registry_url=URL, token="npm_old")
    link_account(ana, registry_url=URL, token=TOKEN)
    mark_refused(old)
    assert RegistryAccount.objects.get().refused_at is None


@responses.activate
def test_an_account_that_somebody_else_linked_is_not_linked_again(ana: User) -> None:
    answer(username="ana-npm")
    link_account(ana, registry_url=URL, token=TOKEN)
    eve = make_user("eve")
    with pytest.raises(AccountNotLinked, match="ana-npm is linked by somebody else"):
        link_account(eve, registry_url=URL, token="npm_another-token-of-ana")
    assert not RegistryAccount.objects.filter(user=eve).exists()
    assert not AuditEvent.objects.filter(kind="account.linked", actor=eve).exists()


def tokens(**listed: object) -> None:
    """What the registry's list of tokens says of this one."""
    responses.get(
        "https://registry.example.org/-/npm/v1/tokens",
        json={"objects": [{"token": TOKEN[:8], **listed}]},
    )


@responses.activate
@pytest.mark.parametrize("bypasses", [True, False])
def test_a_token_that_bypasses_the_second_factor_is_recognised(ana: User, bypasses: bool) -> None:
    answer(username="ana-npm")
    tokens(bypass_2fa=bypasses)
    account = link_account(ana, registry_url=URL, token=TOKEN)
    account.refresh_from_db()
    assert account.bypasses_second_factor is bypasses
    assert any("without a second factor" in one for one in troubles(account, "npm")) is bypasses


@responses.activate
def test_linking_anew_forgets_what_was_learned_of_the_other_token(ana: User) -> None:
    answer(username="ana-npm")
    old = link_account(ana, registry_url=URL, token="npm_old")
    note_asked(old, SecondFactor.CODE)
    note_codes_serve_once(old)
    mark_forbidden(old, "not for you")
    mark_refused(old)
    RegistryAccount.objects.update(bypasses_second_factor=True)
    assert len(troubles(RegistryAccount.objects.get(), "npm")) == 3
    account = link_account(ana, registry_url=URL, token=TOKEN)
    account.refresh_from_db()
    assert (account.second_factor, account.codes) == (SecondFactor.UNKNOWN, CodeUse.UNKNOWN)
    assert (account.refused_at, account.forbidden_at, account.forbidden_words) == (None, None, "")
    assert account.last_worked_at is not None
    assert troubles(account, "npm") == []


@responses.activate
def test_what_an_older_token_showed_is_not_noted_of_a_newer_one(ana: User) -> None:
    answer(username="ana-npm")
    old = link_account(ana, registry_url=URL, token="npm_old")
    link_account(ana, registry_url=URL, token=TOKEN)
    mark_forbidden(old, "not for you")
    note_codes_serve_once(old)
    note_worked(old, proof_given=False, by_code=False, code_served_again=True)
    account = RegistryAccount.objects.get()
    assert troubles(account, "npm") == []
    assert account.codes == CodeUse.UNKNOWN
    assert not AuditEvent.objects.filter(kind="account.forbidden").exists()


@responses.activate
def test_a_refusal_is_shown_with_the_registrys_words_and_what_to_do(ana: User) -> None:
    answer(username="ana-npm")
    account = link_account(ana, registry_url=URL, token=TOKEN)
    mark_forbidden(account, "You may not publish left-pad.")
    (sentence,) = troubles(account, "npm")
    assert "You may not publish left-pad." in sentence
    assert "Ask a maintainer" in sentence
    note_worked(account, proof_given=True, by_code=True, code_served_again=False)
    assert troubles(RegistryAccount.objects.get(), "npm") == []
    assert RegistryAccount.objects.get().second_factor == SecondFactor.CODE


@responses.activate
def test_the_person_is_told_of_what_is_linked_and_unlinked(
    ana: User, mailoutbox: list[EmailMessage]
) -> None:
    """An open browser is enough for both; the token is in no message."""
    User.objects.update(wants_email=False)
    answer(username="ana-npm")
    account = link_account(ana, registry_url=URL, token=TOKEN)
    unlink_account(account, actor=ana)
    unlink_account(account, actor=ana)
    tell()
    assert [(mail.to, mail.subject) for mail in mailoutbox] == [
        (["ana@example.org"], "[Countersign] An account at a registry was linked: ana-npm"),
        (["ana@example.org"], "[Countersign] Your account at a registry was unlinked: ana-npm"),
    ]
    for mail in mailoutbox:
        assert URL in str(mail.body)
        assert TOKEN not in str(mail.message())
