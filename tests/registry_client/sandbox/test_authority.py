"""What the sandbox's and the tests' authorities issue, judged by sigstore's own verifier."""

import base64
import json
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from sigstore._internal.trust import KeyringPurpose
from sigstore.errors import VerificationError
from sigstore.models import Bundle, TrustedRoot
from sigstore.verify import Verifier, policy
from sigstore_models.trustroot.v1 import TrustedRoot as TrustedRootDocument

from registry_client.sandbox.authority import (
    BUNDLE_0_1,
    BUNDLE_0_2,
    BUNDLE_0_3,
    Authority,
)
from tests.authority import (
    GITHUB,
    GITLAB,
    MOMENT,
    Sigstore,
    early,
    early_statement,
)

SHA512 = "5a" * 64
REAL = Path(__file__).parents[4] / "shared/data/sigstore-2.0.0.sigstore.json"


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    # sigstore warns of a policy that asks nothing about who signed: that is not the question here.
    caplog.set_level(logging.ERROR, "sigstore")


@pytest.fixture(scope="module")
def sigstore() -> Sigstore:
    return Sigstore.new()


def _trusted(authority: Authority) -> TrustedRoot:
    document = json.dumps(authority.trusted_root())
    return TrustedRoot(TrustedRootDocument.from_json(document))


def _verify(authority: Authority, bundle: dict[str, Any]) -> dict[str, Any]:
    """The statement, if sigstore's verifier takes the bundle."""
    verifier = Verifier(trusted_root=_trusted(authority))
    kind, payload = verifier.verify_dsse(Bundle.from_json(json.dumps(bundle)), policy.UnsafeNoOp())
    assert kind == "application/vnd.in-toto+json"
    statement: dict[str, Any] = json.loads(payload)
    return statement


@pytest.mark.parametrize("media_type", [BUNDLE_0_1, BUNDLE_0_2, BUNDLE_0_3], ids=lambda t: t[-8:])
def test_what_the_sandbox_issues_verifies_in_every_format(media_type: str) -> None:
    authority = Authority.new()
    statement = GITHUB.statement("@acme/gadget", "1.2.3", SHA512)

    bundle = authority.issue(statement, GITHUB.claims(), at=MOMENT, media_type=media_type)

    assert _verify(authority, bundle) == statement
    assert statement["subject"][0]["name"] == "pkg:npm/%40acme/gadget@1.2.3"


def test_an_authority_follows_from_its_secret() -> None:
    one, again = Authority.from_secret("a secret"), Authority.from_secret("a secret")
    bundle = one.issue(GITHUB.statement("a", "1.0.0", SHA512), GITHUB.claims(), at=MOMENT)

    assert one.trusted_root() == again.trusted_root()
    assert _verify(again, bundle)
    with pytest.raises(VerificationError):
        _verify(Authority.from_secret("another secret"), bundle)


def test_each_entry_has_its_place_in_a_log_of_many(sigstore: Sigstore) -> None:
    indices = []
    for seconds in range(3):
        at = MOMENT + timedelta(seconds=seconds)
        bundle = sigstore.bundle("a", "1.0.0", SHA512, at=at)
        (entry,) = bundle["verificationMaterial"]["tlogEntries"]
        assert entry["integratedTime"] == str(int(at.timestamp()))
        assert len(entry["inclusionProof"]["hashes"]) > 1
        indices.append(int(entry["logIndex"]))

    assert indices == sorted(set(indices))


@pytest.mark.parametrize("key", ["ed25519", "ecdsa"])
def test_entries_of_a_new_log_verify_with_a_timestamp(key: Any) -> None:
    sigstore = Sigstore("a secret", new_log_key=key)

    bundle = sigstore.bundle("a", "1.0.0", SHA512, kind="hashedrekord")

    (entry,) = bundle["verificationMaterial"]["tlogEntries"]
    assert "integratedTime" not in entry
    assert "inclusionPromise" not in entry
    assert _verify(sigstore, bundle)["subject"][0]["digest"] == {"sha512": SHA512}


def test_other_runs_and_older_shapes_verify_too(sigstore: Sigstore) -> None:
    good = [
        sigstore.bundle("a", "1.0.0", SHA512, GITLAB),
        sigstore.bundle("a", "1.0.0", SHA512, GITLAB, kind="hashedrekord"),
        sigstore.bundle("a", "1.0.0", SHA512, claims=early(GITHUB)),
        sigstore.bundle("a", "1.0.0", SHA512, replace(GITHUB, runner="self-hosted")),
        sigstore.bundle("a", "1.0.0", SHA512, replace(GITHUB, environment="release")),
        sigstore.bundle(
            "a", "1.0.0", SHA512, statement=early_statement(GITHUB, "a", "1.0.0", SHA512)
        ),
    ]
    for bundle in good:
        assert _verify(sigstore, bundle)["subject"][0]["name"] == "pkg:npm/a@1.0.0"


