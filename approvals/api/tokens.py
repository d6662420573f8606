"""Tokens: made by administrators for one project's CI, shown once, good for a while."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from approvals.api.models import LONGEST_TOKEN_NAME, MAY, Token, TokenScope
from approvals.audit.record import record
from approvals.people.models import User
from approvals.people.permissions import may_manage
from approvals.people.scopes import Reach, ScopeRefused, checked
from approvals.queue.models import Registry

BEGINNING = "cst_"
MOST_DAYS = 366
MOST_TOKENS = 500
LONGEST_SECRET = 100
_SHOWN = len(BEGINNING) + 6
_A_MINUTE = timedelta(minutes=1)


class TokenRefused(Exception):
    """This token cannot be made or used; the text says why, and what to do."""


@dataclass(frozen=True)
class WantedToken:
    """A token as an administrator wants it."""

    name: str
    reaches: Sequence[Reach]
    days: int
    may_read: bool = True
    may_hand_in_provenance: bool = False
    may_give_context: bool = False


def make_token(wanted: WantedToken, *, actor: User) -> tuple[Token, str]:
    """Makes a token and returns it with its secret, which cannot be had again.

    Raises TokenRefused, PermissionDenied.
    """
    _check_actor(actor)
    name, reaches = _checked_name(wanted.name), _checked_reaches(wanted.reaches)
    if not (wanted.may_read or wanted.may_hand_in_provenance or wanted.may_give_context):
        raise TokenRefused("A token that may do nothing is of no use: choose what it may do.")
    if not 1 <= wanted.days <= MOST_DAYS:
        raise TokenRefused(f"A token is good for 1 to {MOST_DAYS} days. Choose a number of them.")
    secret = BEGINNING + secrets.token_urlsafe(32)
    now = timezone.now()
    try:
        with transaction.atomic():
            if _good(Token.objects.all(), now).count() >= MOST_TOKENS:
                raise TokenRefused(
                    f"There are {MOST_TOKENS} tokens, which is the most. Revoke one."
                )
            token = Token.objects.create(
                name=name,
                hash=hash_of(secret),
                begins_with=secret[:_SHOWN],
                may_read=wanted.may_read,
                may_hand_in_provenance=wanted.may_hand_in_provenance,
                may_give_context=wanted.may_give_context,
                made_by=actor,
                made_at=now,
                expires_at=now + timedelta(days=wanted.days),
            )
            TokenScope.objects.bulk_create(
                TokenScope(token=token, registry_url=one.registry_url, packages=one.packages)
                for one in reaches
            )
            record(
                "api_token.made",
                actor=actor,
                subject=token,
                scopes=[str(one) for one in reaches],
                may=may_of(token),
                expires_at=token.expires_at,
            )
    except IntegrityError as error:
        raise TokenRefused(_taken(name)) from error
    return token, secret


def revoke_token(token: Token, *, actor: User) -> bool:
    """Makes it worthless from now on, for good; False where it was already.

    Raises PermissionDenied.
    """
    _check_actor(actor)
    now = timezone.now()
    with transaction.atomic():
        if not Token.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now):
            return False
        record("api_token.revoked", actor=actor, subject=token)
    return True


def token_of(secret: str) -> Token:
    """The token that has this secret, which is good now; writes down that it was used.

    Raises TokenRefused, whose text tells nothing of other tokens.
    """
    token = None
    if secret.startswith(BEGINNING) and len(secret) <= LONGEST_SECRET:
        token = Token.objects.filter(hash=hash_of(secret)).prefetch_related("scopes").first()
    if token is None:
        raise TokenRefused("This is no token of this Countersign. An administrator makes one.")
    if token.revoked_at is not None:
        raise TokenRefused("This token was revoked. An administrator makes another one.")
    if not token.is_good:
        raise TokenRefused(
            f"This token expired on {token.expires_at:%Y-%m-%d}. An administrator makes another "
            "one."
        )
    now = timezone.now()
    unnoted = Q(last_used_at=None) | Q(last_used_at__lt=now - _A_MINUTE)
    if token.last_used_at is None or token.last_used_at < now - _A_MINUTE:
        Token.objects.filter(unnoted, pk=token.pk).update(last_used_at=now)
    return token


def may_of(token: Token) -> list[str]:
    """What the token may do, in words."""
    return [words for name, words in MAY.items() if getattr(token, name)]


def hash_of(secret: str) -> str:
    """What is kept of a secret: it has 256 random bits, so that a plain hash is not guessed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _good(tokens: QuerySet[Token], now: datetime) -> QuerySet[Token]:
    return tokens.filter(revoked_at=None, expires_at__gt=now)


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if not name:
        raise TokenRefused("Name the token after the project and pipeline that will hold it.")
    if len(name) > LONGEST_TOKEN_NAME or not name.isprintable():
        raise TokenRefused(
            f"A token's name has at most {LONGEST_TOKEN_NAME} characters that can be shown."
        )
    if Token.objects.filter(name=name).exists():
        raise TokenRefused(_taken(name))
    return name


def _checked_reaches(reaches: Sequence[Reach]) -> list[Reach]:
    try:
        found = checked(reaches)
    except ScopeRefused as error:
        raise TokenRefused(str(error).replace("A person has", "A token has")) from error
    if not found:
        raise TokenRefused("Name the packages of the project: a token covers no others.")
    known = {"", *Registry.objects.values_list("url", flat=True)}
    if not {one.registry_url for one in found} <= known:
        raise TokenRefused("There is no such registry any more. Reload the page and choose again.")
    return found


def _taken(name: str) -> str:
    return f"There is or was a token named {name} already. Choose another name."


def _check_actor(actor: User) -> None:
    if not may_manage(actor):
        raise PermissionDenied("Only an administrator makes and revokes tokens. Ask one.")
