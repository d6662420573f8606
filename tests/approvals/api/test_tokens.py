"""Tokens: who makes them, what is kept of them, and when they are worth nothing."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from approvals.api.models import Token
from approvals.api.tokens import (
    MOST_DAYS,
    TokenRefused,
    WantedToken,
    make_token,
    revoke_token,
    token_of,
)
from approvals.audit.models import AuditEvent
from approvals.people.models import Role, User
from approvals.people.scopes import Reach
from tests.approvals.api.factories import make_api_token
from tests.approvals.factories import make_registry, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def chief() -> User:
    return make_user("chief", role=Role.ADMINISTRATOR)


def test_only_administrators_make_and_revoke_them(chief: User) -> None:
    token, _ = make_api_token()
    for role in (Role.VIEWER, Role.APPROVER, Role.RELEASE_MANAGER):
        person = make_user(role=role)
        with pytest.raises(PermissionDenied):
            make_token(WantedToken("mine", [Reach("", "*")], 1), actor=person)
        with pytest.raises(PermissionDenied):
            revoke_token(token, actor=person)
    assert Token.objects.get() == token
    assert token.is_good


def test_the_secret_is_nowhere_in_the_database_nor_in_the_log(
    chief: User, caplog: pytest.LogCaptureFixture
) -> None:
    _, secret = make_api_token()
    token_of(secret)
    for model in apps.get_models():
        assert secret not in str(list(model._base_manager.values()))
    assert secret not in caplog.text
    assert secret not in str([one.detail for one in AuditEvent.objects.all()])


def test_who_made_what_is_in_the_log(chief: User) -> None:
    reaches = [Reach("", "@acme/*")]
    token, _ = make_token(WantedToken("acme ci", reaches, 7), actor=chief)
    revoke_token(token, actor=chief)
    made, revoked = AuditEvent.objects.filter(kind__startswith="api_token.").order_by("sequence")
    assert (made.kind, made.actor_name, made.subject_name) == ("api_token.made", "chief", "acme ci")
    assert made.detail["scopes"] == ["@acme/* at every registry"]
    assert made.detail["may"] == ["read states and releases"]
    assert (revoked.kind, revoked.actor_name) == ("api_token.revoked", "chief")


def test_it_is_good_until_it_expires_or_is_revoked(chief: User) -> None:
    token, secret = make_api_token(days=1)
    assert token_of(secret) == token
    Token.objects.update(
        made_at=timezone.now() - timedelta(days=2), expires_at=timezone.now() - timedelta(seconds=1)
    )
    with pytest.raises(TokenRefused, match="expired on"):
        token_of(secret)
    other, secret = make_api_token()
    assert revoke_token(other, actor=chief)
    assert not revoke_token(other, actor=chief)
    with pytest.raises(TokenRefused, match="was revoked"):
        token_of(secret)


@pytest.mark.parametrize(
    "secret", ["", "cst_", "cst_" + "a" * 43, "Bearer", "x" * 100_000, "cst_\ud800", "cst_\x00"]
)
def test_anything_else_is_no_token(secret: str) -> None:
    make_api_token()
    with pytest.raises(TokenRefused, match="no token"):
        token_of(secret)


def test_a_hash_is_no_token() -> None:
    token, _ = make_api_token()
    for found in (token.hash, f"cst_{token.hash}"):
        with pytest.raises(TokenRefused):
            token_of(found)


def test_when_it_was_used_last_is_kept_to_the_minute() -> None:
    token, secret = make_api_token()
    assert token.last_used_at is None
    token_of(secret)
    first = Token.objects.get().last_used_at
    assert first is not None
    token_of(secret)
    assert Token.objects.get().last_used_at == first
    Token.objects.update(last_used_at=first - timedelta(minutes=2))
    token_of(secret)
    again = Token.objects.get().last_used_at
    assert again is not None
    assert again >= first


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "  "}, "Name the token"),
        ({"name": "x" * 81}, "at most 80"),
        ({"name": "a\u202eb"}, "can be shown"),
        ({"name": "there"}, "named there already"),
        ({"reaches": []}, "Name the packages"),
        ({"reaches": [Reach("", "a b")]}, "names no packages"),
        ({"reaches": [Reach("", "a*b*c*d*")]}, "more than 3 stars"),
        ({"reaches": [Reach("https://gone.example.org/", "a")]}, "no such registry"),
        ({"days": 0}, f"1 to {MOST_DAYS} days"),
        ({"days": MOST_DAYS + 1}, f"1 to {MOST_DAYS} days"),
        ({"may_read": False}, "may do nothing"),
    ],
    ids=str,
)
def test_what_cannot_be_made_is_refused_with_a_reason(
    chief: User, change: dict[str, object], words: str
) -> None:
    make_api_token(name="there")
    good: dict[str, object] = {"name": "new", "reaches": [Reach("", "a")], "days": 7}
    with pytest.raises(TokenRefused, match=words):
        make_token(WantedToken(**(good | change)), actor=chief)  # type: ignore[arg-type]  # wrong on purpose
    assert Token.objects.count() == 1
    make_token(WantedToken(**good), actor=chief)  # type: ignore[arg-type]  # built above
    assert Token.objects.count() == 2


def test_scopes_may_name_one_registry(chief: User) -> None:
    registry = make_registry()
    token, _ = make_token(WantedToken("a", [Reach(registry.url, "@a/*")], 1), actor=chief)
    assert token.reaches == [Reach(registry.url, "@a/*")]
