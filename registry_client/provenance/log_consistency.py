"""What ties the parts of a Sigstore bundle together beyond what sigstore-python checks.

sigstore-python proves that all it relies on is signed. It leaves parts of a bundle aside that it
does not need; shown on a page, or read by another program, these could say something else. Here
every part is signed, or equal to something signed, or refused, in bundles with every kind of log
entry. Left are those that nothing can be compared with: a signature's key id in the envelope, which
DSSE leaves unsigned, and the lines of other witnesses in a checkpoint.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate, PrecertificateSignedCertificateTimestamps
from sigstore._internal.timestamp import TimestampSource, TimestampVerificationResult
from sigstore.models import Bundle, TransparencyLogEntry
from sigstore_models.common.v1 import TimeRange
from sigstore_models.trustroot import v1 as trustroot

from registry_client.provenance.builds import NotProven
from registry_client.provenance.strict_json import NotStrict, parse_strictly

# A proof in a tree of 2^64 entries, the longest list of all, has so many hashes.
MAX_LIST = 64
MAX_NOTE_SIGNATURES = 16
MAX_BODY = 1024 * 1024
_NUMBER = re.compile(r"0|[1-9][0-9]{0,19}")
# A line of a signed note (C2SP signed-note): a name, and a key hint with the signature in base64.
_NOTE_SIGNATURE = re.compile("\u2014 ([^\\s+]+) ([A-Za-z0-9+/]+={0,2})")
_HINT_BYTES = 4


def check_amounts(value: Any) -> None:
    """Refuses what no honest bundle has so much of, before anything is computed from it."""
    if isinstance(value, list) and len(value) > MAX_LIST:
        raise NotProven("The bundle has more in it than any proof needs.")
    for one in value.values() if isinstance(value, Mapping) else value:
        if isinstance(one, (list, Mapping)):
            check_amounts(one)


def check_spelling(document: Mapping[str, Any], bundle: Bundle) -> None:
    """What was understood must be, written out again, what was read.

    base64 with stray characters, numbers with a sign, and keys under a second name mean something
    to some programs and nothing to others.
    """
    if json.loads(bundle.to_json()) != _without_nulls(document):
        raise NotProven(
            "The bundle is spelt in a way that programs read differently: a number, a base64 text "
            "or a key is not in its one usual form."
        )


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_without_nulls(one) for one in value]
    return value


def check_certificates(bundle: Bundle, authorities: Iterable[Certificate]) -> None:
    """Certificates after the signing one, which nothing uses, must be the authority's."""
    chain = bundle._inner.verification_material.x509_certificate_chain
    if chain is None or len(chain.certificates) == 1:
        return
    known = {one.public_bytes(Encoding.DER) for one in authorities}
    if any(one.raw_bytes not in known for one in chain.certificates[1:]):
        raise NotProven(
            "The bundle has a certificate that is neither the signer's nor the trusted authority's."
        )


def check_entry(entry: TransparencyLogEntry) -> None:
    """The unsigned parts of a log entry must equal the signed ones."""
    inner = entry._inner
    proof = inner.inclusion_proof
    if inner.inclusion_promise is not None:
        # The promise signs the entry's index and time.
        if not inner.integrated_time or not inner.inclusion_promise.signed_entry_timestamp:
            raise NotProven("The log promised the entry without saying when.")
    else:
        if inner.integrated_time:
            raise NotProven("The log's time is not signed: the bundle has no promise of the log.")
        if inner.log_index != proof.log_index:
            raise NotProven(
                f"The bundle calls its log entry {inner.log_index}, and proves that it is "
                f"{proof.log_index}."
            )
    try:
        body = parse_strictly(inner.canonicalized_body, MAX_BODY)
    except NotStrict as exc:
        raise NotProven(f"The log entry cannot be read. {exc}") from None
    said = (inner.kind_version.kind, inner.kind_version.version)
    if not isinstance(body, dict) or (body.get("kind"), body.get("apiVersion")) != said:
        raise NotProven("The log entry is not of the kind that the bundle says it is.")
    _check_checkpoint(entry)


def _check_checkpoint(entry: TransparencyLogEntry) -> None:
    proof = entry._inner.inclusion_proof
    text = proof.checkpoint.envelope if proof.checkpoint is not None else ""
    note, _, signatures = text.partition("\n\n")
    origin, _, rest = note.partition("\n")
    size = rest.partition("\n")[0]
    if not _NUMBER.fullmatch(size) or int(size) != proof.tree_size:
        raise NotProven("The log's checkpoint is of another size than the inclusion proof.")
    lines = signatures.split("\n")
    if lines.pop() or not 0 < len(lines) <= MAX_NOTE_SIGNATURES:
        raise NotProven("The log's checkpoint cannot be read.")
    ours = 0
    for line in lines:
        found = _NOTE_SIGNATURE.fullmatch(line)
        raw = _base64(found[2]) if found else b""
        if found is None or len(raw) <= _HINT_BYTES:
            raise NotProven("The log's checkpoint cannot be read.")
        if raw[:_HINT_BYTES] == entry._inner.log_id.key_id[:_HINT_BYTES]:
            ours += 1
            # Rekor v1 has the number of its tree after its name, v2 has the name alone.
            if origin != found[1] and not origin.startswith(f"{found[1]} - "):
                raise NotProven("The log's checkpoint is signed under another name than its own.")
    if ours != 1:
        raise NotProven("The log's checkpoint is not signed by the log, or more than once.")


def _base64(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
    return raw if base64.b64encode(raw).decode() == text else b""


def check_timestamps(bundle: Bundle, times: Sequence[TimestampVerificationResult]) -> None:
    """Every timestamp must verify: sigstore-python takes one good one and skips the others."""
    material = bundle._inner.verification_material.timestamp_verification_data
    given = len(material.rfc3161_timestamps) if material is not None else 0
    verified = sum(one.source == TimestampSource.TIMESTAMP_AUTHORITY for one in times)
    if verified != given:
        raise NotProven("A timestamp in the bundle is not from a trusted authority, or not for it.")


def check_periods(
    root: trustroot.TrustedRoot,
    log: trustroot.TransparencyLogInstance,
    chain: Sequence[Certificate],
    leaf: Certificate,
    times: Sequence[datetime],
) -> None:
    """The log, the authority and the certificate log must have been trusted at that time.

    sigstore-python takes a key that was retired for as good as one that was not. `chain` are the
    issuers of `leaf`, from its own up.
    """
    if not all(_within(log.public_key.valid_for, time) for time in times):
        raise NotProven("The transparency log was not trusted at the time of signing.")
    issuer = chain[0].public_bytes(Encoding.DER)
    authorities = [
        one
        for one in root.certificate_authorities
        if any(certificate.raw_bytes == issuer for certificate in one.cert_chain.certificates)
    ]
    if not any(all(_within(one.valid_for, time) for time in times) for one in authorities):
        raise NotProven("The certificate's authority was not trusted at the time of signing.")
    recorded = leaf.extensions.get_extension_for_class(
        PrecertificateSignedCertificateTimestamps
    ).value
    for sct in recorded:
        moment = sct.timestamp.replace(tzinfo=UTC)
        logs = [one for one in root.ctlogs if one.log_id.key_id == sct.log_id]
        if not any(_within(one.public_key.valid_for, moment) for one in logs):
            raise NotProven("The certificate log was not trusted at the time of signing.")


def _within(period: TimeRange | None, time: datetime) -> bool:
    return period is None or (period.start <= time and (period.end is None or time <= period.end))
