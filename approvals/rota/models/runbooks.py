"""What to do about some packages, in people's own words: every version of it is kept."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from approvals.people.scopes import LONGEST_NAME as LONGEST_PATTERN


class Runbook(models.Model):
    """A runbook for the packages of one pattern. Of several that cover one, the closest holds."""

    # By address, like scopes and policies; empty for every registry.
    registry_url = models.CharField(max_length=500, blank=True)
    # A pattern of names as in scopes.
    packages = models.CharField(max_length=LONGEST_PATTERN)
    # Of its newest revision.
    number = models.PositiveIntegerField(default=1)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["packages", "registry_url", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["registry_url", "packages"],
                condition=Q(removed_at__isnull=True),
                name="one_runbook_per_pattern",
            ),
            models.CheckConstraint(condition=~Q(packages=""), name="runbook_names_some_packages"),
        ]

    def __str__(self) -> str:
        return f"runbook for {self.packages}"


class RunbookRevision(models.Model):
    """A runbook as it stood from a moment on. Never changed: a change is the next one."""

    runbook = models.ForeignKey(Runbook, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    # Markdown.
    text = models.TextField()
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["runbook", "number"], name="runbook_revision_once"),
            models.CheckConstraint(condition=Q(number__gte=1), name="runbook_revisions_from_one"),
            models.CheckConstraint(condition=~Q(text=""), name="runbook_says_something"),
        ]

    def __str__(self) -> str:
        return f"{self.runbook}, revision {self.number}"
