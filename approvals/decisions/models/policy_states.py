"""What the policy says of each waiting version, kept for lists."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from approvals.queue.models import StagedVersion


class PolicyState(models.Model):
    """What still stands between a waiting version and its being approved, and whom it waits for.

    Made anew whenever something changes that it depends on. No decision stands on it: lists do.
    """

    class Outcome(models.TextChoices):
        READY = "ready", "One approval away"
        NOT_YET = "not_yet", "Not yet"
        BLOCKED = "blocked", "Blocked"

    staged_version = models.OneToOneField(
        StagedVersion, on_delete=models.CASCADE, primary_key=True, related_name="policy_state"
    )
    outcome = models.CharField(max_length=10, choices=Outcome)
    # The first thing in the way, in few words; "" where nothing is.
    sentence = models.CharField(max_length=400, blank=True)
    approvals = models.PositiveSmallIntegerField(default=0)
    approvals_needed = models.PositiveSmallIntegerField(default=1)
    policy_name = models.CharField(max_length=80, blank=True)
    waits_for = models.ManyToManyField(
        settings.AUTH_USER_MODEL, blank=True, related_name="awaited_by"
    )
    made_at = models.DateTimeField(default=timezone.now)
    # The newest event of the audit log when it was made: a later one may change it.
    made_after = models.PositiveBigIntegerField(default=0)
    # When time alone may change it; empty where it cannot.
    due_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome__in=["ready", "not_yet", "blocked"]),
                name="policy_state_outcome_known",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], condition=Q(due_at__isnull=False), name="policy_states_due"
            ),
        ]

    def __str__(self) -> str:
        return f"policy state of {self.staged_version_id}: {self.outcome}"
