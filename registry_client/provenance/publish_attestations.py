"""npm's publish attestation: the registry's own statement that it published a version.

It says nothing of where the tarball was built. It is signed with the registry's key, not with a
Sigstore certificate (npm/attestation, specs/publish/v0.1).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from registry_client.provenance.builds import NotProven, quoted
from registry_client.provenance.signing_keys import RegistryKey
from registry_client.provenance.slsa import PAYLOAD_TYPE, check_subject, read_statement

PUBLISH = "https://github.com/npm/attestation/tree/main/specs/publish/"
PUBLISH_V01 = f"{PUBLISH}v0.1"
SCHEME = "ecdsa-sha2-nistp256"


@dataclass(frozen=True)
class PublishVerification:
    """What became of a publish attestation, and why, in plain words.

    "unverified": it is about this tarball, but whether the registry signed it cannot be told.
    """

    state: Literal["verified", "unverified", "refused"]
    reason: str


def check_publish_attestation(
    document: Mapping[str, Any],
    *,
    package: str,
    version: str,
    sha512: str,
    keys: Sequence[RegistryKey] | None,
) -> PublishVerification:
    """What the attestation is worth for this tarball; `keys` are None where they are not known."""
    try:
        payload, signature, key_id = _parts(document)
        statement = read_statement(payload)
        if statement.predicate_type != PUBLISH_V01:
            raise NotProven(f"It says {quoted(statement.predicate_type)}, not that of publishing.")
        check_subject(statement, package, version, sha512)
        for name, expected in (("name", package), ("version", version)):
            said = statement.predicate.get(name, expected)
            if said != expected:
                raise NotProven(f"It says {quoted(str(said))} was published, not {expected}.")
        return _check_signature(payload, signature, key_id, keys)
    except NotProven as exc:
        return PublishVerification("refused", str(exc))


def _check_signature(
    payload: bytes, signature: bytes, key_id: str, keys: Sequence[RegistryKey] | None
) -> PublishVerification:
    if not keys:
        return PublishVerification("unverified", "The registry's keys are not known.")
    key = next((one for one in keys if one.key_id == key_id), None)
    if key is None:
        return PublishVerification(
            "unverified",
            f"It is signed with {quoted(key_id)}, a key that the registry does not list.",
        )
    try:
        public = load_der_public_key(key.public)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        public = None
    if (
        key.scheme != SCHEME
        or not isinstance(public, ec.EllipticCurvePublicKey)
        or not isinstance(public.curve, ec.SECP256R1)
    ):
        return PublishVerification(
            "unverified",
            f"It is signed with a key of a kind that is not known: {quoted(key.scheme)}.",
        )
    try:
        public.verify(signature, encoded(PAYLOAD_TYPE, payload), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise NotProven("The signature does not fit the registry's key.") from None
    if key.expires is not None and key.expires <= datetime.now(UTC):
        # Nothing in it proves that it was signed before.
        return PublishVerification(
            "unverified",
            f"It is signed with a key that the registry gave up on {key.expires:%Y-%m-%d}; whether "
            "it was signed before that cannot be told from it.",
        )
    return PublishVerification("verified", "The registry signed that it published this tarball.")


def encoded(payload_type: str, payload: bytes) -> bytes:
    """What a DSSE signature signs (secure-systems-lab/dsse, protocol.md)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _parts(document: Mapping[str, Any]) -> tuple[bytes, bytes, str]:
    """Payload, signature and key id."""
    material, envelope = document.get("verificationMaterial"), document.get("dsseEnvelope")
    if not isinstance(material, Mapping) or not isinstance(envelope, Mapping):
        raise NotProven("It is no signed statement.")
    if envelope.get("payloadType") != PAYLOAD_TYPE:
        raise NotProven("What was signed is no in-toto statement.")
    signatures = envelope.get("signatures")
    one = signatures[0] if isinstance(signatures, list) and len(signatures) == 1 else None
    if not isinstance(one, Mapping):
        raise NotProven("The envelope does not have exactly one signature.")
    public = material.get("publicKey")
    hint = public.get("hint") if isinstance(public, Mapping) else None
    if not isinstance(hint, str):
        raise NotProven("It is not signed with a key of the registry.")
    key_id = one.get("keyid") or hint
    if key_id != hint:
        raise NotProven("It names two keys.")
    return _bytes(envelope.get("payload")), _bytes(one.get("sig")), hint


def _bytes(text: object) -> bytes:
    if not isinstance(text, str):
        raise NotProven("It is no signed statement.")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NotProven("It is no signed statement.") from None
