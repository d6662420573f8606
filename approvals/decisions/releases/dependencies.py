"""Which staged versions need which, and what they need that is not there.

Nothing here asks a registry: `approvals.queue.published` has looked up what is published.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from approvals.decisions.releases.asked import Asking, Wish, asked_by, is_name, scope_of
from approvals.decisions.releases.graph import rings
from approvals.people.models import User
from approvals.people.permissions import may_see, may_see_everything
from approvals.provenance.words import named, plain
from approvals.queue.models import PublishedPackage, StagedVersion, State
from registry_client.ranges import Versions, parse_range
from registry_client.versions import sort_key

Problem = Literal[
    "",
    "missing",
    "unsatisfied",
    "unknown",
    "unusable",
    "other_source",
    "not_here",
    "not_covered",
]

MOST_LOOKED_UP = 500
"""Packages that are looked up for the versions of one release."""
_MOST_COMPARED = 20_000
MOST_STEPS, MOST_STEPS_OF_ONE = 400_000, 80_000
"""Of comparing ranges with versions, for all that are examined together and for one of them: who
stages a package chooses what it asks for, and others wait for the answer."""
_STEPS_TO_PARSE, _STEPS_TO_FIND = 4, 8
_TOO_MUCH = "it asks for too much"
_STRONGEST, _PEER, _OPTIONAL = 2, 1, 0
# What is published, or may still be.
_THERE = (
    State.STAGED,
    State.APPROVING,
    State.ACCEPTED,
    State.LIVE,
    State.PUBLISHED_ELSEWHERE,
)
_TO_COME = (State.STAGED, State.APPROVING, State.ACCEPTED)
_RANGE = re.compile(r"[A-Za-z0-9.^~<>=*|+ -]{1,60}")
_Place: TypeAlias = tuple[int, str]
"""A registry's key, and the name of a package there."""


@dataclass(frozen=True)
class Edge:
    """One thing that a staged version asks npm for.

    `dependent` is its key, `name` the package (the one behind an alias), `spec` and `field` as they
    stand in package.json. `needed` is the key of the staged version that it leads to, if any;
    `published` the version that npm installs today, "" for none. An edge without a problem leads
    to a staged version. `staged` are the versions of this name that are staged and not allowed.

    The problem is "missing" where nothing that is staged or published satisfies it, "unsatisfied"
    where the package is staged here in another version, "unknown" while it was not looked up,
    "not_here" where only a version that is staged elsewhere satisfies it, "unusable" where npm
    cannot install it at all, and "other_source" where it comes from no registry. "not_covered" is
    said once of each dependent, with how many `more` packages the reader's role does not cover.
    """

    dependent: int
    name: str
    spec: str
    field: str
    needed: int | None
    is_optional: bool
    published: str = ""
    problem: Problem = ""
    alias: str = ""
    range: str = ""
    staged: tuple[str, ...] = ()
    is_looked_up: bool = True
    # Why it could not be looked up.
    failure: str = ""
    more: int = 0

    @property
    def is_peer(self) -> bool:
        return self.field == "peerDependencies"

    @property
    def is_pending(self) -> bool:
        """Whether more will be known once it is looked up."""
        return not self.is_looked_up and not self.failure

    @property
    def is_fatal(self) -> bool:
        """Whether installs of the dependent fail, as far as is known."""
        fails = self.problem in ("missing", "unsatisfied", "unusable", "not_here")
        return fails and self.is_looked_up and not self.published and not self.is_optional

    @property
    def weight(self) -> int:
        """How strongly it speaks where versions need each other in a ring."""
        if self.is_optional:
            return _OPTIONAL
        return _PEER if self.is_peer else _STRONGEST

    def sentence(self, versions: Mapping[int, StagedVersion]) -> str:  # noqa: PLR0911 - one a problem
        """The same in words; `versions` by key, the dependent and the needed one among them."""
        row = versions[self.dependent]
        if self.needed is not None:
            verb = "can do with" if self.is_optional else "needs"
            return f"{_called(row)} {verb} the staged {_called(versions[self.needed])}."
        asks = f"{_called(row)} asks for {self._what}"
        match self.problem:
            case "missing":
                where = f"neither staged nor published at {row.registry.name}"
                return f"{asks}, which is {where}: {self._then(row)}."
            case "unsatisfied":
                staged = " and ".join(named(version) for version in self.staged)
                return f"{asks}, which the staged {staged} does not satisfy: {self._then(row)}."
            case "not_here":
                return (
                    f"{asks}, which only a version satisfies that is staged and not among these: "
                    "approve that one first."
                )
            case "unusable":
                return f"{asks}, which npm cannot install: {self._fails(row)}."
            case "not_covered":
                more = f" and {self.more:,} more" if self.more else ""
                name = named(self.name)
                return f"{_called(row)} asks for {name}{more}, which your role does not cover."
            case "other_source":
                return f"{asks}, which npm gets from no registry: look at what is there."
            case _:
                return f"{asks}: {self._unknown()}."

    @property
    def _what(self) -> str:
        name = f"{named(self.alias)}, which stands for {named(self.name)}," if self.alias else ""
        spec = _range_in_words(self.range if self.alias else self.spec)
        peer = " as a peer" if self.is_peer else ""
        return f"{name or named(self.name)} {spec}{peer}"

    def _unknown(self) -> str:
        if self.failure:
            return f"whether that is published could not be looked up ({plain(self.failure)})"
        return "whether that is published is still being looked up"

    def _then(self, row: StagedVersion) -> str:
        if not self.is_looked_up:
            return self._unknown()
        if self.published:
            return f"installs get the published {named(self.published)}"
        return self._fails(row)

    def _fails(self, row: StagedVersion) -> str:
        if self.is_optional:
            return f"installs of {_called(row)} will do without it"
        return f"installs of {_called(row)} will fail"


