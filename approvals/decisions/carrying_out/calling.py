"""Telling whoever decided that the registry waits for their code, where they may have gone away."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from approvals.audit import outbox
from approvals.decisions.carrying_out.questions import progress_of
from approvals.decisions.models import DecisionItem, ItemState
from approvals.queue.transitions import news_of

TOPIC = "decision.code_wanted"
AT_ONCE = 200


def tell_of_questions() -> int:
    """Tells of each question that has stood for a while, once; returns of how many.

    Not at once: who just decided mostly sits before the page, and types the code there.
    """
    return sum(_tell(item) for item in _due()[:AT_ONCE])


def _due() -> QuerySet[DecisionItem]:
    now = timezone.now()
    return (
        DecisionItem.objects.filter(
            state=ItemState.ASKING,
            state_changed_at__lte=now - timedelta(seconds=settings.CODE_WANTED_SECONDS),
            asked_until__gt=now,
            question_told_at__isnull=True,
            decision__paused_at__isnull=True,
            decision__called_off_at__isnull=True,
        )
        .select_related("decision", "staged_version__package", "staged_version__registry")
        .order_by("state_changed_at", "pk")
    )


def _tell(item: DecisionItem) -> bool:
    """False where the question was answered meanwhile, or another worker tells of it."""
    decision = item.decision
    with transaction.atomic():
        first = DecisionItem.objects.filter(
            pk=item.pk,
            state=ItemState.ASKING,
            state_changed_at=item.state_changed_at,
            question_told_at__isnull=True,
        ).update(question_told_at=timezone.now())
        if first:
            outbox.publish(
                TOPIC,
                stage_id=item.stage_id,
                **{
                    **news_of(item.staged_version),
                    "people": [decision.user_id],
                    # They wait for the same answer.
                    "more": progress_of(decision).open - 1,
                    "action": decision.action,
                    "reason": item.question,
                    "url_path": f"/decisions/{decision.pk}/",
                    "until": item.asked_until.isoformat() if item.asked_until else "",
                    "gather": str(decision.pk),
                },
            )
    return bool(first)
