"""A fresh proof that the person of a session is here, for one change of their account."""

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import QuerySet
from django.utils import timezone

from approvals.people import factors
from approvals.people.models import Confirmation

EXPIRED = (
    "This confirmation was used already, or is older than two minutes. Nothing was changed: try "
    "again."
)


class PresenceRefused(Exception):
    """Nobody proved that they are here; the text says why, and what to do."""


@dataclass(frozen=True)
class Proof:
    """What a person shows to prove that they are here: a code, or a passkey's assertion.

    `confirmation` is the key of the Confirmation whose challenge the passkey has signed.
    """

    code: str = field(default="", repr=False)
    confirmation: str = ""
    assertion: str = field(default="", repr=False)
    address: str = ""


def open_confirmation(user: AbstractBaseUser, *, session: str, purpose: str) -> Confirmation:
    """Writes down a challenge for a passkey, good once, for this purpose in this session."""
    confirmation = Confirmation(
        user_id=user.pk, session=session, purpose=purpose, challenge=secrets.token_hex(32)
    )
    confirmation.seal()
    confirmation.save(force_insert=True)
    return confirmation


def passkey_options(confirmation: Confirmation) -> dict[str, object]:
    """What the browser hands to the person's passkeys. Raises PresenceRefused."""
    try:
        return factors.passkey_options(confirmation.user, confirmation.challenge)
    except factors.FactorRefused as error:
        raise PresenceRefused(str(error)) from error


def prove(
    user: AbstractBaseUser,
    *,
    session: str,
    purpose: str,
    code: str = "",
    confirmation: str = "",
    assertion: str = "",
    address: str = "",
    recovery: bool = False,
    at_door: bool = False,
) -> factors.Method:
    """Returns how `user` proved to be here now, for this purpose, in this session.

    `recovery` allows a recovery code; `at_door` as in factors.check_code. Whatever is shown
    is used up, also by a refusal that comes later: call it outside a transaction. Raises
    PresenceRefused.
    """
    try:
        if assertion:
            challenge = spend(user, confirmation, session=session, purpose=purpose)
            return factors.check_passkey(
                user, challenge, assertion, address=address, at_door=at_door
            )
        if not code.strip():
            raise PresenceRefused("Confirm that it is you: with a passkey, or with a code.")
        return factors.check_code(user, code, address=address, recovery=recovery, at_door=at_door)
    except factors.FactorRefused as error:
        raise PresenceRefused(str(error)) from error


def prove_with(
    user: AbstractBaseUser, proof: Proof, *, session: str, purpose: str, recovery: bool = False
) -> factors.Method:
    """The same with everything that the person has shown in one."""
    return prove(
        user,
        session=session,
        purpose=purpose,
        code=proof.code,
        confirmation=proof.confirmation,
        assertion=proof.assertion,
        address=proof.address,
        recovery=recovery,
    )


def spend(
    user: AbstractBaseUser,
    confirmation: str,
    *,
    session: str,
    purpose: str,
    seconds: int | None = None,
) -> str:
    """The challenge of an open confirmation, which this uses up. Raises PresenceRefused."""
    try:
        key = UUID(str(confirmation))
    except ValueError as error:
        raise PresenceRefused(EXPIRED) from error
    waiting = _open_ones(user, session=session, purpose=purpose, seconds=seconds).filter(pk=key)
    found = waiting.first()
    # Guarded: of two that come at once, one finds it open.
    if found is None or not found.is_genuine() or not waiting.update(consumed_at=timezone.now()):
        raise PresenceRefused(EXPIRED)
    return found.challenge


def open_ones(
    user: AbstractBaseUser, *, session: str, purpose: str, seconds: int | None = None
) -> list[Confirmation]:
    """Those opened lately for this purpose in this session and not used up, newest first."""
    rows = _open_ones(user, session=session, purpose=purpose, seconds=seconds)
    return [one for one in rows.order_by("-opened_at") if one.is_genuine()]


def _open_ones(
    user: AbstractBaseUser, *, session: str, purpose: str, seconds: int | None
) -> QuerySet[Confirmation]:
    """The same as they stand in the database, by whomever they were written."""
    lasts = timedelta(seconds=settings.STEP_UP_SECONDS if seconds is None else seconds)
    return Confirmation.objects.filter(
        user_id=user.pk,
        session=session,
        purpose=purpose,
        consumed_at__isnull=True,
        opened_at__gt=timezone.now() - lasts,
    )


def forget_stale() -> int:
    """Removes confirmations that are of no use any more; how many."""
    stale = timezone.now() - timedelta(days=1)
    return Confirmation.objects.filter(opened_at__lt=stale).delete()[0]
