"""What bundles of every kind prove, from an authority of the tests' own."""

import base64
import copy
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ObjectIdentifier

from registry_client.provenance import Build, Trust, Verification, verify
from registry_client.provenance.builds import NotProven
from registry_client.provenance.fulcio import build_of
from registry_client.sandbox.authority import Signed
from registry_client.sandbox.authority import bundle as bundle_of
from registry_client.sandbox.certificate_claims import FULCIO_ARC, CertificateClaims
from registry_client.sandbox.signing_keys import derived_key, pre_authentication_encoding, sign
from tests.authority import (
    GITHUB,
    GITLAB,
    MOMENT,
    Kind,
    Run,
    Sigstore,
    early,
    early_statement,
)
from tests.registry_client.provenance.altered_bundles import Path, with_leaf, without

PACKAGE, VERSION, SHA512 = "@acme/gadgets", "1.2.0", "5a" * 64
COMMIT = GITHUB.commit
SIGSTORE = Sigstore("the tests' own")
TRUST = Trust.from_json(json.dumps(SIGSTORE.trusted_root()))
KINDS: tuple[Kind, ...] = ("dsse", "intoto", "hashedrekord")


def check(
    bundle: Any,
    *,
    package: str = PACKAGE,
    version: str = VERSION,
    sha512: str = SHA512,
    trust: Trust = TRUST,
) -> Verification:
    found = verify(bundle, package=package, version=version, sha512=sha512, trust=trust)
    assert found.verified == (found.build is not None) == (found.signed_at is not None)
    return found


def made(run: Run = GITHUB, **options: Any) -> dict[str, Any]:
    return SIGSTORE.bundle(PACKAGE, VERSION, SHA512, run, **options)


def refused(bundle: Any, *words: str, **about: Any) -> str:
    found = check(bundle, **about)
    assert not found.verified
    for word in words:
        assert word in found.reason
    assert len(found.reason) <= 1000
    return found.reason


def proven(bundle: Any, **about: Any) -> Build:
    found = check(bundle, **about)
    assert found.verified, found.reason
    assert found.build is not None
    return found.build


# Good ones


@pytest.mark.parametrize("kind", KINDS)
def test_github(kind: Kind) -> None:
    found = check(made(replace(GITHUB, environment="release"), kind=kind))
    assert found.verified, found.reason
    assert found.predicate_type == "https://slsa.dev/provenance/v1"
    assert found.signed_at == MOMENT
    assert found.signed_at.tzinfo is UTC
    entry = made(kind=kind)["verificationMaterial"]["tlogEntries"][0]
    assert found.log_index is not None
    if kind != "hashedrekord":
        assert found.log_index > int(entry["inclusionProof"]["logIndex"])
    assert found.build == Build(
        platform="github",
        issuer="https://token.actions.githubusercontent.com",
        repository="https://github.com/acme/gadgets",
        repository_id="40001",
        owner="https://github.com/acme",
        owner_id="9001",
        ref="refs/heads/main",
        commit=COMMIT,
        workflow=".github/workflows/release.yml",
        workflow_ref="refs/heads/main",
        workflow_repository="https://github.com/acme/gadgets",
        signer_workflow="https://github.com/acme/gadgets/.github/workflows/release.yml@refs/heads/main",
        trigger="push",
        runner="hosted",
        builder="https://github.com/actions/runner/github-hosted",
        run_url="https://github.com/acme/gadgets/actions/runs/77001/attempts/1",
        visibility="public",
        environment="release",
    )


@pytest.mark.parametrize("kind", KINDS)
def test_gitlab(kind: Kind) -> None:
    found = check(made(GITLAB, kind=kind))
    assert found.predicate_type == "https://slsa.dev/provenance/v0.2"
    assert found.build == Build(
        platform="gitlab",
        issuer="https://gitlab.com",
        repository="https://gitlab.com/acme/gadgets",
        repository_id="50001",
        owner="https://gitlab.com/acme",
        owner_id="9501",
        ref="refs/heads/main",
        commit=COMMIT,
        workflow=".gitlab-ci.yml",
        workflow_ref="refs/heads/main",
        workflow_repository="https://gitlab.com/acme/gadgets",
        signer_workflow="https://gitlab.com/acme/gadgets//.gitlab-ci.yml@refs/heads/main",
        trigger="push",
        runner="hosted",
        builder="https://gitlab.com/acme/gadgets/-/runners/12270845",
        run_url="https://gitlab.com/acme/gadgets/-/jobs/88001",
        visibility="public",
        triggered_by="ada-at-gitlab",
    )


def test_gitlab_in_a_group_of_a_group() -> None:
    build = proven(made(replace(GITLAB, project="acme/tools/gadgets", config="ci/release.yml")))
    assert build.repository == "https://gitlab.com/acme/tools/gadgets"
    assert build.owner == "https://gitlab.com/acme/tools"
    assert build.workflow == "ci/release.yml"


@pytest.mark.parametrize("key", ["ed25519", "ecdsa"])
def test_new_logs_have_keys_of_either_kind(key: Any) -> None:
    sigstore = Sigstore("with another log", new_log_key=key)
    trust = Trust.from_json(json.dumps(sigstore.trusted_root()))
    bundle = sigstore.bundle(PACKAGE, VERSION, SHA512, kind="hashedrekord")
    assert check(bundle, trust=trust).verified


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "application/vnd.dev.sigstore.bundle+json;version=0.2",
        "application/vnd.dev.sigstore.bundle.v0.3+json",
    ],
)
@pytest.mark.parametrize("kind", ["dsse", "intoto"])
def test_formats(media_type: str, kind: Kind) -> None:
    assert check(made(kind=kind, media_type=media_type)).verified


