"""A monorepo whose packages are staged, compared and looked for where they were built."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from approvals.decisions.models import Release, ReleaseMember, StepUp, Vote
from approvals.inspection.models import InspectionRequest
from approvals.provenance.models import ProvenanceCheck
from approvals.queue.models import PublishedPackage, Registry, StagedVersion
from registry_client.versions import sort_key
from tests.approvals.factories import (
    make_inspection,
    make_inspection_request,
    make_provenance,
    make_registry,
    make_staged_version,
    make_user,
)

COMMIT = hashlib.sha1(b"one commit", usedforsecurity=False).hexdigest()
OTHER_COMMIT = hashlib.sha1(b"another commit", usedforsecurity=False).hexdigest()
REPOSITORY = "https://github.com/acme/monorepo"


@dataclass
class Monorepo:
    """Stages as a CI run does. Every version was staged at `began`, where nothing else is said."""

    registry: Registry
    began: datetime = field(default_factory=lambda: timezone.now() - timedelta(hours=3))

    def stage(
        self,
        name: str,
        version: str = "2.0.0",
        *,
        commit: str = "",
        repository: Any = REPOSITORY,
        after: float = 0,
        looked: bool = True,
        old: dict[str, Any] | None = None,
        files: Sequence[dict[str, Any]] | None = None,
        changes: Sequence[dict[str, Any]] = (),
        baseline_version: str = "1.0.0",
        registry: Registry | None = None,
        staged: dict[str, Any] | None = None,
        **manifest: Any,
    ) -> StagedVersion:
        """A version that was compared; with `commit`, its provenance proves that one.

        `manifest` and `old` are fields of the staged package.json and of the baseline's, `after`
        the seconds since the run began, and `staged` what else the registry lists.
        """
        row = make_staged_version(
            name,
            version,
            registry=registry or self.registry,
            created_at=self.began + timedelta(seconds=after),
            **(staged or {}),
        )
        base = {"name": name, "repository": repository}
        make_inspection(
            row,
            files,
            baseline_version=baseline_version,
            findings=[],
            manifest_new={**base, "version": version, **manifest},
            manifest_old={**base, "version": "1.0.0", **(old or {})} if baseline_version else None,
            manifest_changes=list(changes),
        )
        if commit:
            self.prove(row, commit)
        elif looked:
            ProvenanceCheck.objects.create(staged_version=row, looks=1)
        return StagedVersion.objects.with_package().get(pk=row.pk)

    def prove(self, row: StagedVersion, commit: str = COMMIT, repository: str = REPOSITORY) -> None:
        """The look for its provenance has found where it was built."""
        found = make_provenance(row, commit=commit, repository=repository)
        ProvenanceCheck.objects.update_or_create(
            staged_version=row, defaults={"provenance": found, "state": "done"}
        )

    def unreadable(self, name: str, version: str = "2.0.0") -> StagedVersion:
        """A version that could not be compared."""
        row = make_staged_version(name, version, registry=self.registry, created_at=self.began)
        make_inspection_request(row, InspectionRequest.State.FAILED)
        return StagedVersion.objects.with_package().get(pk=row.pk)

    def published(self, name: str, *versions: str, **fields: Any) -> PublishedPackage:
        """What the registry said when it was asked for this package."""
        values = {"looked_at": timezone.now(), "due_at": None} | fields
        latest = versions[-1] if versions else ""
        row, _ = PublishedPackage.objects.update_or_create(
            registry=self.registry,
            name=name,
            defaults={"versions": sorted(versions, key=sort_key), "latest": latest, **values},
        )
        return row

    def release(self, *rows: StagedVersion, **fields: Any) -> Release:
        """A release of these, as if they had been found together."""
        release = Release.objects.create(registry=self.registry, **fields)
        ReleaseMember.objects.bulk_create(
            ReleaseMember(release=release, staged_version=row, why="run") for row in rows
        )
        return release


def vote(row: StagedVersion, **fields: Any) -> Vote:
    """An approval of somebody's that stands, and waits for others."""
    user, now = make_user(), timezone.now()
    step_up = StepUp.objects.create(
        user=user, action="approve", binding="0" * 64, proved_at=now, consumed_at=now
    )
    return Vote.objects.create(
        staged_version=row,
        user=user,
        step_up=step_up,
        sha1=row.shasum,
        sha512=row.sha512,
        cast_at=now,
        **fields,
    )


def together() -> list[list[str]]:
    """Which packages are in one release, by name."""
    found: dict[Any, list[str]] = {}
    for member in ReleaseMember.objects.select_related("staged_version__package"):
        found.setdefault(member.release_id, []).append(member.staged_version.package.name)
    return sorted(sorted(names) for names in found.values())


@pytest.fixture
def monorepo(db: None) -> Monorepo:
    return Monorepo(make_registry("npm"))
