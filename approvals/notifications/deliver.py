"""Sending what is due, and what happens when it does not arrive."""

import logging
import random
import time
import traceback
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from approvals.audit.record import record
from approvals.notifications.channels import channels
from approvals.notifications.errors import HoldsUp, NotDelivered
from approvals.notifications.messages import message_for, one_line
from approvals.notifications.models import Delivery

logger = logging.getLogger(__name__)

# Ten tries over about 22 hours: 15 s, 45 s, 2 min, 7 min, 20 min, 1 h, 3 h, 8 h, 8 h.
MAX_TRIES = 10
FIRST_PAUSE, LONGEST_PAUSE, JITTER = 15.0, 8 * 3600.0, 0.2
GIVE_UP_AFTER = timedelta(hours=24)
# Longer than any channel may take for one message.
LEASE = timedelta(minutes=2)
RUN_SECONDS = 60.0
_LOOK_AT = 20


def deliver_due() -> int:
    """Sends what is due, oldest first, for about a minute; returns how many it tried.

    At most one message is on its way to the same recipient at a time, so that a receiver that is
    slow to fail holds one worker, not all of them.
    """
    tried = 0
    until = time.monotonic() + RUN_SECONDS
    while time.monotonic() < until:
        delivery = _claim()
        if delivery is None:
            break
        tried += 1
        _attempt(delivery)
    return tried


def pause_after(tries: int) -> float:
    """Seconds until the next try after `tries` failed ones, with jitter."""
    pause = min(FIRST_PAUSE * 3.0 ** (tries - 1), LONGEST_PAUSE)
    return pause * random.uniform(1, 1 + JITTER)  # noqa: S311 - spreads load, guards nothing


def _claim() -> Delivery | None:
    now = timezone.now()
    on_its_way = Delivery.objects.filter(
        channel=OuterRef("channel"),
        recipient=OuterRef("recipient"),
        state=Delivery.State.WAITING,
        lease_until__gt=now,
    )
    due = Delivery.objects.filter(
        ~Exists(on_its_way), state=Delivery.State.WAITING, due_at__lte=now
    ).order_by("id")
    # Two workers may both pass that: then two messages are on their way, each of them once.
    for delivery in due.select_related("event")[:_LOOK_AT]:
        # `tries` grows with every claim: it is still what was read only if nobody was quicker.
        claimed = Delivery.objects.filter(
            pk=delivery.pk,
            state=Delivery.State.WAITING,
            tries=delivery.tries,
            due_at=delivery.due_at,
        ).update(lease_until=now + LEASE, tries=F("tries") + 1)
        if claimed:
            delivery.tries += 1
            return delivery
    return None


def _attempt(delivery: Delivery) -> None:
    try:
        channel = channels().get(delivery.channel)
        if channel is None:
            raise NotDelivered(f"There is no channel {delivery.channel} any more.", final=True)
        if delivery.tries > MAX_TRIES:
            raise NotDelivered("The worker was stopped during each try.", final=True)
        channel.send(delivery, message_for(delivery.event))
    except NotDelivered as error:
        _not_sent(delivery, error)
    except Exception as error:  # noqa: BLE001 - a channel's bug must not keep the others from sending
        # Where it happened, without the words, which may quote an address or a header.
        logger.error(
            "delivery=%s stage=%s %s\n%s",
            delivery.pk,
            delivery.event.stage_id or "-",
            type(error).__name__,
            "".join(traceback.format_tb(error.__traceback__)),
        )
        _not_sent(delivery, NotDelivered(f"An error in Countersign: {type(error).__name__}."))
    else:
        Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.WAITING).update(
            state=Delivery.State.SENT, sent_at=timezone.now(), lease_until=None, last_error=""
        )
        _log(delivery, "sent")


def _not_sent(delivery: Delivery, error: NotDelivered) -> None:
    now = timezone.now()
    too_old = now - delivery.event.at > GIVE_UP_AFTER
    final = error.final or too_old or delivery.tries >= MAX_TRIES
    due_at = now + timedelta(seconds=max(pause_after(delivery.tries), error.retry_after))
    with transaction.atomic():
        updated = Delivery.objects.filter(
            pk=delivery.pk, state=Delivery.State.WAITING, tries=delivery.tries
        ).update(
            state=Delivery.State.FAILED if final else Delivery.State.WAITING,
            due_at=due_at,
            lease_until=None,
            last_error=one_line(error, 400),
        )
        if not updated:
            return  # the lease ran out meanwhile, and another worker has it
        _hold_up_the_others(delivery, error, due_at)
        if final:
            record(
                "delivery.failed",
                subject=delivery,
                stage_id=delivery.event.stage_id,
                topic=delivery.event.topic,
                tries=delivery.tries,
                reason=one_line(error, 400),
            )
    _log(delivery, "failed" if final else f"next try {due_at:%H:%M:%S} UTC", one_line(error, 400))


def _hold_up_the_others(delivery: Delivery, error: NotDelivered, until: datetime) -> None:
    """One knock at a closed door is enough: what would fail likewise waits for the same moment."""
    if error.holds_up is HoldsUp.NOTHING:
        return
    others: QuerySet[Delivery] = Delivery.objects.filter(
        Q(lease_until__isnull=True) | Q(lease_until__lte=timezone.now()),
        channel=delivery.channel,
        state=Delivery.State.WAITING,
        due_at__lt=until,
    ).exclude(pk=delivery.pk)
    if error.holds_up is HoldsUp.RECIPIENT:
        others = others.filter(recipient=delivery.recipient)
    locked = others.select_for_update(skip_locked=True).values_list("pk", flat=True)
    Delivery.objects.filter(pk__in=list(locked.order_by("pk")[:500])).update(
        due_at=until, last_error=one_line(f"Waits for an earlier one: {error}", 400)
    )


def _log(delivery: Delivery, outcome: str, words: str = "") -> None:
    logger.info(
        "delivery=%s channel=%s topic=%s stage=%s try=%s %s%s",
        delivery.pk,
        delivery.channel,
        delivery.event.topic,
        delivery.event.stage_id or "-",
        delivery.tries,
        outcome,
        f": {words}" if words else "",
    )
