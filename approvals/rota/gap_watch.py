"""Telling ahead of times for which nobody is on call: once for each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from approvals.audit.outbox import publish
from approvals.audit.record import record
from approvals.people.models import User
from approvals.people.permissions import may_set_rota
from approvals.rota.models import GapNotice, LayerMember, Schedule
from approvals.rota.on_call import Gap, gaps
from approvals.rota.plans import plan_of
from approvals.rota.wall_clock import span_in_words

AHEAD = timedelta(days=7)
# A gap that is still there then is told of again.
AGAIN_AFTER = timedelta(days=7)
# What is shorter is not worth a message.
SHORTEST = timedelta(minutes=1)
KEPT = timedelta(days=60)


def announce_gaps() -> None:
    """Tells of all gaps of the days to come that nobody was told of yet."""
    for key in Schedule.objects.order_by("pk").values_list("pk", flat=True):
        _announce(key)


def _announce(key: int) -> None:
    with transaction.atomic():
        # Two workers must not tell of the same gap.
        schedule = Schedule.objects.select_for_update(no_key=True).filter(pk=key).first()
        if schedule is None:
            return
        now = timezone.now()
        GapNotice.objects.filter(schedule=schedule, ends_at__lt=now - KEPT).delete()
        missing = [
            one
            for one in gaps(plan_of(schedule), now, now + AHEAD)
            if one.end - one.start >= SHORTEST
        ]
        _forget_filled(schedule, missing, now)
        found = [one for one in missing if _is_news(schedule, one, now)]
        if not found:
            return
        layer = schedule.layers.filter(ended_at__isnull=True).order_by("position", "pk").first()
        zone = ZoneInfo(layer.time_zone if layer else settings.TIME_ZONE)
        said = [span_in_words(one.start, one.end, zone) for one in found]
        publish(
            "rota.gap",
            schedule=schedule.name,
            people=sorted(_concerned(schedule)),
            reason="\n".join(said),
            url_path="/rota/",
        )
        record("schedule.gap_told", subject=schedule, gaps=said)


def _forget_filled(schedule: Schedule, missing: Sequence[Gap], now: datetime) -> None:
    """Should a gap that somebody has filled come back, that is news."""
    for notice in schedule.gap_notices.filter(ends_at__gt=now):
        if not any(one.start < notice.ends_at and notice.starts_at < one.end for one in missing):
            notice.delete()


def _is_news(schedule: Schedule, gap: Gap, now: datetime) -> bool:
    """Whether nobody was told of any part of this gap yet; from now on, they were."""
    known = (
        schedule.gap_notices.filter(starts_at__lte=gap.end, ends_at__gte=gap.start)
        .order_by("-told_at")
        .first()
    )
    if known is None:
        GapNotice.objects.create(
            schedule=schedule, starts_at=gap.start, ends_at=gap.end, told_at=now
        )
        return True
    # A gap of months comes into sight day by day.
    known.ends_at = max(known.ends_at, gap.end)
    is_news = known.told_at <= now - AGAIN_AFTER
    if is_news:
        known.told_at = now
    known.save(update_fields=["ends_at", "told_at"])
    return is_news


def _concerned(schedule: Schedule) -> set[int]:
    """Who can do something about it, and who is in the rota."""
    places = LayerMember.objects.filter(layer__schedule=schedule, left_at__isnull=True)
    inside = set(places.values_list("user_id", flat=True))
    people = User.objects.filter(is_active=True).prefetch_related("scopes")
    return inside | {one.pk for one in people if may_set_rota(one)}