@pytest.mark.parametrize("runner", ["hosted", "self-hosted"])
@pytest.mark.parametrize("platform", ["github", "gitlab"])
def test_runners(runner: str, platform: str) -> None:
    run: Any = GITHUB if platform == "github" else GITLAB
    name = runner if runner == "self-hosted" else f"{platform}-hosted"
    assert proven(made(replace(run, runner=name))).runner == runner


def test_an_enterprise_may_have_an_issuer_of_its_own() -> None:
    issuer = "https://token.actions.githubusercontent.com/acme-corp"
    claims = replace(GITHUB.claims(), issuer=issuer, issuer_raw=issuer)
    assert proven(made(claims=claims)).issuer == issuer


def test_a_reusable_workflow_signs_for_the_one_that_called_it() -> None:
    signer = "https://github.com/acme/workflows/.github/workflows/publish.yml@refs/tags/v3"
    build = proven(made(claims=replace(GITHUB.claims(), name=signer, build_signer=signer)))
    assert build.signer_workflow == signer
    assert build.workflow == ".github/workflows/release.yml"
    assert build.workflow_repository == "https://github.com/acme/gadgets"


def test_a_trigger_may_run_another_refs_workflow() -> None:
    config = f"{GITHUB.url}/{GITHUB.workflow}@refs/heads/main"
    run = replace(GITHUB, ref="refs/tags/v1.2.0")
    statement = with_leaf(
        run.statement(PACKAGE, VERSION, SHA512),
        ("predicate", "buildDefinition", "externalParameters", "workflow", "ref"),
        "refs/heads/main",
    )
    claims = replace(run.claims(), name=config, build_signer=config, build_config=config)
    build = proven(made(run, claims=claims, statement=statement))
    assert (build.ref, build.workflow_ref) == ("refs/tags/v1.2.0", "refs/heads/main")


def test_a_workflow_file_with_an_at_sign_in_its_name() -> None:
    """Where npm cuts at the first @, the two parts together still are what was certified."""
    run = replace(GITHUB, workflow=".github/workflows/release@2.yml")
    statement = run.statement(PACKAGE, VERSION, SHA512)
    workflow = statement["predicate"]["buildDefinition"]["externalParameters"]["workflow"]
    workflow["path"], workflow["ref"] = ".github/workflows/release", "2.yml@refs/heads/main"
    assert proven(made(run, statement=statement)).workflow == ".github/workflows/release@2.yml"
    workflow["ref"] = "3.yml@refs/heads/main"
    refused(made(run, statement=statement), "disagree about the workflow")


@pytest.mark.parametrize(
    ("ref", "file", "in_address", "in_name"),
    [
        ("v1+5", "a", "v1+5", "v1+5"),
        ("v1+5", "a", "v1&#43;5", "v1&#43;5"),
        ("r&d", "a", "r&amp;d", "r&amp;d"),
        ("gr\u00f6\u00dfe", "a", "gr%C3%B6%C3%9Fe", "gr%C3%B6%C3%9Fe"),
        ("gr\u00f6\u00dfe", "a", "gr\u00f6\u00dfe", "gr%C3%B6%C3%9Fe"),
        ("a(b)", "a", "a(b)", "a(b)"),
        ("a(b)", "a", "a%28b%29", "a%28b%29"),
        ("a#b", "a", "a#b", "a#b"),
        ("v1", "a+b", "v1", "v1"),
    ],
)
def test_fulcio_writes_addresses_in_several_ways(
    ref: str, file: str, in_address: str, in_name: str
) -> None:
    run = replace(GITHUB, ref=f"refs/heads/{ref}", workflow=f".github/workflows/{file}.yml")
    start = f"{run.url}/.github/workflows/{file.replace('+', '&#43;')}.yml@refs/heads/"
    claims = replace(
        run.claims(),
        name=start + in_name,
        build_signer=start + in_address,
        build_config=start + in_address,
    )
    for statement in (
        run.statement(PACKAGE, VERSION, SHA512),
        early_statement(run, PACKAGE, VERSION, SHA512),
    ):
        build = proven(made(run, claims=claims, statement=statement))
        assert build.ref == build.workflow_ref == run.ref
    before = replace(early(run), name=start + in_name)
    statement = early_statement(run, PACKAGE, VERSION, SHA512)
    assert proven(made(run, claims=before, statement=statement)).workflow_ref == run.ref


def test_a_file_cannot_pass_for_another_by_a_name_that_looks_escaped() -> None:
    run = replace(GITHUB, workflow=".github/workflows/rel%65ase.yml")
    assert proven(made(run)).workflow == ".github/workflows/rel%65ase.yml"
    statement = GITHUB.statement(PACKAGE, VERSION, SHA512)
    refused(made(run, statement=statement), "disagree about the workflow")


# Certificates of early 2023


def test_early_certificates() -> None:
    statement = early_statement(GITHUB, PACKAGE, VERSION, SHA512)
    found = check(made(claims=early(GITHUB), statement=statement, kind="intoto"))
    assert found.predicate_type == "https://slsa.dev/provenance/v0.2"
    assert found.build == Build(
        platform="github",
        issuer="https://token.actions.githubusercontent.com",
        repository="https://github.com/acme/gadgets",
        owner="https://github.com/acme",
        ref="refs/heads/main",
        commit=COMMIT,
        workflow=".github/workflows/release.yml",
        workflow_ref="refs/heads/main",
        workflow_repository="https://github.com/acme/gadgets",
        signer_workflow="https://github.com/acme/gadgets/.github/workflows/release.yml@refs/heads/main",
        trigger="push",
        builder="https://github.com/actions/runner",
        run_url="https://github.com/acme/gadgets/actions/runs/77001/attempts/1",
    )


def test_the_predicate_is_not_believed_about_ids() -> None:
    """Else a workflow could call its repository a rename of any other."""
    statement = early_statement(GITHUB, PACKAGE, VERSION, SHA512)
    assert '"GITHUB_REPOSITORY_ID": "40001"' in json.dumps(statement)
    build = proven(made(claims=early(GITHUB), statement=statement))
    assert (build.repository_id, build.owner_id, build.runner) == ("", "", "")


