"""What the API says of staged versions and releases: the answers' shapes, and how they are made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.conf import settings
from django.urls import reverse
from ninja import Schema
from pydantic import Field

from approvals.api.models import ContextLink, Kind
from approvals.decisions.judging.checklist import Checklist, checklists_of
from approvals.decisions.models import Release, ReleaseMember
from approvals.policy.answers import Outcome as Standing
from approvals.queue.models import StagedVersion, State


class ShownState(StrEnum):
    """Where a version stands. While it waits, the policy says which of the first four it is."""

    STAGED = "staged"
    READY = "ready"
    BLOCKED = "blocked"
    EXPIRED = "expired"
    APPROVING = "approving"
    ACCEPTED = "accepted"
    LIVE = "live"
    REJECTING = "rejecting"
    REJECTED = "rejected"
    PUBLISHED_ELSEWHERE = "published_elsewhere"
    WITHDRAWN = "withdrawn"


class Outcome(StrEnum):
    """What that means for a pipeline that waits."""

    WAITING = "waiting"
    LIVE = "live"
    REJECTED = "rejected"
    EXPIRED = "expired"


class RequirementAnswer(Schema):
    """Something that the policy wants and that does not hold yet."""

    requirement: str
    title: str
    outcome: str = Field(description="not yet, or blocked")
    sentence: str
    next_step: str


class ContextAnswer(Schema):
    """A link that CI gave. Not verified."""

    kind: Kind
    url: str


class Links(Schema):
    """Where people read on."""

    page: str = Field(description="The review page, for whoever may see it")
    release: str | None = Field(description="The release in this API; null while it is in none")


class VersionAnswer(Schema):
    """One staged version."""

    stage_id: UUID
    registry: str
    package: str
    version: str
    tag: str
    state: ShownState
    outcome: Outcome = Field(
        description="live and rejected are final; expired means that it is to be staged again"
    )
    state_changed_at: datetime
    staged_at: datetime
    shasum: str
    alarm: str = Field(description="Empty unless something is wrong that stops the release")
    release: UUID | None
    requirements: list[RequirementAnswer] = Field(
        description="What the policy still wants; empty once nothing stands in the way"
    )
    context: list[ContextAnswer]
    links: Links


class VersionPage(Schema):
    """Some staged versions, the newest first."""

    items: list[VersionAnswer]
    next: int | None = Field(description="Give it as `before` for the next page; null on the last")


class ReleaseAnswer(Schema):
    """Versions that belong together, as far as the token covers them."""

    id: UUID
    registry: str
    found_at: datetime
    outcome: Outcome = Field(
        description="live once all are; rejected or expired as soon as one is; else waiting"
    )
    versions: list[VersionAnswer]
    page: str


class HandedIn(Schema):
    """A bundle that was taken."""

    sha256: str
    verified: bool = Field(
        description="false where the tarball was not downloaded here yet: it is verified then"
    )


class ContextGiven(Schema):
    """All links that there are now."""

    context: list[ContextAnswer]


class Error(Schema):
    """Why a call was refused."""

    error: str = Field(description="A word for programs")
    message: str = Field(description="A sentence that says what to do")


def version_answers(rows: Sequence[StagedVersion]) -> list[VersionAnswer]:
    """Of each of these, which were read with package and registry; in as many queries for any
    number."""
    keys = [row.pk for row in rows]
    members = dict(
        ReleaseMember.objects.filter(staged_version__in=keys).values_list(
            "staged_version", "release"
        )
    )
    links: dict[int, list[ContextAnswer]] = {}
    for one in ContextLink.objects.filter(staged_version__in=keys):
        answer = ContextAnswer(kind=Kind(one.kind), url=one.url)
        links.setdefault(one.staged_version_id, []).append(answer)
    waiting = [row for row in rows if row.state == State.STAGED]
    checklists = checklists_of(waiting) if waiting else {}
    return [
        _version_answer(row, checklists.get(row.pk), members.get(row.pk), links.get(row.pk, []))
        for row in rows
    ]


def release_answer(release: Release, rows: Sequence[StagedVersion]) -> ReleaseAnswer:
    """Of the release, with these of its versions."""
    versions = version_answers(rows)
    return ReleaseAnswer(
        id=release.pk,
        registry=release.registry.name,
        found_at=release.found_at,
        outcome=_of_all([one.outcome for one in versions]),
        versions=versions,
        page=address(reverse("release", args=[release.pk])),
    )


def state_of(row: StagedVersion, checklist: Checklist | None) -> ShownState:
    """The state, with what is computed of it while it waits."""
    if checklist is None:
        return ShownState(row.state)
    if any(
        one.requirement == "expiry" and one.outcome is Standing.BLOCKED for one in checklist.unmet
    ):
        return ShownState.EXPIRED
    if checklist.is_blocked:
        return ShownState.BLOCKED
    return ShownState.STAGED if checklist.unmet else ShownState.READY


def address(path: str) -> str:
    """The whole address of a page, where Countersign knows its own."""
    return settings.PUBLIC_URL + path


_OUTCOMES = {
    ShownState.LIVE: Outcome.LIVE,
    ShownState.REJECTED: Outcome.REJECTED,
    # Neither went out through here, and neither comes back: the pipeline must not go on.
    ShownState.PUBLISHED_ELSEWHERE: Outcome.REJECTED,
    ShownState.WITHDRAWN: Outcome.REJECTED,
    ShownState.EXPIRED: Outcome.EXPIRED,
}


def _of_all(outcomes: Sequence[Outcome]) -> Outcome:
    for one in (Outcome.REJECTED, Outcome.EXPIRED, Outcome.WAITING):
        if one in outcomes:
            return one
    return Outcome.LIVE


def _version_answer(
    row: StagedVersion,
    checklist: Checklist | None,
    release: UUID | None,
    context: list[ContextAnswer],
) -> VersionAnswer:
    state = state_of(row, checklist)
    return VersionAnswer(
        stage_id=row.stage_id,
        registry=row.registry.name,
        package=row.package.name,
        version=row.version,
        tag=row.tag,
        state=state,
        outcome=_OUTCOMES.get(state, Outcome.WAITING),
        state_changed_at=row.state_changed_at,
        staged_at=row.created_at,
        shasum=row.shasum,
        alarm=row.alarm,
        release=release,
        requirements=[
            RequirementAnswer(
                requirement=one.requirement,
                title=one.title,
                outcome=one.outcome.value,
                sentence=one.sentence,
                next_step=one.next_step,
            )
            for one in (checklist.unmet if checklist else ())
        ],
        context=context,
        links=Links(
            page=address(reverse("version", args=[row.pk])),
            release=address(f"/api/v1/releases/{release}") if release else None,
        ),
    )
