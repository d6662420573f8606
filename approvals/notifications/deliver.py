"""Sending what is due, in order, and what happens when it does not arrive."""

import logging
import random
import time
import traceback
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from approvals.audit.record import record
from approvals.notifications.channels import channels
from approvals.notifications.errors import HoldsUp, NotDelivered
from approvals.notifications.messages import Urgency, gathered_message, one_line
from approvals.notifications.models import Delivery, Destination, QuietHours
from approvals.notifications.quiet import held_until
from approvals.notifications.who import why_not

logger = logging.getLogger(__name__)

# 15 s, 45 s, 2 min, 7 min, 20 min, 1 h, 3 h, 8 h, 8 h, and a last one when the day is over.
FIRST_PAUSE, LONGEST_PAUSE, JITTER = 15.0, 8 * 3600.0, 0.2
PARK_AFTER = timedelta(hours=24)
# More than fit into that day: whoever comes so far was stopped while sending, each time.
MAX_TRIES = 20
# Longer than any channel may take for one message.
LEASE = timedelta(minutes=2)
RUN_SECONDS = 60.0
# So many events are told in one message at most.
GATHER_MOST = 50
_LOOK_AT = 20


def deliver_due() -> int:
    """Sends what is due, urgent first, then the oldest, for about a minute; returns the tries.

    At most one message is on its way to the same recipient at a time, so that a receiver that is
    slow to fail holds one worker, not all of them; and who has just failed comes last.
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
    # Two workers may both pass the first: then two messages are on their way, each of them once.
    for delivery in _due(now).select_related("event")[:_LOOK_AT]:
        with transaction.atomic():
            # `tries` grows with every claim: it is still what was read only if nobody was quicker.
            claimed = Delivery.objects.filter(
                pk=delivery.pk,
                state=Delivery.State.WAITING,
                gathered_into__isnull=True,
                tries=delivery.tries,
                due_at=delivery.due_at,
            ).update(lease_until=now + LEASE, tries=F("tries") + 1)
            if claimed and delivery.gather_key and not delivery.tries:
                _gather(delivery, now)
        if claimed:
            delivery.tries += 1
            return delivery
    return None


def _due(now: datetime) -> QuerySet[Delivery]:
    same_recipient = Delivery.objects.filter(
        channel=OuterRef("channel"), recipient=OuterRef("recipient"), state=Delivery.State.WAITING
    )
    # What waits for the end of quiet hours must not keep back what may pass them.
    awake = Q(quiet_until__isnull=True) | Q(quiet_until__lte=now)
    in_order = (
        Q(urgency=Urgency.ALARM)
        | (Q(urgency=Urgency.URGENT) & ~_is_behind(awake))
        | (Q(urgency=Urgency.NORMAL) & ~_is_behind())
    )
    return (
        Delivery.objects.filter(
            ~Exists(same_recipient.filter(lease_until__gt=now)),
            in_order,
            state=Delivery.State.WAITING,
            gathered_into__isnull=True,
            due_at__lte=now,
        )
        .annotate(fails=Exists(same_recipient.filter(tries__gt=0)))
        .order_by("-urgency", "fails", "event_id", "id")
    )


def _is_behind(among: Q | None = None) -> Q:
    """Whether the same recipient must be told something else before.

    That is what came earlier of the same version, or of none where this is of none.
    """
    earlier = Delivery.objects.filter(
        among or Q(),
        channel=OuterRef("channel"),
        recipient=OuterRef("recipient"),
        state=Delivery.State.WAITING,
        event_id__lt=OuterRef("event_id"),
    )
    return Q(Exists(earlier.filter(stage_id=OuterRef("stage_id")))) | Q(
        Exists(earlier.filter(stage_id__isnull=True)), stage_id__isnull=True
    )


def _gather(leader: Delivery, now: datetime) -> None:
    """Takes into the leader's message what waits to be told with it, and comes in its order."""
    alike = (
        Delivery.objects.filter(
            ~_is_behind(),
            Q(quiet_until__isnull=True) | Q(quiet_until__lte=now),
            Q(lease_until__isnull=True) | Q(lease_until__lte=now),
            channel=leader.channel,
            recipient=leader.recipient,
            gather_key=leader.gather_key,
            urgency=leader.urgency,
            state=Delivery.State.WAITING,
            gathered_into__isnull=True,
            tries=0,
        )
        .exclude(pk=leader.pk)
        .order_by("event_id")
    )
    keys = list(
        alike.select_for_update(skip_locked=True).values_list("pk", flat=True)[: GATHER_MOST - 1]
    )
    Delivery.objects.filter(pk__in=keys).update(gathered_into=leader)


