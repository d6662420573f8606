"""Casting votes: approvals that wait for those of others, and the last one, which decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.record import Happening, record_all
from approvals.decisions.judging.awaited import awaited_of
from approvals.decisions.judging.checklist import Checklist
from approvals.decisions.models import Decision, Override, StepUp, Vote
from approvals.decisions.voting.overriding import OVERRIDDEN
from approvals.decisions.voting.votes import WITHDRAWN, ending_of, standing_votes
from approvals.people.models import User
from approvals.queue.transitions import news_of


def cast(
    user: User,
    step_up: StepUp,
    checklists: Sequence[Checklist],
    decision: Decision | None,
) -> list[Vote]:
    """Writes this person's vote for each down, in the caller's transaction.

    A vote of theirs that stands makes room. With `decision`, they are the last that were needed.
    """
    rows = [one.version for one in checklists]
    cast_at = step_up.consumed_at or timezone.now()
    own = standing_votes(rows).filter(user=user)
    before = list(own.select_related("staged_version__package"))
    own.update(withdrawn_at=cast_at)
    votes = Vote.objects.bulk_create(
        Vote(
            staged_version=one.version,
            user=user,
            step_up=step_up,
            sha1=one.version.shasum,
            sha512=one.version.sha512,
            baseline_version=one.case.baseline_version,
            policy=one.policy.mark,
            findings=sorted(one.case.fingerprints),
            cast_at=cast_at,
            decision=decision,
        )
        for one in checklists
    )
    if decision is None:
        _publish(user, checklists)
    happenings = [
        Happening(
            WITHDRAWN,
            user,
            vote.staged_version,
            vote.staged_version.stage_id,
            {**ending_of(vote), "reason": "They approved anew."},
        )
        for vote in before
    ]
    if decision is None:
        happenings += [
            Happening(
                "vote.cast",
                user,
                one.version,
                one.version.stage_id,
                {**ending_of(vote), "sha512": vote.sha512, "policy": one.policy.name},
            )
            for one, vote in zip(checklists, votes, strict=True)
        ]
    if happenings:
        record_all(happenings)
    return votes


def override(
    user: User, step_up: StepUp, checklists: Sequence[Checklist], reason: str
) -> list[Override]:
    """Writes down what this person lets pass in spite of the policy, and why.

    In the caller's transaction.
    """
    passed = [(one, answer) for one in checklists for answer in one.overridable]
    overrides = Override.objects.bulk_create(
        Override(
            staged_version=one.version,
            user=user,
            step_up=step_up,
            requirement=answer.requirement,
            sentence=answer.sentence[:600],
            evidence=sorted(answer.evidence),
            reason=reason,
        )
        for one, answer in passed
    )
    outbox.publish_all(
        [
            (
                OVERRIDDEN,
                one.version.stage_id,
                {
                    **news_of(one.version),
                    "actor": user.get_username(),
                    "requirement": answer.title,
                    "reason": reason,
                },
            )
            for one, answer in passed
        ]
    )
    record_all(
        [
            Happening(
                OVERRIDDEN,
                user,
                one.version,
                one.version.stage_id,
                {
                    "requirement": answer.requirement,
                    "sentence": answer.sentence,
                    "reason": reason,
                    "evidence": sorted(answer.evidence),
                    "step_up": str(step_up.pk),
                },
            )
            for one, answer in passed
        ]
    )
    return overrides


def _publish(user: User, checklists: Sequence[Checklist]) -> None:
    """Tells those for whom these wait now: once a person, however many versions it is."""
    told: set[int] = set()
    others = len(checklists) - 1
    news: list[tuple[str, UUID | str | None, dict[str, Any]]] = []
    for one in checklists:
        awaited = awaited_of(one) - told - {user.pk}
        told |= awaited
        news.append(
            (
                "vote.cast",
                one.version.stage_id,
                {
                    **news_of(one.version),
                    "actor": user.get_username(),
                    "people": sorted(awaited),
                    "more": others,
                    "waits_for": " ".join(answer.sentence for answer in one.unmet),
                },
            )
        )
    outbox.publish_all(news)
