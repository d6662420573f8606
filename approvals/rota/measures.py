"""How long staged versions wait: for a first look, for a decision, for being live.

Counted from when Countersign found a version, by its own clock throughout: a registry's clock may
be wrong. A version that was decided without its page being opened was looked at then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from math import ceil
from statistics import median

from django.utils import timezone

from approvals.decisions.models import DecisionItem
from approvals.people.models import Team, User
from approvals.people.scopes import Reach, ScopeRefused, check_packages, packages_within
from approvals.queue.models import StagedVersion, State

USUAL_DAYS = 30
MOST_DAYS = 400
MOST_VERSIONS = 20_000
# Outside of these, time zones run out of the calendar.
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2999, 12, 30)
# Up to how many days a column of the time is a day, or a week; else four weeks.
_DAILY, _WEEKLY = 31, 217
_TAIL = 0.9


class Measure(StrEnum):
    """What is waited for."""

    LOOK = "look"
    DECISION = "decision"
    LIVE = "live"


class MeasuresRefused(Exception):
    """There are no figures for this; the text says why, and what to do."""


@dataclass(frozen=True)
class Range:
    """Which versions are counted: found from one day to another, both included."""

    since: date
    until: date
    packages: str = ""
    registry_url: str = ""

    @property
    def days(self) -> int:
        return (self.until - self.since).days + 1

    @property
    def days_each(self) -> int:
        """How many days stand together as the time goes by."""
        return 1 if self.days <= _DAILY else 7 if self.days <= _WEEKLY else 28

    @property
    def moments(self) -> tuple[datetime, datetime]:
        """From the first midnight to the one after the last day, in Countersign's time zone."""
        after = self.until + timedelta(days=1)
        return (
            timezone.make_aware(datetime.combine(self.since, time.min)),
            timezone.make_aware(datetime.combine(after, time.min)),
        )


@dataclass(frozen=True)
class Waited:
    """One version, and when what happened to it; by whom as a person's key."""

    key: int
    registry: str
    package: str
    version: str
    tag: str
    state: str
    found_at: datetime
    looked_at: datetime | None = None
    looked_by: int | None = None
    decided_at: datetime | None = None
    decided_by: int | None = None
    live_at: datetime | None = None

    def until(self, measure: Measure) -> timedelta | None:
        """How long it took; None where it has not happened."""
        moment = {
            Measure.LOOK: self.looked_at,
            Measure.DECISION: self.decided_at,
            Measure.LIVE: self.live_at,
        }[measure]
        return None if moment is None else max(moment - self.found_at, timedelta(0))

    def by(self, measure: Measure) -> int | None:
        """Who is to thank: whoever looked, or whoever decided."""
        return self.looked_by if measure is Measure.LOOK else self.decided_by


@dataclass(frozen=True)
class Spread:
    """Of so many waits, the one in the middle, and the one that nine in ten do not exceed."""

    count: int
    median: timedelta
    tail: timedelta


@dataclass(frozen=True)
class Row:
    """Some versions together; a measure is missing where it has not happened to any."""

    label: str
    versions: int
    spreads: dict[Measure, Spread] = field(default_factory=dict)

    def spread(self, measure: Measure) -> Spread | None:
        return self.spreads.get(measure)


@dataclass(frozen=True)
class Figures:
    """All of it: in whole, per package, per team, and as time went by (from which day each)."""

    total: Row
    packages: list[Row]
    teams: list[Row]
    over_time: list[tuple[date, Row]]
    days_each: int


def usual_range(today: date) -> Range:
    """What is shown where nobody said anything else."""
    return Range(today - timedelta(days=USUAL_DAYS - 1), today)


def checked(wanted: Range) -> Range:
    """The same, if there can be figures for it. Raises MeasuresRefused."""
    if wanted.since > wanted.until:
        raise MeasuresRefused("The time ends before it begins. Choose a later last day.")
    if wanted.days > MOST_DAYS:
        raise MeasuresRefused(f"Choose at most {MOST_DAYS} days.")
    if wanted.since < FIRST_DAY or wanted.until > LAST_DAY:
        raise MeasuresRefused("Choose days of this millennium.")
    if wanted.packages:
        try:
            check_packages(wanted.packages)
        except ScopeRefused as error:
            raise MeasuresRefused(str(error)) from error
    return wanted


