"""From news to deliveries: who is to be told of each event, over which channel, and when."""

from collections import defaultdict
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from approvals.audit.models import OutboxEvent
from approvals.notifications.messages import TOPICS, Urgency, one_line
from approvals.notifications.models import Delivery, FeedItem, QuietHours
from approvals.notifications.quiet import held_until
from approvals.notifications.who import Directory, Recipient

BATCH = 100
_GATHER_KEY = 120


def dispatch() -> int:
    """Writes the deliveries of all events that have none yet; returns how many events.

    Deliveries and the event's mark commit together, and a delivery is unique: killed anywhere, or
    run twice at once, it leaves each recipient told once.
    """
    waiting = OutboxEvent.objects.filter(dispatched_at__isnull=True).order_by("id")
    dispatched = 0
    # Outside the transaction first: on SQLite, every one is a turn that somebody else waits for.
    while waiting.exists():
        with transaction.atomic():
            # Waits for another worker instead of passing it by: what is later must not overtake.
            events = list(waiting.select_for_update()[:BATCH])
            now = timezone.now()
            directory = Directory(events) if events else None
            if directory:
                _write_deliveries(events, directory, now)
                FeedItem.objects.bulk_create(
                    (
                        FeedItem(person_id=person, event=event)
                        for event in events
                        for person in directory.readers(event)
                    ),
                    ignore_conflicts=True,
                )
            OutboxEvent.objects.filter(pk__in=[event.pk for event in events]).update(
                dispatched_at=now
            )
        dispatched += len(events)
    return dispatched


def _write_deliveries(events: list[OutboxEvent], directory: Directory, now: datetime) -> None:
    quiet = defaultdict(list)
    for row in QuietHours.objects.all():
        quiet[row.person_id].append(row)
    found: list[Delivery] = []
    for event in events:
        if recipients := directory.recipients(event):
            urgency = directory.urgency(event)
            found += [_delivery(event, one, urgency, now) for one in recipients]
    for delivery in found:
        hours = quiet.get(delivery.person_id or 0, [])
        until = held_until(delivery, hours, delivery.due_at) if hours else None
        if until:
            delivery.quiet_until = delivery.due_at = delivery.tried_since = until
    Delivery.objects.bulk_create(found, ignore_conflicts=True)


def _delivery(event: OutboxEvent, to: Recipient, urgency: Urgency, now: datetime) -> Delivery:
    gather_key = _gather_key(event) if to.channel != "webhook" else ""
    # Who is called in the night is not to wait for more of the kind.
    waits = gather_key and urgency == Urgency.NORMAL
    due_at = now + timedelta(seconds=settings.GATHER_SECONDS if waits else 0)
    return Delivery(
        event=event,
        channel=to.channel,
        recipient=to.recipient,
        destination_id=to.destination,
        person_id=to.person,
        stage_id=event.stage_id,
        urgency=urgency,
        gather_key=gather_key,
        due_at=due_at,
        tried_since=due_at,
    )


def _gather_key(event: OutboxEvent) -> str:
    """What it is told together with: what its publisher says, else the same of one registry.

    A program that reads signed JSON wants each event for itself; people do not. Alarms stay alone.
    """
    topic = TOPICS[event.topic]
    given = event.payload.get("gather")
    if topic.urgency is Urgency.ALARM or topic.is_personal or not (given or topic.gathers):
        return ""
    return one_line(f"{event.topic} {given or event.payload.get('registry', '')}", _GATHER_KEY)
