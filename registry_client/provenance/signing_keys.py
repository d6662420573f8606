"""The public keys that a registry signs its own statements with (`GET /-/npm/v1/keys`)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime

from registry_client.errors import NotARegistry

MAX_KEYS = 50
MAX_TEXT = 200
MAX_KEY = 4096
_UNUSABLE = "The registry's answer about its signing keys is unusable."


@dataclass(frozen=True)
class RegistryKey:
    """One key: `public` in DER (SubjectPublicKeyInfo), `expires` in UTC or None."""

    key_id: str
    key_type: str
    scheme: str
    public: bytes
    expires: datetime | None = None


def read_keys(document: object) -> list[RegistryKey]:
    """The keys of a registry's answer; NotARegistry if it cannot be one."""
    found = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(found, list) or len(found) > MAX_KEYS:
        raise NotARegistry(_UNUSABLE)
    return [_key(one) for one in found]


def _key(obj: object) -> RegistryKey:
    if not isinstance(obj, dict):
        raise NotARegistry(_UNUSABLE)
    texts = [obj.get(name) for name in ("keyid", "keytype", "scheme")]
    encoded, expires = obj.get("key"), obj.get("expires")
    for text in texts:
        if not isinstance(text, str) or not 0 < len(text) <= MAX_TEXT or not text.isprintable():
            raise NotARegistry(_UNUSABLE)
    if not isinstance(encoded, str) or not 0 < len(encoded) <= MAX_KEY:
        raise NotARegistry(_UNUSABLE)
    if expires is not None and not (isinstance(expires, str) and len(expires) <= MAX_TEXT):
        raise NotARegistry(_UNUSABLE)
    try:
        public = base64.b64decode(encoded, validate=True)
        moment = datetime.fromisoformat(expires) if expires else None
    except (binascii.Error, ValueError):
        raise NotARegistry(_UNUSABLE) from None
    if moment is not None:
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    key_id, key_type, scheme = (str(text) for text in texts)
    return RegistryKey(key_id, key_type, scheme, public, moment)