@dataclass(frozen=True)
class Examined:
    """The edges of several versions, and what limits what they say.

    `wanted` are the packages to look up, by registry; `left_out` how many more there would be.
    `cut_short` and `unread` are keys of versions that ask for too much to be looked at, or whose
    package.json is not known.
    """

    edges: tuple[Edge, ...] = ()
    wanted: dict[int, tuple[str, ...]] = field(default_factory=dict)
    left_out: int = 0
    cut_short: tuple[int, ...] = ()
    unread: tuple[int, ...] = ()

    @property
    def is_looked_up(self) -> bool:
        """Whether every look that is wanted was tried."""
        return not any(edge.is_pending for edge in self.edges)


def edges_of(
    staged_versions: Sequence[StagedVersion], reader: User | None = None
) -> tuple[Edge, ...]:
    """What leads from one of these to another, and every problem with what they ask for.

    They must have been read with package and registry. In as many queries for any number. To a
    reader nothing is said of other packages than those that the person may see.
    """
    return examine(staged_versions, reader).edges


def edges_among(staged_versions: Sequence[StagedVersion]) -> tuple[Edge, ...]:
    """Only what leads from one of these to another, and nothing of what is published: for those
    who hold locks."""
    examined = _Examination(staged_versions, is_inner=True).result()
    return tuple(edge for edge in examined.edges if edge.needed is not None)


def examine(staged_versions: Sequence[StagedVersion], reader: User | None = None) -> Examined:
    """What edges_of gives, with what it was made from."""
    return _Examination(staged_versions, reader).result()


def cycles_of(edges: Iterable[Edge]) -> list[list[int]]:
    """Keys of versions that need each other in a ring, each ring in its order.

    Of several rings that share a version, a shortest one is named.
    """
    arrows: dict[int, set[int]] = defaultdict(set)
    for edge in edges:
        if edge.needed is not None and not edge.is_optional:
            arrows[edge.dependent].add(edge.needed)
    return rings(arrows)


