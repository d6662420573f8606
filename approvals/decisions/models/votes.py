"""What people say of a staged version before, and instead of, deciding it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from approvals.decisions.models.decisions import Decision, StepUp
from approvals.queue.models import StagedVersion
from approvals.sealing import SealedField

LONGEST_REASON = 2000


class Vote(models.Model):
    """A person's approval of exactly this tarball. The last one that is needed decides.

    It rests on a step-up of its own, which names the version and its digests. It counts while none
    of the three endings is set.
    """

    staged_version = models.ForeignKey(
        StagedVersion, on_delete=models.CASCADE, related_name="votes"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="votes"
    )
    step_up = models.ForeignKey(StepUp, on_delete=models.PROTECT, related_name="votes")
    sha1 = models.CharField(max_length=40)
    sha512 = models.CharField(max_length=128)
    # What the person had before their eyes: the baseline, the policy's mark, and the fingerprints
    # of the findings that were there.
    baseline_version = models.CharField(max_length=256, blank=True)
    policy = models.CharField(max_length=64, blank=True)
    findings = models.JSONField(default=list, blank=True)
    cast_at = models.DateTimeField(default=timezone.now)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    voided_at = models.DateTimeField(null=True, blank=True)
    void_reason = models.CharField(max_length=400, blank=True)
    # The decision that this vote, as the last one needed, was; it is spent with it.
    decision = models.ForeignKey(
        Decision, null=True, blank=True, on_delete=models.SET_NULL, related_name="votes"
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["staged_version", "user"],
                condition=Q(
                    withdrawn_at__isnull=True, voided_at__isnull=True, decision__isnull=True
                ),
                name="one_standing_vote_a_person",
            ),
            models.CheckConstraint(
                condition=Q(voided_at__isnull=True, void_reason="")
                | (Q(voided_at__isnull=False) & ~Q(void_reason="")),
                name="voided_votes_have_a_reason",
            ),
        ]
        indexes = [models.Index(fields=["staged_version", "cast_at"])]

    def __str__(self) -> str:
        return f"vote of {self.user_id} for {self.staged_version_id}"


class Override(models.Model):
    """An approver has let a version pass in spite of a requirement. Kept and shown for ever."""

    staged_version = models.ForeignKey(
        StagedVersion, on_delete=models.CASCADE, related_name="overrides"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="overrides"
    )
    step_up = models.ForeignKey(StepUp, on_delete=models.PROTECT, related_name="overrides")
    requirement = models.CharField(max_length=40)
    # What stood in the way, as the person read it; and of findings, their fingerprints.
    sentence = models.CharField(max_length=600)
    evidence = models.JSONField(default=list, blank=True)
    reason = models.CharField(max_length=LONGEST_REASON)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=~Q(reason=""), name="overriding_needs_a_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.requirement} overridden for {self.staged_version_id}"


class ChangeRequest(models.Model):
    """Somebody wants changes: the version is held until they, or who answers for it, let it go."""

    staged_version = models.ForeignKey(
        StagedVersion, on_delete=models.CASCADE, related_name="change_requests"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="change_requests"
    )
    reason = models.CharField(max_length=LONGEST_REASON)
    at = models.DateTimeField(default=timezone.now)
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=~Q(reason=""), name="wanting_changes_needs_a_reason"),
            models.CheckConstraint(
                condition=Q(lifted_at__isnull=True, lifted_by__isnull=True)
                | Q(lifted_at__isnull=False, lifted_by__isnull=False),
                name="change_request_lifted_by_someone_at_some_time",
            ),
            models.UniqueConstraint(
                fields=["staged_version", "user"],
                condition=Q(lifted_at__isnull=True),
                name="one_open_change_request_a_person",
            ),
        ]

    def __str__(self) -> str:
        return f"changes wanted in {self.staged_version_id}"


class BrokenGlass(models.Model):
    """Two people let a version go out at a time when none may."""

    staged_version = models.ForeignKey(
        StagedVersion, on_delete=models.CASCADE, related_name="broken_glass"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="broken_glass"
    )
    reason = models.CharField(max_length=LONGEST_REASON)
    at = models.DateTimeField(default=timezone.now)
    seconded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="seconded_glass",
    )
    seconded_at = models.DateTimeField(null=True, blank=True)
    # The whole row, sealed when it is made and when it is seconded.
    sealed = SealedField(blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=~Q(reason=""), name="breaking_glass_needs_a_reason"),
            models.CheckConstraint(
                condition=Q(seconded_by__isnull=True, seconded_at__isnull=True)
                | Q(seconded_by__isnull=False, seconded_at__isnull=False),
                name="glass_seconded_by_someone_at_some_time",
            ),
            models.CheckConstraint(
                condition=Q(seconded_by__isnull=True) | ~Q(seconded_by=F("user")),
                name="breaking_glass_needs_two_people",
            ),
            models.UniqueConstraint(
                fields=["staged_version"],
                condition=Q(seconded_at__isnull=True),
                name="one_glass_waits_to_be_seconded",
            ),
        ]

    def __str__(self) -> str:
        return f"glass broken for {self.staged_version_id}"


class ExpiryNotice(models.Model):
    """Those concerned were told that this version may no longer be approved."""

    staged_version = models.OneToOneField(
        StagedVersion, on_delete=models.CASCADE, primary_key=True, related_name="expiry_notice"
    )
    told_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.staged_version_id} expired"


class ExpiryWarning(models.Model):
    """Those concerned were told that this version may be approved for a short while only."""

    staged_version = models.OneToOneField(
        StagedVersion, on_delete=models.CASCADE, primary_key=True, related_name="expiry_warning"
    )
    told_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.staged_version_id} expires soon"
