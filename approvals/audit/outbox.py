"""News from one room to the rooms above it.

A room publishes a topic; a higher room registers a doorbell for it in its AppConfig.ready(). The
row is the news, the doorbell only makes it fast: what it should have woken looks into the
database by itself at the next sweep.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from approvals.audit.models import OutboxEvent

logger = logging.getLogger(__name__)

ANY_TOPIC = "*"
_doorbells: dict[str, list[Callable[[], object]]] = defaultdict(list)


def doorbell(topic: str, ring: Callable[[], object]) -> None:
    """Has `ring` called after each commit that published `topic` (or ANY_TOPIC)."""
    _doorbells[topic].append(ring)


def publish(topic: str, *, stage_id: UUID | str | None = None, **payload: Any) -> OutboxEvent:
    """Writes the news in the caller's transaction and rings its doorbells after the commit."""
    return publish_all([(topic, stage_id, payload)])[0]


def publish_all(
    news: Sequence[tuple[str, UUID | str | None, dict[str, Any]]],
) -> list[OutboxEvent]:
    """Writes several pieces of news, each (topic, stage id, payload); rings each doorbell once."""
    events = OutboxEvent.objects.bulk_create(
        OutboxEvent(
            topic=topic, stage_id=UUID(str(stage_id)) if stage_id else None, payload=payload
        )
        for topic, stage_id, payload in news
    )
    topics = {topic for topic, _, _ in news}
    for bell in {bell for topic in (*topics, ANY_TOPIC) for bell in _doorbells[topic]}:
        ring_after_commit(bell)
    return events


def ring_after_commit(bell: Callable[[], object]) -> None:
    """Rings once this transaction has committed; a broker that is away loses nothing."""

    def ring() -> None:
        try:
            bell()
        except Exception as error:  # noqa: BLE001 - whatever the broker raises, the row is safe
            logger.warning("The doorbell did not ring (the next sweep finds the work): %s", error)

    transaction.on_commit(ring)
