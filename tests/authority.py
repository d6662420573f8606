"""A Sigstore of the tests' own, for every kind of bundle, and for bundles that prove nothing.

`Sigstore` is the sandbox's authority and what the sandbox has no use for: a log like Rekor's second
version with a timestamp authority, and the `intoto` entries of npm's bundles of 2023 and 2024.

    sigstore = Sigstore.new()
    sigstore.bundle("@scope/name", "1.0.0", sha512)                    # a good one, from GitHub
    sigstore.bundle(..., GITLAB, kind="hashedrekord")                  # another CI, another log
    sigstore.bundle(..., replace(GITHUB, runner="self-hosted"))        # otherwise built
    sigstore.bundle(..., claims=early(GITHUB))                         # as certified in early 2023
    sigstore.bundle(..., statement=...)                                # any statement at all
    sigstore.bundle(..., logged_at=MOMENT + timedelta(hours=1))        # the certificate has expired
    sigstore.bundle(..., certified_by=Sigstore.new())                  # by somebody else's root
    sigstore.bundle(..., in_certificate_log=False)                     # without SCT
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal, Protocol

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from registry_client.sandbox.authority import (
    BEGINS,
    BUNDLE_0_1,
    BUNDLE_0_3,
    ENDS,
    ORGANISATION,
    Authority,
    Signed,
    b64,
    bundle,
    canonical,
    certificate_authority,
    certificate_builder,
    certificate_of_authority,
    key_usage,
)
from registry_client.sandbox.certificate_claims import CertificateClaims
from registry_client.sandbox.signing_keys import (
    PAYLOAD_TYPE,
    derived_key,
    pre_authentication_encoding,
    public_der,
    sign,
)
from registry_client.sandbox.workflow_runs import WorkflowRun, subject

Kind = Literal["dsse", "hashedrekord", "intoto"]

MOMENT = datetime(2026, 3, 16, 9, 0, 0, tzinfo=UTC)
NEW_LOG = f"log2.{ORGANISATION}"
STATEMENT_V01 = "https://in-toto.io/Statement/v0.1"
PROVENANCE_V02 = "https://slsa.dev/provenance/v0.2"
TSA_POLICY = "1.3.6.1.4.1.57264.2"

GITHUB = WorkflowRun(
    repository="acme/gadgets",
    repository_id="40001",
    owner_id="9001",
    commit="4f0c1b6a3a9e5d2b8c7f6e5d4c3b2a1908f7e6d5",
    run_id="77001",
)


class Run(Protocol):
    """One run of some CI."""

    def claims(self) -> CertificateClaims: ...

    def statement(self, package: str, version: str, sha512: str) -> dict[str, Any]: ...


@dataclass(frozen=True)
class GitLabRun:
    """One job of GitLab's CI: `project` is GROUP/NAME."""

    project: str = "acme/gadgets"
    project_id: str = "50001"
    namespace_id: str = "9501"
    commit: str = "4f0c1b6a3a9e5d2b8c7f6e5d4c3b2a1908f7e6d5"
    job_id: str = "88001"
    pipeline_id: str = "66001"
    branch: str = "main"
    config: str = ".gitlab-ci.yml"
    trigger: str = "push"
    runner: str = "gitlab-hosted"
    visibility: str = "public"

    @property
    def url(self) -> str:
        return f"https://gitlab.com/{self.project}"

    def claims(self) -> CertificateClaims:
        """What Fulcio certifies of the job (sigstore/fulcio, docs/oid-info.md)."""
        config = f"{self.url}//{self.config}@refs/heads/{self.branch}"
        return CertificateClaims(
            name=config,
            issuer_raw="https://gitlab.com",
            issuer="https://gitlab.com",
            build_signer=config,
            build_signer_digest=self.commit,
            runner_environment=self.runner,
            source_repository=self.url,
            source_digest=self.commit,
            source_ref=f"refs/heads/{self.branch}",
            source_repository_id=self.project_id,
            source_owner=self.url.rpartition("/")[0],
            source_owner_id=self.namespace_id,
            build_config=config,
            build_config_digest=self.commit,
            build_trigger=self.trigger,
            run_invocation=f"{self.url}/-/jobs/{self.job_id}",
            source_visibility=self.visibility,
        )

    def statement(self, package: str, version: str, sha512: str) -> dict[str, Any]:
        """SLSA provenance v0.2, as npm (libnpmpublish, provenance.js) signs it in GitLab's CI;
        of the many variables among its parameters only those that say where it was built."""
        source = {"uri": f"git+{self.url}", "digest": {"sha1": self.commit}}
        return {
            "_type": STATEMENT_V01,
            "subject": [subject(package, version, sha512)],
            "predicateType": PROVENANCE_V02,
            "predicate": {
                "buildType": "https://github.com/npm/cli/gitlab/v0alpha1",
                "builder": {"id": f"{self.url}/-/runners/12270845"},
                "invocation": {
                    "configSource": {**source, "entryPoint": "publish"},
                    "parameters": {
                        "CI": "true",
                        "CI_COMMIT_BRANCH": self.branch,
                        "CI_COMMIT_REF_NAME": self.branch,
                        "CI_COMMIT_SHA": self.commit,
                        "CI_CONFIG_PATH": self.config,
                        "CI_JOB_ID": self.job_id,
                        "CI_JOB_NAME": "publish",
                        "CI_JOB_URL": f"{self.url}/-/jobs/{self.job_id}",
                        "CI_PIPELINE_ID": self.pipeline_id,
                        "CI_PIPELINE_SOURCE": self.trigger,
                        "CI_PROJECT_ID": self.project_id,
                        "CI_PROJECT_NAMESPACE_ID": self.namespace_id,
                        "CI_PROJECT_PATH": self.project,
                        "CI_PROJECT_URL": self.url,
                        "CI_PROJECT_VISIBILITY": self.visibility,
                        "CI_RUNNER_ID": "12270845",
                        "CI_SERVER_URL": "https://gitlab.com",
                        "GITLAB_CI": "true",
                        "GITLAB_USER_LOGIN": "ada-at-gitlab",
                    },
                    "environment": {
                        "name": "saas-linux-small-amd64",
                        "architecture": "linux/amd64",
                        "server": "https://gitlab.com",
                        "project": self.project,
                        "job": {"id": self.job_id},
                        "pipeline": {"id": self.pipeline_id, "ref": self.config},
                    },
                },
                "metadata": {
                    "buildInvocationId": f"{self.url}/-/jobs/{self.job_id}",
                    "completeness": {"parameters": True, "environment": True, "materials": False},
                    "reproducible": False,
                },
                "materials": [source],
            },
        }