def consequences(
    edges: Iterable[Edge], chosen: Collection[int], versions: Mapping[int, StagedVersion]
) -> list[str]:
    """What happens to installs of the chosen ones without those that are left out, in sentences.

    `versions` are all that the edges are among, by key.
    """
    edges = [edge for edge in edges if edge.needed is not None and edge.needed in versions]
    by_name: dict[str, list[StagedVersion]] = defaultdict(list)
    for key in chosen:
        by_name[versions[key].package.name].append(versions[key])
    found, broken = [], {}
    for edge in edges:
        row, needed = versions[edge.dependent], versions[edge.needed or 0]
        is_left_out = edge.needed not in chosen and needed.state in _TO_COME
        if edge.dependent not in chosen or not is_left_out or (edge.is_optional and edge.is_peer):
            continue
        wish = Wish(edge.dependent, edge.name, edge.range, edge.spec, edge.field)
        if any(wish.is_met_by(other.version, other.tag) for other in by_name[edge.name]):
            continue
        begins = f"{edge.sentence(versions)[:-1]}; without it,"
        if edge.published:
            found.append(f"{begins} installs get {named(edge.published)} instead.")
        elif not edge.is_looked_up:
            found.append(f"{begins} installs may fail: {edge._unknown()}.")
        else:
            found.append(f"{begins} {edge._fails(row)}.")
            if not edge.is_optional:
                broken[edge.dependent] = True
    return found + _passed_on(edges, chosen, versions, broken)


def _passed_on(
    edges: Sequence[Edge],
    chosen: Collection[int],
    versions: Mapping[int, StagedVersion],
    broken: Mapping[int, object],
) -> list[str]:
    """What else will fail, since it needs what fails."""
    needed_by: dict[int, list[int]] = defaultdict(list)
    for edge in edges:
        if edge.needed is not None and not edge.is_optional:
            needed_by[edge.needed].append(edge.dependent)
    found, known, waiting = [], set(broken), list(broken)
    while waiting:
        failing = waiting.pop(0)
        for one in needed_by[failing]:
            if one in chosen and one not in known:
                known.add(one)
                waiting.append(one)
                found.append(
                    f"Installs of {_called(versions[one])} will fail as well: it needs "
                    f"{_called(versions[failing])}."
                )
    return found


def _range_in_words(text: str) -> str:
    """As it stands, in quotes where a reader could take it for a part of the sentence."""
    if not text.strip():
        return "any version"
    return text if _RANGE.fullmatch(text) else named(text)


def _called(row: StagedVersion) -> str:
    return f"{named(row.package.name)} {named(row.version)}"


