"""Rekor's search by digest: off unless COUNTERSIGN_REKOR_URL names a log."""

import base64
import json
from collections.abc import Iterator
from typing import Any

from django.conf import settings

from approvals.provenance.bundles import text_of
from approvals.provenance.models import Provenance
from approvals.provenance.rekor import LogAway, Rekor
from approvals.provenance.sources.source import BundleSource, Look, SourceFailed

MOST_ENTRIES = 10
_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle+json;version=0.2"


class TransparencyLog(BundleSource):
    """What anybody has logged about the digest, so that what proves nothing there means nothing."""

    source = Provenance.Source.LOG
    step = "Searching the transparency log"

    def find(self, look: Look) -> Iterator[str]:
        if not settings.REKOR_URL:
            return
        try:
            with Rekor(settings.REKOR_URL) as log:
                for uuid in log.search(look.row.sha512)[:MOST_ENTRIES]:
                    look.tell(self.step)
                    if bundle := bundle_of(log.entry(uuid)):
                        yield text_of(bundle)
        except LogAway as error:
            raise SourceFailed(str(error)) from error


def bundle_of(entry: dict[str, Any]) -> dict[str, Any] | None:
    """The bundle that was logged, as far as the log keeps all of it; None where it does not.

    An `intoto` 0.0.2 entry has the certificate and the signature, and the log stores the statement
    beside it. A `dsse` entry has the statement's digest alone.
    """
    try:
        body = json.loads(base64.b64decode(entry["body"], validate=True))
        if (body["kind"], body["apiVersion"]) != ("intoto", "0.0.2"):
            return None
        envelope = body["spec"]["content"]["envelope"]
        (signature,) = envelope["signatures"]
        return {
            "mediaType": _MEDIA_TYPE,
            "verificationMaterial": {
                "x509CertificateChain": {
                    "certificates": [{"rawBytes": _der(_decoded(signature["publicKey"]))}]
                },
                "tlogEntries": [_log_entry(entry, body)],
            },
            "dsseEnvelope": {
                "payload": entry["attestation"]["data"],
                "payloadType": envelope["payloadType"],
                "signatures": [{"sig": _decoded(signature["sig"]), "keyid": ""}],
            },
        }
    except (LookupError, TypeError, ValueError, ArithmeticError, RecursionError):
        return None


def _log_entry(entry: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    proof = entry["verification"]["inclusionProof"]
    return {
        "logIndex": str(int(entry["logIndex"])),
        "logId": {"keyId": _from_hex(entry["logID"])},
        "kindVersion": {"kind": body["kind"], "version": body["apiVersion"]},
        "integratedTime": str(int(entry["integratedTime"])),
        "inclusionPromise": {
            "signedEntryTimestamp": entry["verification"]["signedEntryTimestamp"],
        },
        "inclusionProof": {
            "logIndex": str(int(proof["logIndex"])),
            "rootHash": _from_hex(proof["rootHash"]),
            "treeSize": str(int(proof["treeSize"])),
            "hashes": [_from_hex(one) for one in proof["hashes"]],
            "checkpoint": {"envelope": proof["checkpoint"]},
        },
        "canonicalizedBody": entry["body"],
    }


def _decoded(text: str) -> str:
    """What base64 stands for, which is text here: a PEM, or base64 once more."""
    return base64.b64decode(text, validate=True).decode("ascii")


def _der(pem: str) -> str:
    """The base64 between the lines of a PEM certificate."""
    lines = pem.strip().splitlines()
    if lines[0] != "-----BEGIN CERTIFICATE-----" or lines[-1] != "-----END CERTIFICATE-----":
        raise ValueError("not one certificate")
    return "".join(lines[1:-1])


def _from_hex(text: str) -> str:
    return base64.b64encode(bytes.fromhex(text)).decode()