@pytest.mark.parametrize(
    "run_url",
    [
        "https://github.com/other/gadgets/actions/runs/1/attempts/1",
        "javascript:alert(1)",
        "https://github.com/acme/gadgets/../../other",
        "actions/runs/1/attempts/1",
        "https://github.com/acme/gadgets/ \n",
    ],
)
def test_the_predicate_is_not_believed_about_odd_runs(run_url: str) -> None:
    statement = GITHUB.statement(PACKAGE, VERSION, SHA512)
    statement["predicate"]["runDetails"]["metadata"]["invocationId"] = run_url
    assert proven(made(claims=early(GITHUB), statement=statement)).run_url == ""


def test_an_early_certificate_of_a_reusable_workflow_hides_who_called_it() -> None:
    signer = "https://github.com/acme/workflows/.github/workflows/publish.yml@refs/tags/v3"
    statement = early_statement(GITHUB, PACKAGE, VERSION, SHA512)
    build = proven(made(claims=replace(early(GITHUB), name=signer), statement=statement))
    assert build.signer_workflow == signer
    assert (build.workflow, build.workflow_ref, build.workflow_repository) == ("", "", "")


# Not from the trusted authority, or not in time


def test_another_authority() -> None:
    other = Sigstore.new()
    refused(made(certified_by=other), "The certificate is not from the trusted authority")
    bundle = other.bundle(PACKAGE, VERSION, SHA512)
    refused(bundle, "its log is not in the trusted root.")
    refused(made(), "its log is not in the trusted root", trust=Trust.embedded())


def test_a_certificate_that_is_in_no_certificate_log() -> None:
    refused(made(in_certificate_log=False), "not recorded in a trusted certificate log")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("after", [timedelta(minutes=11), timedelta(seconds=-1)], ids=str)
def test_a_certificate_that_was_not_valid_at_the_time(kind: Kind, after: timedelta) -> None:
    bundle = made(kind=kind, logged_at=MOMENT + after)
    refused(bundle, "The certificate is not from the trusted authority, or was not valid when")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", ["tlogs", "certificateAuthorities", "ctlogs"])
def test_what_was_given_up_before_does_not_count(kind: Kind, part: str) -> None:
    words = {
        "tlogs": "The transparency log was not trusted at the time of signing.",
        "certificateAuthorities": "The certificate's authority was not trusted at the time",
        "ctlogs": "The certificate log was not trusted at the time of signing.",
    }
    bundle = made(kind=kind)
    for end, good in ((MOMENT + timedelta(days=1), True), (MOMENT - timedelta(days=1), False)):
        root = copy.deepcopy(SIGSTORE.trusted_root())
        for one in root[part]:
            period = one.get("publicKey", one)["validFor"]
            period["end"] = end.isoformat().replace("+00:00", "Z")
        trust = Trust.from_json(json.dumps(root))
        if good:
            assert check(bundle, trust=trust).verified
        else:
            refused(bundle, words[part], trust=trust)


def test_an_entry_is_held_against_the_key_of_its_own_log() -> None:
    """sigstore-python tries all keys where none has the id that the entry names."""
    root = SIGSTORE.trusted_root()
    first, second = (log["logId"] for log in root["tlogs"])
    root["tlogs"][0]["logId"], root["tlogs"][1]["logId"] = second, first
    trust = Trust.from_json(json.dumps(root))
    for kind in KINDS:
        refused(made(kind=kind), "log", trust=trust)


def test_the_log_entry_is_about_this_very_envelope() -> None:
    """Entries that the log made and proves, but of something else."""
    statement, claims = GITHUB.statement(PACKAGE, VERSION, SHA512), GITHUB.claims()
    signed = SIGSTORE.sign(statement, claims, at=MOMENT)
    other = SIGSTORE.sign({**statement, "more": 1}, claims, at=MOMENT)
    for log in (SIGSTORE.log_dsse, SIGSTORE.log_intoto, SIGSTORE.log_hashedrekord):
        stamps = (SIGSTORE.timestamp(signed.signature, at=MOMENT),)
        assert check(bundle_of(signed, log(signed, at=MOMENT), timestamps=stamps)).verified
        for of_other in (
            other,
            replace(signed, payload=other.payload),
            replace(signed, signature=other.signature),
            replace(signed, certificate=other.certificate),
        ):
            bundle = bundle_of(signed, log(of_other, at=MOMENT), timestamps=stamps)
            refused(bundle, "The log entry is about")


def test_the_signature_counts_whatever_the_log_says() -> None:
    """A log that takes in anything proves nothing about who signed."""
    statement, claims = GITHUB.statement(PACKAGE, VERSION, SHA512), GITHUB.claims()
    signed = SIGSTORE.sign(statement, claims, at=MOMENT)
    other = SIGSTORE.sign({**statement, "more": 1}, claims, at=MOMENT)
    for log in (SIGSTORE.log_dsse, SIGSTORE.log_intoto, SIGSTORE.log_hashedrekord):
        for forged in (
            replace(signed, payload=other.payload),
            replace(signed, signature=other.signature),
            replace(signed, certificate=other.certificate),
        ):
            stamps = (SIGSTORE.timestamp(forged.signature, at=MOMENT),)
            bundle = bundle_of(forged, log(forged, at=MOMENT), timestamps=stamps)
            refused(bundle, "The signature does not fit the certificate.")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("envelope", "payloadType"), "text/plain", "payload type does not match"),
        (("payloadHash",), None, "payload hash does not match"),
        (("payloadHash", "algorithm"), "sha512", "invalid intoto log entry"),
        (("envelope", "signatures"), [], "invalid intoto log entry"),
        (("envelope", "signatures", 0, "publicKey"), "!", "invalid intoto log entry"),
    ],
    ids=str,
)
def test_intoto_entries_that_say_something_else(path: Path, value: Any, words: str) -> None:
    signed = SIGSTORE.sign(GITHUB.statement(PACKAGE, VERSION, SHA512), GITHUB.claims(), at=MOMENT)
    entry = SIGSTORE.log_intoto(signed, at=MOMENT)
    spec = json.loads(base64.b64decode(entry["canonicalizedBody"]))["spec"]
    changed = {"content": with_leaf(spec["content"], path, value)}
    refused(bundle_of(signed, SIGSTORE.log("intoto", "0.0.2", changed, at=MOMENT)), words)
    twice = copy.deepcopy(spec)
    twice["content"]["envelope"]["signatures"] *= 2
    bundle = bundle_of(signed, SIGSTORE.log("intoto", "0.0.2", twice, at=MOMENT))
    refused(bundle, "The log entry is about another signature or certificate.")