class _Examination:
    """One look at several versions."""

    def __init__(
        self,
        staged_versions: Sequence[StagedVersion],
        reader: User | None = None,
        *,
        is_inner: bool = False,
    ) -> None:
        self._is_inner = is_inner
        self._reader = None if reader is not None and may_see_everything(reader) else reader
        self._urls = {row.registry_id: row.registry.url for row in staged_versions}
        self._covered: dict[_Place, bool] = {}
        self._not_covered: dict[int, dict[_Place, Wish]] = defaultdict(dict)
        self._versions: dict[_Place, Versions] = {}
        self._rows = {row.pk: row for row in staged_versions}
        self._asking: Asking = asked_by(staged_versions)
        self._here: dict[_Place, list[StagedVersion]] = defaultdict(list)
        for row in staged_versions:
            if row.state in _THERE:
                self._here[row.registry_id, row.package.name].append(row)
        self._scopes = {scope_of(row.package.name) for row in staged_versions} - {""}
        self._elsewhere: dict[_Place, list[tuple[str, str]]] = {}
        self._wanted: set[_Place] = set()
        self._left_out = 0
        self._published: dict[_Place, PublishedPackage] = {}
        if not is_inner:
            self._elsewhere = self._staged_elsewhere()
            self._wanted, self._left_out = self._choose()
            self._published = self._look()
        self._leads: dict[tuple[_Place, str], str] = {}
        self._steps = 0
        self._steps_of: dict[int, int] = defaultdict(int)

    def result(self) -> Examined:
        wishes = self._asking.wishes
        found: dict[int, list[Edge]] = {}
        # Who asks for much comes last: it is their own answers that are missing, if any.
        for pk in sorted(wishes, key=lambda pk: sum(len(wish.range) for wish in wishes[pk])):
            found[pk] = [edge for wish in wishes[pk] if (edge := self._edge(wish)) is not None]
        edges = [edge for pk in self._rows for edge in found.get(pk, ())]
        for hidden in self._not_covered.values():
            first, *others = hidden.values()
            edges.append(_edge(first, "not_covered", more=len(others)))
        stopped = {pk for pk in wishes if not self._has_steps(pk)}
        wanted: dict[int, list[str]] = defaultdict(list)
        for registry, name in sorted(self._wanted):
            wanted[registry].append(name)
        return Examined(
            tuple(edges),
            {registry: tuple(names) for registry, names in wanted.items()},
            self._left_out,
            tuple(sorted(stopped.union(self._asking.cut_short))),
            self._asking.unread,
        )

    def _has_steps(self, dependent: int) -> bool:
        return self._steps < MOST_STEPS and self._steps_of[dependent] < MOST_STEPS_OF_ONE

    def _spend(self, dependent: int, steps: int) -> None:
        self._steps += steps
        self._steps_of[dependent] += steps

    def _place(self, wish: Wish) -> _Place:
        return self._rows[wish.dependent].registry_id, wish.name

    def _is_covered(self, place: _Place) -> bool:
        """Whether the reader may know what there is of this package."""
        if self._reader is None:
            return True
        if place not in self._covered:
            self._covered[place] = may_see(self._reader, self._urls[place[0]], place[1])
        return self._covered[place]

    def _staged_elsewhere(self) -> dict[_Place, list[tuple[str, str]]]:
        """Versions and dist-tags of what is asked for and staged, but not one of these."""
        registries = {row.registry_id for row in self._rows.values()}
        names = {wish.name for wishes in self._asking.wishes.values() for wish in wishes}
        staged = StagedVersion.objects.all()
        if self._reader is not None:
            staged = staged.visible_to(self._reader)
        others = (
            staged.filter(
                registry__in=registries,
                package__name__in=sorted(filter(is_name, names))[:_MOST_COMPARED],
                state__in=_TO_COME,
            )
            .exclude(pk__in=list(self._rows))
            .order_by()
        )
        found: dict[_Place, list[tuple[str, str]]] = defaultdict(list)
        for registry, name, version, tag in others.values_list(
            "registry", "package__name", "version", "tag"
        ):
            found[registry, name].append((version, tag))
        return found

    def _rank(self, wish: Wish) -> int | None:
        """How much it matters what is published of it; None where nobody looks."""
        place = self._place(wish)
        if place in self._here or place in self._elsewhere:
            return 0
        if scope_of(wish.name) in self._scopes:
            return 1
        return 2 if wish.is_new else None

    def _choose(self) -> tuple[set[_Place], int]:
        """What is looked up, and how much more would be."""
        ranked: dict[_Place, int] = {}
        for wishes in self._asking.wishes.values():
            for wish in wishes:
                rank = self._rank(wish)
                if rank is None or not is_name(wish.name) or wish.kind != "registry":
                    continue
                if wish.is_bundled or (wish.is_optional and wish.is_peer and rank):
                    continue
                place = self._place(wish)
                ranked[place] = min(rank, ranked.get(place, rank))
        places = sorted(ranked, key=lambda place: (ranked[place], place))
        return set(places[:MOST_LOOKED_UP]), len(places[MOST_LOOKED_UP:])

    def _look(self) -> dict[_Place, PublishedPackage]:
        rows = PublishedPackage.objects.filter(
            registry__in={registry for registry, _ in self._wanted},
            name__in={name for _, name in self._wanted},
        )
        found = {(row.registry_id, row.name): row for row in rows}
        return {place: row for place, row in found.items() if self._is_covered(place)}

    def _edge(self, wish: Wish) -> Edge | None:  # noqa: PLR0911 - one line a kind
        place = self._place(wish)
        rank = self._rank(wish)
        if wish.is_plainly_not_installable:
            return _edge(wish, "unusable")
        if rank is None or (self._is_inner and place not in self._here):
            return None
        if wish.kind != "registry":
            if wish.kind in ("git", "remote"):
                return _edge(wish, "other_source")
            return _edge(wish, "unusable")
        own = [row for row in self._here.get(place, ()) if row.pk != wish.dependent]
        if not self._has_steps(wish.dependent):
            return None
        self._spend(wish.dependent, _STEPS_TO_PARSE * (1 + wish.range.count("||")))
        published, known = self._published_for(place, wish)
        about: dict[str, object] = {
            "published": published,
            "is_looked_up": known is not None and known.looked_at is not None,
            "failure": known.failure if known is not None and known.looked_at is None else "",
        }
        is_stopped = not self._has_steps(wish.dependent)
        if is_stopped and not published:
            about |= {"is_looked_up": False, "failure": _TOO_MUCH}
        fitting = [row for row in own if wish.is_met_by(row.version, row.tag)]
        if fitting:
            best = max(fitting, key=lambda row: (row.tag == "latest", sort_key(row.version)))
            return _edge(wish, "", needed=best.pk, **about)
        if wish.is_bundled or is_stopped:
            return None
        if own:
            if parse_range(wish.range) is None and known is not None and known.versions:
                return None  # another dist-tag: where it points is not known
            staged = tuple(sorted((row.version for row in own), key=sort_key))
            return _edge(wish, "unsatisfied", staged=staged, **about)
        return self._outside(wish, place, published, known, about)

    def _outside(  # noqa: PLR0911 - one line a case
        self,
        wish: Wish,
        place: _Place,
        published: str,
        known: PublishedPackage | None,
        about: dict[str, object],
    ) -> Edge | None:
        """What is asked for beside the versions that are looked at."""
        if published or (wish.is_optional and wish.is_peer):
            return None
        if is_name(wish.name) and place not in self._wanted:
            return None
        if self._is_met_elsewhere(place, wish):
            return _edge(wish, "not_here", **about)
        if is_name(wish.name) and not self._is_covered(place):
            self._not_covered[wish.dependent].setdefault(place, wish)
            return None
        if not is_name(wish.name):
            return _edge(wish, "missing")
        if not about["is_looked_up"]:
            return _edge(wish, "unknown", **about)
        if parse_range(wish.range) is None and known is not None and known.versions:
            return None  # a dist-tag: where it points is not known
        return _edge(wish, "missing", **about)

    def _is_met_elsewhere(self, place: _Place, wish: Wish) -> bool:
        sets = 1 + wish.range.count("||")
        for other in self._elsewhere.get(place, ()):
            if not self._has_steps(wish.dependent):
                break
            self._spend(wish.dependent, sets)
            if wish.is_met_by(*other):
                return True
        return False

    def _published_for(self, place: _Place, wish: Wish) -> tuple[str, PublishedPackage | None]:
        """The published version that it leads to, and all that is known of the package."""
        known = self._published.get(place)
        if known is None or known.looked_at is None:
            return "", known
        key = (place, wish.range)
        if key not in self._leads:
            if wish.range.strip() == "latest":
                self._leads[key] = known.latest
            else:
                self._leads[key] = self._leads_to(place, wish, known)
        return self._leads[key], known

    def _leads_to(self, place: _Place, wish: Wish, known: PublishedPackage) -> str:
        """As `ranges.leads_to`, as long as there are steps left."""
        wanted = parse_range(wish.range)
        if wanted is None or not self._has_steps(wish.dependent):
            return ""
        self._spend(wish.dependent, _STEPS_TO_FIND * len(wanted.sets))
        if place not in self._versions:
            self._versions[place] = Versions(known.versions)
        return self._versions[place].leads_to(wanted, known.latest)


def _edge(wish: Wish, problem: Problem, **about: object) -> Edge:
    values = {"needed": None, **about}
    return Edge(
        dependent=wish.dependent,
        name=wish.name,
        spec=wish.spec,
        field=wish.field,
        is_optional=wish.is_optional or wish.is_bundled,
        problem=problem,
        alias=wish.alias,
        range=wish.range,
        **values,  # type: ignore[arg-type]  # fields of Edge
    )
