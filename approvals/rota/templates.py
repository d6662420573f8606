"""Layers ready-made: what most teams begin with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from approvals.rota.models import Layer
from approvals.rota.schedules import WantedLayer
from approvals.rota.wall_clock import moment

MORNING = time(9)
_WEEKDAYS, _WEEKEND = (0, 1, 2, 3, 4), (5, 6)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Template:
    """What can be chosen. `has_groups`: people in several time zones follow one another."""

    key: str
    name: str
    words: str
    has_groups: bool = False


@dataclass(frozen=True)
class Group:
    """Some people, by key and in order, and where they are."""

    time_zone: str
    people: Sequence[int]


TEMPLATES = (
    Template(
        "weekly",
        "Weekly rota",
        "One person a week, handed over on Monday at 09:00.",
    ),
    Template(
        "weekday_and_weekend",
        "Weekdays and weekend",
        "One person from Monday to Friday, another for the weekend, handed over at 09:00.",
    ),
    Template(
        "follow_the_sun",
        "Follow the sun",
        "Groups in several time zones, each from 09:00 until it is 09:00 for the next group; one "
        "person a week in each.",
        has_groups=True,
    ),
)


def layers_of(key: str, groups: Sequence[Group], start_date: date) -> list[WantedLayer]:
    """The layers of a template, from the week of this day on.

    All but "follow_the_sun" are for the first group alone. Raises KeyError for no template.
    """
    monday = start_date - timedelta(days=start_date.weekday())
    made = {
        "weekly": _weekly,
        "weekday_and_weekend": _weekday_and_weekend,
        "follow_the_sun": _follow_the_sun,
    }[key]
    return made([one for one in groups if one.people], monday)


def _weekly(groups: Sequence[Group], monday: date) -> list[WantedLayer]:
    return [
        WantedLayer(
            people=one.people,
            start_date=monday,
            kind=Layer.Kind.WEEK,
            time_zone=one.time_zone,
            handover_time=MORNING,
        )
        for one in groups[:1]
    ]


def _weekday_and_weekend(groups: Sequence[Group], monday: date) -> list[WantedLayer]:
    found = []
    for one in groups[:1]:
        # Nobody has the weekend after their week, where there are enough for that.
        shifted = [*one.people[1:], *one.people[:1]]
        for kind, days, people in (
            (Layer.Kind.WEEKDAY, _WEEKDAYS, one.people),
            (Layer.Kind.WEEKEND, _WEEKEND, shifted),
        ):
            found.append(
                WantedLayer(
                    people=people,
                    start_date=monday,
                    kind=kind,
                    time_zone=one.time_zone,
                    handover_time=MORNING,
                    weekdays=days,
                    from_time=MORNING,
                    until_time=MORNING,
                )
            )
    return found


def _follow_the_sun(groups: Sequence[Group], monday: date) -> list[WantedLayer]:
    order = sorted(groups, key=lambda one: moment(monday, MORNING, ZoneInfo(one.time_zone)))
    return [
        WantedLayer(
            people=one.people,
            start_date=monday,
            kind=Layer.Kind.WEEK,
            time_zone=one.time_zone,
            handover_time=MORNING,
            from_time=MORNING,
            until_time=_latest_morning(
                ZoneInfo(one.time_zone), ZoneInfo(following.time_zone), monday
            ),
        )
        for one, following in zip(order, [*order[1:], *order[:1]], strict=True)
    ]


def _latest_morning(here: ZoneInfo, there: ZoneInfo, monday: date) -> time:
    """The latest that it is here, on any day of a year, when it is the next morning there.

    Clocks are not changed everywhere on one day: two groups overlap for an hour rather than that
    an hour is left out.
    """
    if here == there:
        return MORNING
    longest, latest = timedelta(0), MORNING
    for number in range(366):
        day = monday + number * _DAY
        begins = moment(day, MORNING, here)
        # Three days around are enough for every difference that there is between two clocks.
        mornings = (moment(day + offset * _DAY, MORNING, there) for offset in (-1, 0, 1, 2))
        ends = min(one for one in mornings if one > begins).astimezone(here)
        wall = ends.replace(tzinfo=None) - datetime.combine(day, MORNING)
        if wall > longest:
            longest, latest = wall, ends.time()
    return latest
