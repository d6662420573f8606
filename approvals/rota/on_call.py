"""Who is on call at any moment: a pure function of the schedule, which knows no database.

Each layer is a rotation. Its turns have one length, and the people in it take them in order, each
for a whole turn. Somebody who joins takes their place from the next turn on. Where somebody leaves,
the next in the rotation stands in for what is left of the turn; then the rotation goes on as
if nothing had happened, so that nobody else's turns move more than they must. The same person
stands in for somebody who is still in the rotation and may not be on call (`Plan.absent`), whose
turns stay theirs. A turn that began without anybody belongs to the first who joins in it.

Overrides win over turns, the newest over the others, and over the hours of the layer, unless they
are for its hours only. Somebody who is absent is not on call by an override either.

Of several layers the first that has somebody is on call, those for incidents after all others; for
what is urgent, before them.

Days and weeks are those of the layer's time zone, so that turns and hours begin at the same time by
the clock there on both sides of a change of clocks. Turns of hours count real hours.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import TypeVar
from zoneinfo import ZoneInfo

from approvals.rota.wall_clock import moment

EVERY_DAY = tuple(range(7))
# Beyond this, nobody asks who is on call, or until when.
LONGEST_LOOK = timedelta(days=800)
_UNTIL_LOOK = timedelta(days=100)
_NEXT_LOOK = timedelta(days=31)
ROTATION, STAND_IN, OVERRIDE = "rotation", "stand_in", "override"
_MIDNIGHT = time(0)
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Place:
    """Somebody in a rotation, by key, from when to when; the last moment is not theirs."""

    person: int
    position: int
    joined: datetime
    left: datetime | None = None

    @property
    def rank(self) -> tuple[int, datetime, int]:
        return (self.position, self.joined, self.person)

    def is_there(self, at: datetime) -> bool:
        return self.joined <= at and (self.left is None or at < self.left)


@dataclass(frozen=True)
class Cover:
    """An override. The greater key is the newer."""

    key: int
    person: int
    start: datetime
    end: datetime
    only_in_hours: bool = False


@dataclass(frozen=True)
class _Stretch:
    """Turns from `first` on, taken in this order until the next of these."""

    first: int
    order: tuple[Place, ...]


@dataclass(frozen=True)
class LayerPlan:
    """A rotation: see the fields of `models.Layer`, from which plans.py makes it."""

    key: int
    name: str
    time_zone: str
    first_day: date
    handover: time
    length: int
    unit: str
    weekdays: tuple[int, ...] = EVERY_DAY
    hours: tuple[time, time] | None = None
    is_incident: bool = False
    ended: datetime | None = None
    places: tuple[Place, ...] = ()
    covers: tuple[Cover, ...] = ()

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @cached_property
    def start(self) -> datetime:
        """The beginning of the first turn."""
        return moment(self.first_day, self.handover, self.zone)

    def turn(self, at: datetime) -> int:
        """The number of the turn that this moment is in; below 0 before the first."""
        if self.unit == "hours":
            return (at - self.start) // timedelta(hours=self.length)
        days = (at.astimezone(self.zone).date() - self.first_day).days
        number = days // self._days
        while self.turn_start(number) > at:
            number -= 1
        while self.turn_start(number + 1) <= at:
            number += 1
        return number

    def turn_start(self, number: int) -> datetime:
        """When this turn begins, and the one before it ends."""
        if self.unit == "hours":
            return self.start + number * timedelta(hours=self.length)
        day = self.first_day + timedelta(days=number * self._days)
        return moment(day, self.handover, self.zone)

    def is_open(self, at: datetime) -> bool:
        """Whether its hours have it."""
        if self.is_over(at):
            return False
        if self._is_always_open:
            return True
        today = at.astimezone(self.zone).date()
        # What began yesterday may end today.
        return any(
            begins <= at < ends for begins, ends in self._windows(today - timedelta(days=1), today)
        )

    def is_over(self, at: datetime) -> bool:
        """Whether it was removed by then, or other turns took its place."""
        return self.ended is not None and self.ended <= at

    def changes(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Each moment after `start` and before `end` at which its answer may become another."""
        for one in self._moments():
            if start < one < end:
                yield one
        number = max(self.turn(start) + 1, 0)
        while (begins := self.turn_start(number)) < end:
            yield begins
            number += 1
        if not self._is_always_open:
            first = start.astimezone(self.zone).date() - timedelta(days=1)
            for window in self._windows(first, end.astimezone(self.zone).date()):
                yield from (one for one in window if start < one < end)

    def cover_at(self, at: datetime, absent: frozenset[int]) -> Cover | None:
        """The override that holds."""
        if self.is_over(at):
            return None
        is_open = self.is_open(at)
        holding = (
            one
            for one in self.covers
            if one.start <= at < one.end
            and one.person not in absent
            and (is_open or not one.only_in_hours)
        )
        return max(holding, key=lambda one: one.key, default=None)

    def holder_at(self, at: datetime, absent: frozenset[int]) -> tuple[int, str] | None:
        """Who is on call by the rotation, and whether it is their own turn."""
        if at < self.start or not self.is_open(at):
            return None
        there = self._there(at, absent)
        planned = self._planned(self.turn(at))
        if not there or planned is None:
            return None
        if any(one.person == planned.person for one in there):
            return planned.person, ROTATION
        return _from_next(there, planned)[0].person, STAND_IN

    def after(self, person: int, at: datetime, absent: frozenset[int]) -> int | None:
        """Who comes next in the rotation after this person, or after whose turn it is."""
        there = [one for one in self._there(at, absent) if one.person != person]
        if not there:
            return None
        own = [one for one in self.places if one.person == person and one.is_there(at)]
        before = own[0] if own else self._planned(self.turn(at)) if at >= self.start else None
        return (_from_next(there, before) if before else there)[0].person

    @property
    def _days(self) -> int:
        return self.length * (7 if self.unit == "weeks" else 1)

    @cached_property
    def _is_always_open(self) -> bool:
        return self.hours is None and len(self.weekdays) == len(EVERY_DAY)

    def _windows(self, first: date, last: date) -> Iterator[tuple[datetime, datetime]]:
        """Its hours on each of these days."""
        day = first
        while day <= last:
            following = day + timedelta(days=1)
            if day.weekday() in self.weekdays:
                if self.hours is None:
                    yield (
                        moment(day, _MIDNIGHT, self.zone),
                        moment(following, _MIDNIGHT, self.zone),
                    )
                else:
                    begins, ends = self.hours
                    yield (
                        moment(day, begins, self.zone),
                        moment(following if ends <= begins else day, ends, self.zone, is_end=True),
                    )
            day = following

    def _moments(self) -> set[datetime]:
        found = {self.start, self.ended or self.start}
        for cover in self.covers:
            found |= {cover.start, cover.end}
        return found | set(self._comings)

    @cached_property
    def _comings(self) -> list[datetime]:
        """When somebody joined or left."""
        joined = {one.joined for one in self.places}
        return sorted(joined | {one.left for one in self.places if one.left is not None})

    def _there(self, at: datetime, absent: frozenset[int] = frozenset()) -> list[Place]:
        there = (one for one in self.places if one.is_there(at) and one.person not in absent)
        return sorted(there, key=lambda one: one.rank)

    def _planned(self, turn: int) -> Place | None:
        """Whose turn it is by the rotation alone."""
        at = bisect_right(self._stretches, turn, key=lambda one: one.first) - 1
        stretch = self._stretches[at]
        if not stretch.order:
            return None
        return stretch.order[(turn - stretch.first) % len(stretch.order)]

    @cached_property
    def _stretches(self) -> tuple[_Stretch, ...]:
        firsts = {0}
        for one in self._comings:
            turn = self.turn(one)
            firsts |= {turn, turn + 1} if turn >= 0 else set()
        numbers = sorted(firsts)
        found: list[_Stretch] = []
        last: Place | None = None
        for first, following in zip(numbers, [*numbers[1:], None], strict=True):
            order = self._roster(first)
            if order and last is not None:
                order = _from_next(order, last)
            found.append(_Stretch(first, tuple(order)))
            if order and following is not None:
                last = order[(following - 1 - first) % len(order)]
        return tuple(found)

    def _roster(self, turn: int) -> list[Place]:
        """Among whom turns go round from this one on."""
        begins, ends = self.turn_start(turn), self.turn_start(turn + 1)
        during = (one for one in self._comings if begins < one < ends)
        rosters = (self._there(at) for at in (begins, *during))
        return next((one for one in rosters if one), [])


