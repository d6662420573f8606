"""What the registry itself attests of a published version, beside the publisher's provenance."""

import base64
import hashlib
import json
from collections.abc import Mapping
from urllib.parse import quote

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from registry_client.sandbox.answers import Json

PROVENANCE_PREDICATE = "https://slsa.dev/provenance/v1"
PUBLISH_PREDICATE = "https://github.com/npm/attestation/tree/main/specs/publish/v0.1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"


def predicate_type(bundle: Mapping[str, Json]) -> str:
    """What a Sigstore bundle's statement says it is; SLSA provenance where it cannot be read."""
    try:
        payload = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
        found = payload["predicateType"]
    except (KeyError, TypeError, ValueError):
        return PROVENANCE_PREDICATE
    return found if isinstance(found, str) else PROVENANCE_PREDICATE


class SigningKey:
    """The registry's own key, derived from a secret so that only that secret must be kept."""

    def __init__(self, secret: str) -> None:
        number = int.from_bytes(hashlib.sha256(secret.encode()).digest(), "big") >> 1
        self._key = ec.derive_private_key(number, ec.SECP256R1())
        self.public_der = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        digest = hashlib.sha256(self.public_der).digest()
        self.key_id = f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"

    def keys_document(self) -> dict[str, Json]:
        """The answer of `GET /-/npm/v1/keys`."""
        return {
            "keys": [
                {
                    "expires": None,
                    "keyid": self.key_id,
                    "keytype": "ecdsa-sha2-nistp256",
                    "scheme": "ecdsa-sha2-nistp256",
                    "key": base64.b64encode(self.public_der).decode(),
                }
            ]
        }

    def sign(self, content: bytes) -> str:
        """An ECDSA signature over SHA-256 of the content, in base64."""
        return base64.b64encode(self._key.sign(content, ec.ECDSA(hashes.SHA256()))).decode()

    def publish_attestation(self, package: str, version: str, integrity: str) -> dict[str, Json]:
        """The registry's statement that it published this version with this SHA-512 digest.

        Signed with the registry's key and recorded in no transparency log: it is no provenance.
        """
        sha512 = base64.b64decode(integrity.removeprefix("sha512-")).hex()
        purl = f"pkg:npm/{quote(package)}@{version}"
        statement = {
            "_type": "https://in-toto.io/Statement/v0.1",
            "subject": [{"name": purl, "digest": {"sha512": sha512}}],
            "predicateType": PUBLISH_PREDICATE,
            "predicate": {"name": package, "version": version, "registry": "sandbox"},
        }
        payload = json.dumps(statement).encode()
        # The pre-authentication encoding of DSSE (secure-systems-lab/dsse, protocol.md).
        encoded = b"DSSEv1 %d %s %d %s" % (
            len(PAYLOAD_TYPE),
            PAYLOAD_TYPE.encode(),
            len(payload),
            payload,
        )
        return {
            "mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.2",
            "verificationMaterial": {
                "publicKey": {"hint": self.key_id},
                "tlogEntries": [],
                "timestampVerificationData": {"rfc3161Timestamps": []},
            },
            "dsseEnvelope": {
                "payload": base64.b64encode(payload).decode(),
                "payloadType": PAYLOAD_TYPE,
                "signatures": [{"sig": self.sign(encoded), "keyid": self.key_id}],
            },
        }
