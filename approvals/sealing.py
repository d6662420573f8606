"""Secrets at rest: sealed with keys that are not in the database, and bound to their one use."""

import base64
import hashlib
import hmac
import json
from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models


class SealBroken(Exception):
    """The sealed text was made with another key, for another use, or was changed."""


if TYPE_CHECKING:
    _TextField = models.TextField[str, str]
else:
    _TextField = models.TextField


class SealedField(_TextField):
    """Holds what `seal` returned. A field of its own so that key rotation finds every secret."""


@lru_cache(maxsize=32)
def _derived(key: str, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=purpose).derive(key.encode())


@lru_cache(maxsize=8)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet(
        [Fernet(base64.urlsafe_b64encode(_derived(key, b"countersign sealing"))) for key in keys]
    )


def seal(secret: str, *, bound_to: str) -> str:
    """Encrypts `secret`; it opens only for the same `bound_to`.

    A token bound to its registry's address is of no use to somebody who can change that address
    in the database, because it no longer opens there.
    """
    return (
        _fernet(tuple(settings.SEALING_KEYS))
        .encrypt(json.dumps([bound_to, secret]).encode())
        .decode()
    )


def unseal(sealed: str, *, bound_to: str, max_age: int | None = None) -> str:
    """Returns the secret.

    `max_age` in seconds refuses what was sealed longer ago.
    Raises SealBroken; the message names no secret.
    """
    try:
        opened = _fernet(tuple(settings.SEALING_KEYS)).decrypt(sealed.encode(), ttl=max_age)
    except InvalidToken as error:
        raise SealBroken(
            "A stored secret cannot be opened: it was sealed with a key that is no longer among "
            "COUNTERSIGN_SEALING_KEYS, or it is too old. Enter it again."
        ) from error
    bound, secret = json.loads(opened)
    if bound != bound_to:
        raise SealBroken(
            "A stored secret belongs to another address than the one it would be used for. "
            "Enter it again."
        )
    return str(secret)


def reseal(sealed: str) -> str:
    """The same secret, sealed with the first key. Raises SealBroken."""
    try:
        return _fernet(tuple(settings.SEALING_KEYS)).rotate(sealed.encode()).decode()
    except InvalidToken as error:
        raise SealBroken("A stored secret opens with none of COUNTERSIGN_SEALING_KEYS.") from error


def fingerprint(secret: str, *, bound_to: str) -> str:
    """A keyed digest, 64 hexadecimal digits, that only a holder of the sealing key computes.

    For what must be recognised but never read again.
    """
    return _fingerprint(settings.SEALING_KEYS[0], secret, bound_to)


def fingerprints(secret: str, *, bound_to: str) -> list[str]:
    """The digests that `fingerprint` may have returned for it, under each key there is."""
    return [_fingerprint(key, secret, bound_to) for key in settings.SEALING_KEYS]


def _fingerprint(key: str, secret: str, bound_to: str) -> str:
    text = json.dumps([bound_to, secret]).encode()
    return hmac.new(_derived(key, b"countersign fingerprints"), text, hashlib.sha256).hexdigest()
