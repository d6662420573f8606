"""An authenticator with a browser around it, in software: makes what real ones send.

`create` and `get` take what the browser's functions of these names would be given, as JSON, and
return the JSON that a page posts. Everything that an attacker could change can be changed here.
"""

import hashlib
import json
import secrets
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from django.conf import settings
from fido2 import cbor

USER_PRESENT, USER_VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Credential:
    """One passkey: what its authenticator remembers."""

    id: bytes
    key: ec.EllipticCurvePrivateKey
    rp_id: str
    user_handle: bytes
    sign_count: int = 0


@dataclass
class SoftAuthenticator:
    """A phone or security key, and the browser that it is used with."""

    origin: str = field(default_factory=lambda: settings.PASSKEY_ORIGIN)
    user_present: bool = True
    user_verified: bool = True
    # Off for those that sync: they always say 0.
    counts: bool = True
    cross_origin: bool = False
    # What is signed instead of what the page asked for.
    rp_id: str = ""
    challenge: str = ""
    credentials: list[Credential] = field(default_factory=list)

    def create(self, options: dict[str, Any]) -> str:
        """Makes a passkey, as for navigator.credentials.create({publicKey: options})."""
        known = {decoded(one["id"]) for one in options.get("excludeCredentials") or []}
        assert not known & {one.id for one in self.credentials}, "InvalidStateError"
        credential = Credential(
            id=secrets.token_bytes(32),
            key=ec.generate_private_key(ec.SECP256R1()),
            rp_id=options["rp"]["id"],
            user_handle=decoded(options["user"]["id"]),
        )
        self.credentials.append(credential)
        numbers = credential.key.public_key().public_numbers()
        public_key = {
            1: 2,
            3: -7,
            -1: 1,
            -2: numbers.x.to_bytes(32, "big"),
            -3: numbers.y.to_bytes(32, "big"),
        }
        attested = (
            bytes(16)
            + struct.pack(">H", len(credential.id))
            + credential.id
            + cbor.encode(public_key)
        )
        data = self._authenticator_data(credential, ATTESTED) + attested
        client_data = self._client_data("webauthn.create", options["challenge"])
        return json.dumps(
            {
                "id": encoded(credential.id),
                "rawId": encoded(credential.id),
                "type": "public-key",
                "authenticatorAttachment": "platform",
                "clientExtensionResults": {"credProps": {"rk": True}},
                "response": {
                    "clientDataJSON": encoded(client_data),
                    "attestationObject": encoded(
                        cbor.encode({"fmt": "none", "authData": data, "attStmt": {}})
                    ),
                    "transports": ["internal"],
                },
            }
        )

    def get(self, options: dict[str, Any], *, credential: Credential | None = None) -> str:
        """Signs with a passkey, as for navigator.credentials.get({publicKey: options}).

        With the one that the page would accept, or with `credential` whatever the page says.
        """
        credential = credential or self._chosen(options)
        if self.counts:
            credential.sign_count += 1
        data = self._authenticator_data(credential)
        client_data = self._client_data("webauthn.get", options["challenge"])
        signed = data + hashlib.sha256(client_data).digest()
        return json.dumps(
            {
                "id": encoded(credential.id),
                "rawId": encoded(credential.id),
                "type": "public-key",
                "authenticatorAttachment": "platform",
                "clientExtensionResults": {},
                "response": {
                    "clientDataJSON": encoded(client_data),
                    "authenticatorData": encoded(data),
                    "signature": encoded(credential.key.sign(signed, ec.ECDSA(SHA256()))),
                    "userHandle": encoded(credential.user_handle),
                },
            }
        )

    def _chosen(self, options: dict[str, Any]) -> Credential:
        allowed = {decoded(one["id"]) for one in options.get("allowCredentials") or []}
        fitting = [
            one
            for one in self.credentials
            if one.rp_id == options["rpId"] and (not allowed or one.id in allowed)
        ]
        assert fitting, "NotAllowedError: no passkey of this authenticator fits"
        return fitting[-1]

    def _authenticator_data(self, credential: Credential, more: int = 0) -> bytes:
        rp_id = self.rp_id or credential.rp_id
        flags = USER_PRESENT * self.user_present | USER_VERIFIED * self.user_verified | more
        return hashlib.sha256(rp_id.encode()).digest() + struct.pack(
            ">BI", flags, credential.sign_count
        )

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps(
            {
                "type": kind,
                "challenge": self.challenge or challenge,
                "origin": self.origin,
                "crossOrigin": self.cross_origin,
            }
        ).encode()
