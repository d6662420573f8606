"""A small Sigstore of the sandbox's own: it certifies, logs and bundles what a CI would sign.

Certificates, the certificate log's timestamp, the log's proof, checkpoint and promise are as those
of the public Sigstore, so that whatever verifies its bundles verifies these, given this authority's
trusted root. The log keeps nothing: an entry stands at an index that follows from its moment, and
all other leaves exist as digests only.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from registry_client.sandbox.answers import Json
from registry_client.sandbox.certificate_claims import OCTET_STRING, CertificateClaims, der
from registry_client.sandbox.signing_keys import (
    PAYLOAD_TYPE,
    derived_key,
    pre_authentication_encoding,
    public_der,
    sign,
)

BUNDLE_0_1 = "application/vnd.dev.sigstore.bundle+json;version=0.1"
BUNDLE_0_2 = "application/vnd.dev.sigstore.bundle+json;version=0.2"
BUNDLE_0_3 = "application/vnd.dev.sigstore.bundle.v0.3+json"
TRUSTED_ROOT_0_1 = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"

AUTHORITY_SECRET_FILE = "authority.secret"  # noqa: S105 - a file's name, not a secret
ORGANISATION = "countersign.invalid"
LOG_NAME = f"log.{ORGANISATION}"
# Names that can never resolve (RFC 2606): all that is said about an entry is in its bundle.
LOG_URL, CERTIFICATE_LOG_URL = f"https://{LOG_NAME}", f"https://certificates.{ORGANISATION}"
BEGINS, ENDS = datetime(2020, 1, 1, tzinfo=UTC), datetime(2049, 12, 31, tzinfo=UTC)
CERTIFICATE_LIFE = timedelta(minutes=10)
# The log's tree began after this many entries of an earlier one, as in Rekor: an entry has one
# index in the log and another in its tree.
EARLIER_ENTRIES = 4_163_431
ENTRIES_A_SECOND = 16
# RFC 6962, 3.2 and RFC 5246, 7.4.1.4.1.
SCT_VERSION_1, CERTIFICATE_TIMESTAMP, PRECERTIFICATE_ENTRY = 0, 0, 1
TLS_SHA256, TLS_ECDSA = 4, 3
SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")


@dataclass(frozen=True)
class Signed:
    """A payload that was signed with a key whose certificate lives for ten minutes."""

    certificate: x509.Certificate
    payload: bytes
    signature: bytes

    @property
    def envelope(self) -> dict[str, Json]:
        """The payload and its signature, as DSSE has them."""
        return {
            "payload": b64(self.payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": b64(self.signature), "keyid": ""}],
        }

    @property
    def certificate_der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


class Authority:
    """Certificate authority, certificate log and transparency log, all of one secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._root_key = self._key("root")
        self._issuer_key = self._key("intermediate")
        self._certificate_log_key = self._key("certificate log")
        self._log_key = self._key("log")

    @classmethod
    def from_secret(cls, secret: str) -> Self:
        """The same authority for the same secret."""
        return cls(secret)

    @classmethod
    def of_folder(cls, folder: Path) -> Self:
        """The authority of the sandbox that keeps its data in this folder."""
        return cls((folder / AUTHORITY_SECRET_FILE).read_text())

    @classmethod
    def new(cls) -> Self:
        """An authority that nobody trusts yet."""
        return cls(secrets.token_urlsafe(32))

    def trusted_root(self) -> dict[str, Json]:
        """What others must know to verify this authority's bundles: Sigstore's trusted_root.json,
        the same each time."""
        return {
            "mediaType": TRUSTED_ROOT_0_1,
            "tlogs": [_log_instance(LOG_URL, self._log_key)],
            "certificateAuthorities": [
                certificate_authority("fulcio", [self._issuer, self._root]),
            ],
            "ctlogs": [_log_instance(CERTIFICATE_LOG_URL, self._certificate_log_key)],
            "timestampAuthorities": [],
        }

    def issue(
        self,
        statement: Mapping[str, Json],
        claims: CertificateClaims,
        *,
        at: datetime,
        media_type: str = BUNDLE_0_3,
    ) -> dict[str, Json]:
        """A bundle that proves that a run with these claims signed this in-toto statement then."""
        signed = self.sign(statement, claims, at=at)
        return bundle(signed, self.log_dsse(signed, at=at), media_type=media_type)

    def sign(
        self,
        statement: Mapping[str, Json],
        claims: CertificateClaims,
        *,
        at: datetime,
        in_certificate_log: bool = True,
    ) -> Signed:
        """The statement signed by a key of its own, certified for ten minutes from `at` on."""
        payload = json.dumps(statement).encode()
        key = self._key(f"{at.isoformat()} {hashlib.sha256(payload).hexdigest()}")
        return Signed(
            certificate=self._certify(key, claims, at, in_certificate_log=in_certificate_log),
            payload=payload,
            signature=sign(key, pre_authentication_encoding(payload)),
        )

    def log_dsse(self, signed: Signed, *, at: datetime) -> dict[str, Json]:
        """The log entry that npm clients make today: `dsse` 0.0.1."""
        envelope = canonical(signed.envelope)
        spec = {
            "envelopeHash": {"algorithm": "sha256", "value": hashlib.sha256(envelope).hexdigest()},
            "payloadHash": {
                "algorithm": "sha256",
                "value": hashlib.sha256(signed.payload).hexdigest(),
            },
            "signatures": [
                {"signature": b64(signed.signature), "verifier": b64(signed.certificate_pem)}
            ],
        }
        return self.log("dsse", "0.0.1", spec, at=at)

    def log(
        self, kind: str, version: str, spec: Mapping[str, Json], *, at: datetime
    ) -> dict[str, Json]:
        """A log entry with everything that Rekor's first version gives: proof, checkpoint and
        promise. `at` counts in whole seconds."""
        body = canonical({"apiVersion": version, "kind": kind, "spec": spec})
        proof = self.inclusion_proof(body, at)
        tree = int.from_bytes(key_id(self._log_key)[:7], "big")
        proof["checkpoint"] = {
            "envelope": self._signed_note(
                f"{LOG_NAME} - {tree}\n{proof['treeSize']}\n{proof['rootHash']}\n"
            )
        }
        entry = {
            "logIndex": EARLIER_ENTRIES + int(proof["logIndex"]),
            "integratedTime": int(at.timestamp()),
        }
        promise = canonical({"body": b64(body), "logID": key_id(self._log_key).hex(), **entry})
        return {
            **{name: str(number) for name, number in entry.items()},
            "logId": {"keyId": b64(key_id(self._log_key))},
            "kindVersion": {"kind": kind, "version": version},
            "inclusionPromise": {"signedEntryTimestamp": b64(sign(self._log_key, promise))},
            "inclusionProof": proof,
            "canonicalizedBody": b64(body),
        }

    def inclusion_proof(self, body: bytes, at: datetime) -> dict[str, Json]:
        """A proof, without checkpoint, that a body is the newest of all entries (RFC 6962, 2.1)."""
        digest = hashlib.sha256(b"\0" + body).digest()
        seconds = int((at - BEGINS).total_seconds())
        index = seconds * ENTRIES_A_SECOND + digest[0] % ENTRIES_A_SECOND
        # Left of the newest leaf there is a complete subtree for each bit set in its index.
        left = [
            hashlib.sha256(f"{self._secret} {index} {level}".encode()).digest()
            for level in range(index.bit_length())
            if index >> level & 1
        ]
        for subtree in left:
            digest = hashlib.sha256(b"\1" + subtree + digest).digest()
        return {
            "logIndex": str(index),
            "treeSize": str(index + 1),
            "rootHash": b64(digest),
            "hashes": [b64(subtree) for subtree in left],
        }

    def _signed_note(self, text: str) -> str:
        """A text signed as a note (C2SP, signed-note)."""
        signature = key_id(self._log_key)[:4] + sign(self._log_key, text.encode())
        return f"{text}\n\N{EM DASH} {LOG_NAME} {b64(signature)}\n"

    def _key(self, purpose: str) -> ec.EllipticCurvePrivateKey:
        return derived_key(f"{self._secret} {purpose}")

    @cached_property
    def _root(self) -> x509.Certificate:
        return certificate_of_authority("sandbox root", self._root_key, signed_by=self._root_key)

    @cached_property
    def _issuer(self) -> x509.Certificate:
        return certificate_of_authority(
            "sandbox intermediate", self._issuer_key, signed_by=self._root_key, issuer=self._root
        )

    def _certify(
        self,
        key: ec.EllipticCurvePrivateKey,
        claims: CertificateClaims,
        at: datetime,
        *,
        in_certificate_log: bool,
    ) -> x509.Certificate:
        begins = at.replace(microsecond=0)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
        name = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(claims.name)])
        builder = (
            certificate_builder(x509.Name([]), key, self._issuer.subject, self._issuer_key)
            .not_valid_before(begins)
            .not_valid_after(begins + CERTIFICATE_LIFE)
            .add_extension(key_usage(digital_signature=True), critical=True)
            .add_extension(usage, critical=False)
            .add_extension(name, critical=True)
        )
        for extension in claims.extensions():
            builder = builder.add_extension(extension, critical=False)
        if in_certificate_log:
            logged = _signed(builder, self._issuer_key).tbs_certificate_bytes
            timestamp = self._certificate_timestamp(logged, begins)
            builder = builder.add_extension(
                x509.UnrecognizedExtension(SCT_LIST, der(OCTET_STRING, _opaque(timestamp, 2))),
                critical=False,
            )
        return _signed(builder, self._issuer_key)

    def _certificate_timestamp(self, logged: bytes, at: datetime) -> bytes:
        """The certificate log's promise for a certificate without that promise (RFC 6962, 3)."""
        milliseconds = (int(at.timestamp()) * 1000).to_bytes(8, "big")
        no_extensions = bytes(2)
        signature = sign(
            self._certificate_log_key,
            bytes([SCT_VERSION_1, CERTIFICATE_TIMESTAMP])
            + milliseconds
            + PRECERTIFICATE_ENTRY.to_bytes(2, "big")
            + key_id(self._issuer_key)
            + _opaque(logged, 3)
            + no_extensions,
        )
        return _opaque(
            bytes([SCT_VERSION_1])
            + key_id(self._certificate_log_key)
            + milliseconds
            + no_extensions
            + bytes([TLS_SHA256, TLS_ECDSA])
            + _opaque(signature, 2),
            2,
        )