# CI systems that are not known


@pytest.mark.parametrize(
    "issuer",
    [
        "https://accounts.example.org",
        "https://token.actions.githubusercontent.com.example.org",
        "https://token.actions.githubusercontent.com/acme/more",
        "https://token.actions.githubusercontent.com/",
        "http://token.actions.githubusercontent.com",
        "https://gitlab.com/acme",
        "https://gitlab.example.org",
        "https://agent.buildkite.com",
    ],
)
def test_other_issuers(issuer: str) -> None:
    claims = replace(GITHUB.claims(), issuer=issuer, issuer_raw=issuer)
    reason = refused(made(claims=claims), "which is no CI system that Countersign knows")
    assert issuer in reason
    assert GITHUB.claims().name in reason


def test_no_issuer() -> None:
    claims = replace(GITHUB.claims(), issuer="", issuer_raw="")
    refused(made(claims=claims), "no CI system that Countersign knows")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("source_repository", "https://gitlab.com/acme/gadgets"),
        ("source_repository", "https://github.com.example.org/acme/gadgets"),
        ("source_repository", "https://github.com/acme"),
        ("source_repository", "https://github.com/acme/gadgets/more"),
        ("source_repository", "https://github.com/acme/gadgets?x"),
        ("source_repository", ""),
        ("source_owner", "https://example.org/acme"),
        ("run_invocation", "https://example.org/run"),
        ("run_invocation", "javascript:alert(1)"),
        (
            "build_config",
            "https://example.org/acme/gadgets/.github/workflows/a.yml@refs/heads/main",
        ),
        ("build_config", "https://github.com/acme/gadgets/.github/workflows/a.yml"),
        ("source_digest", "main"),
        ("source_digest", ""),
        ("source_ref", "main"),
        ("source_ref", "refs/heads/a b"),
        ("source_owner_id", "9\n1"),
        ("deployment_environment", "a" * 501),
        ("build_trigger", "\u202epush"),
    ],
)
def test_claims_that_cannot_be(field: str, value: str) -> None:
    early_twins = {"source_digest": "github_commit", "source_ref": "github_ref"}
    claims = replace(GITHUB.claims(), **{field: value})
    if field in early_twins:
        claims = replace(claims, **{early_twins[field]: value})
    if field == "build_trigger":
        claims = replace(claims, github_trigger=value)
    if field == "source_repository":
        claims = replace(claims, github_repository="")
    refused(made(claims=claims), "he certificate")


def test_a_gitlab_path_that_could_be_read_in_two_ways() -> None:
    config = "https://gitlab.com/acme/gadgets//a.yml@refs/heads/main@refs/heads/evil"
    claims = replace(GITLAB.claims(), name=config, build_signer=config, build_config=config)
    refused(made(GITLAB, claims=claims), "names no workflow that can be")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("issuer_raw", "https://token.actions.githubusercontent.com/acme"),
        ("github_trigger", "workflow_dispatch"),
        ("github_commit", "a" * 40),
        ("github_repository", "other/gadgets"),
        ("github_ref", "refs/heads/other"),
        ("name", "https://github.com/acme/gadgets/.github/workflows/other.yml@refs/heads/main"),
    ],
)
def test_certificates_that_contradict_themselves(field: str, value: str) -> None:
    claims = replace(GITHUB.claims(), **{field: value})
    refused(made(claims=claims), "The certificate contradicts itself", value)


@pytest.mark.parametrize(
    "names",
    [
        [x509.RFC822Name("ada@example.org")],
        [x509.DNSName("github.com")],
        [],
        [x509.UniformResourceIdentifier(GITHUB.claims().name)] * 2,
    ],
    ids=["mail", "host", "none", "two"],
)
def test_certificates_for_something_else_than_a_workflow(names: list[x509.GeneralName]) -> None:
    certificate = _certificate(GITHUB.claims(), names=names)
    with pytest.raises(NotProven, match="was not issued to a workflow's address"):
        build_of(certificate)


def test_a_person_is_no_ci_system() -> None:
    issuer = "https://accounts.example.org"
    claims = CertificateClaims(name="", issuer_raw=issuer, issuer=issuer)
    certificate = _certificate(claims, names=[x509.RFC822Name("ada@example.org")])
    with pytest.raises(NotProven, match=r"It is signed by ada@example\.org with an identity of"):
        build_of(certificate)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\x0c",
        b"plain text",
        b"\x0c\x05push",
        b"\x0c\x03push",
        b"\x0c\x04push\x00",
        b"\x13\x04push",
        b"\x0c\x80push\x00\x00",
        b"\x0c\x81\x04push",
        b"\x0c\x82\x00\x04push",
        b"\x0c\x84\x00\x00\x00\x04push",
        b"\x0c\xff",
        b"\x0c\x02\xc3\x28",
    ],
    ids=bytes.hex,
)
def test_claims_that_are_not_der(value: bytes) -> None:
    claims = replace(GITHUB.claims(), build_trigger="", github_trigger="")
    assert build_of(_certificate(claims)).trigger == ""
    with pytest.raises(NotProven, match="claim that is no text"):
        build_of(_certificate(claims, more={20: value}))
    assert build_of(_certificate(claims, more={20: b"\x0c\x04push"})).trigger == "push"


