"""Who is to look at which staged version, who does, and who did first."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from approvals.queue.models import StagedVersion
from approvals.rota.models.schedules import Schedule

LONGEST_SNOOZE_REASON = 400


class Assignment(models.Model):
    """Whose turn it is to look at a staged version. Each has one, if a schedule is for it.

    Nothing of it moves while the version is not staged. Every change counts `revision` up, so that
    of two workers or browsers one changes it.
    """

    staged_version = models.OneToOneField(
        StagedVersion, on_delete=models.CASCADE, related_name="assignment"
    )
    # By which it is assigned and escalated; nobody is asked any more once that is removed.
    schedule = models.ForeignKey(
        Schedule, null=True, blank=True, on_delete=models.SET_NULL, related_name="assignments"
    )
    # Nobody where nobody is on call: then all who may approve were asked.
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="assignments",
    )
    made_at = models.DateTimeField(default=timezone.now)
    # Since when it is this person's.
    since = models.DateTimeField(default=timezone.now)
    # It follows who is on call, until somebody chose the person or it was escalated.
    is_by_duty = models.BooleanField(default=True)
    # How many steps of the schedule were taken, and how often people were reminded after the last.
    step = models.PositiveSmallIntegerField(default=0)
    reminders = models.PositiveSmallIntegerField(default=0)
    # Everybody who was asked to look, by key: those who are told when somebody does.
    asked = models.JSONField(default=list)
    # Since when somebody is looking at it; and whether they can approve it without anybody else.
    taken_at = models.DateTimeField(null=True, blank=True)
    is_covered = models.BooleanField(default=False)
    is_urgent = models.BooleanField(default=False)
    snoozed_until = models.DateTimeField(null=True, blank=True)
    snooze_reason = models.CharField(max_length=LONGEST_SNOOZE_REASON, blank=True)
    snoozed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    snoozes = models.PositiveSmallIntegerField(default=0)
    passes = models.PositiveSmallIntegerField(default=0)
    # When somebody is asked next, or reminded, or a snooze ends; empty while nothing is to happen.
    next_step_at = models.DateTimeField(null=True, blank=True)
    # Up to when it is known what the policy says of it.
    judged_at = models.DateTimeField(default=timezone.now)
    revision = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(snoozed_until__isnull=True, snoozed_by__isnull=True, snooze_reason="")
                | (Q(snoozed_until__isnull=False, snoozed_by__isnull=False) & ~Q(snooze_reason="")),
                name="snoozing_needs_somebody_and_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(snoozed_until__isnull=True) | Q(is_urgent=False),
                name="what_is_urgent_is_not_snoozed",
            ),
            models.CheckConstraint(
                condition=Q(is_covered=False) | Q(taken_at__isnull=False),
                name="covered_by_whoever_took_it",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_step_at"],
                condition=Q(next_step_at__isnull=False),
                name="assignments_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.staged_version_id} is {self.person}'s" if self.person else "nobody's"


class Taking(models.Model):
    """Somebody said that they are looking at a version: until they decide, leave it, or forget."""

    assignment = models.ForeignKey(Assignment, on_delete=models.CASCADE, related_name="takings")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="takings"
    )
    at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["assignment", "person"],
                condition=Q(ended_at__isnull=True),
                name="taken_once_per_person",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person} looks at {self.assignment_id}"


class FirstLook(models.Model):
    """Who, of those who may decide a staged version, was the first to open its page, and when."""

    staged_version = models.OneToOneField(
        StagedVersion, on_delete=models.CASCADE, primary_key=True, related_name="first_look"
    )
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="first_looks"
    )
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.person} looked at {self.staged_version_id}"
