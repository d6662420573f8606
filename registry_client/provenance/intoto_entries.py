"""Log entries of the kind `intoto` 0.0.2, which sigstore-python does not verify.

npm's bundles of 2023 and 2024 have them. Everything else about such a bundle is verified by
sigstore-python; this adds the two things that depend on the kind of entry. Once upstream has them,
this file can go: use sigstore's own Verifier in its place.

Source: Rekor's pkg/types/intoto/v0.0.2 (schema and canonicalisation), and sigstore-js, which has
always verified them.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime

import rekor_types
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import Certificate, load_pem_x509_certificate
from pydantic import ValidationError
from rekor_types._internal.intoto import IntotoV002Schema
from sigstore import dsse
from sigstore._internal.timestamp import TimestampSource, TimestampVerificationResult
from sigstore.errors import VerificationError
from sigstore.models import Bundle
from sigstore.verify.policy import VerificationPolicy
from sigstore.verify.verifier import Verifier

KIND, VERSION = "intoto", "0.0.2"


class IntotoVerifier(Verifier):
    """Sigstore's Verifier, which verifies DSSE envelopes in `intoto` 0.0.2 entries as well."""

    def _establish_time(self, bundle: Bundle) -> list[TimestampVerificationResult]:
        """The times that count: timestamps, and the log's own if a promise is there to bind it."""
        if not is_intoto(bundle):
            return super()._establish_time(bundle)
        times = self._verify_timestamp_authority(bundle)
        entry = bundle.log_entry._inner
        if entry.integrated_time and entry.inclusion_promise:
            moment = datetime.fromtimestamp(entry.integrated_time, tz=UTC)
            times.append(TimestampVerificationResult(TimestampSource.TRANSPARENCY_SERVICE, moment))
        return times

    def verify_dsse(self, bundle: Bundle, policy: VerificationPolicy) -> tuple[str, bytes]:
        """As the overridden one; VerificationError if anything does not fit."""
        if not is_intoto(bundle):
            return super().verify_dsse(bundle, policy)
        self._verify_common_signing_cert(bundle, policy)
        envelope = bundle._dsse_envelope
        key = bundle.signing_certificate.public_key()
        if envelope is None or not isinstance(key, ec.EllipticCurvePublicKey):
            raise VerificationError("not a DSSE envelope signed with an elliptic-curve key")
        payload = dsse._verify(key, envelope)
        _check_body(bundle, envelope)
        return envelope._inner.payload_type, payload


def is_intoto(bundle: Bundle) -> bool:
    """Whether the entry calls itself `intoto` 0.0.2; its body is what proves it."""
    kind = bundle.log_entry._inner.kind_version
    return (kind.kind, kind.version) == (KIND, VERSION)


def _check_body(bundle: Bundle, envelope: dsse.Envelope) -> None:
    """The logged entry must be about this payload, this signature and this certificate."""
    try:
        entry = rekor_types.Intoto.model_validate_json(bundle.log_entry._inner.canonicalized_body)
    except ValidationError as exc:
        raise VerificationError(f"invalid intoto log entry: {exc}") from exc
    spec = entry.spec.root
    if entry.api_version != VERSION or not isinstance(spec, IntotoV002Schema):
        raise VerificationError("invalid intoto log entry: not of version 0.0.2")
    content = spec.content
    inner = envelope._inner
    # The payload itself is not logged, only its hash. The model knows no algorithm but SHA-256.
    digest = hashlib.sha256(inner.payload).hexdigest()
    if content.payload_hash is None or content.payload_hash.value != digest:
        raise VerificationError("log entry payload hash does not match bundle")
    if content.envelope.payload_type != inner.payload_type:
        raise VerificationError("log entry payload type does not match bundle")
    certificate = bundle.signing_certificate
    # Rekor encodes the signature, which is base64 in the envelope already, once more.
    expected = [
        (base64.b64encode(base64.b64encode(signature.sig)).decode(), certificate)
        for signature in inner.signatures
    ]
    logged = [(one.sig, _certificate(one.public_key)) for one in content.envelope.signatures]
    if logged != expected:
        raise VerificationError("log entry signatures do not match bundle")


def _certificate(encoded: str) -> Certificate:
    """The certificate behind base64 of its PEM, however its lines are broken."""
    try:
        return load_pem_x509_certificate(base64.b64decode(encoded, validate=True))
    except ValueError as exc:
        raise VerificationError("invalid intoto log entry: no certificate in it") from exc
