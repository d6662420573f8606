"""What the pages hand back of staged versions, and what stands in their way."""

from collections.abc import Sequence

from approvals.decisions.deciding.decide import seen_of, sight_of_all
from approvals.decisions.judging.checklist import checklists_of
from approvals.decisions.models import Action
from approvals.people.models import User
from approvals.queue.models import StagedVersion


def seen(action: Action, rows: Sequence[StagedVersion], user: User | None) -> str:
    """What the confirmation of these versions hands back to this person."""
    return seen_of(action, rows, checklists_of(rows, action=action, voter=user))


def in_the_way(row: StagedVersion, action: str = "approve") -> list[str]:
    """What the policy has against it, whoever decides, in sentences."""
    checklist = checklists_of([row], action=action)[row.pk]
    return [
        answer.sentence for answer in checklist.in_the_way() if answer.requirement != "approvals"
    ]


def sight(row: StagedVersion) -> list[list[str]]:
    """What whoever is the last to approve this version has before their eyes beside the tarball."""
    return sight_of_all(Action.APPROVE, checklists_of([row]), decides=True)