def _from_next(order: Sequence[Place], before: Place) -> list[Place]:
    """The same people in the same order, from who comes after `before` on."""
    # Who was given another place in the rotation counts where they are now.
    same = next((at for at, one in enumerate(order) if one.person == before.person), None)
    following = sum(one.rank < before.rank for one in order) if same is None else same + 1
    return [*order[following:], *order[:following]]


@dataclass(frozen=True)
class Plan:
    """A schedule as it stands. `absent` are people, by key, who may not be on call now."""

    key: int
    name: str
    layers: tuple[LayerPlan, ...] = ()
    absent: frozenset[int] = frozenset()
    is_round_the_clock: bool = False

    def layer(self, key: int) -> LayerPlan:
        """The layer of this key. Raises KeyError."""
        for one in self.layers:
            if one.key == key:
                return one
        raise KeyError(key)

    def in_order(self, *, urgent: bool = False) -> list[LayerPlan]:
        """The layers as they are asked, one after the other."""
        return sorted(self.layers, key=lambda one: one.is_incident != urgent)


@dataclass(frozen=True)
class OnCall:
    """Somebody who is on call by a layer, by `kind` and, where by an override, by that.

    `until` is when somebody else will be, or nobody; None where that is over three months away.
    """

    person: int
    layer: int
    until: datetime | None
    kind: str = ROTATION
    override: int | None = None


