"""Decisions and what leads to them, one file a subject."""

from approvals.decisions.models.comments import Comment
from approvals.decisions.models.decisions import (
    OPEN_ITEM_STATES,
    Action,
    Attempt,
    Decision,
    DecisionItem,
    ItemNeed,
    ItemState,
    RegistryProof,
    StepUp,
    new_challenge,
)
from approvals.decisions.models.policy_states import PolicyState
from approvals.decisions.models.releases import Release, ReleaseMember
from approvals.decisions.models.votes import (
    BrokenGlass,
    ChangeRequest,
    ExpiryNotice,
    ExpiryWarning,
    Override,
    Vote,
)

__all__ = [
    "OPEN_ITEM_STATES",
    "Action",
    "Attempt",
    "BrokenGlass",
    "ChangeRequest",
    "Comment",
    "Decision",
    "DecisionItem",
    "ExpiryNotice",
    "ExpiryWarning",
    "ItemNeed",
    "ItemState",
    "Override",
    "PolicyState",
    "RegistryProof",
    "Release",
    "ReleaseMember",
    "StepUp",
    "Vote",
    "new_challenge",
]
