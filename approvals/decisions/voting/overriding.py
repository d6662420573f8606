"""What people have let pass in spite of the policy, as far as they really have."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence

from approvals.audit.models import AuditEvent
from approvals.audit.record import is_written_here
from approvals.decisions.deciding.stepup import FOR_A_VOTE, is_genuine
from approvals.decisions.models import Override
from approvals.decisions.voting.votes import VOIDED, WITHDRAWN, ended_by, rests_on
from approvals.queue.models import StagedVersion, State

OVERRIDDEN = "requirement.overridden"


def genuine_overrides(staged_versions: Sequence[StagedVersion]) -> dict[int, list[Override]]:
    """The overrides of each version, by key, oldest first.

    Whoever can write to the database overrides nothing: each rests on a proof of presence that
    names the version, its digests and the reason, and on an audit event that names the requirement
    and the evidence, which only who knows the secret key can write. They go with the approval they
    were made with, where it was taken back or is void, and with the decision, where the version
    waits again: it was not carried out.
    """
    versions = {row.pk: row for row in staged_versions}
    rows = list(
        Override.objects.filter(staged_version__in=list(versions))
        .select_related("user", "step_up")
        .order_by("pk")
    )
    concerned = [versions[one.staged_version_id] for one in rows]
    audited = _audited(concerned)
    ended = ended_by((WITHDRAWN, VOIDED), concerned)
    genuine: dict[object, bool] = {}
    found: dict[int, list[Override]] = defaultdict(list)
    for one in rows:
        row, step_up = versions[one.staged_version_id], one.step_up
        if step_up.pk not in genuine:
            genuine[step_up.pk] = is_genuine(step_up)
        if (
            genuine[step_up.pk]
            and rests_on(step_up, row, one.user_id)
            and step_up.reason == one.reason
            and (step_up.consumed_for == FOR_A_VOTE or row.state != State.STAGED)
            and _said(row, one.step_up_id, one.requirement, one.evidence) in audited
            and (row.stage_id, str(one.step_up_id)) not in ended
        ):
            found[row.pk].append(one)
    return found


def _audited(staged_versions: Sequence[StagedVersion]) -> set[str]:
    if not staged_versions:
        return set()
    by_stage_id = {row.stage_id: row for row in staged_versions}
    events = AuditEvent.objects.filter(stage_id__in=list(by_stage_id), kind=OVERRIDDEN)
    return {
        _said(
            by_stage_id[event.stage_id],
            event.detail.get("step_up"),
            event.detail.get("requirement"),
            event.detail.get("evidence"),
        )
        for event in events
        if event.stage_id is not None and is_written_here(event)
    }


def _said(row: StagedVersion, step_up: object, requirement: object, evidence: object) -> str:
    return json.dumps([str(row.stage_id), str(step_up), requirement, evidence])
