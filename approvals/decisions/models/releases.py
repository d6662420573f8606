"""Staged versions that belong together."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from approvals.people.models import User
from approvals.people.permissions import Person
from approvals.queue.models import Registry, StagedVersion

LONGEST_SOURCE = 500


class ReleaseQuerySet(models.QuerySet["Release"]):
    def visible_to(self, user: Person) -> ReleaseQuerySet:
        """Those of which the person may see some version."""
        if not isinstance(user, User) or not user.is_active:
            return self.none()
        return self.filter(
            pk__in=ReleaseMember.objects.filter(
                staged_version__in=StagedVersion.objects.visible_to(user)
            ).values("release")
        )


class Release(models.Model):
    """What one run of a monorepo staged, and what is decided together.

    Every staged version comes into one once it is compared and its provenance was looked for, if
    it still waits then; most have no other member.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    registry = models.ForeignKey(Registry, on_delete=models.CASCADE, related_name="releases")
    found_at = models.DateTimeField(default=timezone.now)
    # Who made it by splitting another, if anybody: what is found later joins none of these.
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    objects = ReleaseQuerySet.as_manager()

    class Meta:
        ordering = ["-found_at"]
        indexes = [models.Index(fields=["registry", "found_at"])]

    def __str__(self) -> str:
        return f"release {str(self.pk)[:8]}"


class ReleaseMember(models.Model):
    """A staged version in its release, and why it is there."""

    class Why(models.TextChoices):
        COMMIT = "commit", "built from the same commit"
        RUN = "run", "staged by the same actor at the same time, from the same source"
        ALONE = "alone", "nothing else belongs to it"
        PERSON = "person", "a person put it here"

    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="members")
    staged_version = models.OneToOneField(
        StagedVersion, on_delete=models.CASCADE, related_name="release_member"
    )
    why = models.CharField(max_length=10, choices=Why)
    # The repository and commit that its provenance proves, as "repository@commit"; else "".
    commit = models.CharField(max_length=LONGEST_SOURCE, blank=True)
    # What package.json says of its repository, or the scope of its name; else "".
    source = models.CharField(max_length=LONGEST_SOURCE, blank=True)
    joined_at = models.DateTimeField(default=timezone.now)
    # It came when the release was there already for people to look at.
    is_late = models.BooleanField(default=False)
    placed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(why__in=["commit", "run", "alone", "person"]),
                name="release_member_why_known",
            ),
        ]
        indexes = [
            models.Index(fields=["commit"], condition=~Q(commit=""), name="members_by_commit"),
        ]

    def __str__(self) -> str:
        return f"{self.staged_version_id} in {self.release_id}"
