"""What the pages say of a release: as many queries for any number of versions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from django.db.models import Count, Min

from approvals.decisions.carrying_out.order import order_by
from approvals.decisions.judging.checklist import Checklist, checklists_of
from approvals.decisions.models import Action, Decision, Release, ReleaseMember
from approvals.decisions.releases.begun import begun_since
from approvals.decisions.releases.common import CommonChange, common_changes, requests_of
from approvals.decisions.releases.dependencies import (
    MOST_LOOKED_UP,
    Edge,
    Examined,
    cycles_of,
    examine,
)
from approvals.inspection.finding import Severity
from approvals.inspection.models import InspectionRequest, ViewedFile
from approvals.inspection.standing import FindingsSummary, findings_of_several, summary_of
from approvals.people.models import User
from approvals.provenance.models import ProvenanceCheck
from approvals.queue.models import Registry, StagedVersion, State
from registry_client.versions import sort_key, version_step

MOST_OPEN = 20
MOST_NAMED = 5


@dataclass(frozen=True)
class Progress:
    """How many of the files that differ the person has viewed."""

    viewed: int = 0
    total: int = 0

    @property
    def is_done(self) -> bool:
        return self.viewed >= self.total


@dataclass(frozen=True)
class MemberRow:
    """One version of a release.

    `step` is as version_step names it, "" while it is not compared; `level` counts from 0, in the
    order of approving. The version is read with package, registry and inspection request.
    """

    member: ReleaseMember
    version: StagedVersion
    checklist: Checklist
    findings: FindingsSummary
    step: str = ""
    baseline_version: str = ""
    level: int = 0
    files_changed: int = 0
    lines_added: int = 0
    lines_removed: int = 0
    is_inspected: bool = False
    verdict: str = ""
    progress: Progress = field(default_factory=Progress)

    @property
    def key(self) -> int:
        """The staged version's."""
        return self.version.pk

    @property
    def is_waiting(self) -> bool:
        """Whether it can still be decided."""
        return self.version.state == State.STAGED

    @property
    def is_late(self) -> bool:
        return self.member.is_late

    @property
    def why(self) -> str:
        """Why it is in this release, in words."""
        return ReleaseMember.Why(self.member.why).label

    @property
    def provenance(self) -> str:
        """In a few words."""
        return str(ProvenanceCheck.Verdict(self.verdict).label)


@dataclass(frozen=True)
class Overview:
    """All that the release page shows. Members go in the order of approving, then by name."""

    release: Release
    members: tuple[MemberRow, ...]
    hidden: int = 0
    edges: tuple[Edge, ...] = ()
    levels: tuple[tuple[MemberRow, ...], ...] = ()
    cycles: tuple[tuple[StagedVersion, ...], ...] = ()
    problems: tuple[str, ...] = ()
    is_looked_up: bool = True
    common: tuple[CommonChange, ...] = ()
    decision: Decision | None = None
    # When the first approval was given for which nothing joins or leaves the release; if any.
    begun_at: datetime | None = None

    @property
    def versions(self) -> dict[int, StagedVersion]:
        """By key."""
        return {row.key: row.version for row in self.members}

    @property
    def waiting(self) -> tuple[MemberRow, ...]:
        return tuple(row for row in self.members if row.is_waiting)

    @property
    def late(self) -> tuple[MemberRow, ...]:
        return tuple(row for row in self.members if row.is_late)

    @property
    def progress(self) -> Progress:
        """Over the whole."""
        return Progress(
            sum(row.progress.viewed for row in self.members),
            sum(row.progress.total for row in self.members),
        )

    @property
    def findings(self) -> FindingsSummary:
        """Over the whole."""
        counts: dict[Severity, int] = {}
        seen: dict[Severity, int] = {}
        for row in self.members:
            for target, source in ((counts, row.findings.counts), (seen, row.findings.seen)):
                for severity, number in source.items():
                    target[severity] = target.get(severity, 0) + number
        return FindingsSummary(counts, seen)