GITLAB = GitLabRun()


def early(run: WorkflowRun) -> CertificateClaims:
    """What Fulcio certified of GitHub's runs until the spring of 2023: numbers 1 to 6 only."""
    claims = run.claims()
    return CertificateClaims(
        name=claims.name,
        issuer_raw=claims.issuer_raw,
        github_trigger=claims.github_trigger,
        github_commit=claims.github_commit,
        github_workflow_name=claims.github_workflow_name,
        github_repository=claims.github_repository,
        github_ref=claims.github_ref,
    )


def early_statement(run: WorkflowRun, package: str, version: str, sha512: str) -> dict[str, Any]:
    """SLSA provenance v0.2, as npm 9.5 and 9.6 signed it in GitHub's CI."""
    source = {"uri": f"git+{run.url}@{run.ref}", "digest": {"sha1": run.commit}}
    return {
        "_type": STATEMENT_V01,
        "subject": [subject(package, version, sha512)],
        "predicateType": PROVENANCE_V02,
        "predicate": {
            "buildType": "https://github.com/npm/cli/gha/v2",
            "builder": {"id": "https://github.com/actions/runner"},
            "invocation": {
                "configSource": {**source, "entryPoint": run.workflow},
                "parameters": {},
                "environment": {
                    "GITHUB_EVENT_NAME": run.trigger,
                    "GITHUB_REF": run.ref,
                    "GITHUB_REPOSITORY": run.repository,
                    "GITHUB_REPOSITORY_ID": run.repository_id,
                    "GITHUB_REPOSITORY_OWNER_ID": run.owner_id,
                    "GITHUB_RUN_ATTEMPT": str(run.attempt),
                    "GITHUB_RUN_ID": run.run_id,
                    "GITHUB_SHA": run.commit,
                    "GITHUB_WORKFLOW_REF": f"{run.repository}/{run.workflow}@{run.ref}",
                    "GITHUB_WORKFLOW_SHA": run.commit,
                },
            },
            "metadata": {
                "buildInvocationId": f"{run.run_id}-{run.attempt}",
                "completeness": {"parameters": False, "environment": False, "materials": False},
                "reproducible": False,
            },
            "materials": [source],
        },
    }