def test_long_claims_are_der_too() -> None:
    environment = "e" * 300
    claims = replace(GITHUB.claims(), deployment_environment=environment)
    assert build_of(_certificate(claims)).environment == environment


# The subject


@pytest.mark.parametrize(
    ("package", "version", "names"),
    [
        ("left-pad", "1.0.0", ["pkg:npm/left-pad@1.0.0"]),
        ("@a/b", "1.0.0", ["pkg:npm/%40a/b@1.0.0", "pkg:npm/@a/b@1.0.0"]),
        ("@a/b", "1.0.0-rc.1+5", ["pkg:npm/%40a/b@1.0.0-rc.1+5", "pkg:npm/%40a/b@1.0.0-rc.1%2B5"]),
        ("JSONStream", "1.0.0", ["pkg:npm/JSONStream@1.0.0"]),
        ("a~b", "1.0.0", ["pkg:npm/a~b@1.0.0"]),
        ("a'b", "1.0.0", ["pkg:npm/a'b@1.0.0", "pkg:npm/a%27b@1.0.0"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_names_of_subjects(package: str, version: str, names: list[str]) -> None:
    for name in names:
        bundle = made(statement=_about(name))
        assert check(bundle, package=package, version=version).verified, name


@pytest.mark.parametrize(
    "name",
    [
        "pkg:npm/gadgets@1.2.0",
        "pkg:npm/%40acme%2Fgadgets@1.2.0",
        "pkg:npm/%40acme/Gadgets@1.2.0",
        "pkg:npm/%40acme/gadgets@1.2.0?repository_url=https://registry.example.org",
        "pkg:npm/%40acme/gadgets@1.2.0#x",
        "pkg:npm/%40acme/gadgets@1.2.01",
        "pkg:npm/%40acme/gadgets",
        "pkg:npm/%2540acme/gadgets@1.2.0",
        "pkg:pypi/%40acme/gadgets@1.2.0",
        "PKG:npm/%40acme/gadgets@1.2.0",
        " pkg:npm/%40acme/gadgets@1.2.0",
        "pkg:npm/%40acme/gadgets@1.2.0\n",
        "@acme/gadgets@1.2.0",
        "",
    ],
)
def test_names_of_other_subjects(name: str) -> None:
    refused(made(statement=_about(name)), "It was made for", "@acme/gadgets@1.2.0")


def test_the_digest_may_be_in_capitals() -> None:
    statement = GITHUB.statement(PACKAGE, VERSION, SHA512)
    statement["subject"][0]["digest"]["sha512"] = SHA512.upper()
    assert check(made(statement=statement)).verified
    assert check(made(), sha512=SHA512.upper()).verified


def test_other_digests_are_no_substitute() -> None:
    statement = GITHUB.statement(PACKAGE, VERSION, SHA512)
    statement["subject"][0]["digest"]["sha1"] = "0" * 40
    assert check(made(statement=statement)).verified
    del statement["subject"][0]["digest"]["sha512"]
    refused(made(statement=statement), "It names no SHA-512")


def test_wrong_digest() -> None:
    other = "b" * 128
    reason = refused(made(), "It was made for another tarball", sha512=other)
    assert SHA512 in reason
    assert other in reason


def test_two_subjects() -> None:
    statement = GITHUB.statement(PACKAGE, VERSION, SHA512)
    statement["subject"].append({"name": "pkg:npm/other@1.0.0", "digest": {"sha512": "0" * 128}})
    refused(made(statement=statement), "It is about 2 things")
    statement["subject"].clear()
    refused(made(statement=statement), "It is about 0 things")


def test_a_bundle_is_good_for_one_version_only() -> None:
    """Reused for the next version, with its tarball's digest or with the old one."""
    refused(made(), "It was made for pkg:npm/%40acme/gadgets@1.2.0", version="1.2.1")
    refused(made(), "It was made for", version="1.2.1", sha512="b" * 128)


# The statement


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("_type",), "https://in-toto.io/Statement/v2", "no in-toto statement"),
        (("_type",), None, "no in-toto statement"),
        (("predicateType",), "https://slsa.dev/provenance/v1.1", "no SLSA provenance of version"),
        (("predicateType",), "https://slsa.dev/provenance/v1/", "no SLSA provenance of version"),
        (("predicateType",), "https://slsa.dev/provenance/v0.1", "no SLSA provenance of version"),
        (("predicateType",), "https://slsa.dev/verification_summary/v1", "no SLSA provenance"),
        (("predicateType",), "x" * 201, "does not say of what kind it is"),
        (("predicateType",), "https://slsa.dev/provenance/v1\n", "does not say of what kind it is"),
        (("predicateType",), 1, "does not say of what kind it is"),
        (("subject",), {}, "does not say what it is about"),
        (("subject", 0), "x", "does not say what it is about"),
        (("subject", 0, "name"), None, "does not say what it is about"),
        (("subject", 0, "digest"), "x", "does not say what it is about"),
        (("subject", 0, "digest", "sha512"), "5a", "The statement's SHA-512 is none."),
        (("subject", 0, "digest", "sha512"), 5, "The statement's SHA-512 is none."),
        (("predicate",), None, "says nothing about its subject"),
        (("predicate",), [], "says nothing about its subject"),
        (("predicate", "buildDefinition"), "x", "is not what its build type says"),
        (("predicate", "buildDefinition", "buildType"), {}, "is not what its build type says"),
        (
            ("predicate", "buildDefinition", "externalParameters", "workflow", "path"),
            ["x"],
            "is not what its build type says",
        ),
        (("predicate", "buildDefinition", "resolvedDependencies"), {}, "is not what its build"),
        (("predicate", "buildDefinition", "resolvedDependencies", 0), 1, "is not what its build"),
        (("predicate", "runDetails", "builder", "id"), True, "is not what its build type says"),
    ],
    ids=str,
)
def test_statements_that_are_none(path: Path, value: Any, words: str) -> None:
    statement = with_leaf(GITHUB.statement(PACKAGE, VERSION, SHA512), path, value)
    refused(made(statement=statement), words)


def test_programs_must_not_read_a_statement_differently() -> None:
    payload = json.dumps(GITHUB.statement(PACKAGE, VERSION, SHA512))
    for odd in (
        payload.replace('"subject": [', '"subject": [], "subject": ['),
        payload.replace('"sha512"', '"sha512": "0", "sha512"'),
        payload.replace('"predicate": {', '"x": NaN, "predicate": {'),
        payload.replace('"predicate": {', '"x": "\\ud800", "predicate": {'),
        payload + "{}",
        "[" * 3000,
        '"x"',
        "",
    ):
        assert odd != payload
        refused(_signed(odd.encode()), "he statement cannot be read" if odd != '"x"' else "no in-t")
    refused(_signed(payload.encode("utf-16")), "cannot be read")
    assert check(_signed(payload.encode())).verified


def test_what_was_signed_must_be_an_in_toto_statement() -> None:
    """The type is signed together with the payload."""
    payload = json.dumps(GITHUB.statement(PACKAGE, VERSION, SHA512)).encode()
    bundle = made()
    bundle["dsseEnvelope"]["payloadType"] = "text/plain"
    refused(bundle, "The signature does not fit the certificate")
    key = derived_key("of another type")
    certificate = SIGSTORE._certify(key, GITHUB.claims(), MOMENT, in_certificate_log=True)
    encoded = b"DSSEv1 10 text/plain %d %s" % (len(payload), payload)
    signed = Signed(certificate, payload, sign(key, encoded))
    bundle = bundle_of(signed, SIGSTORE.log_dsse(signed, at=MOMENT))
    bundle["dsseEnvelope"]["payloadType"] = "text/plain"
    refused(bundle, "What was signed is no in-toto statement.")


# Certificate and predicate

V1 = ("predicate", "buildDefinition")
OTHER_REPOSITORY = "https://github.com/other/gadgets"
GITHUB_V1: list[tuple[Path, str, str]] = [
    ((*V1, "externalParameters", "workflow", "ref"), "refs/heads/other", "the workflow's ref"),
    (
        (*V1, "externalParameters", "workflow", "repository"),
        OTHER_REPOSITORY,
        "the workflow's repository",
    ),
    ((*V1, "externalParameters", "workflow", "path"), ".github/workflows/x.yml", "the workflow"),
    ((*V1, "internalParameters", "github", "event_name"), "schedule", "the trigger"),
    ((*V1, "internalParameters", "github", "repository_id"), "1", "the repository's id"),
    ((*V1, "internalParameters", "github", "repository_owner_id"), "1", "the owner's id"),
    ((*V1, "internalParameters", "github", "runner_environment"), "self-hosted", "the runner"),
    (
        (*V1, "resolvedDependencies", 0, "uri"),
        f"git+{OTHER_REPOSITORY}@refs/heads/main",
        "the repository",
    ),
    (
        (*V1, "resolvedDependencies", 0, "uri"),
        "git+https://github.com/acme/gadgets@refs/heads/other",
        "the ref",
    ),
    ((*V1, "resolvedDependencies", 0, "digest", "gitCommit"), "a" * 40, "the commit"),
    ((*V1, "resolvedDependencies", 0, "digest", "sha1"), "a" * 40, "the commit"),
    (
        ("predicate", "runDetails", "builder", "id"),
        "https://github.com/actions/runner/self-hosted",
        "the runner",
    ),
    (
        ("predicate", "runDetails", "metadata", "invocationId"),
        "https://github.com/acme/gadgets/actions/runs/1/attempts/1",
        "the run",
    ),
]
V02 = ("predicate", "invocation")
VARIABLES = (*V02, "environment")
GITHUB_V02: list[tuple[Path, str, str]] = [
    ((*V02, "configSource", "uri"), f"git+{OTHER_REPOSITORY}@refs/heads/main", "the repository"),
    (
        (*V02, "configSource", "uri"),
        "git+https://github.com/acme/gadgets@refs/heads/other",
        "the ref",
    ),
    ((*V02, "configSource", "digest", "sha1"), "a" * 40, "the commit"),
    ((*V02, "configSource", "entryPoint"), ".github/workflows/x.yml", "the workflow"),
    ((*VARIABLES, "GITHUB_EVENT_NAME"), "schedule", "the trigger"),
    ((*VARIABLES, "GITHUB_REF"), "refs/heads/other", "the ref"),
    ((*VARIABLES, "GITHUB_REPOSITORY"), "other/gadgets", "the repository"),
    ((*VARIABLES, "GITHUB_REPOSITORY_ID"), "1", "the repository's id"),
    ((*VARIABLES, "GITHUB_REPOSITORY_OWNER_ID"), "1", "the owner's id"),
    ((*VARIABLES, "GITHUB_RUN_ID"), "1", "the run"),
    ((*VARIABLES, "GITHUB_RUN_ATTEMPT"), "2", "the run"),
    ((*VARIABLES, "GITHUB_SHA"), "a" * 40, "the commit"),
    (
        (*VARIABLES, "GITHUB_WORKFLOW_REF"),
        "acme/gadgets/.github/workflows/release.yml@refs/heads/other",
        "the workflow",
    ),
    (("predicate", "metadata", "buildInvocationId"), "1-1", "the run"),
    (("predicate", "materials", 0, "uri"), f"git+{OTHER_REPOSITORY}@refs/heads/main", "the repos"),
    (("predicate", "materials", 0, "digest", "sha1"), "a" * 40, "the commit"),
    (
        ("predicate", "builder", "id"),
        "https://github.com/actions/runner/self-hosted",
        "the runner",
    ),
]
PARAMETERS = (*V02, "parameters")
OTHER_PROJECT = "https://gitlab.com/other/gadgets"
GITLAB_V02: list[tuple[Path, str, str]] = [
    ((*V02, "configSource", "uri"), f"git+{OTHER_PROJECT}", "the repository"),
    ((*V02, "configSource", "digest", "sha1"), "a" * 40, "the commit"),
    ((*PARAMETERS, "CI_COMMIT_SHA"), "a" * 40, "the commit"),
    ((*PARAMETERS, "CI_COMMIT_REF_NAME"), "other", "the ref"),
    ((*PARAMETERS, "CI_CONFIG_PATH"), "other.yml", "the workflow"),
    ((*PARAMETERS, "CI_JOB_URL"), "https://gitlab.com/acme/gadgets/-/jobs/1", "the run"),
    ((*PARAMETERS, "CI_PIPELINE_SOURCE"), "schedule", "the trigger"),
    ((*PARAMETERS, "CI_PROJECT_ID"), "1", "the repository's id"),
    ((*PARAMETERS, "CI_PROJECT_NAMESPACE_ID"), "1", "the owner's id"),
    ((*PARAMETERS, "CI_PROJECT_URL"), OTHER_PROJECT, "the repository"),
    ((*PARAMETERS, "CI_PROJECT_VISIBILITY"), "private", "the repository's visibility"),
    ((*VARIABLES, "project"), "other/gadgets", "the repository"),
    ((*VARIABLES, "server"), "https://gitlab.example.org", "the repository"),
    ((*VARIABLES, "job", "id"), "1", "the run"),
    ((*VARIABLES, "pipeline", "ref"), "other.yml", "the workflow"),
    (
        ("predicate", "metadata", "buildInvocationId"),
        "https://gitlab.com/acme/gadgets/-/jobs/1",
        "the run",
    ),
    (("predicate", "materials", 0, "uri"), f"git+{OTHER_PROJECT}", "the repository"),
    (("predicate", "materials", 0, "digest", "sha1"), "a" * 40, "the commit"),
]


def gitlab_runner(version: str) -> dict[str, Any]:
    """What GitLab Runner writes itself where it is told to (its PROVENANCE.md)."""
    source = {"uri": GITLAB.url, "digest": {"sha256": GITLAB.commit}}
    kind = "https://gitlab.com/gitlab-org/gitlab-runner/-/blob/15.10.0/PROVENANCE.md"
    builder = {"id": f"{GITLAB.url}/-/runners/12270845", "version": {"gitlab-runner": "2b813ade"}}
    predicate: dict[str, Any] = {
        "buildDefinition": {
            "buildType": kind,
            "externalParameters": {
                "CI_JOB_ID": "",
                "entryPoint": "publish",
                "source": GITLAB.url,
            },
            "internalParameters": {"name": "saas-linux", "job": int(GITLAB.job_id)},
            "resolvedDependencies": [source],
        },
        "runDetails": {"builder": builder, "metadata": {"invocationID": GITLAB.job_id}},
    }
    if version == "v0.2":
        predicate = {
            "buildType": kind,
            "builder": {"id": builder["id"]},
            "invocation": {
                "configSource": {**source, "entryPoint": "publish"},
                "parameters": {"CI_JOB_ID": ""},
                "environment": {"name": "saas-linux", "job": {"id": GITLAB.job_id}},
            },
            "metadata": {"buildInvocationID": int(GITLAB.job_id)},
            "materials": [],
        }
    statement = GITLAB.statement(PACKAGE, VERSION, SHA512)
    return {
        **statement,
        "predicateType": f"https://slsa.dev/provenance/{version}",
        "predicate": predicate,
    }


GITLAB_RUNNER_V1: list[tuple[Path, str, str]] = [
    ((*V1, "externalParameters", "source"), OTHER_PROJECT, "the repository"),
    ((*V1, "resolvedDependencies", 0, "uri"), OTHER_PROJECT, "the repository"),
    ((*V1, "resolvedDependencies", 0, "digest", "sha256"), "a" * 40, "the commit"),
    (("predicate", "runDetails", "metadata", "invocationID"), "1", "the run"),
]
GITLAB_RUNNER_V02: list[tuple[Path, str, str]] = [
    ((*V02, "configSource", "uri"), OTHER_PROJECT, "the repository"),
    ((*V02, "configSource", "digest", "sha256"), "a" * 40, "the commit"),
    (("predicate", "metadata", "buildInvocationID"), "1", "the run"),
]


def github_other(version: str) -> dict[str, Any]:
    """As other clients than npm write it: npm's older build type with SLSA v1."""
    statement = GITHUB.statement(PACKAGE, VERSION, SHA512)
    kind = f"https://github.com/npm/cli/gha/{version}"
    return with_leaf(statement, (*V1, "buildType"), kind)


PREDICATES: dict[str, tuple[Any, Callable[[], dict[str, Any]], list[tuple[Path, str, str]]]] = {
    "GitHub v1": (GITHUB, lambda: GITHUB.statement(PACKAGE, VERSION, SHA512), GITHUB_V1),
    "GitHub v1 of others": (GITHUB, lambda: github_other("v2"), GITHUB_V1),
    "GitHub v0.2": (
        GITHUB,
        lambda: early_statement(GITHUB, PACKAGE, VERSION, SHA512),
        GITHUB_V02,
    ),
    "GitLab v0.2": (GITLAB, lambda: GITLAB.statement(PACKAGE, VERSION, SHA512), GITLAB_V02),
    "GitLab Runner v1": (GITLAB, lambda: gitlab_runner("v1"), GITLAB_RUNNER_V1),
    "GitLab Runner v0.2": (GITLAB, lambda: gitlab_runner("v0.2"), GITLAB_RUNNER_V02),
}


@pytest.mark.parametrize("name", PREDICATES)
def test_predicates_that_agree(name: str) -> None:
    run, statement, _ = PREDICATES[name]
    assert proven(made(run, statement=statement())).commit == COMMIT


@pytest.mark.parametrize(
    ("name", "path", "value", "about"),
    [(name, *pair) for name, (_, _, pairs) in PREDICATES.items() for pair in pairs],
    ids=[
        f"{name}-{number}-{pair[0][-1]}"
        for name, (_, _, pairs) in PREDICATES.items()
        for number, pair in enumerate(pairs)
    ],
)
def test_certificate_and_predicate_must_agree(
    name: str, path: Path, value: str, about: str
) -> None:
    run, statement, _ = PREDICATES[name]
    bundle = made(run, statement=with_leaf(statement(), path, value))
    reason = refused(bundle, f"The certificate and the statement disagree about {about}")
    both = re.search(r": the certificate says (\S+), the statement (\S+)\.$", reason)
    assert both is not None
    certified, said = both.groups()
    # Either value may be a part of the other: an address is put together, or taken apart.
    assert certified != said
    assert said in value or value.replace("-", "/attempts/") in said


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (name, path)
        for name, (_, _, pairs) in PREDICATES.items()
        for path in dict.fromkeys(pair[0] for pair in pairs)
        if path[-1] not in ("runner_environment", "sha1") or name != "GitHub v1"
    ],
    ids=str,
)
def test_a_predicate_may_be_silent(name: str, path: Path) -> None:
    run, statement, _ = PREDICATES[name]
    silent = with_leaf(statement(), path, None)
    assert proven(made(run, statement=silent)).commit == COMMIT
    if path[-1] not in ("runner_environment", "sha1", "sha256", "gitCommit"):
        assert proven(made(run, statement=without(statement(), path))).commit == COMMIT


