"""What the pages say of releases: what is usual and what is not, and what a choice would mean."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, Q

from approvals.decisions.deciding.decide import MOST_AT_ONCE, obstacles_of
from approvals.decisions.judging.checklist import Checklist, checklists_of
from approvals.decisions.models import Action, Release, ReleaseMember
from approvals.decisions.releases.begun import has_begun
from approvals.decisions.releases.dependencies import Edge, consequences, edges_of
from approvals.decisions.releases.overview import MemberRow, Overview, ReleaseRow
from approvals.inspection.models import InspectionRequest
from approvals.people.deciders import decider_of
from approvals.people.models import User
from approvals.people.permissions import may_decide
from approvals.policy.answers import Outcome
from approvals.provenance.models import ProvenanceCheck
from approvals.provenance.words import repository_name, short_commit
from approvals.queue.models import StagedVersion, State
from approvals.web.checklist import approvals_in, in_words, is_last
from approvals.web.provenance import VERDICTS
from approvals.web.reading import request_of
from approvals.web.wording import (
    approve_several_words,
    approve_words,
    reject_several_words,
    reject_words,
    vote_several_words,
    vote_words,
    who_gets_it,
)

# So many are named in a line; the rest is counted.
NAMED = 4
MOST_TARGETS = 50
# What goes out, or is out: nobody leaves it out any more.
_GOING_OUT = frozenset({State.APPROVING, State.ACCEPTED, State.LIVE})
_STEPS = ("first", "major", "minor", "patch", "prerelease", "lower", "same", "unknown")
_STEP_WORDS = {
    "first": "first release",
    "lower": "lower than what is published",
    "same": "same as what is published",
    "unknown": "step unknown",
    "": "not compared yet",
}


@dataclass(frozen=True)
class Said:
    """A sentence, and of which versions it is true. `next_step` is what would change it."""

    sentence: str
    versions: tuple[StagedVersion, ...]
    of: int
    tone: str = "warn"
    next_step: str = ""
    asked: str = ""

    @property
    def is_of_all(self) -> bool:
        return len(self.versions) == self.of

    @property
    def named(self) -> tuple[StagedVersion, ...]:
        return self.versions[:NAMED]

    @property
    def more(self) -> int:
        return max(len(self.versions) - NAMED, 0)


@dataclass(frozen=True)
class PageRow:
    """A version of the release as the table shows it."""

    row: MemberRow
    may_be_chosen: bool
    is_chosen: bool
    # What the policy has against it, apart from approvals that are missing.
    in_the_way: tuple[str, ...]
    state: str
    # Others of the release are proven to be of one commit, and this one is not.
    is_unproven: bool = False

    @property
    def approvals(self) -> str:
        """As "1 of 2 approvals"."""
        have, wanted = approvals_in(self.row.checklist)
        return f"{have} of {wanted} approval{'' if wanted == 1 else 's'}"

    @property
    def is_blocked(self) -> bool:
        return self.row.checklist.is_blocked


@dataclass(frozen=True)
class Choice:
    """What deciding exactly these versions would do, and what keeps from it."""

    chosen: tuple[StagedVersion, ...]
    waiting: int
    approve_words: str = ""
    reject_words: str = ""
    obstacles: tuple[Said, ...] = ()
    # The keys of those that nothing keeps from being approved.
    free: tuple[int, ...] = ()
    consequences: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    # The keys of those for which the glass can be broken, and for which somebody has asked that
    # this person can agree to.
    to_break: tuple[int, ...] = ()
    to_second: tuple[int, ...] = ()
    most: int = MOST_AT_ONCE

    @property
    def is_too_many(self) -> bool:
        return len(self.chosen) > self.most

    @property
    def not_free(self) -> int:
        return len(self.chosen) - len(self.free)

    @property
    def left_out(self) -> int:
        return self.waiting - len(self.chosen)


@dataclass(frozen=True)
class Warnings:
    """What comes of leaving others out, and what is not there anyway, in sentences."""

    consequences: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listed:
    """A release in a list, and where it comes from, as people name it."""

    row: ReleaseRow
    origin: str


@dataclass(frozen=True)
class Target:
    """Another release that versions can be moved to, in words."""

    key: str
    words: str


@dataclass(frozen=True)
class PartOf:
    """The release that a version is in: how many of it the person may see."""

    release: Release
    total: int
    waiting: int


def part_of(staged_version: StagedVersion, user: User) -> PartOf | None:
    """The release that this version is in, as this person may see it; None before it is in one."""
    member = (
        ReleaseMember.objects.filter(staged_version=staged_version)
        .select_related("release")
        .first()
    )
    if member is None:
        return None
    visible = StagedVersion.objects.visible_to(user)
    found = ReleaseMember.objects.filter(
        release=member.release, staged_version__in=visible
    ).aggregate(
        total=Count("pk"), waiting=Count("pk", filter=Q(staged_version__state=State.STAGED))
    )
    return PartOf(member.release, found["total"], found["waiting"])


def back_to(release: str, staged_versions: Sequence[StagedVersion], user: User) -> Release | None:
    """The release that the address names, where somebody comes from who chose these there."""
    try:
        key = UUID(release)
    except ValueError:
        return None
    found = Release.objects.visible_to(user).filter(pk=key).first()
    keys = {row.pk for row in staged_versions}
    if found is None or found.members.filter(staged_version__in=keys).count() < len(keys):
        return None
    return found


def facts_of_release(overview: Overview) -> dict[str, Any]:
    """The decision's facts over the whole."""
    rows = overview.members
    steps = Counter(row.step for row in rows)
    tags = Counter((who_gets_it(row.version), row.version.tag) for row in rows)
    verdicts = Counter(row.verdict for row in rows)
    words = [VERDICTS[ProvenanceCheck.Verdict(one)] for one, _ in verdicts.most_common()]
    return {
        "total": len(rows),
        "steps": ", ".join(
            _counted(steps[step], _STEP_WORDS.get(step, step), of=len(rows))
            for step in (*_STEPS, "")
            if steps[step]
        ),
        "usual_tag": Counter(row.version.tag for row in rows).most_common(1)[0][0],
        "tags": [(who, tag, number) for (who, tag), number in tags.most_common(NAMED)],
        "more_tags": max(len(tags) - NAMED, 0),
        "files": sum(row.files_changed for row in rows),
        "added": sum(row.lines_added for row in rows),
        "removed": sum(row.lines_removed for row in rows),
        "compared": sum(row.is_inspected for row in rows),
        "built": [
            (VERDICTS[ProvenanceCheck.Verdict(verdict)], number)
            for verdict, number in verdicts.most_common()
        ],
        "built_badly": any(word.tone == "bad" for word in words),
        "actors": sorted({row.version.actor for row in rows if row.version.actor}),
        "origins": origins_of(row.member for row in rows),
        "first_at": min((row.version.created_at for row in rows), default=None),
        "last_at": max((row.version.created_at for row in rows), default=None),
        "is_done": bool(rows) and not any(row.version.is_open for row in rows),
    }


