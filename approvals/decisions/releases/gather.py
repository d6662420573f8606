"""Finding which staged versions belong together.

A version is placed once, when it is compared and its provenance was looked for: with those that
are built from the same commit, or else that the same actor staged within a short while from the
same source. What its provenance proves later may move it on. Nothing joins a release whose
approval has begun, or one that a person made; and nothing that a person placed is moved.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Concat, Length
from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.record import Happening, record_all
from approvals.decisions.models import Release, ReleaseMember
from approvals.decisions.models.releases import LONGEST_SOURCE
from approvals.decisions.releases.begun import approved_among, begun_since, has_begun
from approvals.decisions.releases.belonging import Belonging, belongings_of, proven_commits
from approvals.decisions.releases.dependencies import Examined, examine
from approvals.inspection.models import InspectionRequest, ViewedFile
from approvals.provenance.models import Provenance
from approvals.queue import published
from approvals.queue.models import Registry, StagedVersion, State
from approvals.queue.transitions import news_of

logger = logging.getLogger(__name__)

GRACE = timedelta(seconds=60)
"""So long after it was compared a version waits for the first look for its provenance."""
LATE_AFTER = timedelta(minutes=2)
"""What joins a release that has been there for longer comes late: people may have looked at it."""
BATCH = 200
MOST_REFRESHED = 1_000
"""Waiting versions, the newest, of which what they depend on is looked up again."""
_WRITTEN = ["release", "why", "commit", "joined_at", "is_late"]
Why = ReleaseMember.Why


def gather() -> int:
    """Places every staged version that is in no release yet; returns how many it placed or moved.

    Two at once wait for each other: a registry's versions are placed by one at a time.
    """
    placed = 0
    registries = set(_unplaced().values_list("registry", flat=True))
    registries |= set(_proven_otherwise().values_list("release__registry", flat=True))
    for pk in sorted(registries):
        while True:
            touched, number = _gather_at(pk)
            placed += number
            want_published(touched)
            if number < BATCH:
                break
    return placed


def refresh_published() -> int:
    """Has what waiting versions depend on looked up again; returns for how many releases."""
    newest = StagedVersion.objects.filter(state=State.STAGED).order_by("-pk")
    keys = list(newest.values_list("pk", flat=True)[:MOST_REFRESHED])
    members = ReleaseMember.objects.filter(staged_version__in=keys)
    releases = sorted(set(members.values_list("release", flat=True)))
    want_published(releases)
    return len(releases)


def want_published(releases: Iterable[Any]) -> None:
    """Has what the waiting versions of these releases depend on looked up.

    That none of it is lost where this process dies is up to `refresh_published`.
    """
    rows = StagedVersion.objects.with_package().filter(
        release_member__release__in=list(releases), state=State.STAGED
    )
    of_release: dict[Any, list[StagedVersion]] = defaultdict(list)
    for row in rows.select_related("release_member").order_by("pk"):
        of_release[row.release_member.release_id].append(row)
    wanted: dict[int, set[str]] = defaultdict(set)
    # Those that stand alone are many: together they are as few queries as one release.
    alone = [rows[0] for rows in of_release.values() if len(rows) == 1]
    several = [rows for rows in of_release.values() if len(rows) > 1]
    for group in (*several, *_each_in_turn(alone)):
        for examined in _examined(group):
            for key, packages in examined.wanted.items():
                wanted[key].update(packages)
    for registry in Registry.objects.filter(pk__in=wanted):
        names = sorted(wanted[registry.pk])
        for start in range(0, len(names), published.MOST_WANTED):
            published.want(registry, names[start : start + published.MOST_WANTED])


def _examined(rows: Sequence[StagedVersion]) -> list[Examined]:
    together = examine(rows)
    if together.left_out and len({row.release_member.release_id for row in rows}) > 1:
        return [examine([row]) for row in rows]
    return [together]


def _each_in_turn(rows: Sequence[StagedVersion]) -> list[list[StagedVersion]]:
    return [list(rows[start : start + BATCH]) for start in range(0, len(rows), BATCH)]


def _unplaced() -> QuerySet[StagedVersion]:
    """Those that are ready to be placed and were not."""
    done, failed = InspectionRequest.State.DONE, InspectionRequest.State.FAILED
    long_ago = timezone.now() - GRACE
    was_looked_for = (
        Q(provenance_check__provenance__isnull=False)
        | Q(provenance_check__looks__gt=0)
        | ~Q(provenance_check__failure="") & Q(provenance_check__isnull=False)
    )
    has_waited = Q(
        found_at__lt=long_ago,
        inspection_request__requested_at__lt=long_ago,
        inspection_request__inspection__made_at__lt=long_ago,
    )
    return StagedVersion.objects.filter(
        Q(inspection_request__state=failed)
        | Q(inspection_request__state=done) & (was_looked_for | has_waited),
        state=State.STAGED,
        release_member__isnull=True,
    )


def _proven_otherwise() -> QuerySet[ReleaseMember]:
    """Those of which another commit was proven since they were placed than is written down."""
    check = "staged_version__provenance_check__provenance"
    build = f"{check}__build"
    proven = Concat(
        KeyTextTransform("repository", build),
        Value("@"),
        KeyTextTransform("commit", build),
        output_field=TextField(),
    )
    return (
        ReleaseMember.objects.filter(
            Q(commit="") | Q(**{f"{check}__checked_at__gt": F("joined_at")}),
            ~has_begun("release"),
            staged_version__state=State.STAGED,
            placed_by__isnull=True,
            **{
                f"{check}__outcome": Provenance.Outcome.VERIFIED,
                f"{check}__sha512": F("staged_version__sha512"),
            },
        )
        .annotate(proven=proven, length=Length(proven))
        .filter(length__lte=LONGEST_SOURCE)
        .exclude(commit=F("proven"))
        .exclude(proven__startswith="@")
        .exclude(proven__endswith="@")
    )


@dataclass
class _Place:
    """A release that others may join, with what is known of those who are in it."""

    release: Release
    members: list[ReleaseMember] = field(default_factory=list)
    known: list[Belonging] = field(default_factory=list)
    is_new: bool = False
    is_late: bool = False
    has_begun: bool = False

    @property
    def commits(self) -> set[str]:
        """The commits that are proven of those whom no person placed, and of those merged in."""
        return {
            member.commit for member in self.members if member.commit and member.why != Why.PERSON
        }

    def has_room_for(self, one: Belonging) -> bool:
        """Whether it is of the same run, and nobody here is proven to be of another commit."""
        if len(self.commits - {one.commit}) > (0 if one.commit else 1):
            return False
        others = [
            other
            for other, member in zip(self.known, self.members, strict=True)
            if member.why != Why.PERSON and one.actor == other.actor
        ]
        repositories = {other.repository for other in (one, *others)} - {""}
        if len(repositories) > 1 or not any(one.is_of_the_run_of(other) for other in others):
            return False
        times = [other.created_at for other in others] + [one.created_at]
        return max(times) - min(times) <= timedelta(seconds=settings.RELEASE_WINDOW_SECONDS)


@transaction.atomic
def _gather_at(registry: int) -> tuple[set[Any], int]:
    """Places up to a batch at one registry; the releases that changed, and how many were placed."""
    locked = Registry.objects.select_for_update(no_key=True).filter(pk=registry).first()
    if locked is None:
        return set(), 0
    return _Gathering(locked).run()


class _Gathering:
    """One pass over what is to be placed at a registry, in a transaction."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._now = timezone.now()
        self._places: list[_Place] = []
        self._joined: list[tuple[ReleaseMember, _Place]] = []
        self._made: list[_Place] = []
        self._left: set[Any] = set()
        # What was read of each member, by key: only what differs is written.
        self._before: dict[int, list[Any]] = {}

    def run(self) -> tuple[set[Any], int]:
        """Places and moves; see `_gather_at`."""
        unplaced = _unplaced().filter(registry=self._registry)
        # Candidates first and the releases that could take them, then the locks.
        keys = list(unplaced.order_by("created_at", "pk").values_list("pk", flat=True)[:BATCH])
        moving = list(
            _proven_otherwise()
            .filter(release__registry=self._registry)
            .order_by("pk")
            .values_list("pk", flat=True)[:BATCH]
        )
        if not keys and not moving:
            return set(), 0
        self._lock_places(keys, moving)
        # Whoever is decided at this moment stays where they are. Nobody is waited for, as who
        # decides holds releases, too.
        free = StagedVersion.objects.filter(pk__in=keys, state=State.STAGED)
        free_keys = list(
            free.select_for_update(no_key=True, skip_locked=True)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        rows = list(
            StagedVersion.objects.with_package()
            .filter(pk__in=free_keys)
            .order_by("created_at", "pk")
        )
        known = belongings_of(rows)
        # Whoever approves one of them from here on waits until it is placed.
        approved = approved_among(free_keys)
        # Those that are proven first: the others join them, whoever came before.
        for row in sorted(rows, key=lambda row: not known[row.pk].commit):
            self._place(row, known[row.pk], is_approved=row.pk in approved)
        moved = self._move(moving)
        self._write()
        changed = {place.release.pk for _, place in self._joined}
        changed |= {place.release.pk for place in self._made} | self._left
        return changed, len(rows) + moved

    def _lock_places(self, keys: Sequence[int], moving: Sequence[int]) -> None:
        """Releases at this registry that have not begun, no person made, and that somebody in
        still waits in: of those whom the candidates could join, by commit or by actor."""
        commits = set(proven_commits(keys).values())
        of_moving = ReleaseMember.objects.filter(pk__in=moving)
        commits |= set(proven_commits(of_moving.values_list("staged_version", flat=True)).values())
        coming = belongings_of(StagedVersion.objects.with_package().filter(pk__in=keys)).values()
        candidates = ReleaseMember.objects.filter(
            Q(commit__in=commits) & ~Q(commit="") | _of_the_run_of(coming),
            ~has_begun("release"),
            release__registry=self._registry,
            release__made_by__isnull=True,
        )
        wanted = set(candidates.values_list("release", flat=True))
        # What is left is locked as well: nothing leaves a release that begins at this moment.
        wanted |= set(of_moving.values_list("release", flat=True))
        releases = list(
            Release.objects.select_for_update(no_key=True)
            .filter(pk__in=sorted(wanted))
            .order_by("pk")
        )
        # Read again: whoever was waited for may have begun or emptied it.
        waiting = StagedVersion.objects.filter(
            release_member__release=OuterRef("pk"), state=State.STAGED
        )
        begun = begun_since(releases)
        unbegun = Release.objects.filter(
            Exists(waiting), pk__in=[one.pk for one in releases if one.pk not in begun]
        )
        places = {one.pk: _Place(one) for one in unbegun.order_by("found_at", "pk")}
        members = list(
            ReleaseMember.objects.filter(release__in=places)
            .select_related("staged_version__package", "staged_version__registry")
            .order_by("pk")
        )
        known = belongings_of(member.staged_version for member in members)
        for member in members:
            self._before[member.pk] = _values(member)
            place = places[member.release_id]
            place.members.append(member)
            place.known.append(replace(known[member.staged_version_id], commit=member.commit))
        viewed = set(
            ViewedFile.objects.filter(
                change__inspection__requests__staged_version__release_member__release__in=places
            ).values_list(
                "change__inspection__requests__staged_version__release_member__release", flat=True
            )
        )
        for place in places.values():
            age = self._now - place.release.found_at
            place.is_late = age > LATE_AFTER or place.release.pk in viewed
        self._places = list(places.values())

    def _open_places(self, *, begun: bool = False) -> list[_Place]:
        return [
            place
            for place in self._places
            if place.release.made_by_id is None and place.has_begun == begun
        ]

    def _place(self, row: StagedVersion, known: Belonging, *, is_approved: bool) -> None:
        """What was approved before it is placed begins a release: only its like are in there."""
        place, why = self._find(known, begun=is_approved)
        member = ReleaseMember(
            staged_version=row,
            why=why,
            commit=known.commit,
            source=known.source[:LONGEST_SOURCE],
            joined_at=self._now,
        )
        if place is None:
            place = self._new_place(begun=is_approved)
        else:
            self._joined.append((member, place))
        self._enter(member, known, place)

    def _find(self, known: Belonging, *, begun: bool) -> tuple[_Place | None, Why]:
        """Where it belongs, the oldest such first, and why; none where it starts a release."""
        places = self._open_places(begun=begun)
        if known.commit:
            for place in places:
                if known.commit in place.commits:
                    return place, Why.COMMIT
        for place in places:
            if place.has_room_for(known):
                return place, Why.RUN
        return None, Why.ALONE

    def _new_place(self, *, begun: bool = False) -> _Place:
        release = Release(registry=self._registry, found_at=self._now)
        place = _Place(release, is_new=True, has_begun=begun)
        self._places.append(place)
        self._made.append(place)
        return place

    def _enter(self, member: ReleaseMember, known: Belonging, place: _Place) -> None:
        member.release = place.release
        member.is_late = place.is_late
        place.members.append(member)
        place.known.append(known)

    def _move(self, keys: Sequence[int]) -> int:
        """Takes what is proven to be of another commit to where that is; returns how many."""
        wanted = set(keys)
        moving = [
            (place, member)
            for place in list(self._places)
            for member in list(place.members)
            if member.pk in wanted and member.placed_by_id is None
        ]
        commits = proven_commits(member.staged_version_id for _, member in moving)
        changed = 0
        for place, member in sorted(moving, key=lambda one: one[1].pk):
            commit = commits.get(member.staged_version_id, "")
            if not commit or commit == member.commit:
                continue
            changed += 1
            at = place.members.index(member)
            known = replace(place.known[at], commit=commit)
            member.commit = commit
            place.known[at] = known
            others = {
                other.commit
                for other in place.members
                if other is not member and other.commit and other.why != Why.PERSON
            }
            if commit in others:
                member.why = Why.COMMIT
                continue
            target = next(
                (
                    other
                    for other in self._open_places()
                    if other is not place and commit in other.commits
                ),
                None,
            )
            if target is None and not others:
                continue
            del place.members[at], place.known[at]
            self._left.add(place.release.pk)
            if target is None:
                target, member.why = self._new_place(), Why.ALONE
            else:
                member.why = Why.COMMIT
            member.joined_at = self._now
            self._joined.append((member, target))
            self._enter(member, known, target)
        return changed

    def _write(self) -> None:
        """Writes all of it down, and tells of it: the audit log last."""
        Release.objects.bulk_create(place.release for place in self._made)
        for place in self._places:
            self._say_why(place)
        members = [member for place in self._places for member in place.members]
        ReleaseMember.objects.bulk_create(member for member in members if member.pk is None)
        ReleaseMember.objects.bulk_update(
            [
                member
                for member in members
                if member.pk in self._before and _values(member) != self._before[member.pk]
            ],
            _WRITTEN,
        )
        Release.objects.filter(pk__in=self._left, members__isnull=True).delete()
        joined = [(member, place) for member, place in self._joined if not place.is_new]
        moved_away = [(member, place) for member, place in self._joined if place.is_new]
        found = [place for place in self._made if len(place.members) > 1]
        outbox.publish_all(
            [("release.found", None, _release_news(place)) for place in found]
            + [
                (
                    "release.joined",
                    member.staged_version.stage_id,
                    {
                        **news_of(member.staged_version),
                        "release": str(place.release.pk),
                        "is_late": member.is_late,
                    },
                )
                for member, place in joined
            ]
        )
        happenings = [
            Happening(
                "release.found",
                None,
                place.release,
                None,
                {"versions": [str(member.staged_version) for member in place.members]},
            )
            for place in found
        ]
        happenings += [
            Happening(
                "release.joined",
                None,
                member.staged_version,
                member.staged_version.stage_id,
                {
                    "release": str(place.release.pk),
                    "why": str(member.why),
                    "is_late": member.is_late,
                },
            )
            for member, place in joined + [one for one in moved_away if one[1] not in found]
        ]
        if happenings:
            record_all(happenings)

    def _say_why(self, place: _Place) -> None:
        """Who was alone is not, once another comes; and the last who stays is."""
        if len(place.members) == 1:
            (member,) = place.members
            if member.placed_by_id is None and member.why != Why.PERSON:
                member.why = Why.ALONE
            return
        for member in place.members:
            if member.why == Why.ALONE:
                shares = sum(one.commit == member.commit for one in place.members) > 1
                member.why = Why.COMMIT if member.commit and shares else Why.RUN


def _of_the_run_of(coming: Iterable[Belonging]) -> Q:
    """Members who may be of the same run as one of these; but few who are not: one bot stages all
    that some teams have."""
    runs = [one for one in coming if one.actor and one.source]
    if not runs:
        return Q(pk__in=[])
    window = timedelta(seconds=settings.RELEASE_WINDOW_SECONDS)
    # Who says nothing of a repository is of their scope: that is what stands there as the source.
    of_the_source = Q(source__in={one.source for one in runs} | {one.scope for one in runs} - {""})
    for scope in {one.scope for one in runs if not one.repository}:
        of_the_source |= Q(staged_version__package__name__startswith=f"{scope}/")
    return of_the_source & Q(
        staged_version__actor__in={one.actor for one in runs},
        staged_version__created_at__gte=min(one.created_at for one in runs) - window,
        staged_version__created_at__lte=max(one.created_at for one in runs) + window,
    )


def _values(member: ReleaseMember) -> list[Any]:
    return [getattr(member, "release_id" if name == "release" else name) for name in _WRITTEN]


def _release_news(place: _Place) -> dict[str, Any]:
    return {
        "registry": place.release.registry.name,
        "release": str(place.release.pk),
        "versions": len(place.members),
        "url_path": f"/releases/{place.release.pk}/",
    }