@dataclass(frozen=True)
class Shift:
    """Somebody's time on call without a break; the end is not theirs any more."""

    person: int
    layer: int
    start: datetime
    end: datetime
    kind: str = ROTATION
    override: int | None = None


@dataclass(frozen=True)
class Gap:
    """A time in which somebody should be on call, and nobody is."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class _Answer:
    person: int
    layer: int
    kind: str
    override: int | None = None


def on_call(plan: Plan, at: datetime, *, urgent: bool = False) -> OnCall | None:
    """Who is on call at this moment; None where nobody is."""
    layers = plan.in_order(urgent=urgent)
    return _with_until(plan, layers, _answer(plan, layers, at), at)


def on_call_in_layer(plan: Plan, layer: int, at: datetime) -> OnCall | None:
    """Who is on call by this layer alone, be another before it or not."""
    layers = [plan.layer(layer)]
    return _with_until(plan, layers, _answer(plan, layers, at), at)


def next_on_call(plan: Plan, at: datetime, *, urgent: bool = False) -> OnCall | None:
    """Whom to ask if who is on call does not answer: never the same person.

    The next in the rotation of the layer that is on call; where it has nobody else, who is on call
    by the layers after it. Where nobody is on call, whoever will be first in the month to come.
    """
    layers = plan.in_order(urgent=urgent)
    now = _answer(plan, layers, at)
    if now is None:
        at = at.astimezone(UTC)
        coming = _segments(plan, layers, at, at + _NEXT_LOOK)
        first = next((shift for shift in coming if shift is not None), None)
        return _as_on_call(first) if first else None
    following = plan.layer(now.layer).after(now.person, at, plan.absent)
    if following is not None:
        return OnCall(following, now.layer, None)
    others = (_answer(plan, [one], at) for one in layers if one.key != now.layer)
    other = next((one for one in others if one and one.person != now.person), None)
    return OnCall(other.person, other.layer, None, other.kind, other.override) if other else None


def shifts(plan: Plan, start: datetime, end: datetime, *, urgent: bool = False) -> list[Shift]:
    """Who is on call from `start` to `end`, in order; never two at once.

    Shifts that go beyond are cut there. Raises ValueError for more than LONGEST_LOOK.
    """
    layers = plan.in_order(urgent=urgent)
    return [one for one in _segments(plan, layers, start, end) if one is not None]


def shifts_in_layer(plan: Plan, layer: int, start: datetime, end: datetime) -> list[Shift]:
    """The same by this layer alone, be another before it or not."""
    layers = [plan.layer(layer)]
    return [one for one in _segments(plan, layers, start, end) if one is not None]


def gaps(plan: Plan, start: datetime, end: datetime) -> list[Gap]:
    """The times from `start` to `end` in which somebody should be on call and nobody is.

    That is at every hour where the schedule is for round the clock, else in the hours of its
    layers, each from its first turn on. Raises ValueError for more than LONGEST_LOOK.
    """
    layers = plan.in_order()

    def is_wanted(at: datetime) -> bool:
        return plan.is_round_the_clock or any(
            layer.start <= at and layer.is_open(at) for layer in layers
        )

    def is_gap(at: datetime) -> bool | None:
        return True if _answer(plan, layers, at) is None and is_wanted(at) else None

    return [Gap(begins, ends) for found, begins, ends in _runs(layers, start, end, is_gap) if found]


def turn_around(plan: Plan, layer: int, at: datetime) -> tuple[datetime, datetime]:
    """The beginning and end of the layer's turn at this moment, whoever has it."""
    one = plan.layer(layer)
    number = one.turn(at)
    return one.turn_start(number), one.turn_start(number + 1)