def test_certificates_say_where_a_run_was_in_the_words_that_sigstore_reads(
    sigstore: Sigstore,
) -> None:
    run = replace(GITHUB, ref="refs/tags/v1.0.0", trigger="release", environment="npm")
    workflow = f"{run.url}/.github/workflows/release.yml@refs/tags/v1.0.0"
    says = policy.AllOf(
        [
            policy.Identity(
                identity=workflow, issuer="https://token.actions.githubusercontent.com"
            ),
            policy.GitHubWorkflowTrigger("release"),
            policy.GitHubWorkflowSHA(run.commit),
            policy.GitHubWorkflowName("Release"),
            policy.GitHubWorkflowRepository("acme/gadgets"),
            policy.GitHubWorkflowRef("refs/tags/v1.0.0"),
            policy.OIDCIssuerV2("https://token.actions.githubusercontent.com"),
            policy.OIDCBuildSignerURI(workflow),
            policy.OIDCBuildSignerDigest(run.commit),
            policy.OIDCRunnerEnvironment("github-hosted"),
            policy.OIDCSourceRepositoryURI("https://github.com/acme/gadgets"),
            policy.OIDCSourceRepositoryDigest(run.commit),
            policy.OIDCSourceRepositoryRef("refs/tags/v1.0.0"),
            policy.OIDCSourceRepositoryIdentifier("40001"),
            policy.OIDCSourceRepositoryOwnerURI("https://github.com/acme"),
            policy.OIDCSourceRepositoryOwnerIdentifier("9001"),
            policy.OIDCBuildConfigURI(workflow),
            policy.OIDCBuildConfigDigest(run.commit),
            policy.OIDCBuildTrigger("release"),
            policy.OIDCRunInvocationURI(f"{run.url}/actions/runs/77001/attempts/1"),
            policy.OIDCSourceRepositoryVisibility("public"),
        ]
    )
    certificate = Bundle.from_json(
        json.dumps(sigstore.bundle("a", "1.0.0", SHA512, run))
    ).signing_certificate

    says.verify(certificate)

    environment = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.23")
    assert certificate.extensions.get_extension_for_oid(environment).value.public_bytes() == (
        b"\x0c\x03npm"
    )


Spoil = Callable[[Sigstore], dict[str, Any]]
HOURS_LATER: datetime = MOMENT + timedelta(hours=2)
WORTHLESS: dict[str, tuple[Spoil, str]] = {
    "expired certificate": (
        lambda good: good.bundle("a", "1.0.0", SHA512, logged_at=HOURS_LATER),
        "cert is not valid at validation time",
    ),
    "expired certificate, new log": (
        lambda good: good.bundle("a", "1.0.0", SHA512, kind="hashedrekord", logged_at=HOURS_LATER),
        "cert is not valid at validation time",
    ),
    "another authority's certificate": (
        lambda good: good.bundle("a", "1.0.0", SHA512, certified_by=Sigstore.new()),
        "candidates exhausted",
    ),
    "no certificate timestamp": (
        lambda good: good.bundle("a", "1.0.0", SHA512, in_certificate_log=False),
        "does not contain a signed certificate timestamp",
    ),
}


@pytest.mark.parametrize("name", WORTHLESS)
def test_worthless_bundles_are_refused_for_what_is_wrong_with_them(
    sigstore: Sigstore, name: str
) -> None:
    spoil, reason = WORTHLESS[name]

    with pytest.raises(VerificationError, match=re.escape(reason)):
        _verify(sigstore, spoil(sigstore))


def test_an_intoto_entry_is_like_a_real_one_and_proven_like_any_other(sigstore: Sigstore) -> None:
    bundle = sigstore.bundle("a", "1.0.0", SHA512, kind="intoto")

    entry = Bundle.from_json(json.dumps(bundle)).log_entry
    entry._verify(_trusted(sigstore).rekor_keyring(KeyringPurpose.VERIFY))
    if not REAL.exists():
        pytest.skip(f"{REAL} is not there: the entry cannot be compared with a real one.")
    assert _shape(_logged(bundle)) == _shape(_logged(json.loads(REAL.read_text())))


def _logged(bundle: dict[str, Any]) -> Any:
    (entry,) = bundle["verificationMaterial"]["tlogEntries"]
    return json.loads(base64.b64decode(entry["canonicalizedBody"]))


def _shape(value: Any) -> Any:
    """A document without its values, save those that every such document has."""
    if isinstance(value, dict):
        return {key: _shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_shape(one) for one in value]
    return value if value in ("intoto", "0.0.2", "sha256") else type(value).__name__