def _counted(number: int, words: str, *, of: int) -> str:
    return words if number == of == 1 else f"{number} {words}"


def listed(rows: Iterable[ReleaseRow]) -> list[Listed]:
    """Releases as lists show them."""
    return [Listed(row, _origin(row.commit, row.source)) for row in rows]


def origins_of(members: Iterable[ReleaseMember]) -> list[str]:
    """Where they come from, as people name it: "acme/ui at 0dd0dd0", or what they share."""
    found = (_origin(member.commit, member.source) for member in members)
    return [one for one in dict.fromkeys(found) if one]


def _origin(commit: str, source: str) -> str:
    repository, _, number = commit.rpartition("@")
    if repository:
        return f"{repository_name(repository)} at {short_commit(number)}"
    return repository_name(source) if "://" in source else source


def rows_of(overview: Overview, user: User, chosen: Collection[int] | None) -> list[PageRow]:
    """The table; `chosen` are the keys that are ticked, None for all that can be.

    But for what somebody should choose to take along: what came late, and what nothing proves to
    belong to others that are proven.
    """
    rows = []
    is_proven = any(row.member.commit for row in overview.members)
    for row in overview.members:
        version = row.version
        may = row.is_waiting and may_decide(user, version.registry.url, version.package.name)
        asked = request_of(version)
        rows.append(
            PageRow(
                row,
                may_be_chosen=may,
                is_chosen=may
                and (
                    row.key in chosen
                    if chosen is not None
                    else not row.is_late and (bool(row.member.commit) or not is_proven)
                ),
                is_unproven=is_proven and not row.member.commit,
                in_the_way=tuple(one.sentence for one in row.checklist.in_the_way())
                if row.is_waiting
                else (),
                state=asked.state if asked else InspectionRequest.State.WAITING,
            )
        )
    return rows


