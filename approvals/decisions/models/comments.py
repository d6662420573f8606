"""What people say to one another about a staged version."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from approvals.queue.models import StagedVersion

LONGEST_COMMENT = 4000


class Comment(models.Model):
    """Plain text about a version, a file of it, or a line; never shown as anything else."""

    class Side(models.TextChoices):
        OLD = "old"
        NEW = "new"

    staged_version = models.ForeignKey(
        StagedVersion, on_delete=models.CASCADE, related_name="comments"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="comments"
    )
    text = models.CharField(max_length=LONGEST_COMMENT)
    # Empty for the whole version; a line only with its file and side.
    path = models.TextField(blank=True)
    side = models.CharField(max_length=3, choices=Side, blank=True)
    line = models.PositiveIntegerField(null=True, blank=True)
    # The line as it was when the comment was made, so that it can be found again.
    excerpt = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(default=timezone.now)
    # By whoever wrote it; what it said is gone, that it was there is not.
    removed_at = models.DateTimeField(null=True, blank=True)
    mentions = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="+")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(line__isnull=True, side="")
                | (Q(line__isnull=False) & Q(side__in=["old", "new"]) & ~Q(path="")),
                name="comment_on_a_line_names_its_file",
            ),
            models.CheckConstraint(
                condition=~Q(text="") | Q(removed_at__isnull=False), name="comment_says_something"
            ),
        ]
        indexes = [models.Index(fields=["staged_version", "at"])]

    def __str__(self) -> str:
        return f"comment of {self.user_id} on {self.staged_version_id}"
