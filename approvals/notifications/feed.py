"""A person's own news: what happened that concerns them, read or not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils import timezone

from approvals.notifications.messages import TOPICS, Audience, Message, message_for
from approvals.notifications.models import FeedItem
from approvals.notifications.who import may_read
from approvals.people.models import User
from approvals.people.permissions import may_decide_anything, may_manage, may_see_everything
from approvals.queue.models import StagedVersion

# More are not counted: nobody tells 100 from 1,000 of them.
COUNT_TO = 99


@dataclass(frozen=True)
class News:
    """One item as the page shows it."""

    pk: int
    at: datetime
    message: Message
    path: str
    is_read: bool
    is_alarm: bool


def items_of(user: User) -> QuerySet[FeedItem]:
    """The person's items about what they may see now, whatever they might see then."""
    items = FeedItem.objects.filter(person=user, event__topic__in=_readable(user))
    if may_see_everything(user):
        return items
    visible = StagedVersion.objects.visible_to(user)
    # A stage id is its registry's own word: another registry may repeat it.
    others = StagedVersion.objects.exclude(pk__in=visible.values("pk"))
    return items.filter(
        Q(event__stage_id__isnull=True)
        | (
            Q(event__stage_id__in=visible.values("stage_id"))
            & ~Q(event__stage_id__in=others.values("stage_id"))
        )
    )


def unread_count(user: User) -> int:
    """How many items they have not read, up to one more than COUNT_TO."""
    unread = items_of(user).filter(read_at__isnull=True).order_by()
    return unread.values("pk")[: COUNT_TO + 1].count()


def news_of(user: User, items: Sequence[FeedItem]) -> list[News]:
    """These items in words. What may not be read (any more) is left out."""
    readable = may_read(user, [item.event for item in items])
    found = []
    for item in items:
        if item.event_id not in readable:
            continue
        topic = TOPICS[item.event.topic]
        path = item.event.payload.get("url_path")
        found.append(
            News(
                pk=item.pk,
                at=item.event.at,
                message=message_for(item.event),
                path=path if isinstance(path, str) else "",
                is_read=item.read_at is not None,
                is_alarm=topic.kind in ("alarm", "elsewhere"),
            )
        )
    return found


def read_up_to(user: User, event: int) -> int:
    """Marks what the person has up to this event as read; returns how many items it was.

    Not simply everything: what came while they looked at the page, they have not seen.
    """
    unread = FeedItem.objects.filter(person=user, event_id__lte=event, read_at__isnull=True)
    return unread.update(read_at=timezone.now())


def read(user: User, key: int) -> FeedItem | None:
    """Marks one of the person's items as read and returns it; None where it is not theirs."""
    item = items_of(user).filter(pk=key).select_related("event").first()
    if item is not None:
        FeedItem.objects.filter(pk=item.pk, read_at__isnull=True).update(read_at=timezone.now())
    return item


def _readable(user: User) -> list[str]:
    hidden = set()
    if not may_decide_anything(user):
        hidden.add(Audience.DECIDERS)
    if not may_manage(user):
        hidden.add(Audience.MANAGERS)
    return [name for name, topic in TOPICS.items() if topic.audience not in hidden]
