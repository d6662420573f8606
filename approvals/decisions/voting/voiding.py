"""Votes that no longer stand, because something changed since they were cast."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import transaction
from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.record import Happening, record_all
from approvals.decisions.deciding.locking import lock_versions
from approvals.decisions.judging.checklist import Checklist, checklists_of
from approvals.decisions.models import Vote
from approvals.decisions.voting.votes import VOIDED, ending_of, genuine_votes, standing_votes
from approvals.policy.evaluate import void_reason
from approvals.queue.models import StagedVersion, State
from approvals.queue.transitions import news_of

NO_DECIDER = "may not approve this package any more"
BATCH = 100


def void_stale(among: Iterable[int] | None = None) -> int:
    """Voids the votes that what came later has made void, and says why; how many.

    Such a vote counts for nothing already where anything is decided; here it is written down.
    `among` are the keys of the versions to look at; without, all that wait are.
    """
    standing = Vote.objects.filter(
        withdrawn_at__isnull=True,
        voided_at__isnull=True,
        decision__isnull=True,
        staged_version__state=State.STAGED,
    )
    if among is not None:
        standing = standing.filter(staged_version__in=set(among))
    keys = sorted(set(standing.values_list("staged_version", flat=True)))
    voided = 0
    for start in range(0, len(keys), BATCH):
        rows = list(StagedVersion.objects.with_package().filter(pk__in=keys[start : start + BATCH]))
        # Looked at without a lock first: mostly, there is nothing to do.
        stale = {vote.staged_version_id for vote, _ in _void_ones(rows)}
        if stale:
            voided += _void(stale)
    return voided


def _void(keys: Iterable[int]) -> int:
    with transaction.atomic():
        rows = [row for row in lock_versions(list(keys)) if row.state == State.STAGED]
        versions = {row.pk: row for row in rows}
        now, void = timezone.now(), _void_ones(rows)
        for vote, reason in void:
            vote.voided_at, vote.void_reason = now, reason[:400]
        if not void:
            return 0
        votes = [vote for vote, _ in void]
        Vote.objects.bulk_update(votes, ["voided_at", "void_reason"])
        outbox.publish_all(
            [
                (
                    VOIDED,
                    versions[vote.staged_version_id].stage_id,
                    {
                        **news_of(versions[vote.staged_version_id]),
                        "people": [vote.user_id],
                        "who": vote.user.get_username(),
                        "reason": vote.void_reason,
                    },
                )
                for vote in votes
            ]
        )
        record_all(
            [
                Happening(
                    VOIDED,
                    None,
                    versions[vote.staged_version_id],
                    versions[vote.staged_version_id].stage_id,
                    {
                        **ending_of(vote),
                        "voter": vote.user.get_username(),
                        "reason": vote.void_reason,
                    },
                )
                for vote in votes
            ]
        )
    return len(votes)


def _void_ones(rows: Sequence[StagedVersion]) -> list[tuple[Vote, str]]:
    """Those of the standing votes that are void, and why."""
    if not standing_votes(rows).exists():
        return []
    checklists = checklists_of(rows)
    found = []
    for key, votes in genuine_votes(rows).items():
        # Where nobody knows what the policies are, nothing is void by them.
        for vote in () if checklists[key].book.broken else votes:
            if reason := _reason(vote, checklists[key]):
                found.append((vote, reason))
    return found


def _reason(vote: Vote, checklist: Checklist) -> str:
    case = checklist.case
    approval = next((one for one in case.approvals if one.vote == vote.pk), None)
    if approval is None:
        may = any(one.key == vote.user_id for one in case.deciders)
        return "" if may else f"{vote.user} {NO_DECIDER}."
    return void_reason(approval, case, checklist.policy)
