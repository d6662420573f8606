"""The pair of keys by which browsers know that a push message is from this dashboard (VAPID)."""

import base64

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import IntegrityError, transaction

from approvals.notifications.models import PushKeys
from approvals.sealing import seal, unseal

_BOUND_TO = "push keys"


def public_key() -> str:
    """The public half, as `PushManager.subscribe` wants it."""
    return _kept().public_key


def private_key() -> str:
    """The private half: 32 bytes as base64. Raises SealBroken."""
    return unseal(_kept().sealed_private_key, bound_to=_BOUND_TO)


def _kept() -> PushKeys:
    """The one pair there is, made where there is none: another one would end every subscription."""
    found = PushKeys.objects.filter(pk=1).first()
    if found is not None:
        return found
    try:
        with transaction.atomic():
            return PushKeys.objects.create(pk=1, **_made())
    except IntegrityError:
        # Another process has made them in this very moment.
        return PushKeys.objects.get(pk=1)


def _made() -> dict[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_numbers().private_value.to_bytes(32, "big")
    public = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return {
        "sealed_private_key": seal(_base64(private), bound_to=_BOUND_TO),
        "public_key": _base64(public),
    }


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
