"""What must hold, as people wrote it down: every version of it is kept."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from approvals.sealing import SealedField

LONGEST_WORDS = 300


class PolicyRevision(models.Model):
    """All policies as they stood from a moment on, in the order in which they are tried.

    Never changed: a change is the next revision. The newest one holds.
    """

    number = models.PositiveIntegerField(unique=True)
    # Each as book.py describes it; the last one covers everything.
    policies = models.JSONField()
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="policy_revisions"
    )
    made_at = models.DateTimeField(default=timezone.now)
    # Why, in the words of who made it.
    words = models.CharField(max_length=LONGEST_WORDS)
    # Number and policies: what is written into the database by hand is no policy.
    sealed = SealedField()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.CheckConstraint(condition=Q(number__gte=1), name="policy_revisions_from_one"),
            models.CheckConstraint(condition=~Q(words=""), name="policy_revision_says_why"),
        ]

    def __str__(self) -> str:
        return f"policies, revision {self.number}"
