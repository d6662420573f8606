"""Everything that requirements judge one staged version by.

`approvals.decisions.judging.cases` fills it: what people have said is kept there, above this room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from approvals.inspection.models import InspectionRequest
from approvals.inspection.standing import StandingFinding
from approvals.people.deciders import Decider
from approvals.provenance.case import Case as ProvenanceCase
from approvals.queue.models import StagedVersion
from registry_client.versions import Step


@dataclass(frozen=True)
class Approval:
    """One person's vote for this very tarball, with what they had before their eyes."""

    by: Decider
    at: datetime
    vote: int | None = None
    baseline_version: str = ""
    policy: str = ""
    findings: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Overridden:
    """Somebody let the version pass in spite of a requirement, with this evidence."""

    requirement: str
    by: str
    reason: str
    evidence: frozenset[str]


@dataclass(frozen=True)
class Glass:
    """Two people let it out at a forbidden time; one has asked while `seconded_by` is empty."""

    by: int
    by_name: str
    reason: str
    at: datetime
    seconded_by: str = ""

    @property
    def is_broken(self) -> bool:
        return bool(self.seconded_by)


@dataclass(frozen=True)
class WantedChanges:
    """Somebody holds the version until something is changed."""

    by: int
    by_name: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class Case:
    """One staged version, at one moment, for one action ("approve" or "reject").

    `step` is "" while it is not compared; `request` is what is known of comparing it.
    `approvals` are the votes that stand, by people who may still decide, oldest first. `voter`
    is who approves at this moment, if anybody: their approval is the last of `approvals`.
    `deciders` are all who may decide this package. `stagers` and `triggerers` are the keys of
    the people who staged it, or whom the provenance names as having triggered the build.
    """

    version: StagedVersion
    action: str
    at: datetime
    request: InspectionRequest | None = None
    step: Step | str = ""
    baseline_version: str = ""
    findings: Sequence[StandingFinding] = ()
    provenance: ProvenanceCase | None = None
    approvals: tuple[Approval, ...] = ()
    deciders: tuple[Decider, ...] = ()
    stagers: frozenset[int] = frozenset()
    triggerers: frozenset[int] = frozenset()
    overridden: tuple[Overridden, ...] = ()
    glass: Glass | None = None
    wanted_changes: tuple[WantedChanges, ...] = ()
    voter: Decider | None = None
    # The mark of the policy that holds for it.
    policy: str = ""
    # Teams by name, with the keys of their members.
    teams: dict[str, frozenset[int]] = field(default_factory=dict)
    # Whose approval does not count, as the policy's requirements say; known where they answer.
    not_counted: frozenset[int] = frozenset()

    @property
    def fingerprints(self) -> frozenset[str]:
        """Of every finding that stands, looked at or not: what a later one is new against."""
        return frozenset(one.row.fingerprint for one in self.findings)

    @property
    def counted_deciders(self) -> tuple[Decider, ...]:
        """Those who may decide it, and whose approval counts."""
        return tuple(one for one in self.deciders if one.key not in self.not_counted)

    def voted_by(self, voter: Decider) -> Case:
        """The case as it will be once this person has approved, too."""
        others = tuple(one for one in self.approvals if one.by.key != voter.key)
        own = Approval(
            by=voter,
            at=self.at,
            baseline_version=self.baseline_version,
            policy=self.policy,
            findings=self.fingerprints,
        )
        return replace(self, approvals=(*others, own), voter=voter)