class Sigstore(Authority):
    """The sandbox's authority, with a second log and a timestamp authority."""

    def __init__(self, secret: str, *, new_log_key: Literal["ed25519", "ecdsa"] = "ed25519"):
        super().__init__(secret)
        self._tsa_root_key = self._key("timestamp root")
        self._tsa_key = self._key("timestamps")
        self._new_log = _NewLog(f"{secret} new log", new_log_key)

    def trusted_root(self) -> dict[str, Any]:
        root = super().trusted_root()
        root["tlogs"].append(self._new_log.instance)
        chain = [self._tsa_certificate, self._tsa_root]
        root["timestampAuthorities"] = [certificate_authority("timestamp", chain)]
        return root

    def bundle(
        self,
        package: str,
        version: str,
        sha512: str,
        run: Run = GITHUB,
        *,
        kind: Kind = "dsse",
        at: datetime = MOMENT,
        logged_at: datetime | None = None,
        media_type: str = "",
        statement: Mapping[str, Any] | None = None,
        claims: CertificateClaims | None = None,
        certified_by: Authority | None = None,
        in_certificate_log: bool = True,
    ) -> dict[str, Any]:
        """A bundle for a tarball with this SHA-512 (hex), good unless told otherwise."""
        signed = (certified_by or self).sign(
            statement or run.statement(package, version, sha512),
            claims or run.claims(),
            at=at,
            in_certificate_log=in_certificate_log,
        )
        moment = logged_at or at
        if kind == "hashedrekord":
            entry = self.log_hashedrekord(signed, at=moment)
            timestamps = (self.timestamp(signed.signature, at=moment),)
            return bundle(signed, entry, media_type=media_type or BUNDLE_0_3, timestamps=timestamps)
        if kind == "intoto":
            entry = self.log_intoto(signed, at=moment)
            return bundle(signed, entry, media_type=media_type or BUNDLE_0_1)
        entry = self.log_dsse(signed, at=moment)
        return bundle(signed, entry, media_type=media_type or BUNDLE_0_3)

    def log_intoto(self, signed: Signed, *, at: datetime) -> dict[str, Any]:
        """The log entry that npm made in 2023 and 2024: `intoto` 0.0.2, where the signature is in
        base64 twice and `hash` is that of the envelope with the certificate in it."""
        pem = signed.certificate_pem.strip()
        signature = b64(signed.signature)
        envelope = {
            "payload": b64(signed.payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"publicKey": pem.decode(), "sig": signature}],
        }
        content = {
            "envelope": {
                "payloadType": PAYLOAD_TYPE,
                "signatures": [{"publicKey": b64(pem), "sig": b64(signature.encode())}],
            },
            "hash": _sha256(canonical(envelope)),
            "payloadHash": _sha256(signed.payload),
        }
        return self.log("intoto", "0.0.2", {"content": content}, at=at)

    def log_hashedrekord(self, signed: Signed, *, at: datetime) -> dict[str, Any]:
        """A log entry as Rekor's second version makes it: `hashedrekord` 0.0.2, which says no time
        and makes no promise."""
        digest = hashlib.sha256(pre_authentication_encoding(signed.payload)).digest()
        spec = {
            "data": {"algorithm": "SHA2_256", "digest": b64(digest)},
            "signature": {
                "content": b64(signed.signature),
                "verifier": {
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "x509Certificate": {"rawBytes": b64(signed.certificate_der)},
                },
            },
        }
        document = {
            "apiVersion": "0.0.2",
            "kind": "hashedrekord",
            "spec": {"hashedRekordV002": spec},
        }
        body = canonical(document)
        proof = self.inclusion_proof(body, at)
        note = f"{NEW_LOG}\n{proof['treeSize']}\n{proof['rootHash']}\n"
        proof["checkpoint"] = {"envelope": self._new_log.signed_note(note)}
        return {
            "logIndex": proof["logIndex"],
            "logId": {"keyId": b64(self._new_log.key_id)},
            "kindVersion": {"kind": "hashedrekord", "version": "0.0.2"},
            "inclusionProof": proof,
            "canonicalizedBody": b64(body),
        }

    def timestamp(self, content: bytes, *, at: datetime) -> bytes:
        """The timestamp authority's answer that it saw this content then (RFC 3161)."""
        imprint = {
            "hash_algorithm": {"algorithm": "sha256"},
            "hashed_message": hashlib.sha256(content).digest(),
        }
        info = tsp.TSTInfo(
            {
                "version": "v1",
                "policy": TSA_POLICY,
                "message_imprint": imprint,
                "serial_number": int(at.timestamp()),
                "gen_time": at.replace(microsecond=0),
            }
        ).dump()
        certificate = asn1_x509.Certificate.load(
            self._tsa_certificate.public_bytes(serialization.Encoding.DER)
        )
        attributes = cms.CMSAttributes(
            [
                {"type": "content_type", "values": ["tst_info"]},
                {"type": "message_digest", "values": [hashlib.sha256(info).digest()]},
                {
                    "type": "signing_certificate_v2",
                    "values": [
                        {
                            "certs": [
                                {"cert_hash": hashlib.sha256(certificate.dump()).digest()},
                            ]
                        }
                    ],
                },
            ]
        )
        sha256 = algos.DigestAlgorithm({"algorithm": "sha256"})
        signer = {
            "version": "v1",
            "sid": cms.SignerIdentifier(
                "issuer_and_serial_number",
                {"issuer": certificate.issuer, "serial_number": certificate.serial_number},
            ),
            "digest_algorithm": sha256,
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": "sha256_ecdsa"},
            "signature": sign(self._tsa_key, attributes.dump()),
        }
        signed = {
            "version": "v3",
            "digest_algorithms": [sha256],
            "encap_content_info": {
                "content_type": "tst_info",
                "content": core.ParsableOctetString(info),
            },
            "certificates": [certificate],
            "signer_infos": [signer],
        }
        answer: bytes = tsp.TimeStampResp(
            {
                "status": {"status": "granted"},
                "time_stamp_token": {
                    "content_type": "signed_data",
                    "content": cms.SignedData(signed),
                },
            }
        ).dump()
        return answer

    @cached_property
    def _tsa_root(self) -> x509.Certificate:
        key = self._tsa_root_key
        return certificate_of_authority("timestamp root", key, signed_by=key)

    @cached_property
    def _tsa_certificate(self) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "timestamps")])
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        issuer, key = self._tsa_root.subject, self._tsa_root_key
        return (
            certificate_builder(name, self._tsa_key, issuer, key)
            .not_valid_before(BEGINS)
            .not_valid_after(ENDS)
            .add_extension(key_usage(digital_signature=True), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256(), ecdsa_deterministic=True)
        )


