"""Registries, packages and the staged versions that wait in them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from approvals.people.models import User
from approvals.people.permissions import Person, reaches_of
from approvals.people.scopes import packages_within
from approvals.sealing import SealedField

# A commit has 40 or 64 characters; what is longer is told apart from one, and not kept whole.
LONGEST_GIT_HEAD = 100


class RegistryQuerySet(models.QuerySet["Registry"]):
    def visible_to(self, user: Person) -> RegistryQuerySet:
        """Those at which the person may see some package."""
        if not isinstance(user, User) or not user.is_active:
            return self.none()
        urls = {reach.registry_url for reach in reaches_of(user)}
        return self.filter(url__in=urls) if urls and "" not in urls else self.all()


class Registry(models.Model):
    """An npm-compatible registry with staged publishing, and how polling it goes."""

    name = models.SlugField(max_length=60, unique=True)
    url = models.URLField("address", max_length=500, unique=True)
    sealed_read_token = SealedField()
    is_sandbox = models.BooleanField(default=False)
    enabled = models.BooleanField(default=True)
    # Hosts, beside those of its own site, where its pages for the second factor are; one a line.
    proof_hosts = models.TextField(blank=True)
    poll_seconds = models.PositiveIntegerField(default=30)
    next_poll_at = models.DateTimeField(default=timezone.now)
    last_polled_at = models.DateTimeField(null=True, blank=True)
    failing_since = models.DateTimeField(null=True, blank=True)
    failure_reason = models.CharField(max_length=600, blank=True)
    failure_count = models.PositiveIntegerField(default=0)
    # One poll at a time: whoever holds the lease polls, and a dead worker's lease runs out.
    lease_holder = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)

    objects = RegistryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "registries"
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(poll_seconds__gte=1), name="registry_poll_pause"),
        ]

    def __str__(self) -> str:
        return self.name


class PackageQuerySet(models.QuerySet["Package"]):
    def visible_to(self, user: Person) -> PackageQuerySet:
        """Those that the person's scopes cover."""
        if not isinstance(user, User) or not user.is_active:
            return self.none()
        reaches = reaches_of(user)
        if not reaches:
            return self.all()
        return self.filter(packages_within(reaches, name="name", registry_url="registry__url"))


class Package(models.Model):
    """A package at one registry."""

    registry = models.ForeignKey(Registry, on_delete=models.CASCADE, related_name="packages")
    name = models.CharField(max_length=214)

    objects = PackageQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["registry", "name"], name="package_once_per_registry"),
        ]

    def __str__(self) -> str:
        return self.name


class State(models.TextChoices):
    STAGED = "staged", "Waiting"
    APPROVING = "approving", "Approving"
    ACCEPTED = "accepted", "Accepted, not yet live"
    LIVE = "live", "Live"
    REJECTING = "rejecting", "Rejecting"
    REJECTED = "rejected", "Rejected"
    PUBLISHED_ELSEWHERE = "published_elsewhere", "Published elsewhere"
    WITHDRAWN = "withdrawn", "Withdrawn"


OPEN_STATES = (State.STAGED, State.APPROVING, State.ACCEPTED, State.REJECTING)
AT_REGISTRY_STATES = (State.STAGED, State.APPROVING, State.REJECTING)


class AlarmKind(models.TextChoices):
    """What an alarm is about: some are answered by what happens next, most by nothing."""

    STAGE_CHANGED = "stage_changed", "another tarball or version behind the stage id"
    DOWNLOAD_DIFFERS = "download_differs", "the download is not what was announced"
    NOT_LIVE = "not_live", "accepted, and not installable in time"
    LIVE_DIFFERS = "live_differs", "live with another digest"
    ANSWER_LOST = "answer_lost", "approved, and neither staged nor published"


