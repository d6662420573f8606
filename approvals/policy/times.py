"""Spans, days, hours and freezes as people type them, and when it is allowed by them.

By the clock on the wall of a time zone: where it is put forward, an hour that is left out begins
and ends at that moment; where it is put back, what begins in the hour that comes twice begins the
first time, and what ends in it ends the second.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

from approvals.policy.requirement import SettingRefused

_UNITS = {"minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400}
_SPAN = re.compile(r"([0-9]{1,5}) ?(minute|hour|day|week)s?")
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY = re.compile(r"(mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}")
_HOURS = re.compile(r"([0-9]{1,2}):([0-9]{2}) ?(?:-|\u2013|to) ?([0-9]{1,2}):([0-9]{2})")
_FREEZE = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?: (?:to|-|\u2013) ([0-9]{4}-[0-9]{2}-[0-9]{2}))?(?: (.*))?"
)
_MINUTES_OF_DAY = 24 * 60
_FIRST_YEAR, _LAST_YEAR = 2020, 2199
LONGEST_FREEZE = timedelta(days=366)
LONGEST_WORDS = 100
# Whoever may at any hour hears of an end only if it is near.
_LOOK_AHEAD = timedelta(days=8)


def span_of(text: str, option: str, *, least: timedelta, most: timedelta) -> timedelta:
    """A span as "24 hours". Raises SettingRefused."""
    found = _SPAN.fullmatch(" ".join(text.lower().split()))
    if not found:
        raise SettingRefused(option, "Write a time such as “30 minutes”, “24 hours” or “2 days”.")
    span = timedelta(seconds=int(found[1]) * _UNITS[found[2]])
    if not least <= span <= most:
        raise SettingRefused(
            option, f"Write a time from {span_in_words(least)} to {span_in_words(most)}."
        )
    return span


def span_in_words(span: timedelta) -> str:
    """ "24 hours": in the greatest unit of which it is a whole number; what `span_of` reads."""
    seconds = int(span.total_seconds())
    for unit in ("day", "hour", "minute"):
        number, rest = divmod(seconds, _UNITS[unit])
        # A day is said in hours, as those count where a clock is put forward.
        if number and not rest and (unit, number) != ("day", 1):
            return f"{number} {unit}{'s' if number > 1 else ''}"
    return f"{seconds // 60} minutes"


def remaining(span: timedelta) -> str:
    """About how long that is, for a sentence: "3 hours", "2 days", "less than a minute"."""
    seconds = max(span.total_seconds(), 0)
    for unit in ("day", "hour", "minute"):
        number = round(seconds / _UNITS[unit])
        if number >= 2 or (unit == "minute" and number):  # noqa: PLR2004 - "1 day" says too little
            return f"{number} {unit}{'s' if number > 1 else ''}"
    return "less than a minute"


def zone_of(text: str, option: str) -> str:
    """The name of a time zone. Raises SettingRefused."""
    if not re.fullmatch(r"[A-Za-z0-9_+/-]{1,64}", text):
        raise SettingRefused(option, "Write the name of a time zone, such as Europe/Berlin or UTC.")
    try:
        ZoneInfo(text)
    except (ValueError, LookupError, OSError):
        raise SettingRefused(
            option, f"There is no time zone “{text}”. Write one such as Europe/Berlin or UTC."
        ) from None
    return text


def days_of(text: str, option: str) -> list[int]:
    """Days of the week as "Mon-Fri, Sun", from 0 for Monday. Raises SettingRefused."""
    found: set[int] = set()
    for part in text.replace("\u2013", "-").replace(" to ", "-").split(","):
        ends = [_day(one.strip().lower(), text, option) for one in part.split("-")]
        if len(ends) > len(("Mon", "Fri")):
            raise _no_days(text, option)
        first, last = ends[0], ends[-1]
        # From Saturday to Monday is over the end of the week.
        found |= {day % 7 for day in range(first, last + (7 if last < first else 0) + 1)}
    return sorted(found)


def _day(text: str, whole: str, option: str) -> int:
    if not (match := _DAY.fullmatch(text)):
        raise _no_days(whole, option)
    return [day.lower() for day in DAYS].index(match[1])


def _no_days(text: str, option: str) -> SettingRefused:
    return SettingRefused(
        option, f"“{text[:40]}” names no days. Write them as “Mon-Thu” or “Mon, Wed, Fri”."
    )


def days_in_words(days: Sequence[int]) -> str:
    """ "Mon-Thu, Sat"."""
    runs: list[list[int]] = []
    for day in days:
        if runs and day == runs[-1][-1] + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ", ".join(
        DAYS[run[0]] if len(run) == 1 else f"{DAYS[run[0]]}-{DAYS[run[-1]]}" for run in runs
    )


def hours_of(line: str, option: str) -> list[int]:
    """Two minutes of a day, of "09:00-17:00". Raises SettingRefused."""
    found = _HOURS.fullmatch(line.lower())
    if not found:
        raise SettingRefused(option, f"“{line[:40]}” names no hours. Write them as “09:00-17:00”.")
    ends = []
    for hours, minutes in ((found[1], found[2]), (found[3], found[4])):
        minute = int(hours) * 60 + int(minutes)
        if int(minutes) >= 60 or minute > _MINUTES_OF_DAY:  # noqa: PLR2004 - minutes of an hour
            raise SettingRefused(option, f"“{line[:40]}” names no hours: a day has 00:00 to 24:00.")
        ends.append(minute)
    if ends[1] <= ends[0]:
        raise SettingRefused(
            option,
            f"“{line[:40]}” ends before it begins. For a night, write two lines, as “22:00-24:00” "
            "and “00:00-04:00”.",
        )
    return ends


def hours_in_words(hours: Sequence[int]) -> str:
    """ "09:00-17:00"."""
    return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in hours)


def freeze_of(line: str, option: str) -> dict[str, str]:
    """First and last day of "2026-12-20 to 2027-01-02 Christmas". Raises SettingRefused."""
    found = _FREEZE.fullmatch(line)
    if not found:
        raise SettingRefused(
            option,
            f"“{line[:40]}” is no freeze. Write the first and the last day and why, as "
            "“2026-12-20 to 2027-01-02 Christmas”.",
        )
    days = []
    for text in (found[1], found[2] or found[1]):
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise SettingRefused(option, f"There is no day {text}.") from None
        if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
            raise SettingRefused(
                option, f"{text} is too far away: write years from {_FIRST_YEAR} to {_LAST_YEAR}."
            )
        days.append(day)
    words = (found[3] or "").strip()
    if days[1] < days[0]:
        raise SettingRefused(option, f"“{line[:40]}” ends before it begins.")
    if days[1] - days[0] > LONGEST_FREEZE:
        raise SettingRefused(option, f"“{line[:40]}” is longer than a year. Write a shorter one.")
    if len(words) > LONGEST_WORDS:
        raise SettingRefused(
            option, f"Say why in at most {LONGEST_WORDS} characters: “{words[:40]}…”."
        )
    return {"first": days[0].isoformat(), "last": days[1].isoformat(), "why": words}


@dataclass(frozen=True)
class Freeze:
    """Days on which nothing goes out, the last one included."""

    first: date
    last: date
    why: str = ""

    def __str__(self) -> str:
        days = f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"
        return f"{days} {self.why}".strip()

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Freeze:
        return cls(
            date.fromisoformat(row["first"]), date.fromisoformat(row["last"]), str(row["why"])
        )


@dataclass(frozen=True)
class Calendar:
    """When something is allowed: on these days of the week, in these hours, in no freeze.

    `hours` are pairs of minutes of a day; without any, all day. Both are sorted.
    """

    zone: ZoneInfo
    days: tuple[int, ...] = tuple(range(7))
    hours: tuple[tuple[int, int], ...] = ((0, _MINUTES_OF_DAY),)
    freezes: tuple[Freeze, ...] = ()

    @property
    def is_every_day(self) -> bool:
        return len(self.days) == len(DAYS)

    def closes(self, at: datetime) -> datetime | None:
        """When it will no longer be allowed; None where it is not now, or is for over a week."""
        end = None
        for starts, ends in self._windows(_day_before(at, self.zone)):
            if end is None and starts > at:
                return None
            if end is not None and starts > end:
                return end
            if end is not None or at < ends:
                end = max(ends, end or ends)
            if end is not None and end - at > _LOOK_AHEAD:
                return None
        return end

    def is_open(self, at: datetime) -> bool:
        """Whether it is allowed now. The first moment is in, the last is not."""
        windows = self._windows(_day_before(at, self.zone))
        begun = takewhile(lambda window: window[0] <= at, windows)
        return any(at < ends for _, ends in begun)

    def opens(self, at: datetime) -> datetime | None:
        """The next moment from which on it is allowed; None where there is none."""
        windows = self._windows(_day_before(at, self.zone))
        return next((starts for starts, _ in windows if starts > at), None)

    def freeze_at(self, at: datetime) -> Freeze | None:
        """The freeze that there is now."""
        return self._freeze_on(at.astimezone(self.zone).date())

    def _freeze_on(self, day: date) -> Freeze | None:
        return next((one for one in self.freezes if one.first <= day <= one.last), None)

    def _windows(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        """From this day on, each time that is allowed. Freezes are passed in one step each."""
        for _ in range(len(self.freezes) * 8 + 16):
            freeze = self._freeze_on(day)
            if freeze is not None:
                day = freeze.last + timedelta(days=1)
                continue
            if day.weekday() in self.days:
                for begin, end in self.hours:
                    starts, ends = self._moment(day, begin), self._moment(day, end, is_end=True)
                    if starts < ends:
                        yield starts, ends
            day += timedelta(days=1)

    def _moment(self, day: date, minute: int, *, is_end: bool = False) -> datetime:
        """When the clock there shows this."""
        if minute == _MINUTES_OF_DAY:
            # Where the next day begins, be it the first of two times.
            day, minute, is_end = day + timedelta(days=1), 0, False
        local = datetime.combine(day, time(minute // 60, minute % 60), self.zone)
        early = local.replace(fold=0).astimezone(UTC)
        late = local.replace(fold=1).astimezone(UTC)
        if early <= late:
            return late if is_end else early
        return self._gap(late, early)

    def _gap(self, before: datetime, after: datetime) -> datetime:
        """The moment between these two at which the clock is put forward, to the second."""
        old = before.astimezone(self.zone).utcoffset()
        while after - before > timedelta(seconds=1):
            middle = (before + (after - before) / 2).replace(microsecond=0)
            if middle.astimezone(self.zone).utcoffset() == old:
                before = middle
            else:
                after = middle
        return after


def _day_before(at: datetime, zone: ZoneInfo) -> date:
    # What began then may last until now, where a clock is put back.
    return at.astimezone(zone).date() - timedelta(days=1)
