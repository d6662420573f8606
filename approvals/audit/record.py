"""Appending to the chained log."""

import hashlib
import hmac
import json
import logging
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import models, transaction
from django.utils import timezone

from approvals.audit.models import AuditEvent, AuditHead

logger = logging.getLogger(__name__)


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
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError(
            "An audit event is written in the transaction of what it describes."
        )
    AuditHead.objects.bulk_create([AuditHead(id=1)], ignore_conflicts=True)
    head = AuditHead.objects.select_for_update().get(id=1)
    event = AuditEvent(
        sequence=head.sequence + 1,
        at=timezone.now(),
        kind=kind,
        actor_id=actor.pk if actor else None,
        actor_name=actor.get_username() if actor else "Countersign",
        subject=f"{subject._meta.label}:{subject.pk}" if subject else "",
        subject_name=str(subject)[:400] if subject else "",
        stage_id=UUID(str(stage_id)) if stage_id else None,
        detail=json.loads(json.dumps(detail, default=str)),
        previous_hash=head.hash,
    )
    event.hash = event_hash(event)
    event.save(force_insert=True)
    AuditHead.objects.filter(id=1).update(sequence=event.sequence, hash=event.hash)
    logger.info("%s stage=%s subject=%s", kind, event.stage_id or "-", event.subject or "-")
    return event


def event_hash(event: AuditEvent) -> str:
    """The event's link in the chain: keyed, so that the database alone cannot forge one."""
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
    key = hashlib.sha256(b"audit chain" + settings.SECRET_KEY.encode()).digest()
    return hmac.new(key, content.encode(), hashlib.sha256).hexdigest()
