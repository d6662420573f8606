"""Forgetting what was told long ago."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from approvals.notifications.models import Delivery, FeedItem

AT_ONCE = 1000


def forget_old_news() -> int:
    """Removes what was delivered, and what lies in feeds, for too long; returns how many rows.

    What is parked or has failed stays until somebody sends it. In pieces, so that nobody waits
    long for the database.
    """
    before = timezone.now() - timedelta(days=settings.NEWS_DAYS)
    sent = Delivery.objects.filter(
        state=Delivery.State.SENT, sent_at__lt=before, gathered_into__isnull=True
    )
    removed = 0
    while keys := list(sent.values_list("pk", flat=True)[:AT_ONCE]):
        removed += Delivery.objects.filter(gathered_into__in=keys).delete()[0]
        removed += Delivery.objects.filter(pk__in=keys).delete()[0]
    items = FeedItem.objects.filter(event__at__lt=before)
    while keys := list(items.values_list("pk", flat=True)[:AT_ONCE]):
        removed += FeedItem.objects.filter(pk__in=keys).delete()[0]
    return removed
