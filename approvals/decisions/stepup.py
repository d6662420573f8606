"""A fresh proof of presence, bound to one exact decision."""

import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from approvals.audit.record import record
from approvals.decisions.models import Action, DecisionItem, StepUp
from approvals.people import totp
from approvals.people.models import User
from approvals.queue.models import StagedVersion
from approvals.sealing import SealBroken, seal, unseal


class StepUpRefused(Exception):
    """The proof of presence was not accepted; the text says why and what to do."""


def binding_of(action: Action, subjects: Sequence[tuple[str, UUID, str, str]]) -> str:
    """SHA-256, hex, over the action and each (registry address, stage id, SHA-1, SHA-512)."""
    content = [
        str(action),
        sorted([url, str(stage_id), sha1, sha512] for url, stage_id, sha1, sha512 in subjects),
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def binding_of_versions(action: Action, versions: Sequence[StagedVersion]) -> str:
    return binding_of(
        action, [(row.registry.url, row.stage_id, row.shasum, row.sha512) for row in versions]
    )


def binding_of_items(action: Action, items: Sequence[DecisionItem]) -> str:
    return binding_of(
        action,
        [
            (item.staged_version.registry.url, item.stage_id, item.sha1, item.sha512)
            for item in items
        ],
    )


def open_step_up(user: User, action: Action, staged_versions: Sequence[StagedVersion]) -> StepUp:
    """Opens a confirmation: the proof that follows is good for exactly what it names."""
    return StepUp.objects.create(
        user=user, action=action, binding=binding_of_versions(action, staged_versions)
    )


def prove_with_totp(step_up_id: UUID | str, user: User, code: str) -> None:
    """Proves an opened step-up with a TOTP code. Raises StepUpRefused.

    Commits by itself, outside of the decision's transaction: whatever becomes of the decision, a
    code that was seen is spent and a wrong one is counted.
    """
    step_up = _opened_by(user, step_up_id)
    if step_up is None:
        raise StepUpRefused("This confirmation is not yours, or is gone. Open it again.")
    if step_up.proved_at or step_up.consumed_at:
        raise StepUpRefused("This confirmation was used already. Open it again.")
    if timezone.now() - step_up.opened_at > timedelta(seconds=settings.CONFIRMATION_SECONDS):
        minutes = settings.CONFIRMATION_SECONDS // 60
        raise StepUpRefused(
            f"This confirmation expired: it was opened more than {minutes} minutes ago. "
            "Open it again and look once more at what it says."
        )
    try:
        totp.verify(user, code)
    except totp.CodeRefused as error:
        raise StepUpRefused(str(error)) from error
    with transaction.atomic():
        step_up.proved_at, step_up.method = timezone.now(), "totp"
        proved = StepUp.objects.filter(
            pk=step_up.pk, proved_at__isnull=True, consumed_at__isnull=True
        ).update(
            proved_at=step_up.proved_at, method=step_up.method, sealed_proof=sealed_proof(step_up)
        )
        if not proved:
            raise StepUpRefused("This confirmation was used already. Open it again.")
        record("step_up.proved", actor=user, action=step_up.action, method="totp")


def _opened_by(user: User, step_up_id: UUID | str) -> StepUp | None:
    try:
        key = UUID(str(step_up_id))
    except ValueError:
        return None
    return StepUp.objects.filter(pk=key, user=user).first()


def sealed_proof(step_up: StepUp) -> str:
    """What makes a proved step-up genuine: only a process that holds the sealing keys makes it."""
    return seal(_content(step_up), bound_to=f"step-up {step_up.pk}")


def is_genuine(step_up: StepUp) -> bool:
    """Whether the row says what it said when a person proved it."""
    try:
        content = unseal(step_up.sealed_proof, bound_to=f"step-up {step_up.pk}")
    except SealBroken:
        return False
    return content == _content(step_up)


def _content(step_up: StepUp) -> str:
    proved_at = step_up.proved_at.isoformat() if step_up.proved_at else None
    return json.dumps(
        [step_up.user_id, str(step_up.action), step_up.binding, step_up.method, proved_at]
    )


def forget_stale() -> int:
    """Removes confirmations that were opened and led to nothing; how many."""
    stale = timezone.now() - timedelta(seconds=max(settings.CONFIRMATION_SECONDS, 3600))
    return StepUp.objects.filter(consumed_at__isnull=True, opened_at__lt=stale).delete()[0]


def consume(
    step_up_id: UUID | str, user: User, action: Action, staged_versions: Sequence[StagedVersion]
) -> StepUp:
    """Spends a proved step-up on exactly this decision, in the caller's transaction.

    Raises StepUpRefused where it is another person's, for something else, too old or spent.
    """
    now = timezone.now()
    consumed = StepUp.objects.filter(
        pk=step_up_id,
        user=user,
        action=action,
        binding=binding_of_versions(action, staged_versions),
        proved_at__gte=now - timedelta(seconds=settings.STEP_UP_SECONDS),
        consumed_at__isnull=True,
    ).update(consumed_at=now)
    if not consumed:
        raise StepUpRefused(
            "What you confirmed is not what would be decided now: something changed since, or "
            "the confirmation is too old. Open it again and look once more at what it says."
        )
    return StepUp.objects.get(pk=step_up_id)