@pytest.mark.parametrize(
    ("uri", "agrees"),
    [
        ("git+https://github.com/acme/gadgets@refs/heads/main", True),
        ("git+https://github.com/acme/gadgets.git@refs/heads/main", True),
        ("git+https://GitHub.com/acme/gadgets", True),
        ("https://github.com/acme/gadgets/", True),
        ("git+https://github.com/acme/gadgets/@refs/heads/main", True),
        ("git+http://github.com/acme/gadgets@refs/heads/main", False),
        ("git+https://github.com/acme/gadgets2@refs/heads/main", False),
        ("git+https://github.com/acme/Gadgets@refs/heads/main", False),
        ("git+https://github.com.example.org/acme/gadgets@refs/heads/main", False),
        ("git+https://github.com/acme/gadgets@refs/tags/main", False),
        ("github.com/acme/gadgets", False),
    ],
)
def test_spellings_of_a_repository(uri: str, agrees: bool) -> None:
    path = (*V1, "resolvedDependencies", 0, "uri")
    statement = with_leaf(GITHUB.statement(PACKAGE, VERSION, SHA512), path, uri)
    assert check(made(statement=statement)).verified == agrees


def test_gitlab_names_branches_and_tags_alike() -> None:
    config = f"{GITLAB.url}//.gitlab-ci.yml@refs/tags/main"
    claims = replace(
        GITLAB.claims(),
        name=config,
        build_signer=config,
        build_config=config,
        source_ref="refs/tags/main",
    )
    assert proven(made(GITLAB, claims=claims)).ref == "refs/tags/main"