def bundle(
    signed: Signed,
    entry: Mapping[str, Json],
    *,
    media_type: str = BUNDLE_0_3,
    timestamps: tuple[bytes, ...] = (),
) -> dict[str, Json]:
    """A Sigstore bundle of what was signed, its log entry and RFC 3161 timestamps."""
    certificate = {"rawBytes": b64(signed.certificate_der)}
    return {
        "mediaType": media_type,
        "verificationMaterial": {
            **(
                {"certificate": certificate}
                if media_type == BUNDLE_0_3
                else {"x509CertificateChain": {"certificates": [certificate]}}
            ),
            "tlogEntries": [dict(entry)],
            "timestampVerificationData": {
                "rfc3161Timestamps": [{"signedTimestamp": b64(one)} for one in timestamps]
            },
        },
        "dsseEnvelope": signed.envelope,
    }


def b64(content: bytes) -> str:
    """Standard base64, as text."""
    return base64.b64encode(content).decode()


def canonical(document: Mapping[str, Json]) -> bytes:
    """JSON as RFC 8785 wants it, of documents whose texts are ASCII and numbers integers."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def key_id(key: ec.EllipticCurvePrivateKey) -> bytes:
    """What logs call their key: the SHA-256 of its public part in DER."""
    return hashlib.sha256(public_der(key)).digest()


def certificate_authority(path: str, chain: list[x509.Certificate]) -> dict[str, Json]:
    """An authority in a trusted root; its chain goes from the certificate in use to the root."""
    return {
        "subject": {"organization": ORGANISATION, "commonName": "sandbox root"},
        "uri": f"https://{ORGANISATION}/{path}",
        "certChain": {
            "certificates": [
                {"rawBytes": b64(one.public_bytes(serialization.Encoding.DER))} for one in chain
            ]
        },
        "validFor": {"start": _rfc3339(BEGINS)},
    }


def certificate_of_authority(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    *,
    signed_by: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None = None,
) -> x509.Certificate:
    """The certificate of a key that certifies others: of the root, or of one below the issuer."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    constraints = x509.BasicConstraints(ca=True, path_length=0 if issuer else 1)
    builder = (
        certificate_builder(subject, key, issuer.subject if issuer else subject, signed_by)
        .not_valid_before(BEGINS)
        .not_valid_after(ENDS)
        .add_extension(constraints, critical=True)
        .add_extension(key_usage(certificates=True), critical=True)
    )
    return _signed(builder, signed_by)


def certificate_builder(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.CertificateBuilder:
    """What all certificates here have in common; the serial number follows from the key."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(key_id(key)[:19], "big"))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )


def key_usage(*, digital_signature: bool = False, certificates: bool = False) -> x509.KeyUsage:
    """What a certificate's key is for: signing documents, or certificates."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=certificates,
        crl_sign=certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _signed(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    return builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True)


def _log_instance(url: str, key: ec.EllipticCurvePrivateKey) -> dict[str, Json]:
    return {
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": b64(public_der(key)),
            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
            "validFor": {"start": _rfc3339(BEGINS)},
        },
        "logId": {"keyId": b64(key_id(key))},
    }


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _opaque(content: bytes, size: int) -> bytes:
    """A vector of TLS: its length in so many bytes, and the content (RFC 8446, 3.4)."""
    return len(content).to_bytes(size, "big") + content