def _answer(plan: Plan, layers: Iterable[LayerPlan], at: datetime) -> _Answer | None:
    for layer in layers:
        if cover := layer.cover_at(at, plan.absent):
            return _Answer(cover.person, layer.key, OVERRIDE, cover.key)
        if held := layer.holder_at(at, plan.absent):
            return _Answer(held[0], layer.key, held[1])
    return None


def _with_until(
    plan: Plan, layers: Sequence[LayerPlan], answer: _Answer | None, at: datetime
) -> OnCall | None:
    if answer is None:
        return None

    def who(then: datetime) -> int | None:
        found = _answer(plan, layers, then)
        return found.person if found else None

    at = at.astimezone(UTC)
    until = None
    # Most are relieved within days; who is alone in a rotation, not for long.
    begins, look = at, timedelta(days=8)
    while until is None and begins < at + _UNTIL_LOOK:
        ends = begins + look
        moments = sorted({one for layer in layers for one in layer.changes(begins, ends)} | {ends})
        until = next((one for one in moments if who(one) != answer.person), None)
        begins, look = ends, look * 2
    return OnCall(answer.person, answer.layer, until, answer.kind, answer.override)


def _segments(
    plan: Plan, layers: Sequence[LayerPlan], start: datetime, end: datetime
) -> Iterator[Shift | None]:
    for found, begins, ends in _runs(layers, start, end, lambda at: _answer(plan, layers, at)):
        if found is None:
            yield None
        else:
            yield Shift(found.person, found.layer, begins, ends, found.kind, found.override)


def _runs(
    layers: Sequence[LayerPlan],
    start: datetime,
    end: datetime,
    ask: Callable[[datetime], _Found],
) -> list[tuple[_Found, datetime, datetime]]:
    """What `ask` says from `start` to `end`, each answer with how long it holds."""
    if end - start > LONGEST_LOOK:
        raise ValueError(f"A rota is looked at for {LONGEST_LOOK.days} days at most.")
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if end <= start:
        return []
    moments = sorted({start} | {one for layer in layers for one in layer.changes(start, end)})
    runs: list[tuple[_Found, datetime, datetime]] = []
    for begins, ends in zip(moments, [*moments[1:], end], strict=True):
        found = ask(begins)
        if runs and runs[-1][0] == found:
            runs[-1] = (found, runs[-1][1], ends)
        else:
            runs.append((found, begins, ends))
    return runs


def _as_on_call(shift: Shift) -> OnCall:
    return OnCall(shift.person, shift.layer, None, shift.kind, shift.override)
