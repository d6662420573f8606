"""What a person does about which versions are in one release: split, move, merge.

They must be allowed to decide everything that is moved. Nothing is approved by it, and nothing of
a release whose approval has begun is touched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Literal
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.record import Happening, record_all
from approvals.decisions.models import Release, ReleaseMember
from approvals.decisions.releases.begun import begun_since
from approvals.decisions.releases.gather import want_published
from approvals.people.models import User
from approvals.people.permissions import may_decide
from approvals.people.turnstile import turnstile
from approvals.queue.models import Registry, StagedVersion, State

How = Literal["split", "move", "merge"]

_STALE = (
    "What the page showed is not so any more: {} is not in that release now. Nothing was moved. "
    "Look at the release again."
)
_BEGUN = (
    "Its approval has begun: somebody approves something of it, so that nothing of the release "
    "moves. Decide its packages there, or leave them out. What is not carried out yet can be taken "
    "back; then it moves again."
)
_CHANGED = (
    "What the page showed is not so any more: versions have come into that release, or have left "
    "it. Nothing was moved. Look at it again, and then merge it."
)
_GONE = "That release is not there any more. Nothing was moved: look at the list of releases again."


class ArrangementRefused(Exception):
    """Nothing was moved; the text says why and what to do."""


def split(release: Release, staged_versions: Sequence[StagedVersion], *, actor: User) -> Release:
    """Takes these out of the release, into a new one of their own. Raises ArrangementRefused.

    Nothing that is found later joins the new one by itself.
    """
    keys = _keys(staged_versions)
    with transaction.atomic():
        actor = turnstile(actor)
        held = _lock([release])
        members = _members(keys, held, source=release)
        _check_may_move(members, actor)
        if (
            not ReleaseMember.objects.filter(release=release)
            .exclude(staged_version__in=keys)
            .exists()
        ):
            raise ArrangementRefused(
                "That is all there is in this release. Tick only those that do not belong to it."
            )
        made = Release.objects.create(registry=release.registry, made_by=actor)
        _move(members, made, actor, "split")
    want_published([made.pk])
    return made


def move_to(
    staged_versions: Sequence[StagedVersion],
    release: Release,
    *,
    actor: User,
    source: Release | None = None,
) -> None:
    """Moves these into another release at the same registry. Raises ArrangementRefused.

    With `source`, they must still be in that one: what the page showed.
    """
    keys = _keys(staged_versions)
    with transaction.atomic():
        actor = turnstile(actor)
        others = ReleaseMember.objects.filter(staged_version__in=keys)
        held = _lock([release, *Release.objects.filter(pk__in=others.values("release"))])
        members = _members(keys, held, source=source)
        if any(member.release_id == release.pk for member in members):
            raise ArrangementRefused("They are in that release already. Choose another one.")
        _check_may_move(members, actor)
        _check_may_join(release, members, actor)
        _move(members, release, actor, "move")
    want_published([release.pk])


def merge(release: Release, *, into: Release, actor: User, seen: str | None = None) -> None:
    """Moves every version of one release into another. Raises ArrangementRefused.

    What is found later and belongs to those joins them there. With `seen`, exactly those must be
    in it of which the page made that, by `seen_of`.
    """
    if release.pk == into.pk:
        raise ArrangementRefused("That is the same release. Choose another one.")
    with transaction.atomic():
        actor = turnstile(actor)
        held = _lock([release, into])
        keys = list(
            ReleaseMember.objects.filter(release=release).values_list("staged_version", flat=True)
        )
        if not keys:
            raise ArrangementRefused(_GONE)
        members = _members(keys, held, source=release)
        # First, as who may not has not seen all of it, either.
        _check_may_move(members, actor, whatever_state=True)
        if seen is not None and seen != seen_of(keys):
            raise ArrangementRefused(_CHANGED)
        _check_may_join(into, members, actor)
        _move(members, into, actor, "merge")
    want_published([into.pk])


def seen_of(keys: Iterable[int]) -> str:
    """What a page hands back as `seen` that showed a release of these staged versions."""
    return hashlib.sha256(" ".join(map(str, sorted(keys))).encode()).hexdigest()


def _keys(staged_versions: Sequence[StagedVersion]) -> list[int]:
    keys = sorted({row.pk for row in staged_versions})
    if not keys:
        raise ArrangementRefused("Tick at least one package to move.")
    return keys


def _lock(releases: Iterable[Release]) -> set[UUID]:
    """Holds off whoever gathers at their registry, and whoever begins to approve any of them.

    Returns their keys.
    """
    wanted: set[UUID] = {release.pk for release in releases}
    registries = Release.objects.filter(pk__in=wanted).values_list("registry", flat=True)
    for key in sorted(set(registries)):
        Registry.objects.select_for_update(no_key=True).get(pk=key)
    rows = Release.objects.filter(pk__in=sorted(wanted)).order_by("pk")
    list(rows.select_for_update(no_key=True).values_list("pk"))
    # In a statement of its own, which sees what whoever was waited for has left.
    found = list(rows.all())
    if len(found) < len(wanted):
        raise ArrangementRefused(_GONE)
    if begun_since(found):
        raise ArrangementRefused(_BEGUN)
    return wanted


def _members(
    keys: Sequence[int], held: set[UUID], *, source: Release | None
) -> list[ReleaseMember]:
    """Those that are to be moved, as they are now; they are in releases that are held."""
    members = list(
        ReleaseMember.objects.filter(staged_version__in=keys)
        .select_related("staged_version__package", "staged_version__registry")
        .order_by("pk")
    )
    gone = set(keys) - {member.staged_version_id for member in members}
    if gone:
        row = StagedVersion.objects.select_related("package").filter(pk__in=gone).first()
        raise ArrangementRefused(_STALE.format(row or "one of them"))
    for member in members:
        # What came elsewhere before the releases were held: nobody knows whether that has begun.
        if member.release_id not in held or (source and member.release_id != source.pk):
            raise ArrangementRefused(_STALE.format(member.staged_version))
    return members


def _check_may_move(
    members: Sequence[ReleaseMember], actor: User, *, whatever_state: bool = False
) -> None:
    if not all(_may_decide(actor, member) for member in members):
        raise ArrangementRefused(
            "You may move only what you may decide, and that is not all of it. Have somebody do it "
            "who may approve all of these packages."
        )
    for member in members:
        if member.staged_version.state != State.STAGED and not whatever_state:
            raise ArrangementRefused(
                f"{member.staged_version} does not wait any more. Nothing was moved: tick only "
                "packages that do."
            )


def _check_may_join(release: Release, members: Sequence[ReleaseMember], actor: User) -> None:
    if any(member.release.registry_id != release.registry_id for member in members):
        raise ArrangementRefused(
            "A release has versions at one registry only. Choose one at the same registry."
        )
    others = ReleaseMember.objects.filter(release=release).select_related(
        "staged_version__package", "staged_version__registry"
    )
    if not any(_may_decide(actor, other) for other in others):
        raise ArrangementRefused(
            "You may not decide anything in the release that you chose. Choose another one."
        )


def _may_decide(actor: User, member: ReleaseMember) -> bool:
    row = member.staged_version
    return may_decide(actor, row.registry.url, row.package.name)


def _move(members: Sequence[ReleaseMember], target: Release, actor: User, how: How) -> None:
    """Moves them, ends releases that are empty then, and tells of it: the audit log last."""
    left = {member.staged_version_id: member.release_id for member in members}
    now = timezone.now()
    for member in members:
        member.release, member.placed_by, member.joined_at = target, actor, now
        member.is_late = False
        # Why those came together whose whole release is merged is still so.
        if how != "merge" or member.why == ReleaseMember.Why.ALONE:
            member.why = ReleaseMember.Why.PERSON
    ReleaseMember.objects.bulk_update(
        members, ["release", "placed_by", "joined_at", "is_late", "why"]
    )
    # Whoever was alone there has company now.
    ReleaseMember.objects.filter(release=target, why=ReleaseMember.Why.ALONE).update(
        why=ReleaseMember.Why.PERSON
    )
    Release.objects.filter(pk__in=set(left.values()), members__isnull=True).delete()
    outbox.publish(
        "release.arranged",
        registry=target.registry.name,
        release=str(target.pk),
        actor=actor.get_username(),
        how=how,
        packages=[member.staged_version.package.name for member in members],
        url_path=f"/releases/{target.pk}/",
    )
    record_all(
        [
            Happening(
                "release.arranged",
                actor,
                member.staged_version,
                member.staged_version.stage_id,
                {
                    "how": how,
                    "from": str(left[member.staged_version_id]),
                    "to": str(target.pk),
                },
            )
            for member in members
        ]
    )
