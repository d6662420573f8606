"""Authenticator apps: enrolling one, replacing it, and proving presence with its codes.

django-otp computes, throttles and refuses replays. Whatever a try changes there is committed
before this module raises, so that no caller's rollback gives anybody more tries: call these
functions outside a transaction.
"""

import io
import math
import re
import secrets
import time
from base64 import b32encode
from datetime import timedelta

import segno
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django_otp.oath import TOTP

from approvals.audit.outbox import publish
from approvals.audit.record import record
from approvals.people.models import SealedTOTPDevice, User
from approvals.people.permissions import may_manage
from approvals.sealing import SealBroken

# How long a secret that was shown may wait for its first code.
ENROLMENT_TIME = timedelta(minutes=15)
KEY_BYTES = 20  # RFC 4226 section 4, R6, recommends 160 bits
NOT_ENROLLED = "You have no authenticator app yet. Set one up under Security first."
USED_BEFORE = "This code was used before. Wait for the next one."
WRONG = "This code is wrong. Check the clock of the device that shows it, and try the next code."


class CodeRefused(Exception):
    """The code proves nothing; the text says why, and what to do."""


class EnrolmentRefused(Exception):
    """There is nothing to confirm, or nothing to remove; the text says what to do."""


def has_totp(user: AbstractBaseUser) -> bool:
    """Whether this person has an authenticator app that was confirmed with a code."""
    return bool(SealedTOTPDevice.objects.filter(user_id=user.pk, confirmed=True).exists())


def people_with_totp() -> set[int]:
    """The keys of all who have a confirmed authenticator app, for lists of people."""
    return set(SealedTOTPDevice.objects.filter(confirmed=True).values_list("user_id", flat=True))


def pending_enrolment(user: AbstractBaseUser) -> SealedTOTPDevice | None:
    """The authenticator app that was shown to this person and waits for its first code."""
    waiting: SealedTOTPDevice | None = (
        SealedTOTPDevice.objects.filter(
            user_id=user.pk, confirmed=False, created_at__gt=timezone.now() - ENROLMENT_TIME
        )
        .order_by("-pk")
        .first()
    )
    return waiting


def verify(user: AbstractBaseUser, code: str) -> None:
    """Takes a code as proof that this person is here now; each code proves that once.

    Raises CodeRefused: not six digits, used before, wrong, too many wrong ones, or no
    authenticator app. Two callers with the same code: one returns, the other is refused.
    """
    digits = _six_digits(code)
    with transaction.atomic(durable=True):
        person = _turnstile(user)
        device = SealedTOTPDevice.objects.filter(user_id=person.pk, confirmed=True).first()
        refusal = _refusal(person, device, digits)
    if refusal:
        raise CodeRefused(refusal)


def begin_enrolment(user: AbstractBaseUser, code: str = "") -> SealedTOTPDevice:
    """Makes a new authenticator app's secret, to be confirmed with its first code.

    Whoever has one already shows a code of it, and keeps it until the new one is confirmed.
    Raises CodeRefused.
    """
    if has_totp(user):
        verify(user, code)
    with transaction.atomic(durable=True):
        person = _turnstile(user)
        SealedTOTPDevice.objects.filter(user_id=person.pk, confirmed=False).delete()
        device = SealedTOTPDevice(user=person, name="authenticator app", confirmed=False)
        device.seal_key(secrets.token_bytes(KEY_BYTES))
        device.save()
    return device


def confirm_enrolment(user: AbstractBaseUser, code: str) -> SealedTOTPDevice:
    """Puts the new authenticator app in the place of any older one, once it showed a right code.

    That code is used up. Raises CodeRefused, or EnrolmentRefused where nothing waits for a code.
    """
    digits = _six_digits(code)
    with transaction.atomic(durable=True):
        person = _turnstile(user)
        device = pending_enrolment(person)
        refusal = _refusal(person, device, digits) if device else ""
        if device and not refusal:
            device.confirmed = True
            device.save(update_fields=["confirmed"])
            older = SealedTOTPDevice.objects.filter(user_id=person.pk).exclude(pk=device.pk)
            replaced = older.filter(confirmed=True).exists()
            older.delete()
            _changed(person, "replaced" if replaced else "enrolled", actor=person)
            record("totp.enrolled", actor=person, subject=person, replaced=replaced)
    if device is None:
        raise EnrolmentRefused(
            "There is no new authenticator app to confirm, or it waited for too long. Start again."
        )
    if refusal:
        raise CodeRefused(refusal)
    return device