def in_the_way_of(overview: Overview) -> list[Said]:
    """What the policy still wants of the waiting versions, each thing once, the worst first."""
    waiting = overview.waiting
    names = {one.key: one.name for row in waiting for one in row.checklist.case.deciders}
    found: dict[tuple[bool, str, str], list[tuple[StagedVersion, frozenset[int]]]]
    found = defaultdict(list)
    for row in waiting:
        for answer in row.checklist.unmet:
            key = (answer.outcome is Outcome.BLOCKED, answer.sentence, answer.next_step)
            found[key].append((row.version, answer.asks))
    said = [
        Said(
            sentence.rstrip(" .:"),
            tuple(version for version, _ in whom),
            len(waiting),
            tone="bad" if is_blocked else "warn",
            next_step=next_step,
            asked=_asked([asks for _, asks in whom], names),
        )
        for (is_blocked, sentence, next_step), whom in found.items()
    ]
    return sorted(said, key=lambda one: (one.tone, -len(one.versions)))


def _asked(whom: Sequence[frozenset[int]], names: Mapping[int, str]) -> str:
    """Who can do something for all of the versions, and whether there are others for some."""
    everybody = frozenset.intersection(*whom)
    others = frozenset.union(*whom) - everybody
    known = in_words([names[key] for key in everybody if key in names])
    if not known:
        return "not the same people for each" if others else ""
    return f"{known}; for some of them others, too" if others else known


def unusual_in(overview: Overview) -> list[Said]:
    """What a reviewer must not miss, each thing once with the packages it is true of."""
    rows = overview.members
    checks: list[tuple[str, str, Callable[[MemberRow], bool]]] = [
        ("bad", "An alarm was raised", lambda row: bool(row.version.alarm)),
        (
            "bad",
            "Something may be an attack or an accident",
            lambda row: row.findings.is_serious,
        ),
        *(
            ("bad", f"Provenance: {word.label.lower()}", _has_verdict(verdict))
            for verdict, word in VERDICTS.items()
            if word.tone == "bad"
        ),
        ("bad", "The comparison failed", _has_failed),
        ("bad", "Lower than what is published", lambda row: row.step == "lower"),
        ("warn", "Came late, when people could look at this already", lambda row: row.is_late),
        ("warn", "A major step", lambda row: row.step == "major"),
        ("warn", "A first release", lambda row: row.step == "first"),
    ]
    said = []
    for tone, sentence, is_so in checks:
        if versions := tuple(row.version for row in rows if is_so(row)):
            said.append(Said(sentence, versions, len(rows), tone=tone))
    tags = Counter(row.version.tag for row in rows)
    if len(tags) > 1:
        usual = tags.most_common(1)[0][0]
        versions = tuple(row.version for row in rows if row.version.tag != usual)
        said.append(Said(f"Another dist-tag than {usual}", versions, len(rows)))
    return said


def _has_verdict(verdict: str) -> Callable[[MemberRow], bool]:
    return lambda row: row.verdict == verdict


def _has_failed(row: MemberRow) -> bool:
    asked = request_of(row.version)
    return asked is not None and asked.state == InspectionRequest.State.FAILED


def choice_of(
    user: User,
    versions: Mapping[int, StagedVersion],
    chosen: Collection[int],
    *,
    edges: Iterable[Edge] | None = None,
    checklists: Mapping[int, Checklist] | None = None,
) -> Choice:
    """What deciding those that are chosen would mean. `versions` are all of the release that this
    person may see, by key; `edges` and `checklists` (without a voter) theirs, for whoever has them.
    """
    waiting = [row for row in versions.values() if row.state == State.STAGED]
    rows = [row for row in waiting if row.pk in chosen]
    if not rows:
        return Choice((), len(waiting))
    if checklists is None:
        checklists = checklists_of(rows)
    voter = decider_of(user)
    voted = {row.pk: checklists[row.pk].voted_by(voter) for row in rows}
    sentences = obstacles_of(user, rows, Action.APPROVE, checklists=voted, overriding=True)
    found: dict[str, list[StagedVersion]] = defaultdict(list)
    for row, own in zip(rows, sentences, strict=True):
        for sentence in own:
            found[sentence].append(row)
    warnings = warnings_of(user, versions, [row.pk for row in rows], edges=edges)
    to_break, to_second = _glass_of(user, rows, checklists)
    return Choice(
        tuple(rows),
        len(waiting),
        approve_words=_approve_words(rows, voted),
        reject_words=reject_several_words(rows) if len(rows) > 1 else reject_words(rows[0]),
        obstacles=tuple(Said(one, tuple(of), len(rows)) for one, of in found.items()),
        free=tuple(row.pk for row, own in zip(rows, sentences, strict=True) if not own),
        consequences=warnings.consequences,
        problems=warnings.problems,
        to_break=to_break,
        to_second=to_second,
    )


