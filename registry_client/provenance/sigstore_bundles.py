"""Verifying a Sigstore bundle with sigstore-python. Slow to import: import it when it is needed."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cryptography.x509 import Certificate
from sigstore._internal.timestamp import TimestampSource
from sigstore._internal.tuf import DEFAULT_TUF_URL
from sigstore._utils import read_embedded
from sigstore.models import Bundle, TrustedRoot
from sigstore_models.trustroot import v1 as trustroot

from registry_client.errors import clean_words
from registry_client.provenance import log_consistency
from registry_client.provenance.builds import NotProven
from registry_client.provenance.intoto_entries import IntotoVerifier

MAX_LIBRARY_WORDS = 200

logger = logging.getLogger(__name__)

# What the library's messages contain, and what that means to a maintainer. The first that fits is
# taken; the library's own words follow it.
_SENTENCES = (
    (
        "inclusionProof",
        "It has no proof that its log entry is in the log, as those of early 2023 had none: "
        "Countersign takes only what has one.",
    ),
    ("failed to load bundle", "The bundle is not complete, or has parts that no bundle has."),
    ("parsing asn1", "The certificate cannot be read."),
    ("expected certificate", "It has no certificate of Sigstore's in the place for it."),
    ("log entry version", "The log entry is of a kind that says nothing of a statement."),
    ("exactly one log entry", "The bundle does not have exactly one log entry."),
    ("exactly one signature", "The envelope does not have exactly one signature."),
    ("inclusion promise or signed timestamp", "Nothing in the bundle proves when it was signed."),
    ("must contain an inclusion promise", "The log's promise is missing."),
    ("not enough sources of verified time", "Nothing in the bundle proves when it was signed."),
    (
        "no Timestamp Authorities",
        "It has a timestamp, and the trusted root no authority for timestamps.",
    ),
    (
        "certificate chain:",
        "The certificate is not from the trusted authority, or was not valid when it was used.",
    ),
    ("expired at time of signing", "The certificate was not valid when it was used."),
    ("failed to verify SCT", "The certificate is not recorded in a trusted certificate log."),
    ("invalid log entry: inclusion proof", "The log entry is not proven to be in the log."),
    ("invalid log entry: checkpoint", "The log's checkpoint is not signed by the trusted log."),
    ("invalid log entry: SET", "The log's promise does not fit the log entry."),
    ("invalid log entry", "The log entry does not verify."),
    ("DSSE: invalid signature", "The signature does not fit the certificate."),
    ("payload hash does not match", "The log entry is about another statement."),
    ("payload type does not match", "The log entry is about another statement."),
    ("signatures do not match", "The log entry is about another signature or certificate."),
    ("inconsistent with other materials", "The log entry is about something else."),
    ("Unsupported DSSE log entry", "The log entry is of a kind that says nothing of a statement."),
)
_ANYTHING_ELSE = "The bundle does not verify."


@dataclass(frozen=True)
class Signed:
    """What a verified bundle signs: DSSE's payload type and payload, by whom, when and where.

    `signed_at` (UTC) is a timestamp authority's time, or else the log's.
    """

    payload_type: str
    payload: bytes
    certificate: Certificate
    log_index: int
    signed_at: datetime


class _ClaimsAreReadLater:
    """Sigstore's policy: what the certificate says is read and judged when the rest is proven."""

    def verify(self, cert: Certificate) -> None:
        """Takes every certificate."""


class Root:
    """A Sigstore trusted root, ready to verify bundles, from several threads at once.

    ValueError with a sentence if the text is none, or lacks what verifying needs.
    """

    def __init__(self, text: str) -> None:
        self.fingerprint = hashlib.sha256(text.encode()).hexdigest()
        try:
            self.inner = trustroot.TrustedRoot.from_json(text)
            whole = TrustedRoot(self.inner)
            self._authorities = whole.get_fulcio_certs()
            # One verifier a log, so that an entry is held against the key of the log that it names.
            self._verifiers = {
                log.log_id.key_id: (log, IntotoVerifier(trusted_root=_only(self.inner, log)))
                for log in self.inner.tlogs
            }
        except Exception as exc:
            raise ValueError(
                f"This is no Sigstore trusted root that can be used: {_words(exc)}"
            ) from exc
        if not self._verifiers or not self.inner.ctlogs:
            raise ValueError(
                "This Sigstore trusted root names no transparency log or no certificate log."
            )

    def check(self, document: Mapping[str, Any]) -> Signed:
        """What the bundle signs; NotProven if anything about it does not verify.

        Nothing is fetched: the whole proof is in the bundle and in the root.
        """
        try:
            return self._check(document)
        except NotProven:
            raise
        except Exception as exc:
            words = _words(exc)
            logger.debug("A bundle does not verify.", exc_info=True)
            sentence = next((ours for theirs, ours in _SENTENCES if theirs in str(exc)), "")
            raise NotProven(f"{sentence or _ANYTHING_ELSE} (Sigstore says: {words})") from exc

    def _check(self, document: Mapping[str, Any]) -> Signed:
        log_consistency.check_amounts(document)
        bundle = Bundle.from_json(json.dumps(document))
        log_consistency.check_spelling(document, bundle)
        log_consistency.check_certificates(bundle, self._authorities)
        if bundle._dsse_envelope is None:
            raise NotProven("It signs a file and states nothing about it.")
        entry = bundle.log_entry
        known = self._verifiers.get(entry._inner.log_id.key_id)
        if known is None:
            raise NotProven(
                "It was not made by a Sigstore that this registry's packages are verified against: "
                "its log is not in the trusted root."
            )
        log, verifier = known
        log_consistency.check_entry(entry)
        payload_type, payload = verifier.verify_dsse(bundle, _ClaimsAreReadLater())

        times = verifier._establish_time(bundle)
        log_consistency.check_timestamps(bundle, times)
        leaf = bundle.signing_certificate
        chain = verifier._verify_chain_at_time(leaf, times[0])
        moments = [one.time for one in times]
        log_consistency.check_periods(self.inner, log, chain, leaf, moments)
        stamped = [one.time for one in times if one.source == TimestampSource.TIMESTAMP_AUTHORITY]
        signed_at = min(stamped or moments).astimezone(UTC)
        return Signed(payload_type, payload, leaf, entry._inner.log_index, signed_at)


@cache
def embedded_root() -> Root:
    """The public Sigstore's root that comes with sigstore-python; no network and no home folder."""
    return Root(read_embedded("trusted_root.json", DEFAULT_TUF_URL).decode())


def _only(root: trustroot.TrustedRoot, log: trustroot.TransparencyLogInstance) -> TrustedRoot:
    return TrustedRoot(root.model_copy(update={"tlogs": [log]}))


def _words(exc: Exception) -> str:
    return clean_words(str(exc) or type(exc).__name__, MAX_LIBRARY_WORDS)