@dataclass(frozen=True)
class ReleaseRow:
    """A release in the queue; all numbers are of what the person may see."""

    release: Release
    waiting: int
    total: int
    # The commit that their provenance proves, or the source they share; "" for neither.
    commit: str = ""
    source: str = ""
    # At most five, by name.
    packages: tuple[str, ...] = ()
    registry: str = ""
    since: datetime | None = None
    late: int = 0
    has_begun: bool = False


def overview_of(release: Release, user: User) -> Overview:
    """What this person may see of the release; without members where that is nothing.

    The checklists are as things stand, with nobody voting.
    """
    members = ReleaseMember.objects.filter(release=release)
    seen = list(
        members.filter(staged_version__in=StagedVersion.objects.visible_to(user))
        .select_related(
            "staged_version__package",
            "staged_version__registry",
            "staged_version__inspection_request__inspection",
            "staged_version__provenance_check",
        )
        .defer(
            "staged_version__inspection_request__inspection__summary",
            "staged_version__inspection_request__inspection__findings",
        )
    )
    hidden = members.count() - len(seen)
    if not seen:
        return Overview(release, (), hidden=hidden)
    versions = {one.staged_version_id: one.staged_version for one in seen}
    requests = requests_of(list(versions.values()))
    findings = findings_of_several(versions.values())
    checklists = checklists_of(list(versions.values()), findings=findings)
    viewed = _viewed(user, requests.values())
    examined = examine(list(versions.values()), user)
    levels = order_by(examined.edges, list(versions.values()), Action.APPROVE).levels
    rows = []
    for member in seen:
        row = member.staged_version
        rows.append(
            _row(
                member,
                checklists[row.pk],
                summary_of(findings[row.pk]),
                requests.get(row.pk),
                levels[row.pk],
                viewed,
            )
        )
    rows.sort(key=lambda row: (row.level, row.version.package.name, sort_key(row.version.version)))
    return Overview(
        release=release,
        members=tuple(rows),
        hidden=hidden,
        edges=examined.edges,
        levels=tuple(tuple(group) for _, group in groupby(rows, key=lambda row: row.level)),
        cycles=tuple(tuple(versions[pk] for pk in ring) for ring in cycles_of(examined.edges)),
        problems=tuple(_problems(examined, versions)),
        is_looked_up=examined.is_looked_up,
        common=common_changes(requests, versions),
        decision=_decision(versions),
        begun_at=begun_since([release]).get(release.pk),
    )


def open_releases(user: User, most: int = MOST_OPEN) -> list[ReleaseRow]:
    """Releases of which at least two versions wait that the person may see, the oldest first."""
    waiting = (
        ReleaseMember.objects.exclude(why=ReleaseMember.Why.ALONE)
        .filter(
            staged_version__state=State.STAGED,
            staged_version__in=StagedVersion.objects.visible_to(user),
        )
        .order_by()
        .values("release")
        .annotate(number=Count("pk"), since=Min("staged_version__created_at"))
        .filter(number__gte=2)
        .order_by("since", "release")
    )
    keys = [row["release"] for row in waiting[:most]]
    found = Release.objects.select_related("registry").in_bulk(keys)
    return release_rows(user, [found[key] for key in keys if key in found])


def release_rows(user: User, releases: Sequence[Release]) -> list[ReleaseRow]:
    """A row for each of these of which the person may see anything, in four queries."""
    members: dict[object, list[ReleaseMember]] = defaultdict(list)
    for one in (
        ReleaseMember.objects.filter(
            release__in=releases, staged_version__in=StagedVersion.objects.visible_to(user)
        )
        .select_related("staged_version__package")
        .order_by("staged_version__package__name", "pk")
    ):
        members[one.release_id].append(one)
    registries = {
        one.pk: one.name
        for one in Registry.objects.filter(pk__in={one.registry_id for one in releases})
    }
    begun = begun_since(releases)
    return [
        _release_row(
            release,
            members[release.pk],
            registries[release.registry_id],
            has_begun=release.pk in begun,
        )
        for release in releases
        if members[release.pk]
    ]


