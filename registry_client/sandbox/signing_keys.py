"""Keys that follow from a secret, so that only that secret must be kept, and what they sign."""

import hashlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PAYLOAD_TYPE = "application/vnd.in-toto+json"


def derived_key(secret: str) -> ec.EllipticCurvePrivateKey:
    """The P-256 key of a secret."""
    number = int.from_bytes(hashlib.sha256(secret.encode()).digest(), "big") >> 1
    return ec.derive_private_key(number, ec.SECP256R1())


def public_der(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public key as SubjectPublicKeyInfo in DER."""
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def sign(key: ec.EllipticCurvePrivateKey, content: bytes) -> bytes:
    """An ECDSA signature over SHA-256 of the content, the same each time (RFC 6979)."""
    return key.sign(content, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


def pre_authentication_encoding(payload: bytes) -> bytes:
    """What is signed of a DSSE envelope of in-toto (secure-systems-lab/dsse, protocol.md)."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
