"""Trying again what failed or waits."""

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.record import record
from approvals.notifications.models import Delivery
from approvals.notifications.tasks import tell_waiting
from approvals.people.models import User
from approvals.people.permissions import may_manage

AT_ONCE = 1000


class NothingToRetry(Exception):
    """str() is the sentence for the page."""


def try_now(delivery: Delivery, *, actor: User) -> None:
    """Makes a waiting, parked or failed delivery due at once, with a whole day before it again.

    What was gathered into one message goes out in the same one. Raises NothingToRetry if it was
    sent, or is being sent at this moment; PermissionDenied.
    """
    if not may_manage(actor):
        raise PermissionDenied
    with transaction.atomic():
        if not _make_due(delivery.gathered_into_id or delivery.pk):
            raise NothingToRetry("It was sent already, or is being sent right now.")
        record(
            "delivery.retried",
            actor=actor,
            subject=delivery,
            stage_id=delivery.event.stage_id,
            topic=delivery.event.topic,
        )
        outbox.ring_after_commit(tell_waiting.delay)


def try_all_parked(*, actor: User) -> int:
    """The same for everything that is parked, the first thousand at a time; returns how many.

    Raises NothingToRetry where nothing is; PermissionDenied.
    """
    if not may_manage(actor):
        raise PermissionDenied
    parked = Delivery.objects.filter(state=Delivery.State.PARKED, gathered_into__isnull=True)
    with transaction.atomic():
        keys = list(parked.order_by("event_id", "pk").values_list("pk", flat=True)[:AT_ONCE])
        number = sum(map(_make_due, keys))
        if not number:
            raise NothingToRetry("Nothing is parked.")
        record("delivery.all_retried", actor=actor, number=number)
        outbox.ring_after_commit(tell_waiting.delay)
    return number


def _make_due(key: int) -> bool:
    now = timezone.now()
    due = (
        Delivery.objects.filter(pk=key)
        .exclude(state=Delivery.State.SENT)
        .filter(Q(lease_until__isnull=True) | Q(lease_until__lte=now))
        .update(
            state=Delivery.State.WAITING,
            due_at=now,
            tried_since=now,
            quiet_until=None,
            tries=0,
            lease_until=None,
        )
    )
    if due:
        Delivery.objects.filter(gathered_into=key).exclude(state=Delivery.State.SENT).update(
            state=Delivery.State.WAITING
        )
    return bool(due)
