"""Which approvals of staged versions stand."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

from django.db.models import QuerySet

from approvals.audit.models import AuditEvent
from approvals.decisions.deciding.stepup import FOR_A_VOTE, is_genuine
from approvals.decisions.models import Action, StepUp, Vote
from approvals.queue.models import StagedVersion, State

WITHDRAWN = "vote.withdrawn"
VOIDED = "vote.voided"
# The audit events that end a vote: taken back, void, or spent by the decision it was the last for.
ENDINGS = (WITHDRAWN, VOIDED, f"staged_version.{State.APPROVING.value}")


def standing_votes(staged_versions: Iterable[StagedVersion]) -> QuerySet[Vote]:
    """Those that were neither withdrawn nor voided nor spent, oldest first."""
    return Vote.objects.filter(
        staged_version__in=[row.pk for row in staged_versions],
        withdrawn_at__isnull=True,
        voided_at__isnull=True,
        decision__isnull=True,
    ).order_by("cast_at", "pk")


def genuine_votes(staged_versions: Sequence[StagedVersion]) -> dict[int, list[Vote]]:
    """The standing votes of each version, by key, that rest on a proof of presence for it.

    Whoever can write to the database casts none: only a process with the sealing keys makes a
    step-up, and it names the version, its digests and what the person saw. Nor do they revive one:
    the audit log says that it has ended.
    """
    versions = {row.pk: row for row in staged_versions}
    votes = list(standing_votes(staged_versions).select_related("user", "step_up"))
    ended = ended_by(ENDINGS, [versions[vote.staged_version_id] for vote in votes])
    genuine: dict[object, bool] = {}
    found: dict[int, list[Vote]] = defaultdict(list)
    counted: set[tuple[int, UUID]] = set()
    for vote in votes:
        if vote.step_up_id not in genuine:
            genuine[vote.step_up_id] = is_genuine(vote.step_up)
        row, once = versions[vote.staged_version_id], (vote.staged_version_id, vote.step_up_id)
        if (
            genuine[vote.step_up_id]
            and once not in counted
            and (row.stage_id, str(vote.step_up_id)) not in ended
            and rests_on(vote.step_up, row, vote.user_id)
            # The last one needed made a decision, and went with it.
            and vote.step_up.consumed_for == FOR_A_VOTE
            and vote.cast_at == vote.step_up.consumed_at
            and (vote.sha1, vote.sha512) == (row.shasum, row.sha512)
            and _saw(vote, row)
        ):
            counted.add(once)
            found[row.pk].append(vote)
    return found


def _saw(vote: Vote, row: StagedVersion) -> bool:
    """Whether the proof says that the person saw what the vote says they saw."""
    if not all(isinstance(one, str) for one in vote.findings):
        return False
    return sight_of(row, vote.policy, vote.baseline_version, vote.findings) in vote.step_up.sight


def rests_on(step_up: StepUp, row: StagedVersion, user_id: int) -> bool:
    """Whether it is a consumed proof of this person's for approving exactly this tarball.

    That it is genuine is asked apart: once for all that rests on it.
    """
    return (
        step_up.consumed_at is not None
        and step_up.action == Action.APPROVE
        and step_up.user_id == user_id
        and [row.registry.url, str(row.stage_id), row.shasum, row.sha512] in step_up.subjects
    )


def sight_of(
    row: StagedVersion, policy: str, baseline_version: str, fingerprints: Collection[str]
) -> list[str]:
    """What somebody who approves has before their eyes, beside the tarball.

    `policy` is the mark of the one that holds for it, `fingerprints` are those of the findings.
    """
    findings = hashlib.sha256(json.dumps(sorted(fingerprints)).encode()).hexdigest()
    return [str(row.stage_id), policy, baseline_version, findings]


def ending_of(vote: Vote) -> dict[str, str | int]:
    """What the audit event that ends a vote says of it.

    By the step-up it rests on: a row that is written anew has another key.
    """
    return {"vote": vote.pk, "step_up": str(vote.step_up_id)}


def ended_by(
    kinds: Collection[str], staged_versions: Collection[StagedVersion]
) -> set[tuple[UUID, str]]:
    """Stage id and step-up of each vote that such an audit event says is over."""
    if not staged_versions:
        return set()
    events = AuditEvent.objects.filter(
        stage_id__in={row.stage_id for row in staged_versions}, kind__in=kinds
    ).values_list("stage_id", "detail__step_up")
    return {(stage_id, str(step_up)) for stage_id, step_up in events if stage_id}
