"""Appending to the chained log."""

import hashlib
import hmac
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import models, transaction
from django.utils import timezone

from approvals.audit.models import AuditEvent, AuditHead

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Happening:
    """What `record_all` writes down: see `record` for the meaning of each."""

    kind: str
    actor: AbstractBaseUser | None = None
    subject: models.Model | None = None
    stage_id: UUID | str | None = None
    detail: dict[str, Any] = field(default_factory=dict)


def record(
    kind: str,
    *,
    actor: AbstractBaseUser | None = None,
    subject: models.Model | None = None,
    stage_id: UUID | str | None = None,
    **detail: Any,
) -> AuditEvent:
    """Appends an event to the chain, inside the caller's transaction.

    Call it after the change that it describes: appenders wait for one another on the chain's
    head, so that nobody may take another lock while holding it. `detail` must be JSON, and must
    hold no secret. Raises TransactionManagementError outside a transaction.
    """
    return record_all([Happening(kind, actor, subject, stage_id, detail)])[0]


def record_all(happenings: Sequence[Happening]) -> list[AuditEvent]:
    """Appends several events at once; everything said of `record` holds."""
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError(
            "An audit event is written in the transaction of what it describes."
        )
    head = AuditHead.objects.select_for_update().filter(id=1).first()
    if head is None:
        AuditHead.objects.bulk_create([AuditHead(id=1)], ignore_conflicts=True)
        head = AuditHead.objects.select_for_update().get(id=1)
    events = []
    for happening in happenings:
        subject, actor = happening.subject, happening.actor
        event = AuditEvent(
            sequence=head.sequence + 1,
            at=timezone.now(),
            kind=happening.kind,
            actor_id=actor.pk if actor else None,
            actor_name=actor.get_username() if actor else "Countersign",
            subject=f"{subject._meta.label}:{subject.pk}" if subject else "",
            subject_name=str(subject)[:400] if subject else "",
            stage_id=UUID(str(happening.stage_id)) if happening.stage_id else None,
            detail=_as_json(happening.detail),
            previous_hash=head.hash,
        )
        event.hash = event_hash(event)
        head.sequence, head.hash = event.sequence, event.hash
        events.append(event)
    AuditEvent.objects.bulk_create(events)
    head.save(update_fields=["sequence", "hash"])
    transaction.on_commit(partial(_log, events))
    return events


def _log(events: list[AuditEvent]) -> None:
    for event in events:
        logger.info("%s stage=%s subject=%s", event.kind, event.stage_id or "-", event.subject)


def event_hash(event: AuditEvent, secret_key: str | None = None) -> str:
    """The event's link in the chain: keyed, so that the database alone cannot forge one.

    `secret_key` is the one to prove it with; without it, the current one.
    """
    content = json.dumps(
        [
            event.sequence,
            event.at.isoformat(),
            event.kind,
            event.actor_id,
            event.actor_name,
            event.subject,
            event.subject_name,
            str(event.stage_id or ""),
            event.detail,
            event.previous_hash,
        ],
        sort_keys=True,
        separators=(",", ":"),
    )
    secret_key = settings.SECRET_KEY if secret_key is None else secret_key
    key = hashlib.sha256(b"audit chain" + secret_key.encode()).digest()
    return hmac.new(key, content.encode(), hashlib.sha256).hexdigest()


def is_written_here(event: AuditEvent) -> bool:
    """Whether the event says what it said when this program wrote it down.

    That nothing is missing before or after it is for `chain.verify` to prove.
    """
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return any(hmac.compare_digest(event_hash(event, key), event.hash) for key in keys)


def _as_json(detail: dict[str, Any]) -> dict[str, Any]:
    """The detail as every database gives it back: PostgreSQL would write 1e22 in another way."""
    return dict(json.loads(json.dumps(detail, default=str), parse_float=str, parse_constant=str))