def test_unknown_build_types_are_taken_at_the_certificates_word() -> None:
    statement = GITHUB.statement(PACKAGE, VERSION, SHA512)
    definition = statement["predicate"]["buildDefinition"]
    definition["buildType"] = "https://builder.example.org/v1"
    definition["externalParameters"] = {"workflow": {"repository": OTHER_REPOSITORY}}
    statement["predicate"]["runDetails"]["builder"]["id"] = "https://builder.example.org/7\u202e"
    build = proven(made(statement=statement))
    assert build.repository == GITHUB.url
    assert build.builder == "https://builder.example.org/7"


# Made here


def _about(name: str) -> dict[str, Any]:
    path = ("subject", 0, "name")
    return with_leaf(GITHUB.statement(PACKAGE, VERSION, SHA512), path, name)


def _signed(payload: bytes) -> dict[str, Any]:
    """A good bundle of a payload that need not be JSON."""
    key = derived_key("of any payload")
    certificate = SIGSTORE._certify(key, GITHUB.claims(), MOMENT, in_certificate_log=True)
    signed = Signed(certificate, payload, sign(key, pre_authentication_encoding(payload)))
    return bundle_of(signed, SIGSTORE.log_dsse(signed, at=MOMENT))


def _certificate(
    claims: CertificateClaims,
    *,
    names: Sequence[x509.GeneralName] = (x509.UniformResourceIdentifier(GITHUB.claims().name),),
    more: Mapping[int, bytes] | None = None,
) -> x509.Certificate:
    """A certificate that nobody verifies, with any names and, by their numbers, any claims."""
    key = derived_key("of any certificate")
    nobody = x509.Name([])
    builder = (
        x509.CertificateBuilder()
        .subject_name(nobody)
        .issuer_name(nobody)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(MOMENT)
        .not_valid_after(MOMENT + timedelta(minutes=10))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    odd = [
        x509.UnrecognizedExtension(ObjectIdentifier(f"{FULCIO_ARC}.{number}"), value)
        for number, value in (more or {}).items()
    ]
    for extension in (*claims.extensions(), *odd):
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256())
