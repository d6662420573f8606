"""Quiet hours: when a person is told nothing that can wait."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone

from approvals.audit.record import record
from approvals.notifications.messages import Urgency
from approvals.notifications.models import Delivery, QuietHours
from approvals.people.models import User

MOST_ROWS = 7
DAYS = range(7)
_WEEK = timedelta(days=7)


class QuietHoursRefused(Exception):
    """What was entered cannot be used. str() is the sentence for the page."""


def quiet_until(hours: Iterable[QuietHours], at: datetime) -> datetime | None:
    """When it stops being quiet; None where it is not quiet at this moment.

    What follows on without a gap counts as one.
    """
    rows = list(hours)
    end = None
    # A moment that is passed is passed for good, and each row has one end a day.
    for _ in range(len(DAYS) * (len(rows) + 1)):
        found = max(filter(None, (_end_of(row, end or at) for row in rows)), default=None)
        if found is None:
            return end
        end = found
    return end


def set_quiet_hours(
    user: User, *, time_zone: str, weekdays: Sequence[int], starts: time, ends: time
) -> QuietHours:
    """Adds a time in which this person is told nothing that can wait. Raises QuietHoursRefused.

    Its days are those on which it begins; one that ends no later than it begins ends the next day.
    """
    days = sorted(set(weekdays))
    if not days or any(day not in DAYS for day in days):
        raise QuietHoursRefused("Choose at least one day of the week.")
    if not re.fullmatch(r"[A-Za-z0-9_+/-]{1,64}", time_zone):
        raise QuietHoursRefused("Write the name of a time zone, such as Europe/Berlin or UTC.")
    try:
        ZoneInfo(time_zone)
    except (ValueError, LookupError, OSError):
        raise QuietHoursRefused(
            f"There is no time zone “{time_zone}”. Write one such as Europe/Berlin or UTC."
        ) from None
    row = QuietHours(person=user, time_zone=time_zone, weekdays=days, starts=starts, ends=ends)
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        others = list(QuietHours.objects.filter(person=user))
        if len(others) >= MOST_ROWS:
            raise QuietHoursRefused(f"There are {MOST_ROWS} already. Take one away first.")
        now = timezone.now()
        until = quiet_until([*others, row], now)
        if until is not None and until - now >= _WEEK:
            raise QuietHoursRefused(
                "With these, it would always be quiet, and you would never be told of anything. "
                "Leave some time of the week."
            )
        row.save()
        record("quiet_hours.added", actor=user, subject=user, hours=str(row), days=days)
    return row


def remove_quiet_hours(user: User, key: int) -> None:
    """Takes one away; what it held back goes out now, unless another holds it."""
    with transaction.atomic():
        row = QuietHours.objects.filter(person=user, pk=key).first()
        if row is None:
            return
        words = str(row)
        row.delete()
        Delivery.objects.filter(
            person=user, state=Delivery.State.WAITING, quiet_until__isnull=False
        ).update(due_at=timezone.now(), quiet_until=None)
        record("quiet_hours.removed", actor=user, subject=user, hours=words)


def held_until(delivery: Delivery, hours: Iterable[QuietHours], at: datetime) -> datetime | None:
    """Until when its person's quiet hours hold this delivery back."""
    if delivery.person_id is None or delivery.urgency > Urgency.NORMAL:
        return None
    return quiet_until(hours, at)


def _end_of(row: QuietHours, at: datetime) -> datetime | None:
    zone = ZoneInfo(row.time_zone)
    today = at.astimezone(zone).date()
    ends = []
    for day in (today - timedelta(days=1), today):
        if day.weekday() not in row.weekdays:
            continue
        last = day if row.ends > row.starts else day + timedelta(days=1)
        end = max(_moments(last, row.ends, zone))
        if min(_moments(day, row.starts, zone)) <= at < end:
            ends.append(end)
    return max(ends, default=None)


def _moments(day: date, clock: time, zone: ZoneInfo) -> list[datetime]:
    """Both where this hour comes twice, or before and after where the clock leaves it out."""
    local = datetime.combine(day, clock, zone)
    return [local.replace(fold=fold).astimezone(UTC) for fold in (0, 1)]
