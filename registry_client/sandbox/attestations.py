"""What the registry itself attests of a published version, beside the publisher's provenance."""

import base64
import hashlib
import json
from collections.abc import Mapping
from urllib.parse import quote

from registry_client.sandbox.answers import Json
from registry_client.sandbox.signing_keys import (
    PAYLOAD_TYPE,
    derived_key,
    pre_authentication_encoding,
    public_der,
    sign,
)

PROVENANCE_PREDICATE = "https://slsa.dev/provenance/v1"
PUBLISH_PREDICATE = "https://github.com/npm/attestation/tree/main/specs/publish/v0.1"


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
        self._key = derived_key(secret)
        self.public_der = public_der(self._key)
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
        return base64.b64encode(sign(self._key, content)).decode()

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
                "signatures": [
                    {"sig": self.sign(pre_authentication_encoding(payload)), "keyid": self.key_id}
                ],
            },
        }
