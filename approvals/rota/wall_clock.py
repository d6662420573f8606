"""What a clock on the wall of a time zone shows, as moments."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def moment(day: date, at: time, zone: ZoneInfo, *, is_end: bool = False) -> datetime:
    """When the clock there shows this, in UTC.

    Where it is put forward, what is left out is the moment at which that happens. Where it is put
    back, what is shown twice is the first of the two; as an end (`is_end`), the second.
    """
    local = datetime.combine(day, at, zone)
    early = local.replace(fold=0).astimezone(UTC)
    late = local.replace(fold=1).astimezone(UTC)
    if early <= late:
        return late if is_end else early
    return _put_forward(late, early, zone)


def span_in_words(start: datetime, end: datetime, zone: ZoneInfo) -> str:
    """ "Mon 5 Jan 09:00 to Mon 12 Jan 09:00 (Europe/Berlin)"."""
    first, last = start.astimezone(zone), end.astimezone(zone)
    until = f"{last:%H:%M}" if first.date() == last.date() else _day_and_time(last)
    return f"{_day_and_time(first)} to {until} ({zone.key})"


def _day_and_time(at: datetime) -> str:
    return f"{at:%a} {at.day} {at:%b %H:%M}"


def _put_forward(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The moment between these two at which the clock is put forward, to the second."""
    old = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after
