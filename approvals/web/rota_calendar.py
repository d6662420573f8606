"""A calendar of shifts: a week as lanes, a month as days. Knows of times and names only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from approvals.people.models import User
from approvals.rota.on_call import OVERRIDE, ROTATION, STAND_IN, Gap, Shift

# How many colours tell people apart; their names always stand there, too.
TONES = 6
DAYS_IN_WEEK = 7
MOST_IN_A_DAY = 4
# So far from today a calendar goes.
FURTHEST = timedelta(days=2 * 366)
TO = "\N{EN DASH}"


class View(StrEnum):
    """How much a calendar shows at once."""

    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True)
class Stretch:
    """A time in which one person is on call, or where there is no `person` nobody."""

    start: datetime
    end: datetime
    person: User | None
    layer: int = 0
    kind: str = ROTATION
    override: int | None = None

    @property
    def is_override(self) -> bool:
        """Whether people arranged it so."""
        return self.kind == OVERRIDE

    @property
    def is_stand_in(self) -> bool:
        """Whether it would be the turn of somebody else, who is not there."""
        return self.kind == STAND_IN


def stretches_of(
    shifts: Iterable[Shift], gaps: Iterable[Gap], people: Mapping[int, User]
) -> list[Stretch]:
    """Who is on call and when nobody is, in order."""
    found = [
        Stretch(one.start, one.end, people[one.person], one.layer, one.kind, one.override)
        for one in shifts
    ]
    found += [Stretch(one.start, one.end, None) for one in gaps]
    return sorted(found, key=lambda one: one.start)


@dataclass(frozen=True)
class Period:
    """What a calendar shows: days of one time zone, and how to go on from there."""

    view: View
    first: date
    last: date
    day: date
    zone: ZoneInfo

    @property
    def start(self) -> datetime:
        """Where its first day begins."""
        return midnight(self.first, self.zone)

    @property
    def end(self) -> datetime:
        """Where the day after its last begins."""
        return midnight(self.last + timedelta(days=1), self.zone)

    @property
    def days(self) -> list[date]:
        """All of them."""
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]

    @property
    def title(self) -> str:
        """Such as "16 to 22 November 2026" or "November 2026"."""
        if self.view is View.MONTH:
            return f"{self.day:%B %Y}"
        first, last = self.first, self.last
        if first.year != last.year:
            return f"{day_words(first)} {first.year} to {day_words(last)} {last.year}"
        if first.month != last.month:
            return f"{day_words(first)} to {day_words(last)} {last.year}"
        return f"{first.day} to {last.day} {last:%B %Y}"

    @property
    def before(self) -> date:
        """A day of the week or month before."""
        if self.view is View.WEEK:
            return self.first - timedelta(days=1)
        return self.day.replace(day=1) - timedelta(days=1)

    @property
    def after(self) -> date:
        """A day of the week or month after."""
        if self.view is View.WEEK:
            return self.last + timedelta(days=1)
        return (self.day.replace(day=28) + timedelta(days=4)).replace(day=1)

    def is_near(self, day: date) -> bool:
        """Whether a calendar goes as far as that."""
        today = datetime.now(self.zone).date()
        return abs(day - today) <= FURTHEST


def period_of(view: str, day: str, zone: ZoneInfo, *, now: datetime) -> Period:
    """The week or month that holds this day, as an address says it; today's where it says none."""
    today = now.astimezone(zone).date()
    try:
        chosen = date.fromisoformat(day) if day else today
    except ValueError:
        chosen = today
    chosen = min(max(chosen, today - FURTHEST), today + FURTHEST)
    if view == View.MONTH:
        first = monday_of(chosen.replace(day=1))
        end = (chosen.replace(day=28) + timedelta(days=4)).replace(day=1)
        last = monday_of(end - timedelta(days=1)) + timedelta(days=6)
        return Period(View.MONTH, first, last, chosen, zone)
    first = monday_of(chosen)
    return Period(View.WEEK, first, first + timedelta(days=6), chosen, zone)


def monday_of(day: date) -> date:
    """The Monday of its week."""
    return day - timedelta(days=day.weekday())


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Where this day begins, in UTC; of a midnight that a clock change skips, the moment after."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def day_words(day: date) -> str:
    """Such as "16 November"."""
    return f"{day.day} {day:%B}"


def until_words(end: datetime, zone: ZoneInfo, *, now: datetime) -> str:
    """When something ends: "today 09:00", "Friday 09:00", and beyond a week "Fri 4 Dec 09:00"."""
    local = end.astimezone(zone)
    ahead = (local.date() - now.astimezone(zone).date()).days
    if ahead == 0:
        return f"today {local:%H:%M}"
    if ahead == 1:
        return f"tomorrow {local:%H:%M}"
    if 1 < ahead < DAYS_IN_WEEK:
        return f"{local:%A %H:%M}"
    return moment_words(end, zone)


def short_words(end: datetime, zone: ZoneInfo, *, now: datetime) -> str:
    """The same where there is little room: "today 09:00", "Fri 09:00", "4 Dec"."""
    local = end.astimezone(zone)
    ahead = (local.date() - now.astimezone(zone).date()).days
    if ahead == 0:
        return f"today {local:%H:%M}"
    return f"{local:%a %H:%M}" if ahead < DAYS_IN_WEEK else f"{local.day} {local:%b}"


