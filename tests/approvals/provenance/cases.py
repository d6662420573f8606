"""Cases of where a version was built, made without a database."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from approvals.provenance.case import Case
from approvals.provenance.models import ExpectedPublisher, Provenance
from registry_client.provenance import Build
from tests.approvals.factories import BUILT

FIRST_SIGNED_AT = datetime(2026, 3, 16, 9, tzinfo=UTC)
# What a rename or a transfer changes in every text that names the repository.
RENAMED = {
    "repository": "https://github.com/acme/pad-left",
    "workflow_repository": "https://github.com/acme/pad-left",
    "signer_workflow": "https://github.com/acme/pad-left/.github/workflows/release.yml@refs/heads/main",
}
MOVED = {
    "repository": "https://github.com/mallory/left-pad",
    "owner": "https://github.com/mallory",
    "workflow_repository": "https://github.com/mallory/left-pad",
    "signer_workflow": "https://github.com/mallory/left-pad/.github/workflows/release.yml@refs/heads/main",
}
EARLY = {"repository_id": "", "owner_id": "", "runner": "", "visibility": ""}
GITLAB = Build(
    platform="gitlab",
    issuer="https://gitlab.com",
    repository="https://gitlab.com/acme/left-pad",
    repository_id="50001",
    owner="https://gitlab.com/acme",
    owner_id="9501",
    ref="refs/heads/main",
    commit="4f0c1b6a3a9e5d2b8c7f6e5d4c3b2a1908f7e6d5",
    workflow=".gitlab-ci.yml",
    workflow_ref="refs/heads/main",
    workflow_repository="https://gitlab.com/acme/left-pad",
    signer_workflow="https://gitlab.com/acme/left-pad//.gitlab-ci.yml@refs/heads/main",
    trigger="push",
    runner="hosted",
    builder="https://gitlab.com/acme/left-pad/-/runners/12270845",
    visibility="public",
)


def proven(
    version: str, *, built: Build = BUILT, hours: float | None = None, **facts: Any
) -> Provenance:
    """A version that is proven to be built as BUILT says, `facts` aside, with its own commit.

    It is signed so many hours after the first; without `hours`, in the order of minor versions.
    """
    minor = float(version.split(".")[1])
    facts.setdefault("commit", f"{int(minor * 1000 + 0xABCD0000):040x}"[::-1])
    return Provenance(
        version=version,
        outcome=Provenance.Outcome.VERIFIED,
        reason="Everything holds.",
        build=asdict(replace(built, **facts)),
        signed_at=FIRST_SIGNED_AT + timedelta(hours=minor if hours is None else hours),
    )


def missing(version: str) -> Provenance:
    return Provenance(version=version, outcome="missing", reason="No bundle was found.")


def refused(version: str, reason: str = "The signature is for another tarball.") -> Provenance:
    return Provenance(version=version, outcome="refused", reason=reason)


def case(
    now: Provenance | None = None,
    before: Provenance | None = None,
    *older: Provenance,
    expected: ExpectedPublisher | None = None,
    **more: Any,
) -> Case:
    """What is staged, the baseline, and the versions before it, the newest first."""
    history: Sequence[Provenance] = [*([before] if before else []), *older]
    values: dict[str, Any] = {
        "version": now.version if now else "1.5.0",
        "actor": "release-bot",
        "actor_type": "trusted automation",
        "provenance": now,
        "is_compared": True,
        "git_head": "",
        "baseline_version": before.version if before else "",
        "baseline": before,
        "history": tuple(history),
        "history_gap": "",
        "expected": expected,
        **more,
    }
    return Case(**values)


def pinned(**fields: Any) -> ExpectedPublisher:
    """What `pin_from` makes of BUILT, `fields` aside."""
    values = {
        "repository": BUILT.repository,
        "repository_id": BUILT.repository_id,
        "owner_id": BUILT.owner_id,
        "workflow": BUILT.workflow,
        "ref_pattern": BUILT.ref,
        "pinned_from": "1.4.0",
        **fields,
    }
    return ExpectedPublisher(**values)


def pinned_by_hand(**fields: Any) -> ExpectedPublisher:
    return pinned(**{"repository_id": "", "owner_id": "", "pinned_from": "", **fields})
