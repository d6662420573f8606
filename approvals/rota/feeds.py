"""Feeds for calendar programs: shifts behind an address that nobody guesses."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from icalendar import Calendar, Event

from approvals.audit.record import record
from approvals.people.models import User
from approvals.people.turnstile import turnstile
from approvals.rota.models import CalendarFeed, Schedule
from approvals.rota.on_call import Plan, Shift, shifts, shifts_in_layer
from approvals.rota.plans import plans_of
from approvals.rota.schedules import may_see_schedule

BEFORE, AHEAD = timedelta(days=28), timedelta(days=182)
MAX_SECRET_LENGTH = 100
MOST_EVENTS = 2000
_NOTED_FOR = timedelta(minutes=1)


class FeedRefused(Exception):
    """The feed cannot be made or revoked; the text says why, and what to do."""


def make_feed(*, actor: User, schedule: Schedule | None = None) -> tuple[CalendarFeed, str]:
    """Makes the actor's feed of their own shifts, or of a schedule, with its secret.

    The secret cannot be had again, and the one of before is worthless. Raises FeedRefused.
    """
    secret = secrets.token_urlsafe(32)
    with transaction.atomic():
        actor = turnstile(actor)
        if not actor.is_active or (schedule and not may_see_schedule(actor, schedule)):
            raise FeedRefused("There is no such schedule. Look which ones there are.")
        before = CalendarFeed.objects.filter(
            owner=actor, schedule=schedule, revoked_at__isnull=True
        )
        before.update(revoked_at=timezone.now())
        feed = CalendarFeed.objects.create(
            owner=actor, schedule=schedule, secret_hash=_hash(secret)
        )
        record("feed.made", actor=actor, subject=feed)
    return feed, secret


def revoke_feed(feed: CalendarFeed, *, actor: User) -> None:
    """Makes the address worthless. Raises FeedRefused."""
    with transaction.atomic():
        revoked = CalendarFeed.objects.filter(
            pk=feed.pk, owner=actor, revoked_at__isnull=True
        ).update(revoked_at=timezone.now())
        if not revoked:
            raise FeedRefused("This address is not yours, or was revoked already.")
        record("feed.revoked", actor=actor, subject=feed)


def feed_of(secret: str) -> CalendarFeed | None:
    """The feed behind this secret, if its owner may still read it."""
    if len(secret) > MAX_SECRET_LENGTH:
        return None
    feed = (
        CalendarFeed.objects.select_related("owner", "schedule")
        .filter(secret_hash=_hash(secret), revoked_at__isnull=True, owner__is_active=True)
        .first()
    )
    if feed is None or (feed.schedule and not may_see_schedule(feed.owner, feed.schedule)):
        return None
    now = timezone.now()
    CalendarFeed.objects.filter(
        Q(last_read_at__isnull=True) | Q(last_read_at__lt=now - _NOTED_FOR), pk=feed.pk
    ).update(last_read_at=now)
    return feed


def as_ical(feed: CalendarFeed) -> bytes:
    """What a calendar program reads: four weeks back and half a year ahead, in UTC."""
    now = timezone.now().replace(microsecond=0)
    # Whole days, so that an event that was cut there is the same all day long.
    start = now.replace(hour=0, minute=0, second=0) - BEFORE
    plans = plans_of([feed.schedule] if feed.schedule else Schedule.objects.all())
    calendar = Calendar()
    calendar.add("prodid", "-//Countersign//rota//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", f"On call: {feed.schedule or feed.owner}")
    calendar.add("refresh-interval", timedelta(hours=1), parameters={"value": "DURATION"})
    found = [
        (plan, shift, is_incident)
        for plan in plans.values()
        for shift, is_incident in _shifts(plan, start, now + AHEAD)
        if feed.schedule or shift.person == feed.owner_id
    ][:MOST_EVENTS]
    names = User.objects.in_bulk({shift.person for _, shift, _ in found})
    for plan, shift, is_incident in found:
        what = f"{plan.name} (incidents)" if is_incident else plan.name
        event = Event()
        event.add("uid", f"{plan.key}-{shift.layer}-{shift.person}-{shift.start:%Y%m%dT%H%M%SZ}")
        event.add("dtstamp", now)
        event.add("dtstart", shift.start)
        event.add("dtend", shift.end)
        event.add(
            "summary", f"{names[shift.person]}: {what}" if feed.schedule else f"On call: {what}"
        )
        event.add("transp", "TRANSPARENT")
        calendar.add_component(event)
    return bytes(calendar.to_ical())


def _shifts(plan: Plan, start: datetime, end: datetime) -> Iterator[tuple[Shift, bool]]:
    """Who is on call, and who is for incidents alone."""
    incidents = {one.key for one in plan.layers if one.is_incident}
    for shift in shifts(plan, start, end):
        if shift.layer not in incidents:
            yield shift, False
    for key in sorted(incidents):
        for shift in shifts_in_layer(plan, key, start, end):
            yield shift, True


def _hash(secret: str) -> str:
    # The secret has 256 random bits, so that a plain hash is not guessed back.
    return hashlib.sha256(secret.encode()).hexdigest()