def moment_words(at: datetime, zone: ZoneInfo) -> str:
    """Such as "Fri 4 Dec 09:00"; with the year where it is another."""
    local = at.astimezone(zone)
    year = "" if local.year == datetime.now(zone).year else f" {local.year}"
    return f"{local:%a} {local.day} {local:%b}{year} {local:%H:%M}"


# ---------- a week


@dataclass(frozen=True)
class Bar:
    """A stretch as a week draws it: where it begins and how long it is, in percent of the week."""

    left: str
    width: str
    tone: str
    name: str
    words: str
    is_override: bool
    is_gap: bool


@dataclass(frozen=True)
class Lane:
    """One row of a week: who is on call in the end, or whom one layer names."""

    title: str
    bars: list[Bar]
    is_main: bool = False


@dataclass(frozen=True)
class Tick:
    """A day of a week, and where it begins."""

    day: date
    left: str
    width: str
    is_today: bool


@dataclass(frozen=True)
class Week:
    """A week as it is drawn."""

    ticks: list[Tick]
    lanes: list[Lane]
    now: str


def week_of(
    period: Period,
    lanes: Sequence[tuple[str, Sequence[Stretch]]],
    tones: Tones,
    *,
    now: datetime,
) -> Week:
    """The first lane is who is on call in the end."""
    today = now.astimezone(period.zone).date()
    edges = [midnight(day, period.zone) for day in period.days] + [period.end]
    return Week(
        ticks=[
            Tick(day, _percent(period, start), _share(period, end - start), is_today=day == today)
            for day, start, end in zip(period.days, edges, edges[1:], strict=False)
        ],
        lanes=[
            Lane(title, [_bar(period, one, tones) for one in _inside(period, stretches)], not at)
            for at, (title, stretches) in enumerate(lanes)
        ],
        now=_percent(period, now) if period.start <= now < period.end else "",
    )


def _inside(period: Period, stretches: Iterable[Stretch]) -> Iterator[Stretch]:
    for one in stretches:
        if one.start < period.end and one.end > period.start:
            yield one


def _bar(period: Period, one: Stretch, tones: Tones) -> Bar:
    start, end = max(one.start, period.start), min(one.end, period.end)
    name = name_of(one.person)
    span = f"{moment_words(one.start, period.zone)} to {moment_words(one.end, period.zone)}"
    return Bar(
        left=_percent(period, start),
        width=_share(period, end - start),
        tone=tones.of(one.person),
        name=short_name(one.person),
        words=f"{name}, {span}" + (" (changed by hand)" if one.is_override else ""),
        is_override=one.is_override,
        is_gap=one.person is None,
    )


def _percent(period: Period, at: datetime) -> str:
    return _share(period, at - period.start)


def _share(period: Period, span: timedelta) -> str:
    return f"{100 * span / (period.end - period.start):.3f}%"


# ---------- a month


@dataclass(frozen=True)
class Piece:
    """What a day holds of a stretch."""

    name: str
    full_name: str
    hours: str
    tone: str
    is_gap: bool
    is_override: bool


@dataclass(frozen=True)
class Cell:
    """One day of a month."""

    day: date
    is_inside: bool
    is_today: bool
    pieces: list[Piece]
    more: int


def month_of(
    period: Period, stretches: Sequence[Stretch], tones: Tones, *, now: datetime
) -> list[list[Cell]]:
    """Its weeks, from Monday to Sunday; `stretches` are who is on call in the end."""
    today = now.astimezone(period.zone).date()
    cells = []
    for day in period.days:
        start = midnight(day, period.zone)
        end = midnight(day + timedelta(days=1), period.zone)
        pieces = [
            _piece(one, start, end, period.zone, tones)
            for one in stretches
            if one.start < end and one.end > start
        ]
        cells.append(
            Cell(
                day,
                is_inside=(day.year, day.month) == (period.day.year, period.day.month),
                is_today=day == today,
                pieces=pieces[:MOST_IN_A_DAY],
                more=max(0, len(pieces) - MOST_IN_A_DAY),
            )
        )
    return [cells[at : at + DAYS_IN_WEEK] for at in range(0, len(cells), DAYS_IN_WEEK)]


def _piece(one: Stretch, start: datetime, end: datetime, zone: ZoneInfo, tones: Tones) -> Piece:
    begins, ends = one.start > start, one.end < end
    first, last = f"{one.start.astimezone(zone):%H:%M}", f"{one.end.astimezone(zone):%H:%M}"
    if begins and ends:
        hours = f"{first}{TO}{last}"
    elif begins:
        hours = f"from {first}"
    else:
        hours = f"until {last}" if ends else ""
    return Piece(
        short_name(one.person),
        name_of(one.person),
        hours,
        tones.of(one.person),
        is_gap=one.person is None,
        is_override=one.is_override,
    )


# ---------- people


class Tones:
    """Which of a few colours each person has, the same all over a page."""

    def __init__(self, people: Iterable[User]) -> None:
        self._places = {one.pk: place for place, one in enumerate(people)}

    def of(self, person: User | None) -> str:
        """The name of a class of rota.css."""
        if person is None:
            return "tone-gap"
        return f"tone-{self._places.setdefault(person.pk, len(self._places)) % TONES}"


def name_of(person: User | None) -> str:
    """A person as pages call them; where there is none, that nobody is there."""
    return str(person) if person is not None else "Nobody"


def short_name(person: User | None) -> str:
    """The same where there is little room: the one name that nobody chooses twice."""
    return person.username if person is not None else "Nobody"