def _glass_of(
    user: User, rows: Iterable[StagedVersion], checklists: Mapping[int, Checklist]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The keys of those that are kept in at this time: for which this person can break the glass,
    and for which they can agree to what somebody else has asked.

    What was asked for with several reasons is agreed to one reason after the other.
    """
    late = [
        row
        for row in rows
        if any(answer.may_break_glass for answer in checklists[row.pk].unmet)
        and may_decide(user, row.registry.url, row.package.name)
    ]
    glass = {row.pk: one for row in late if (one := checklists[row.pk].case.glass)}
    others = {key: one for key, one in glass.items() if not one.is_broken and one.by != user.pk}
    reasons = [one.reason for one in others.values()]
    return (
        tuple(row.pk for row in late if row.pk not in glass),
        tuple(key for key, one in others.items() if one.reason == reasons[0]),
    )


def _approve_words(rows: Sequence[StagedVersion], voted: Mapping[int, Checklist]) -> str:
    """What approving these does: it publishes them, or it is one approval of several."""
    last = is_last(voted.values())
    if len(rows) > 1:
        return approve_several_words(rows) if last else vote_several_words(rows)
    return approve_words(rows[0]) if last else vote_words(*approvals_in(voted[rows[0].pk]))


def warnings_for(user: User, staged_versions: Sequence[StagedVersion]) -> dict[str, Any]:
    """What approving exactly these leaves out of their releases, and does not find: for the
    confirmation. As far as this person may see the others.
    """
    versions = companions_of(staged_versions, user)
    return asdict(warnings_of(user, versions, {row.pk for row in staged_versions}))


def warnings_of(
    user: User,
    versions: Mapping[int, StagedVersion],
    chosen: Collection[int],
    *,
    edges: Iterable[Edge] | None = None,
) -> Warnings:
    """What happens to those who install the chosen ones, in sentences: `consequences` of leaving
    out the others, and `problems` with what they depend on. `versions` by key, with the others.
    """
    all_edges = tuple(edges_of(list(versions.values()), user) if edges is None else edges)
    going = set(chosen) | {key for key, row in versions.items() if row.state in _GOING_OUT}
    problems = (
        one.sentence(versions)
        for one in all_edges
        if one.problem and not one.is_pending and one.dependent in chosen
    )
    return Warnings(
        tuple(dict.fromkeys(consequences(all_edges, going, versions))),
        tuple(dict.fromkeys(problems)),
    )


def companions_of(staged_versions: Sequence[StagedVersion], user: User) -> dict[int, StagedVersion]:
    """These and all else of their releases that this person may see, by key."""
    releases = ReleaseMember.objects.filter(
        staged_version__in=[row.pk for row in staged_versions]
    ).values("release")
    others = (
        StagedVersion.objects.visible_to(user)
        .filter(release_member__release__in=releases)
        .with_package()
    )
    return {row.pk: row for row in (*others, *staged_versions)}


def targets_of(release: Release, user: User) -> list[Target]:
    """Where versions of this release can be moved to: others at the same registry, newest first."""
    members = ReleaseMember.objects.filter(
        staged_version__state=State.STAGED,
        staged_version__in=StagedVersion.objects.visible_to(user),
    )
    others = (
        Release.objects.filter(
            ~has_begun(),
            registry=release.registry_id,
            pk__in=members.values("release"),
        )
        .exclude(pk=release.pk)
        .order_by("-found_at")[:MOST_TARGETS]
    )
    names: dict[Any, list[str]] = {one.pk: [] for one in others}
    rows = members.filter(release__in=list(names)).order_by("staged_version__package__name")
    for key, name, version in rows.values_list(
        "release", "staged_version__package__name", "staged_version__version"
    ):
        names[key].append(f"{name} {version}")
    return [
        Target(str(key), f"{own[0]} and {len(own) - 1} more" if own[1:] else own[0])
        for key, own in names.items()
        if own
    ]
