"""From news to deliveries: who is to be told of each event, over which channel."""

from django.db import transaction
from django.utils import timezone

from approvals.audit.models import OutboxEvent
from approvals.notifications.channels import channels
from approvals.notifications.models import Delivery

BATCH = 100


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
            events = list(waiting.select_for_update(skip_locked=True)[:BATCH])
            Delivery.objects.bulk_create(
                (
                    Delivery(event=event, channel=name, recipient=recipient)
                    for event in events
                    for name, channel in channels().items()
                    for recipient in channel.recipients(event)
                ),
                ignore_conflicts=True,
            )
            OutboxEvent.objects.filter(pk__in=[event.pk for event in events]).update(
                dispatched_at=timezone.now()
            )
        if not events:
            break  # another worker has them
        dispatched += len(events)
    return dispatched
