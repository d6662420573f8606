"""Second factors of people in tests."""

import secrets

from django_otp.oath import totp

from approvals.people import passkeys
from approvals.people.models import SealedTOTPDevice, User
from tests.webauthn import SoftAuthenticator


def enrol(user: User) -> SealedTOTPDevice:
    """Gives the person an authenticator app that counts as confirmed."""
    device = SealedTOTPDevice(user=user, name="authenticator app", confirmed=True)
    device.seal_key(secrets.token_bytes(20))
    device.save()
    return device


def enrol_passkey(user: User, name: str = "Passkey") -> SoftAuthenticator:
    """Gives the person a passkey, and returns what signs with it."""
    authenticator = SoftAuthenticator()
    challenge = secrets.token_hex(32)
    made = authenticator.create(passkeys.registration_options(user, challenge))
    passkeys.register(user, challenge, made, name)
    return authenticator


def code_now(user: User, *, steps: int = 0) -> str:
    """What the person's app shows now, or so many 30-second steps later."""
    device = SealedTOTPDevice.objects.get(user=user, confirmed=True)
    return f"{totp(device.bin_key, t0=int(-30 * steps)) if steps else totp(device.bin_key):06d}"


def wrong_code(user: User) -> str:
    """A code that none of the steps near now has."""
    right = {code_now(user, steps=steps) for steps in range(-3, 4)}
    return next(code for code in (f"{number:06d}" for number in range(100)) if code not in right)