def waits_of(user: User, wanted: Range) -> list[Waited]:
    """Each version of the range that this person may see, oldest first. Raises MeasuresRefused.

    In a constant number of queries.
    """
    begin, end = checked(wanted).moments
    found = StagedVersion.objects.visible_to(user).filter(found_at__gte=begin, found_at__lt=end)
    if wanted.packages or wanted.registry_url:
        reach = Reach(wanted.registry_url, wanted.packages or "*")
        found = found.filter(
            packages_within([reach], name="package__name", registry_url="registry__url")
        )
    rows = list(
        found.order_by("found_at", "pk").values_list(
            "pk",
            "registry__name",
            "package__name",
            "version",
            "tag",
            "state",
            "found_at",
            "state_changed_at",
            "first_look__at",
            "first_look__person_id",
        )[: MOST_VERSIONS + 1]
    )
    if len(rows) > MOST_VERSIONS:
        raise MeasuresRefused(
            f"These are more than {MOST_VERSIONS:,} versions. Choose a shorter time, or fewer "
            "packages."
        )
    decided: dict[int, tuple[datetime, int]] = {}
    for key, at, person in (
        DecisionItem.objects.filter(staged_version__in=found)
        .order_by("-decision__made_at", "-pk")
        .values_list("staged_version_id", "decision__made_at", "decision__user_id")
    ):
        decided[key] = (at, person)
    waits = []
    for key, registry, package, version, tag, state, found_at, changed_at, look, looker in rows:
        looks = [(look, looker)] if look is not None else []
        looks += [decided[key]] if key in decided else []
        looked_at, looked_by = min(looks, default=(None, None))
        decided_at, decided_by = decided.get(key, (None, None))
        waits.append(
            Waited(
                key,
                registry,
                package,
                version,
                tag,
                state,
                found_at,
                looked_at,
                looked_by,
                decided_at,
                decided_by,
                live_at=changed_at if state == State.LIVE else None,
            )
        )
    return waits


def figures_of(waits: Sequence[Waited], wanted: Range) -> Figures:
    """The figures; teams are those of today, and count what their people did."""
    several = len({one.registry for one in waits}) > 1
    packages = defaultdict(list)
    for one in waits:
        packages[f"{one.package} at {one.registry}" if several else one.package].append(one)
    return Figures(
        total=_row("All packages", waits),
        packages=_slowest_first(_row(label, some) for label, some in packages.items()),
        teams=_slowest_first(_teams(waits)),
        over_time=over_time_of(waits, wanted),
        days_each=wanted.days_each,
    )


def over_time_of(waits: Iterable[Waited], wanted: Range) -> list[tuple[date, Row]]:
    """What was found on each day, in each week or in each four weeks, by the first day of each."""
    columns: list[list[Waited]] = [[] for _ in range(ceil(wanted.days / wanted.days_each))]
    for one in waits:
        day = timezone.localdate(one.found_at)
        columns[(day - wanted.since).days // wanted.days_each].append(one)
    return [
        (wanted.since + timedelta(days=number * wanted.days_each), _row("", some))
        for number, some in enumerate(columns)
    ]


def spread_of(waits: Iterable[timedelta]) -> Spread | None:
    """None of none. The wait of nine in ten is one that there was, not one in between."""
    found = sorted(waits)
    if not found:
        return None
    middle = timedelta(seconds=median(one.total_seconds() for one in found))
    return Spread(len(found), middle, found[ceil(_TAIL * len(found)) - 1])


def names_of(waits: Iterable[Waited]) -> dict[int, str]:
    """The user names of all who looked and decided, by key."""
    keys = {key for one in waits for key in (one.looked_by, one.decided_by) if key is not None}
    # Everybody, so that no number of people makes a statement too long for the database.
    people = User.objects.values_list("pk", "username")
    return {key: name for key, name in people if key in keys}


def _row(label: str, waits: Sequence[Waited], of: set[int] | None = None) -> Row:
    spreads = {}
    for measure in Measure:
        some = (
            waited
            for one in waits
            if (waited := one.until(measure)) is not None and (of is None or one.by(measure) in of)
        )
        if spread := spread_of(some):
            spreads[measure] = spread
    return Row(label, len(waits), spreads)


def _teams(waits: Sequence[Waited]) -> list[Row]:
    members: dict[str, set[int]] = defaultdict(set)
    for name, person in Team.objects.values_list("name", "members"):
        if person is not None:
            members[name].add(person)
    rows = []
    for name, people in members.items():
        theirs = [one for one in waits if {one.looked_by, one.decided_by} & people]
        if theirs:
            rows.append(_row(name, theirs, people))
    return rows


def _slowest_first(rows: Iterable[Row]) -> list[Row]:
    """By how long their decisions took: there is something to be done about the first ones."""

    def key(row: Row) -> tuple[float, str]:
        spread = row.spread(Measure.DECISION)
        return (-spread.median.total_seconds() if spread else 1, row.label)

    return sorted(rows, key=key)
