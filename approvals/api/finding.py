"""Finding what a call is about, among the packages that its token covers and no others."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from approvals.api.errors import Ambiguous, NotAllowed, NotFound
from approvals.api.models import MAY, Token
from approvals.decisions.models import Release
from approvals.people.scopes import Reach, packages_within
from approvals.queue.models import Package, StagedVersion

NAME_A_REGISTRY = "Several registries have it. Say which one with ?registry=NAME."


def versions_of(token: Token, registry: str = "") -> QuerySet[StagedVersion]:
    """The staged versions of the packages that the token covers, at one registry if it is named."""
    covered = packages_within(token.reaches, name="name", registry_url="registry__url")
    # Packages are far fewer than versions, so the patterns are tried on them.
    found = StagedVersion.objects.filter(package__in=Package.objects.filter(covered))
    return (found.filter(registry__name=registry) if registry else found).with_package()


def version_by_stage(token: Token, stage_id: UUID, registry: str = "") -> StagedVersion:
    """The staged version with this id. Raises NotFound, Ambiguous."""
    rows = list(versions_of(token, registry).filter(stage_id=stage_id)[:2])
    if not rows:
        raise NotFound(
            "Countersign knows no such staged version, or this token does not cover its package. "
            "What was staged a moment ago is found when the registry is polled next."
        )
    if len(rows) > 1:
        raise Ambiguous(NAME_A_REGISTRY)
    return rows[0]


def version_by_name(token: Token, name: str, version: str, registry: str = "") -> StagedVersion:
    """What was staged last as this version of this package. Raises NotFound, Ambiguous."""
    rows = versions_of(token, registry).filter(package__name=name, version=version)
    newest = list(rows.order_by("-created_at", "-pk")[:20])
    if not newest:
        raise NotFound(
            "Countersign knows no such version, or this token does not cover the package. What "
            "was staged a moment ago is found when the registry is polled next."
        )
    if len({row.registry_id for row in newest}) > 1:
        raise Ambiguous(NAME_A_REGISTRY)
    return newest[0]


def release_by_id(token: Token, release_id: UUID) -> tuple[Release, list[StagedVersion]]:
    """The release, and those of its versions that the token covers. Raises NotFound."""
    rows = versions_of(token).filter(release_member__release=release_id)
    found = list(rows.order_by("package__name", "pk"))
    if not found:
        raise NotFound(
            "There is no such release, or this token covers none of its packages. A version's own "
            "answer names its release once it is in one."
        )
    return Release.objects.select_related("registry").get(pk=release_id), found


def may_ever_cover(token: Token, name: str) -> bool:
    """Whether waiting for this package to appear can come to anything."""
    return any(Reach("", one.packages).covers("", name) for one in token.reaches)


def check_may(token: Token, action: str) -> None:
    """Refuses what this token was not made for; `action` is a field of Token. Raises NotAllowed."""
    if not getattr(token, action):
        raise NotAllowed(
            f"The token {token.name} may not {MAY[action]}. An administrator makes one that may."
        )


def newest_first(
    rows: QuerySet[StagedVersion], *, before: int | None, limit: int
) -> tuple[list[StagedVersion], int | None]:
    """One page, and the mark of the next one; None on the last."""
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows.order_by("-pk")[: limit + 1])
    return found[:limit], found[limit - 1].pk if len(found) > limit else None
