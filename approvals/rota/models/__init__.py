"""Who is on call and what follows from it, one file a subject."""

from approvals.rota.models.assignment import Assignment, FirstLook, Taking
from approvals.rota.models.runbooks import Runbook, RunbookRevision
from approvals.rota.models.schedules import (
    CalendarFeed,
    EscalationStep,
    GapNotice,
    Layer,
    LayerMember,
    Override,
    Schedule,
    Swap,
)

__all__ = [
    "Assignment",
    "CalendarFeed",
    "EscalationStep",
    "FirstLook",
    "GapNotice",
    "Layer",
    "LayerMember",
    "Override",
    "Runbook",
    "RunbookRevision",
    "Schedule",
    "Swap",
    "Taking",
]