def _release_row(
    release: Release, members: Sequence[ReleaseMember], registry: str, *, has_begun: bool
) -> ReleaseRow:
    waiting = [one for one in members if one.staged_version.state == State.STAGED]
    shown = waiting or members
    names = dict.fromkeys(one.staged_version.package.name for one in shown)
    return ReleaseRow(
        release=release,
        waiting=len(waiting),
        total=len(members),
        commit=_shared(one.commit for one in shown),
        source=_shared(one.source for one in shown),
        packages=tuple(names)[:MOST_NAMED],
        registry=registry,
        since=min(one.staged_version.created_at for one in shown),
        late=sum(one.is_late for one in waiting),
        has_begun=has_begun,
    )


def _shared(texts: Iterable[str]) -> str:
    """The one text that all have who have any; "" where they differ."""
    found = set(texts) - {""}
    return found.pop() if len(found) == 1 else ""


def _row(  # noqa: PLR0917 - all that is known of one
    member: ReleaseMember,
    checklist: Checklist,
    findings: FindingsSummary,
    request: InspectionRequest | None,
    level: int,
    viewed: Mapping[int, int],
) -> MemberRow:
    row = member.staged_version
    inspection = request.inspection if request else None
    baseline = request.baseline_version if request else ""
    check = getattr(row, "provenance_check", None)
    return MemberRow(
        member=member,
        version=row,
        checklist=checklist,
        findings=findings,
        step=version_step(baseline or None, row.version) if inspection else "",
        baseline_version=baseline,
        level=level,
        files_changed=inspection.files_changed if inspection else 0,
        lines_added=inspection.lines_added if inspection else 0,
        lines_removed=inspection.lines_removed if inspection else 0,
        is_inspected=inspection is not None,
        verdict=check.verdict if check else "",
        progress=Progress(viewed.get(inspection.pk, 0), inspection.files_changed)
        if inspection
        else Progress(),
    )


def _viewed(user: User, requests: Iterable[InspectionRequest]) -> dict[int, int]:
    """How many files of each comparison the person has viewed."""
    marks = ViewedFile.objects.filter(
        user=user, change__inspection__in=[request.inspection_id for request in requests]
    )
    return dict(marks.order_by().values_list("change__inspection").annotate(number=Count("pk")))


def _problems(examined: Examined, versions: Mapping[int, StagedVersion]) -> list[str]:
    """In sentences, what makes installs fail first. What is still looked up is said elsewhere."""
    edges = [
        edge
        for edge in examined.edges
        if edge.problem and not (edge.problem == "unknown" and edge.is_pending)
    ]
    edges.sort(key=lambda edge: (not edge.is_fatal, versions[edge.dependent].package.name))
    found = list(dict.fromkeys(edge.sentence(versions) for edge in edges))
    for pk in examined.cut_short:
        found.append(
            f"{versions[pk]} asks for so much that only a part of it was looked at: whether it "
            "can be installed is not known."
        )
    if examined.left_out:
        found.append(
            f"Of {examined.left_out:,} more packages that these ask for, what is published was not "
            f"looked up: that is done for {MOST_LOOKED_UP} at most."
        )
    unread = [pk for pk in examined.unread if versions[pk].state == State.STAGED]
    if unread:
        names = ", ".join(str(versions[pk]) for pk in unread[:MOST_NAMED])
        more = f" and {len(unread) - MOST_NAMED} more" if len(unread) > MOST_NAMED else ""
        found.append(f"What these depend on is not known, as they are not compared: {names}{more}.")
    return found


def _decision(versions: Iterable[int]) -> Decision | None:
    """The latest over any of these."""
    return (
        Decision.objects.filter(items__staged_version__in=list(versions))
        .order_by("-made_at", "-pk")
        .first()
    )
