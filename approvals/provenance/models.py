"""What is proven about where tarballs were built, and the work of finding out."""

from __future__ import annotations

import zlib
from dataclasses import fields
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length
from django.db.models.lookups import Exact
from django.utils import timezone

from approvals.queue.models import Package, Registry, StagedVersion
from registry_client.provenance import Build


class Provenance(models.Model):
    """What is proven about one tarball of one version: by a bundle, or that there is none.

    What is missing or refused may be found out better later. What was verified stays so as long as
    the trusted root is the same; against another one the kept bundle is verified again.
    """

    class Outcome(models.TextChoices):
        VERIFIED = "verified"
        REFUSED = "refused"
        MISSING = "missing"

    class Source(models.TextChoices):
        """Where the bundle came from, the best first; sources/ has a class for each.

        What is found at a better one takes the place of what was found at a worse one: a stranger
        who builds the same tarball can prove that, too, and hand it in.
        """

        REGISTRY = "registry", "the registry's attestations"
        ITEM = "item", "a link of the staged version"
        HANDED_IN = "handed_in", "handed in"
        LOG = "log", "the transparency log"

    class Publish(models.TextChoices):
        """What became of the registry's own attestation that it published this version."""

        NONE = "", "none"
        VERIFIED = "verified"
        UNVERIFIED = "unverified"
        REFUSED = "refused"

    package = models.ForeignKey(Package, on_delete=models.CASCADE, related_name="provenances")
    version = models.CharField(max_length=256)
    sha512 = models.CharField(max_length=128)
    outcome = models.CharField(max_length=10, choices=Outcome)
    # In plain words: why it is verified, refused or missing.
    reason = models.CharField(max_length=1000)
    source = models.CharField(max_length=10, choices=Source, blank=True)
    predicate_type = models.CharField(max_length=200, blank=True)
    # The fields of registry_client.provenance.Build; empty where nothing was verified.
    build = models.JSONField(default=dict, blank=True)
    log_index = models.PositiveBigIntegerField(null=True, blank=True)
    signed_at = models.DateTimeField(null=True, blank=True)
    # The SHA-256 of the trusted root that it was verified or refused with; empty where there was no
    # bundle to verify.
    root = models.CharField(max_length=64, blank=True)
    # Verified against Sigstore's public root, so that the log entry can be looked up by everyone.
    is_public = models.BooleanField(default=False)
    publish = models.CharField(max_length=10, choices=Publish, blank=True)
    publish_reason = models.CharField(max_length=600, blank=True)
    # The bundle itself, as JSON text, compressed; empty where there is none.
    compressed = models.BinaryField(default=b"", blank=True)
    checked_at = models.DateTimeField(default=timezone.now)
    # When the registry answered last about it as a published version; empty where it never did.
    asked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["package", "version", "sha512"], name="provenance_once_a_tarball"
            ),
            models.CheckConstraint(
                condition=Q(outcome__in=["verified", "refused", "missing"]),
                name="provenance_outcome_known",
            ),
            models.CheckConstraint(
                condition=Q(publish__in=["", "verified", "unverified", "refused"]),
                name="provenance_publish_known",
            ),
            models.CheckConstraint(
                condition=Q(source__in=["", "registry", "item", "handed_in", "log"]),
                name="provenance_source_known",
            ),
            models.CheckConstraint(
                condition=~Q(outcome="verified")
                | (Q(signed_at__isnull=False) & ~Q(source="") & ~Q(build={})),
                name="verified_means_build_known",
            ),
            models.CheckConstraint(
                condition=Exact(Length("sha512"), 128), name="provenance_has_digest"
            ),
        ]

    def __str__(self) -> str:
        return f"provenance of {self.package_id}@{self.version}: {self.outcome}"

    @property
    def is_verified(self) -> bool:
        return self.outcome == self.Outcome.VERIFIED

    @property
    def is_from_registry(self) -> bool:
        """Found where whoever publishes the package answers for it."""
        return self.source in (self.Source.REGISTRY, self.Source.ITEM)

    @property
    def built(self) -> Build | None:
        """Where it was built; None where nothing was verified."""
        if not self.is_verified or not self.build:
            return None
        # What an earlier or later Countersign wrote may have other fields.
        known = {field.name for field in fields(Build)}
        return Build(**{name: text for name, text in self.build.items() if name in known})

    @property
    def bundle(self) -> str:
        """The bundle as JSON text, or ""."""
        return zlib.decompress(bytes(self.compressed)).decode() if self.compressed else ""