def abandon_enrolment(user: AbstractBaseUser) -> None:
    """Forgets a new authenticator app that was not confirmed."""
    SealedTOTPDevice.objects.filter(user_id=user.pk, confirmed=False).delete()


def remove(user: AbstractBaseUser, code: str) -> None:
    """Removes this person's authenticator app, with a last code of it. Raises CodeRefused."""
    verify(user, code)
    with transaction.atomic():
        person = _turnstile(user)
        SealedTOTPDevice.objects.filter(user_id=person.pk).delete()
        _changed(person, "removed", actor=person)
        record("totp.removed", actor=person, subject=person)


def remove_lost(person: User, *, actor: User, code: str) -> None:
    """Removes the authenticator app of somebody who lost it; `code` is the administrator's own.

    Raises CodeRefused, or EnrolmentRefused where there is none or `actor` may not.
    """
    if not may_manage(actor):
        raise EnrolmentRefused("Only an administrator removes somebody else's authenticator app.")
    if not has_totp(person):
        raise EnrolmentRefused(f"{person} has no authenticator app.")
    verify(actor, code)
    with transaction.atomic():
        _turnstile(person)
        SealedTOTPDevice.objects.filter(user_id=person.pk).delete()
        _changed(person, "removed", actor=actor)
        record("totp.removed", actor=actor, subject=person, lost=True)


def _changed(person: User, how: str, *, actor: User) -> None:
    """Ends all sessions of `person`, and has them told: whoever did it may be somebody else."""
    User.objects.filter(pk=person.pk).update(authenticator_changes=F("authenticator_changes") + 1)
    publish(f"authenticator.{how}", person=person.pk, actor=str(actor), url_path="/security/")


def secret_text(device: SealedTOTPDevice) -> str:
    """The secret as people type it into an app: base32 in groups of four."""
    text = b32encode(device.bin_key).decode().rstrip("=")
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def qr_svg(device: SealedTOTPDevice) -> bytes:
    """The QR code that an authenticator app scans, as an SVG document without styles."""
    out = io.BytesIO()
    segno.make(device.config_url, error="m", micro=False).save(
        out, kind="svg", scale=6, border=4, light="#fff", title="Secret for an authenticator app"
    )
    return out.getvalue()


def _six_digits(code: str) -> str:
    digits = re.sub(r"\s", "", code[:40])
    if not re.fullmatch(r"[0-9]{6}", digits):
        raise CodeRefused("A code has six digits: read it off your authenticator app.")
    return digits


def _turnstile(user: AbstractBaseUser) -> User:
    """Lets one at a time through to this person's devices, and reads the person anew.

    Locked by a statement of its own: what is read after it has waited is what the one before
    has left, which one statement that locks and reads would not promise on PostgreSQL.
    """
    return User.objects.select_for_update(no_key=True).get(pk=user.pk)


def _refusal(person: User, device: SealedTOTPDevice | None, digits: str) -> str:
    """Tries the code; returns why it was refused, or nothing. Counts and audits wrong ones."""
    if not person.is_active:
        return "This account was deactivated. Ask an administrator."
    if device is None:
        return NOT_ENROLLED
    if locked := _locked(device):
        return locked
    try:
        used_before = _was_used(device, digits)
        if device.verify_token(digits):
            return ""
    except SealBroken as error:
        return f"Your authenticator app cannot be checked. {error}"
    record("totp.refused", actor=person, subject=person, used_before=used_before)
    return USED_BEFORE if used_before else WRONG


def _locked(device: SealedTOTPDevice) -> str:
    allowed, why = device.verify_is_allowed()
    if allowed:
        return ""
    seconds = max(1, math.ceil((why["locked_until"] - timezone.now()).total_seconds()))
    return f"Too many wrong codes: try again in {seconds} second{'s' if seconds > 1 else ''}."


def _was_used(device: SealedTOTPDevice, digits: str) -> bool:
    """Whether the code is of a step that was spent; django-otp itself only says no to it."""
    totp = TOTP(device.bin_key, device.step, device.t0, device.digits, device.drift)
    totp.time = time.time()
    for offset in range(-device.tolerance, device.tolerance + 1):
        totp.drift = device.drift + offset
        if totp.t() <= device.last_t and totp.token() == int(digits):
            return True
    return False