class StagedVersionQuerySet(models.QuerySet["StagedVersion"]):
    def waiting(self) -> StagedVersionQuerySet:
        """What still needs somebody or something, oldest first."""
        return self.filter(state__in=OPEN_STATES).order_by("created_at", "id")

    def visible_to(self, user: Person) -> StagedVersionQuerySet:
        """Those that the person may see; the same answer as `may_see` for each."""
        if isinstance(user, User) and user.is_active and not reaches_of(user):
            return self
        # Packages are far fewer than versions, so the patterns are tried on them.
        return self.filter(package__in=Package.objects.visible_to(user))

    def with_package(self) -> StagedVersionQuerySet:
        return self.select_related("package", "registry")


class StagedVersion(models.Model):
    """One upload waiting at a registry. What the registry said of it never changes."""

    registry = models.ForeignKey(Registry, on_delete=models.CASCADE, related_name="staged_versions")
    package = models.ForeignKey(Package, on_delete=models.CASCADE, related_name="staged_versions")
    stage_id = models.UUIDField()
    # As long as registry_client lets such texts be, so that none of them breaks a poll.
    version = models.CharField(max_length=256)
    tag = models.CharField("dist-tag", max_length=256)
    access = models.CharField(max_length=256, blank=True)
    shasum = models.CharField(max_length=40)
    # Of the tarball as it was downloaded here; empty until then.
    sha512 = models.CharField(max_length=128, blank=True)
    # What the package.json in that tarball says of the commit it was packed from; not proven.
    git_head = models.CharField(max_length=LONGEST_GIT_HEAD, blank=True)
    actor = models.CharField(max_length=256, blank=True)
    actor_type = models.CharField(max_length=256, blank=True)
    created_at = models.DateTimeField()
    extra = models.JSONField(default=dict, blank=True)

    state = models.CharField(max_length=20, choices=State, default=State.STAGED)
    state_changed_at = models.DateTimeField(default=timezone.now)
    found_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)
    # While it may still turn up in the packument (accepted, or withdrawn a short while ago): when
    # to look there next and how often we looked. The alarm says what is wrong if it does not
    # appear, or appears with another digest.
    live_check_at = models.DateTimeField(null=True, blank=True)
    live_checks = models.PositiveIntegerField(default=0)
    # When everyone was told that it was accepted and nobody can see it yet; once.
    not_visible_told_at = models.DateTimeField(null=True, blank=True)
    alarm = models.CharField(max_length=400, blank=True)
    alarm_kind = models.CharField(max_length=20, choices=AlarmKind, blank=True)

    objects = StagedVersionQuerySet.as_manager()

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["registry", "stage_id"], name="stage_id_once_per_registry"
            ),
            models.CheckConstraint(
                condition=Q(state__in=State.values), name="staged_version_state_known"
            ),
        ]
        indexes = [
            # News and audit events name versions by their stage id alone.
            models.Index(fields=["stage_id"]),
            models.Index(fields=["state", "created_at"]),
            models.Index(
                fields=["live_check_at"],
                condition=Q(live_check_at__isnull=False),
                name="packument_to_watch",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.package.name}@{self.version}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES


class PublishedPackage(models.Model):
    """Which versions of a package a registry has published, as it said when it was asked last.

    Also of packages that nobody stages here: staged versions depend on them.
    """

    registry = models.ForeignKey(
        Registry, on_delete=models.CASCADE, related_name="published_packages"
    )
    name = models.CharField(max_length=214)
    # Version numbers, and where the dist-tag latest points; empty where there is no such package.
    versions = models.JSONField(default=list, blank=True)
    latest = models.CharField(max_length=256, blank=True)
    # Empty until the registry has answered once; it stays when a later look fails.
    looked_at = models.DateTimeField(null=True, blank=True)
    # When to look (again); empty while nobody wants to know.
    due_at = models.DateTimeField(null=True, blank=True, default=timezone.now)
    tries = models.PositiveIntegerField(default=0)
    # Why the last look failed; empty where it did not.
    failure = models.CharField(max_length=400, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["registry", "name"], name="published_package_once_per_registry"
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], condition=Q(due_at__isnull=False), name="packages_to_look_up"
            ),
        ]

    def __str__(self) -> str:
        return f"what is published of {self.name}"