class ProvenanceCheck(models.Model):
    """The work of finding out where one staged version was built, until found or decided."""

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        # A bundle that the registry serves or links to was verified, and compared. What was proven
        # by another is shown as well, but goes on being looked for there.
        DONE = "done"

    class Verdict(models.TextChoices):
        """In a word, for lists; the findings and lines say the rest."""

        UNKNOWN = "", "not known yet"
        SAME = "same", "built as always"
        FIRST = "first", "proven, nothing to compare with"
        CHANGED = "changed", "built otherwise"
        LOST = "lost", "no provenance, and the baseline had it"
        MISSING = "missing", "no provenance"
        REFUSED = "refused", "provenance failed"

    staged_version = models.OneToOneField(
        StagedVersion, on_delete=models.CASCADE, related_name="provenance_check"
    )
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    # When a look was asked for last: one that began earlier is followed by another.
    requested_at = models.DateTimeField(default=timezone.now)
    # Waiting work is due at this moment; the pauses grow with each look that found nothing.
    due_at = models.DateTimeField(default=timezone.now)
    looks = models.PositiveIntegerField(default=0)
    # When the baseline and the package's history were looked up; empty where they must be again.
    compared_at = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveIntegerField(default=0)
    lease_holder = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    step = models.CharField(max_length=200, blank=True)
    # Why the last look could not be finished; empty where it could.
    failure = models.CharField(max_length=600, blank=True)
    # Empty until the first look is done; then what it found, also that there is nothing.
    provenance = models.ForeignKey(
        Provenance, null=True, blank=True, on_delete=models.RESTRICT, related_name="checks"
    )
    baseline_version = models.CharField(max_length=256, blank=True)
    baseline = models.ForeignKey(
        Provenance, null=True, blank=True, on_delete=models.RESTRICT, related_name="+"
    )
    # Of published versions, the baseline's among them.
    history = models.ManyToManyField(Provenance, related_name="+", blank=True)
    # The newest published version that the history has no row of: below it, nothing is said of
    # every release. Empty if it has all.
    history_gap = models.CharField(max_length=256, blank=True)
    verdict = models.CharField(max_length=10, choices=Verdict, blank=True)
    # The outcome of what was found, as it was told last: the row of what was found may get better.
    outcome_told = models.CharField(max_length=10, choices=Provenance.Outcome, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "running", "done"]),
                name="provenance_check_state_known",
            ),
            models.CheckConstraint(
                condition=~Q(state="done") | Q(provenance__isnull=False),
                name="done_means_provenance_known",
            ),
            models.CheckConstraint(
                condition=Q(
                    verdict__in=["", "same", "first", "changed", "lost", "missing", "refused"]
                ),
                name="provenance_verdict_known",
            ),
            models.CheckConstraint(
                condition=Q(state="running", lease_until__isnull=False) & ~Q(lease_holder="")
                | ~Q(state="running") & Q(lease_until__isnull=True, lease_holder=""),
                name="running_means_leased",
            ),
        ]
        indexes = [models.Index(fields=["state", "due_at"])]

    def __str__(self) -> str:
        return f"provenance check of {self.staged_version_id}: {self.state}"


class HandedInBundle(models.Model):
    """A bundle that CI or a person handed in for one staged version. It proves itself, or not."""

    staged_version = models.ForeignKey(
        StagedVersion, on_delete=models.CASCADE, related_name="handed_in_bundles"
    )
    sha256 = models.CharField(max_length=64)
    compressed = models.BinaryField()
    # Empty where CI handed it in.
    handed_in_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    handed_in_at = models.DateTimeField(default=timezone.now)
    # Why it proves nothing about the staged version; empty while that is not known, or if it does.
    refusal = models.CharField(max_length=1000, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["staged_version", "sha256"], name="bundle_handed_in_once"
            ),
            models.CheckConstraint(condition=Exact(Length("sha256"), 64), name="bundle_has_digest"),
        ]

    def __str__(self) -> str:
        return f"bundle {self.sha256[:12]} for {self.staged_version_id}"

    @property
    def bundle(self) -> str:
        """The bundle as JSON text."""
        return zlib.decompress(bytes(self.compressed)).decode()


class ExpectedPublisher(models.Model):
    """Where a package must be built: anything else is a critical finding. Empty means: any."""

    package = models.OneToOneField(
        Package, on_delete=models.CASCADE, related_name="expected_publisher"
    )
    repository = models.CharField(max_length=500)
    repository_id = models.CharField(max_length=40, blank=True)
    owner_id = models.CharField(max_length=40, blank=True)
    workflow = models.CharField(max_length=300, blank=True)
    # An exact ref, or one with * for any run of characters: refs/tags/v*
    ref_pattern = models.CharField(max_length=300, blank=True)
    environment = models.CharField(max_length=200, blank=True)
    pinned_at = models.DateTimeField(default=timezone.now)
    pinned_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    # The version whose provenance it was taken from; empty where it was written by hand.
    pinned_from = models.CharField(max_length=256, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(repository=""), name="pin_names_repository"),
        ]

    def __str__(self) -> str:
        return f"{self.package_id} from {self.repository}"

    def as_json(self) -> dict[str, Any]:
        """What is pinned, for the audit log."""
        fields = (
            *("repository", "repository_id", "owner_id", "workflow", "ref_pattern"),
            *("environment", "pinned_from"),
        )
        return {name: getattr(self, name) for name in fields}


class TrustedRoot(models.Model):
    """A Sigstore trusted root that is used in place of the one that sigstore-python embeds.

    That of a registry is for its packages only: a private Sigstore, or the sandbox's. That of no
    registry is the public one, as `refresh_trust` got it last.
    """

    registry = models.OneToOneField(
        Registry, null=True, blank=True, on_delete=models.CASCADE, related_name="trusted_root"
    )
    is_public = models.BooleanField(default=False)
    document = models.TextField()
    stored_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["is_public"], condition=Q(is_public=True), name="public_root_once"
            ),
            models.CheckConstraint(
                condition=Q(is_public=True, registry__isnull=True)
                | Q(is_public=False, registry__isnull=False),
                name="root_is_public_or_of_a_registry",
            ),
        ]

    def __str__(self) -> str:
        return f"trusted root of {self.registry_id or 'everything else'}"
