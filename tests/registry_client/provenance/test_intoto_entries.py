"""The extension of sigstore-python's Verifier, by itself: it stands without our other checks."""

import json
from typing import Any

import pytest
from sigstore.errors import VerificationError
from sigstore.models import Bundle, TrustedRoot
from sigstore.verify.policy import UnsafeNoOp
from sigstore_models.trustroot import v1 as trustroot

from registry_client.provenance.intoto_entries import IntotoVerifier
from registry_client.sandbox.authority import bundle as bundle_of
from tests.authority import GITHUB, MOMENT, Kind, Sigstore
from tests.registry_client.provenance.altered_bundles import with_leaf, without

SIGSTORE = Sigstore("by itself")
ROOT = TrustedRoot(trustroot.TrustedRoot.from_json(json.dumps(SIGSTORE.trusted_root())))
VERIFIER = IntotoVerifier(trusted_root=ROOT)
ENTRY = ("verificationMaterial", "tlogEntries", 0)


def made(kind: Kind = "intoto", **options: Any) -> dict[str, Any]:
    return SIGSTORE.bundle("left-pad", "1.3.0", "5a" * 64, kind=kind, **options)


def check(bundle: dict[str, Any]) -> tuple[str, bytes]:
    return VERIFIER.verify_dsse(Bundle.from_json(json.dumps(bundle)), UnsafeNoOp())


@pytest.mark.parametrize("kind", ["intoto", "dsse", "hashedrekord"])
def test_it_verifies_what_sigstore_does_and_intoto(kind: Kind) -> None:
    payload_type, payload = check(made(kind))
    assert payload_type == "application/vnd.in-toto+json"
    assert json.loads(payload)["subject"][0]["name"] == "pkg:npm/left-pad@1.3.0"


def test_the_logs_time_counts_only_with_its_promise() -> None:
    bundle = made(media_type="application/vnd.dev.sigstore.bundle+json;version=0.2")
    assert check(bundle)
    signed = SIGSTORE.sign(
        GITHUB.statement("left-pad", "1.3.0", "5a" * 64), GITHUB.claims(), at=MOMENT
    )
    foreign = Sigstore.new().timestamp(signed.signature, at=MOMENT)
    own = SIGSTORE.timestamp(signed.signature, at=MOMENT)
    entry = SIGSTORE.log_intoto(signed, at=MOMENT)
    promise = (*ENTRY, "inclusionPromise")
    assert check(without(bundle_of(signed, entry, timestamps=(own,)), promise))
    with pytest.raises(VerificationError, match="not enough sources of verified time"):
        check(without(bundle_of(signed, entry, timestamps=(foreign,)), promise))


@pytest.mark.parametrize("version", ["0.0.1", "0.0.3"])
def test_the_body_says_the_version(version: str) -> None:
    """What the bundle calls the entry is not signed."""
    signed = SIGSTORE.sign(
        GITHUB.statement("left-pad", "1.3.0", "5a" * 64), GITHUB.claims(), at=MOMENT
    )
    spec: dict[str, Any] = {}

    class Recorder(Sigstore):
        def log(self, kind: str, number: str, content: Any, **options: Any) -> dict[str, Any]:
            spec.update(content)
            return super().log(kind, number, content, **options)

    Recorder("by itself").log_intoto(signed, at=MOMENT)
    entry = SIGSTORE.log("intoto", version, spec, at=MOMENT)
    bundle = with_leaf(bundle_of(signed, entry), (*ENTRY, "kindVersion", "version"), "0.0.2")
    with pytest.raises(VerificationError, match=r"not of version 0\.0\.2"):
        check(bundle)
    entry = SIGSTORE.log("intoto", "0.0.2", spec, at=MOMENT)
    assert check(bundle_of(signed, entry))


def test_the_body_says_the_kind() -> None:
    bundle = with_leaf(
        made("dsse"), (*ENTRY, "kindVersion"), {"kind": "intoto", "version": "0.0.2"}
    )
    with pytest.raises(VerificationError, match="invalid intoto log entry"):
        check(bundle)
