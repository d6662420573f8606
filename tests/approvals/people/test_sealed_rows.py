"""Whoever can only write into the database gets nothing from rows that they move or make up."""

from collections.abc import Callable
from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.utils import timezone
from pytest_django import Settings

from approvals.people import enrolment, presence
from approvals.people.accounts import token_of
from approvals.people.models import Confirmation, RegistryAccount, User
from approvals.people.presence import PresenceRefused
from approvals.sealing import SealBroken, seal
from tests.approvals.codes import enrol, enrol_passkey
from tests.approvals.factories import make_account, make_registry, make_user
from tests.approvals.people.conftest import ELSEWHERE, SESSION

pytestmark = pytest.mark.django_db

PURPOSE = "remove app-1"
GRANT = "second factor may be added"


@pytest.fixture
def ana() -> User:
    return make_user("ana")


# ---------- tokens


def test_a_token_does_not_open_in_somebody_elses_row(ana: User) -> None:
    registry = make_registry()
    anas = make_account(ana, registry, token="ana's")
    mallorys = make_account(make_user("mallory"), registry, token="mallory's")
    RegistryAccount.objects.filter(pk=mallorys.pk).update(sealed_token=anas.sealed_token)
    mallorys.refresh_from_db()
    with pytest.raises(SealBroken):
        token_of(mallorys)
    assert token_of(anas) == "ana's"


@pytest.mark.parametrize("column", ["user", "registry_url", "username"])
def test_a_token_opens_for_the_account_that_it_was_linked_as(ana: User, column: str) -> None:
    account = make_account(ana, make_registry(), token="ana's")
    other = {
        "user": make_user("mallory"),
        "registry_url": "https://evil.example.org/",
        "username": "mallory",
    }
    RegistryAccount.objects.filter(pk=account.pk).update(**{column: other[column]})
    account.refresh_from_db()
    with pytest.raises(SealBroken):
        token_of(account)


def test_tokens_of_the_version_before_are_bound_too(ana: User, settings: Settings) -> None:
    migration = import_module("approvals.people.migrations.0003_factors_scopes_first_run")
    registry = make_registry()
    old = make_account(ana, registry)
    old.sealed_token = seal("ana's", bound_to=registry.url)
    old.save()
    keys, settings.SEALING_KEYS = settings.SEALING_KEYS, ["a key that was lost"]
    lost = make_account(make_user("ben"), registry)
    settings.SEALING_KEYS = keys
    done = make_account(make_user("cid"), registry, token="cid's")

    # Rows that it bound already stay as they are, so it may run again.
    for _ in range(2):
        migration.bind_tokens_to_people(apps, None)

    for account in (old, lost, done):
        account.refresh_from_db()
    assert (token_of(old), token_of(done)) == ("ana's", "cid's")
    with pytest.raises(SealBroken):
        token_of(lost)


# ---------- confirmations


def planted(user: User, purpose: str, **more: object) -> Confirmation:
    """A row as somebody writes it with SQL."""
    return Confirmation.objects.create(
        **{"user": user, "session": SESSION, "purpose": purpose, "challenge": "ab" * 32, **more}
    )


def test_a_permission_that_was_written_into_the_database_is_none(ana: User) -> None:
    enrol(ana)
    planted(ana, GRANT)
    assert not enrolment.may_add(ana, session=SESSION)
    with pytest.raises(enrolment.EnrolmentRefused):
        enrolment.passkey_options(ana, session=SESSION)
    with pytest.raises(enrolment.EnrolmentRefused):
        enrolment.begin_app(ana, "Mine", session=SESSION)


def test_it_does_not_hide_a_genuine_one(ana: User) -> None:
    presence.open_confirmation(ana, session=SESSION, purpose=GRANT)
    planted(ana, GRANT, opened_at=timezone.now() + timedelta(seconds=1))
    enrol(ana)
    assert enrolment.may_add(ana, session=SESSION)


def test_a_challenge_that_was_written_into_the_database_is_not_spent(ana: User) -> None:
    row = planted(ana, PURPOSE)
    with pytest.raises(PresenceRefused, match="Nothing was changed"):
        presence.spend(ana, str(row.pk), session=SESSION, purpose=PURPOSE)


@pytest.mark.parametrize(
    "change",
    [
        lambda row: {"user": make_user("mallory")},
        lambda row: {"session": ELSEWHERE},
        lambda row: {"purpose": "remove app-2"},
        lambda row: {"challenge": "ab" * 32},
        lambda row: {"opened_at": row.opened_at + timedelta(microseconds=1)},
        lambda row: {"sealed": ""},
    ],
    ids=["person", "session", "purpose", "challenge", "time", "seal"],
)
def test_no_part_of_one_can_be_changed(
    ana: User, change: Callable[[Confirmation], dict[str, object]]
) -> None:
    enrol_passkey(ana)
    row = presence.open_confirmation(ana, session=SESSION, purpose=PURPOSE)
    Confirmation.objects.filter(pk=row.pk).update(**change(row))
    row.refresh_from_db()
    with pytest.raises(PresenceRefused):
        presence.spend(row.user, str(row.pk), session=row.session, purpose=row.purpose)
    assert not presence.open_ones(row.user, session=row.session, purpose=row.purpose)


def test_a_copy_of_one_is_worth_nothing(ana: User) -> None:
    row = presence.open_confirmation(ana, session=SESSION, purpose=PURPOSE)
    copy = planted(ana, PURPOSE, challenge=row.challenge, opened_at=row.opened_at)
    Confirmation.objects.filter(pk=copy.pk).update(sealed=row.sealed)
    with pytest.raises(PresenceRefused):
        presence.spend(ana, str(copy.pk), session=SESSION, purpose=PURPOSE)
    assert presence.spend(ana, str(row.pk), session=SESSION, purpose=PURPOSE) == row.challenge
