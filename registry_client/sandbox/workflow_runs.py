"""What GitHub's CI says of one of its runs: in a SLSA statement, and in a certificate."""

from dataclasses import dataclass
from urllib.parse import quote

from registry_client.sandbox.answers import Json
from registry_client.sandbox.attestations import PROVENANCE_PREDICATE
from registry_client.sandbox.certificate_claims import CertificateClaims

GITHUB = "https://github.com"
GITHUB_ISSUER = "https://token.actions.githubusercontent.com"
STATEMENT_V1 = "https://in-toto.io/Statement/v1"
GITHUB_BUILD_TYPE = "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1"


@dataclass(frozen=True)
class WorkflowRun:
    """One run of a workflow: `repository` is OWNER/NAME, `runner` what GitHub calls a runner's
    environment (github-hosted, self-hosted)."""

    repository: str
    repository_id: str
    owner_id: str
    commit: str
    run_id: str
    workflow: str = ".github/workflows/release.yml"
    workflow_name: str = "Release"
    ref: str = "refs/heads/main"
    trigger: str = "push"
    runner: str = "github-hosted"
    visibility: str = "public"
    environment: str = ""
    attempt: int = 1

    @property
    def url(self) -> str:
        """The repository's address."""
        return f"{GITHUB}/{self.repository}"

    @property
    def invocation(self) -> str:
        """The address of this attempt of the run."""
        return f"{self.url}/actions/runs/{self.run_id}/attempts/{self.attempt}"

    def claims(self) -> CertificateClaims:
        """What Fulcio certifies of the run; where no reusable workflow signs, the workflow that
        was started is the build's signer as well as its configuration."""
        workflow = f"{self.url}/{self.workflow}@{self.ref}"
        return CertificateClaims(
            name=workflow,
            issuer_raw=GITHUB_ISSUER,
            github_trigger=self.trigger,
            github_commit=self.commit,
            github_workflow_name=self.workflow_name,
            github_repository=self.repository,
            github_ref=self.ref,
            issuer=GITHUB_ISSUER,
            build_signer=workflow,
            build_signer_digest=self.commit,
            runner_environment=self.runner,
            source_repository=self.url,
            source_digest=self.commit,
            source_ref=self.ref,
            source_repository_id=self.repository_id,
            source_owner=f"{GITHUB}/{self.repository.partition('/')[0]}",
            source_owner_id=self.owner_id,
            build_config=workflow,
            build_config_digest=self.commit,
            build_trigger=self.trigger,
            run_invocation=self.invocation,
            source_visibility=self.visibility,
            deployment_environment=self.environment,
        )

    def statement(self, package: str, version: str, sha512: str) -> dict[str, Json]:
        """The statement that npm (libnpmpublish, provenance.js) signs in this run for a tarball
        with this SHA-512 (hex): SLSA provenance v1."""
        return {
            "_type": STATEMENT_V1,
            "subject": [subject(package, version, sha512)],
            "predicateType": PROVENANCE_PREDICATE,
            "predicate": {
                "buildDefinition": {
                    "buildType": GITHUB_BUILD_TYPE,
                    "externalParameters": {
                        "workflow": {
                            "ref": self.ref,
                            "repository": self.url,
                            "path": self.workflow,
                        }
                    },
                    "internalParameters": {
                        "github": {
                            "event_name": self.trigger,
                            "repository_id": self.repository_id,
                            "repository_owner_id": self.owner_id,
                        }
                    },
                    "resolvedDependencies": [
                        {
                            "uri": f"git+{self.url}@{self.ref}",
                            "digest": {"gitCommit": self.commit},
                        }
                    ],
                },
                "runDetails": {
                    "builder": {"id": f"{GITHUB}/actions/runner/{self.runner}"},
                    "metadata": {"invocationId": self.invocation},
                },
            },
        }


def subject(package: str, version: str, sha512: str) -> dict[str, Json]:
    """What a statement is about, named as npm names it: the scope's @ is escaped in a purl."""
    return {
        "name": f"pkg:npm/{quote(package)}@{version}",
        "digest": {"sha512": sha512},
    }