class _NewLog:
    """The key of a log like Rekor's second version, of either kind that such logs have."""

    def __init__(self, secret: str, kind: Literal["ed25519", "ecdsa"]) -> None:
        self._ecdsa: ec.EllipticCurvePrivateKey | None = None
        if kind == "ecdsa":
            self._ecdsa = derived_key(secret)
            self._public = public_der(self._ecdsa)
            self.key_id = hashlib.sha256(self._public).digest()
            self._details = "PKIX_ECDSA_P256_SHA_256"
            return
        seed = hashlib.sha256(secret.encode()).digest()
        self._ed25519 = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
        public = self._ed25519.public_key()
        self._public = public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        # C2SP, signed-note: a key's id covers the log's name and the kind of signature.
        self.key_id = hashlib.sha256(
            NEW_LOG.encode() + b"\n\x01" + public.public_bytes_raw()
        ).digest()
        self._details = "PKIX_ED25519"

    @property
    def instance(self) -> dict[str, Any]:
        """This log in a trusted root."""
        return {
            "baseUrl": f"https://{NEW_LOG}",
            "hashAlgorithm": "SHA2_256",
            "publicKey": {
                "rawBytes": b64(self._public),
                "keyDetails": self._details,
                "validFor": {"start": "2020-01-01T00:00:00Z"},
            },
            "logId": {"keyId": b64(self.key_id)},
        }

    def signed_note(self, text: str) -> str:
        """A checkpoint, signed."""
        content = text.encode()
        signature = sign(self._ecdsa, content) if self._ecdsa else self._ed25519.sign(content)
        return f"{text}\n\N{EM DASH} {NEW_LOG} {b64(self.key_id[:4] + signature)}\n"


def _sha256(content: bytes) -> dict[str, str]:
    return {"algorithm": "sha256", "value": hashlib.sha256(content).hexdigest()}
