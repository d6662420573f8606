"""Recovery codes: ten ways back in for whoever has lost their second factors, each good once."""

import re
import secrets

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from approvals.audit.outbox import publish
from approvals.audit.record import record
from approvals.people.models import RecoveryCode, User
from approvals.people.refusals import FactorRefused
from approvals.people.turnstile import turnstile
from approvals.sealing import fingerprint, fingerprints

HOW_MANY = 10
# Nothing that is mistaken for something else when it is read off paper: 31 of these, to the power
# of ten, is 49 random bits.
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_LENGTH = 10
WRONG = "This recovery code is wrong, was used before, or has been replaced by newer ones."


class RecoveryCodeRefused(FactorRefused):
    """The code lets nobody in; the text says why."""


def codes_left(user: AbstractBaseUser) -> int:
    return int(RecoveryCode.objects.filter(user_id=user.pk, used_at__isnull=True).count())


def had_any(user: AbstractBaseUser) -> bool:
    """Whether there were ever codes, used up or not."""
    return bool(RecoveryCode.objects.filter(user_id=user.pk).exists())


def looks_like_one(code: str) -> bool:
    return bool(re.fullmatch(rf"[{_ALPHABET}]{{{_LENGTH}}}", _plain(code)))


def make(person: User) -> list[str]:
    """Ten new codes instead of all earlier ones, in the caller's transaction.

    They are returned to be shown this once: what is kept does not lead back to them.
    """
    codes: set[str] = set()
    while len(codes) < HOW_MANY:
        codes.add("".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH)))
    RecoveryCode.objects.filter(user=person).delete()
    RecoveryCode.objects.bulk_create(
        RecoveryCode(user=person, mac=fingerprint(code, bound_to=_bound_to(person)))
        for code in codes
    )
    half = _LENGTH // 2
    return sorted(f"{code[:half]}-{code[half:]}" for code in codes)


def forget(person: User) -> None:
    """Makes all codes of this person worthless, in the caller's transaction."""
    RecoveryCode.objects.filter(user=person).delete()


def use(user: AbstractBaseUser, code: str) -> None:
    """Spends the code, and has its person told. Raises RecoveryCodeRefused.

    Commits by itself before it raises: call it outside a transaction.
    """
    with transaction.atomic(durable=True):
        person = turnstile(user)
        refusal = _refusal(person, code)
        if refusal:
            record("recovery_code.refused", actor=person, subject=person)
        else:
            left = codes_left(person)
            publish("recovery_code.used", person=person.pk, codes_left=left, url_path="/security/")
            record("recovery_code.used", actor=person, subject=person, left=left)
    if refusal:
        raise RecoveryCodeRefused(refusal)


def _refusal(person: User, code: str) -> str:
    if not person.is_active:
        return "This account was deactivated. Ask an administrator."
    macs = fingerprints(_plain(code), bound_to=_bound_to(person))
    spent = RecoveryCode.objects.filter(user=person, mac__in=macs, used_at__isnull=True).update(
        used_at=timezone.now()
    )
    return "" if spent else WRONG


def _bound_to(person: AbstractBaseUser) -> str:
    return f"recovery code of {person.pk}"


def _plain(code: str) -> str:
    return re.sub(r"[\s-]", "", code[:60]).lower()
