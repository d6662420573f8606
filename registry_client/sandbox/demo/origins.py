"""Where the organisation's packages are built: on GitHub, in an account that cannot exist there,
since no account's name may have two hyphens in a row."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import semver

from registry_client.sandbox.demo.code import ACCOUNT, Package
from registry_client.sandbox.demo.harbour import LOGGER, WATCHER
from registry_client.sandbox.demo.lighthouse import BEACON, MONOREPO
from registry_client.sandbox.workflow_runs import WorkflowRun

OWNER_ID = "190000042"


@dataclass(frozen=True)
class Origin:
    """Where a package is always built, and the first version that was built there with proof.
    `{version}` in the ref stands for the version."""

    repository_id: str
    since: str
    workflow: str = ".github/workflows/release.yml"
    ref: str = "refs/heads/main"
    trigger: str = "push"

    def run(self, package: Package, version: str) -> WorkflowRun:
        """The run that built this version; the same for all packages of a release."""
        digest = hashlib.sha256(f"{package.repository} {version}".encode()).hexdigest()
        return WorkflowRun(
            repository=f"{ACCOUNT}/{package.repository}",
            repository_id=self.repository_id,
            owner_id=OWNER_ID,
            commit=digest[:40],
            run_id=str(10_000_000_000 + int(digest[-8:], 16)),
            workflow=self.workflow,
            ref=self.ref.format(version=version),
            trigger=self.trigger,
        )


LIGHTHOUSE = Origin("910000301", since="1.1.0")
TIDEWATCH = Origin(
    "910000302",
    since="3.1.0",
    workflow=".github/workflows/publish.yml",
    ref="refs/tags/v{version}",
    trigger="release",
)
HARBOR_LOG = Origin("910000303", since="1.1.0")
# Of the flags nobody has ever proven where they are built.
ORIGINS: Mapping[str, Origin] = {
    **{package.name: LIGHTHOUSE for package in MONOREPO},
    BEACON.name: replace(LIGHTHOUSE, since="0.1.0"),
    WATCHER.name: TIDEWATCH,
    LOGGER.name: HARBOR_LOG,
}


def usual_run(package: Package, version: str) -> WorkflowRun | None:
    """The run that built a version where it is always built; None for one without provenance."""
    origin = ORIGINS.get(package.name)
    if origin is None or semver.Version.parse(version) < semver.Version.parse(origin.since):
        return None
    return origin.run(package, version)


def unusual_watcher_run(version: str) -> WorkflowRun:
    """A run in the watcher's own repository, but of another workflow, on a branch, and on a machine
    of somebody's own: a maintainer in a hurry, or somebody with access to a branch only."""
    return replace(
        TIDEWATCH.run(WATCHER, version),
        workflow=".github/workflows/try-out.yml",
        workflow_name="Try out",
        ref="refs/heads/no-polling",
        trigger="workflow_dispatch",
        runner="self-hosted",
    )
