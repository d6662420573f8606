"""Authenticator apps: enrolling them, and proving presence with their codes.

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
from django.db.models import QuerySet
from django.utils import timezone
from django_otp.oath import TOTP

from approvals.audit.record import record
from approvals.people.models import SealedTOTPDevice, User
from approvals.people.refusals import FactorRefused
from approvals.people.turnstile import turnstile
from approvals.sealing import SealBroken

# How long a secret that was shown may wait for its first code.
ENROLMENT_TIME = timedelta(minutes=15)
KEY_BYTES = 20  # RFC 4226 section 4, R6, recommends 160 bits
NOT_ENROLLED = "You have no authenticator app yet. Set one up under Security first."
USED_BEFORE = "This code was used before. Wait for the next one."
WRONG = "This code is wrong. Check the clock of the device that shows it, and try the next code."


class CodeRefused(FactorRefused):
    """The code proves nothing; the text says why, and what to do."""


def devices_of(user: AbstractBaseUser) -> list[SealedTOTPDevice]:
    """This person's authenticator apps that were confirmed with a code, oldest first."""
    return list(_confirmed(user))


def has_totp(user: AbstractBaseUser) -> bool:
    """Whether this person has an authenticator app that was confirmed with a code."""
    return bool(_confirmed(user).exists())


def people_with_totp() -> set[int]:
    """The keys of all who have a confirmed authenticator app, for lists of people."""
    return set(SealedTOTPDevice.objects.filter(confirmed=True).values_list("user_id", flat=True))


def pending_enrolment(user: AbstractBaseUser, *, session: str) -> SealedTOTPDevice | None:
    """The authenticator app that was shown in this session and waits for its first code."""
    for device in SealedTOTPDevice.objects.filter(
        user_id=user.pk, confirmed=False, created_at__gt=timezone.now() - ENROLMENT_TIME
    ).order_by("-pk"):
        device.session = session
        # It opens in the session it was made in, and in no other.
        if _opens(device):
            waiting: SealedTOTPDevice = device
            return waiting
    return None


def verify(user: AbstractBaseUser, code: str, *, at_door: bool = False) -> None:
    """Takes a code of any of this person's apps as proof that they are here now, once.

    `at_door`, where a password alone leads, wrong codes cause no pause and none is waited for:
    whoever stole the password could make the person inside wait. The tries are limited there.

    Raises CodeRefused: not six digits, used before, wrong, too many wrong ones, or no
    authenticator app. Two callers with the same code: one returns, the other is refused.
    """
    digits = six_digits(code)
    with transaction.atomic(durable=True):
        person = turnstile(user)
        refusal = _refusal(person, devices_of(person), digits, at_door=at_door)
    if refusal:
        raise CodeRefused(refusal)


def end_pauses(user: AbstractBaseUser) -> None:
    """Lets this person's apps wait no longer: they showed in another way who they are."""
    SealedTOTPDevice.objects.filter(user_id=user.pk).update(
        throttling_failure_count=0, throttling_failure_timestamp=None
    )


def begin(person: User, *, session: str, name: str) -> SealedTOTPDevice:
    """A new authenticator app's secret, to be confirmed with its first code in this session.

    In the caller's transaction. Whether it may be added is decided before, in enrolment.py.
    """
    forget_pending(person)
    device = SealedTOTPDevice(user=person, name=name, confirmed=False)
    device.session = session
    device.seal_key(secrets.token_bytes(KEY_BYTES))
    device.save()
    return device


def try_first_code(person: User, device: SealedTOTPDevice, code: str) -> str:
    """Confirms the new app if the code is right, which is used up; returns why not, else nothing.

    In the caller's transaction, which must commit either way: a wrong code is counted.
    """
    refusal = _refusal(person, [device], six_digits(code))
    if not refusal:
        key = device.bin_key
        device.confirmed = True
        device.seal_key(key)
        device.save()
    return refusal


def forget_pending(user: AbstractBaseUser) -> None:
    """Forgets new authenticator apps that were not confirmed."""
    SealedTOTPDevice.objects.filter(user_id=user.pk, confirmed=False).delete()


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


def six_digits(code: str) -> str:
    """The code without what it was grouped with. Raises CodeRefused for what cannot be one."""
    digits = re.sub(r"\s", "", code[:40])
    if not re.fullmatch(r"[0-9]{6}", digits):
        raise CodeRefused("A code has six digits: read it off your authenticator app.")
    return digits


def _confirmed(user: AbstractBaseUser) -> QuerySet[SealedTOTPDevice]:
    found: QuerySet[SealedTOTPDevice] = SealedTOTPDevice.objects.filter(
        user_id=user.pk, confirmed=True
    ).order_by("pk")
    return found


def _refusal(
    person: User, devices: list[SealedTOTPDevice], digits: str, *, at_door: bool = False
) -> str:
    """Tries the code; returns why it was refused, or nothing. Counts and audits wrong ones.

    All apps of a person pause together, and a right code ends that for all of them: a guess is
    one at each of them.
    """
    if not person.is_active:
        return "This account was deactivated. Ask an administrator."
    if not devices:
        return NOT_ENROLLED
    if not at_door and (locked := max(map(_locked_seconds, devices))):
        return f"Too many wrong codes: try again in {locked} second{'s' if locked > 1 else ''}."
    devices = [device for device in devices if _opens(device)]
    if not devices:
        return (
            "Your authenticator app cannot be checked: the key that its secret was sealed with is "
            "gone. Ask an administrator to remove it."
        )
    # Found out before django-otp is asked, so that it counts nothing against the other apps.
    matching = next((one for one in devices if _has_step(one, digits, fresh=True)), None)
    used_before = any(_has_step(one, digits, fresh=False) for one in devices)
    if at_door and matching:
        matching.throttle_reset(commit=False)
    if matching and matching.verify_token(digits):
        for other in devices:
            if other.pk != matching.pk:
                other.throttle_reset()
        return ""
    for device in devices:
        if device is not matching and not at_door:
            device.throttle_increment()
    record("totp.refused", actor=person, subject=person, used_before=used_before)
    return USED_BEFORE if used_before else WRONG


def _opens(device: SealedTOTPDevice) -> bool:
    try:
        return bool(device.bin_key)
    except SealBroken:
        return False


def _locked_seconds(device: SealedTOTPDevice) -> int:
    allowed, why = device.verify_is_allowed()
    if allowed:
        return 0
    seconds: float = (why["locked_until"] - timezone.now()).total_seconds()
    return max(1, math.ceil(seconds))


def _has_step(device: SealedTOTPDevice, digits: str, *, fresh: bool) -> bool:
    """Whether the code is of a step near now that was not spent (`fresh`), or of one that was."""
    totp = TOTP(device.bin_key, device.step, device.t0, device.digits, device.drift)
    totp.time = time.time()
    for offset in range(-device.tolerance, device.tolerance + 1):
        totp.drift = device.drift + offset
        if (totp.t() > device.last_t) == fresh and totp.token() == int(digits):
            return True
    return False