def _attempt(delivery: Delivery) -> None:
    try:
        if delivery.tries > MAX_TRIES:
            raise NotDelivered("The worker was stopped during each try.", final=True)
        if _is_quiet(delivery):
            return
        told = _still_wanted(delivery)
        if not told:
            return
        channel = channels().get(delivery.channel)
        if channel is None:
            raise NotDelivered(f"There is no channel {delivery.channel} any more.", final=True)
        message = gathered_message([one.event for one in told])
        channel.send(delivery, replace(message, urgent=delivery.urgency > Urgency.NORMAL))
    except NotDelivered as error:
        _not_sent(delivery, error)
    except Exception as error:  # noqa: BLE001 - a channel's bug must not keep the others from sending
        # Where it happened, without the words, which may quote an address or a header.
        logger.error(
            "delivery=%s stage=%s %s\n%s",
            delivery.pk,
            delivery.stage_id or "-",
            type(error).__name__,
            "".join(traceback.format_tb(error.__traceback__)),
        )
        _not_sent(delivery, NotDelivered(f"An error in Countersign: {type(error).__name__}."))
    else:
        _with_gathered(delivery).filter(state=Delivery.State.WAITING).update(
            state=Delivery.State.SENT, sent_at=timezone.now(), lease_until=None, last_error=""
        )
        _log(delivery, "sent")


def _with_gathered(delivery: Delivery) -> QuerySet[Delivery]:
    return Delivery.objects.filter(Q(pk=delivery.pk) | Q(gathered_into=delivery))


def _is_quiet(delivery: Delivery) -> bool:
    """Puts it off where its person's quiet hours have come; that is no try."""
    hours = list(QuietHours.objects.filter(person=delivery.person_id))
    until = held_until(delivery, hours, timezone.now()) if hours else None
    if until is None:
        return False
    Delivery.objects.filter(
        pk=delivery.pk, state=Delivery.State.WAITING, tries=delivery.tries
    ).update(
        due_at=until,
        quiet_until=until,
        tried_since=until,
        lease_until=None,
        tries=delivery.tries - 1,
    )
    return True


def _still_wanted(delivery: Delivery) -> list[Delivery]:
    """The delivery and what was gathered into it, without what may no longer be told."""
    rows = list(
        _with_gathered(delivery)
        .filter(state=Delivery.State.WAITING)
        .select_related("event", "destination")
        .order_by("event_id", "pk")
    )
    refused = {row.pk: why for row in rows if (why := why_not(row))}
    if delivery.pk not in refused:
        for row in rows:
            if row.pk in refused:
                _give_up(row, refused[row.pk])
        # The message goes by the leader's id.
        wanted = [row for row in rows if row.pk not in refused]
        return sorted(wanted, key=lambda row: row.pk != delivery.pk)
    # The others find another leader.
    Delivery.objects.filter(gathered_into=delivery, state=Delivery.State.WAITING).update(
        gathered_into=None
    )
    _give_up(delivery, refused[delivery.pk])
    return []


def _give_up(delivery: Delivery, why: str) -> None:
    with transaction.atomic():
        given_up = Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.WAITING).update(
            state=Delivery.State.FAILED,
            last_error=one_line(why, 400),
            lease_until=None,
            gathered_into=None,
        )
        if given_up:
            _record(delivery, "delivery.failed", why)
    _log(delivery, "failed", why)


def _not_sent(delivery: Delivery, error: NotDelivered) -> None:
    now = timezone.now()
    last = delivery.tried_since + PARK_AFTER
    parked = not error.final and now >= last
    due_at = now + timedelta(seconds=max(pause_after(delivery.tries), error.retry_after))
    # One more when the day is over, however long the pause would be.
    due_at = due_at if now >= last else min(due_at, last)
    ended = (
        {"state": Delivery.State.FAILED}
        if error.final
        else {"state": Delivery.State.PARKED}
        if parked
        else {}
    )
    words = one_line(error, 400)
    with transaction.atomic():
        where = Destination.objects.filter(pk=delivery.destination_id or 0)
        if error.gone:
            # In the order of whoever switches it off: the place, what waits for it, the audit log.
            where.select_for_update(no_key=True).first()
        held = Delivery.objects.filter(
            pk=delivery.pk, state=Delivery.State.WAITING, tries=delivery.tries
        )
        if not held.update(due_at=due_at, lease_until=None, last_error=words, **ended):
            return  # the lease ran out meanwhile, and another worker has it
        Delivery.objects.filter(gathered_into=delivery, state=Delivery.State.WAITING).update(
            last_error=words, **ended
        )
        _hold_up_the_others(delivery, error, due_at)
        if error.gone:
            # A browser that took its permission back never comes back under this address.
            where.update(enabled=False)
        if ended:
            _record(delivery, "delivery.parked" if parked else "delivery.failed", words)
    outcome = "parked" if parked else "failed" if ended else f"next try {due_at:%H:%M:%S} UTC"
    _log(delivery, outcome, words)


def _record(delivery: Delivery, kind: str, reason: str) -> None:
    record(
        kind,
        subject=delivery,
        stage_id=delivery.event.stage_id,
        topic=delivery.event.topic,
        tries=delivery.tries,
        reason=one_line(reason, 400),
    )


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
