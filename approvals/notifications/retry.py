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


class NothingToRetry(Exception):
    """str() is the sentence for the page."""


def try_now(delivery: Delivery, *, actor: User) -> None:
    """Makes a waiting or failed delivery due at once, with all its tries before it again.

    Raises NothingToRetry if it was sent, or is being sent at this moment; PermissionDenied.
    """
    if not may_manage(actor):
        raise PermissionDenied
    now = timezone.now()
    with transaction.atomic():
        due = (
            Delivery.objects.filter(pk=delivery.pk)
            .exclude(state=Delivery.State.SENT)
            .filter(Q(lease_until__isnull=True) | Q(lease_until__lte=now))
            .update(state=Delivery.State.WAITING, due_at=now, tries=0, lease_until=None)
        )
        if not due:
            raise NothingToRetry("It was sent already, or is being sent right now.")
        record(
            "delivery.retried",
            actor=actor,
            subject=delivery,
            stage_id=delivery.event.stage_id,
            topic=delivery.event.topic,
        )
        outbox.ring_after_commit(tell_waiting.delay)
