"""What is in a tarball, against its baseline, and the work of finding out."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Length
from django.db.models.lookups import Exact
from django.utils import timezone

from approvals.inspection.engine import engine_number
from approvals.inspection.finding import (
    LONGEST_EXCERPT,
    LONGEST_PATH,
    LONGEST_RULE,
    LONGEST_TEXT,
    LONGEST_TITLE,
    Severity,
)
from approvals.queue.models import Package, StagedVersion

FIRST_ENGINE_WITH_RULES = 4
LONGEST_WORDS = 300
"""Characters of what a person says of a finding or a rule."""
_FINGERPRINT = 64


class Inspection(models.Model):
    """The comparison of two tarballs. Immutable; the same pair is never compared twice."""

    staged_sha512 = models.CharField(max_length=128)
    staged_sha1 = models.CharField(max_length=40)
    # Empty where there is no baseline: a first release.
    baseline_sha512 = models.CharField(max_length=128, blank=True)
    engine_version = models.CharField(max_length=20)
    made_at = models.DateTimeField(default=timezone.now)
    # Totals, manifests and their changes, README, problems: as compare.py describes them.
    summary = models.JSONField(default=dict)
    # What the rules found in the tarball, as finding.py describes it. With that of each staged
    # version, it is in StagedFinding; here it is what was found of these two tarballs.
    # Whatever of the release before still runs while this one is installed knows of none.
    findings = models.JSONField(default=list, db_default=Value([], output_field=models.JSONField()))
    files_changed = models.PositiveIntegerField(default=0)
    lines_added = models.PositiveIntegerField(default=0)
    lines_removed = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["staged_sha512", "baseline_sha512", "engine_version"],
                name="pair_inspected_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.staged_sha512[:12]} against {self.baseline_sha512[:12] or 'nothing'}"

    @property
    def is_searched(self) -> bool:
        """Whether rules have looked into it: the first engines only compared."""
        number = engine_number(self.engine_version)
        return number.isdecimal() and int(number) >= FIRST_ENGINE_WITH_RULES


class FileChange(models.Model):
    """One file that differs. Its diff is in a table of its own: lists never read diffs."""

    class Status(models.TextChoices):
        ADDED = "added"
        REMOVED = "removed"
        MODIFIED = "modified"
        RENAMED = "renamed"
        MODE_CHANGED = "mode_changed", "mode changed"
        # Another copy under the same path, against the one that npm installs.
        LEFT_OUT = "left_out", "left out"

    class Kind(models.TextChoices):
        SOURCE = "source"
        TYPES = "types"
        DOCS = "docs"
        DATA = "data"
        GENERATED = "generated"
        BINARY = "binary"

    inspection = models.ForeignKey(Inspection, on_delete=models.CASCADE, related_name="files")
    position = models.PositiveIntegerField()
    path = models.TextField()
    old_path = models.TextField(blank=True)
    status = models.CharField(max_length=12, choices=Status)
    # Sizes and modes are empty on the side where the file is not; line counts where they were not
    # counted: binary, or too large.
    similarity = models.PositiveSmallIntegerField(null=True, blank=True)
    old_size = models.PositiveBigIntegerField(null=True)
    new_size = models.PositiveBigIntegerField(null=True)
    old_mode = models.PositiveIntegerField(null=True)
    new_mode = models.PositiveIntegerField(null=True)
    added_lines = models.PositiveIntegerField(null=True)
    removed_lines = models.PositiveIntegerField(null=True)
    is_binary = models.BooleanField(default=False)
    # What kinds.py makes of it; empty in comparisons of earlier engines.
    kind = models.CharField(max_length=10, choices=Kind, blank=True)
    is_minified = models.BooleanField(default=False)
    is_vendored = models.BooleanField(default=False)
    encoding = models.CharField(max_length=40, blank=True)
    # In words, "PNG image": of binary files only.
    file_type = models.CharField(max_length=60, blank=True)
    # Of the content, in hex; empty on the side where the file is not.
    old_sha256 = models.CharField(max_length=64, blank=True)
    new_sha256 = models.CharField(max_length=64, blank=True)
    # The lower, the earlier a reviewer should see it: as risk.py orders.
    rank = models.PositiveSmallIntegerField(default=5)
    problems = models.JSONField(default=list, blank=True)
    # Why there is no diff, or not all of it: binary, too large.
    diff_note = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["inspection", "position"], name="file_position_once"),
            models.CheckConstraint(
                condition=Q(
                    status__in=[
                        *("added", "removed", "modified", "renamed", "mode_changed", "left_out")
                    ]
                ),
                name="file_status_known",
            ),
            models.CheckConstraint(
                condition=Q(
                    kind__in=["", "source", "types", "docs", "data", "generated", "binary"]
                ),
                name="file_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(similarity__isnull=True) | Q(similarity__lte=100),
                name="file_similarity_in_percent",
            ),
        ]
        indexes = [models.Index(fields=["inspection", "rank", "position"])]

    def __str__(self) -> str:
        return self.path


class FileDiff(models.Model):
    """A file's unified diff, compressed."""

    change = models.OneToOneField(
        FileChange, on_delete=models.CASCADE, primary_key=True, related_name="diff"
    )
    compressed = models.BinaryField()

    def __str__(self) -> str:
        return f"diff of {self.change_id}"


class DiffVariant(models.Model):
    """A file's diff made otherwise, on request, and kept: the same for every reader."""

    class Kind(models.TextChoices):
        IGNORE_WHITESPACE = "whitespace", "without whitespace"
        PRETTY = "pretty", "pretty-printed"

    change = models.ForeignKey(FileChange, on_delete=models.CASCADE, related_name="variants")
    kind = models.CharField(max_length=10, choices=Kind)
    added_lines = models.PositiveIntegerField()
    removed_lines = models.PositiveIntegerField()
    note = models.CharField(max_length=300, blank=True)
    compressed = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["change", "kind"], name="diff_variant_made_once"),
            models.CheckConstraint(
                condition=Q(kind__in=["whitespace", "pretty"]), name="diff_variant_kind_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} diff of {self.change_id}"


class UnchangedFiles(models.Model):
    """What is the same on both sides, for who asks: a row a file would be mostly of these."""

    inspection = models.OneToOneField(
        Inspection, on_delete=models.CASCADE, primary_key=True, related_name="unchanged"
    )
    # A list of [path, size, kind], sorted by path, as JSON, compressed.
    compressed = models.BinaryField()

    def __str__(self) -> str:
        return f"unchanged files of {self.inspection_id}"


class ViewedFile(models.Model):
    """A person has read this change."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="viewed_files"
    )
    change = models.ForeignKey(FileChange, on_delete=models.CASCADE, related_name="viewed_by")
    viewed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "change"], name="viewed_once_a_person"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} viewed {self.change_id}"


class KeptTarball(models.Model):
    """A tarball in the storage "tarballs", by its digest."""

    sha512 = models.CharField(max_length=128, unique=True)
    sha1 = models.CharField(max_length=40)
    size = models.PositiveBigIntegerField()
    # Where it is in the storage: no other row's file, as it is deleted with its row.
    name = models.CharField(max_length=200, unique=True)
    kept_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.sha512[:12]


class PairClaim(models.Model):
    """A worker is comparing this pair: whoever wants the same waits for its result."""

    staged_sha512 = models.CharField(max_length=128)
    baseline_sha512 = models.CharField(max_length=128, blank=True)
    engine_version = models.CharField(max_length=20)
    holder = models.CharField(max_length=64)
    lease_until = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["staged_sha512", "baseline_sha512", "engine_version"],
                name="pair_claimed_once",
            ),
        ]

    def __str__(self) -> str:
        return f"claim on {self.staged_sha512[:12]}"


class InspectionWork(models.Model):
    """The work of comparing one staged version: asked for, under way, done or failed."""

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    requested_at = models.DateTimeField(default=timezone.now)
    # Waiting work is due at this moment; pauses grow with each failure that may pass by itself.
    due_at = models.DateTimeField(default=timezone.now)
    tries = models.PositiveIntegerField(default=0)
    lease_holder = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    step = models.CharField(max_length=200, blank=True)
    progress_done = models.PositiveBigIntegerField(default=0)
    progress_total = models.PositiveBigIntegerField(default=0)
    failure = models.CharField(max_length=600, blank=True)
    baseline_version = models.CharField(max_length=256, blank=True)
    # Each kind declares it, under a related name of its own.
    inspection: models.ForeignKey[Inspection | None, Inspection | None]
    inspection_id: int | None

    class Meta:
        abstract = True


class InspectionRequest(InspectionWork):
    """The comparison with the baseline, which decisions stand on."""

    staged_version = models.OneToOneField(
        StagedVersion, on_delete=models.CASCADE, related_name="inspection_request"
    )
    inspection = models.ForeignKey(
        Inspection, null=True, blank=True, on_delete=models.PROTECT, related_name="requests"
    )
    baseline_reason = models.CharField(max_length=400, blank=True)
    maintainers = models.JSONField(default=list, blank=True)
    # What else it can be compared with: the published versions, newest first, at most 500.
    published_versions = models.JSONField(default=list, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "running", "done", "failed"]),
                name="request_state_known",
            ),
            models.CheckConstraint(
                condition=~Q(state="done") | Q(inspection__isnull=False),
                name="done_means_inspected",
            ),
        ]
        indexes = [models.Index(fields=["state", "due_at"])]

    def __str__(self) -> str:
        return f"inspection of {self.staged_version_id}: {self.state}"


class OtherBaselineRequest(InspectionWork):
    """A comparison with a published version that a reader chose. No decision stands on it."""

    staged_version = models.ForeignKey(
        StagedVersion, on_delete=models.CASCADE, related_name="other_baselines"
    )
    inspection = models.ForeignKey(
        Inspection, null=True, blank=True, on_delete=models.PROTECT, related_name="other_requests"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "running", "done", "failed"]),
                name="other_request_state_known",
            ),
            models.UniqueConstraint(
                fields=["staged_version", "baseline_version"], name="other_baseline_asked_once"
            ),
            models.CheckConstraint(
                condition=~Q(state="done") | Q(inspection__isnull=False),
                name="other_done_means_inspected",
            ),
            models.CheckConstraint(
                condition=~Q(baseline_version=""), name="other_baseline_is_named"
            ),
        ]
        indexes = [models.Index(fields=["state", "due_at"])]

    def __str__(self) -> str:
        return f"{self.staged_version_id} against {self.baseline_version}: {self.state}"


class StagedFinding(models.Model):
    """One finding about one staged version, as the rules judged it.

    Settings and what people have looked at are applied when it is read, so that they hold at once.
    """

    class Source(models.TextChoices):
        """Who found it, and writes it anew: nobody else touches it."""

        TARBALL = "tarball"
        REGISTRY = "registry"
        PROVENANCE = "provenance"

    staged_version = models.ForeignKey(
        StagedVersion, on_delete=models.CASCADE, related_name="findings"
    )
    source = models.CharField(max_length=12, choices=Source)
    # In the order in which its source gave them.
    position = models.PositiveIntegerField()
    rule = models.CharField(max_length=LONGEST_RULE)
    severity = models.CharField(max_length=10, choices=Severity)
    is_new = models.BooleanField()
    title = models.CharField(max_length=LONGEST_TITLE)
    why = models.CharField(max_length=LONGEST_TEXT)
    what_to_check = models.CharField(max_length=LONGEST_TEXT)
    path = models.CharField(max_length=LONGEST_PATH, blank=True)
    line = models.PositiveIntegerField(null=True, blank=True)
    # Of the file in the comparison that the decision stands on, if it differs there.
    file_position = models.PositiveIntegerField(null=True, blank=True)
    excerpt = models.CharField(max_length=LONGEST_EXCERPT, blank=True)
    detail = models.CharField(max_length=LONGEST_TEXT, blank=True)
    stands_for = models.PositiveIntegerField(default=1)
    # SHA-256 over the rule and its evidence: the same as long as that is.
    fingerprint = models.CharField(max_length=_FINGERPRINT)

    class Meta:
        # By its key: by the row itself, every read would sort by another table's columns.
        ordering = ["staged_version_id", "source", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["staged_version", "source", "position"], name="finding_position_once"
            ),
            models.CheckConstraint(
                condition=Q(severity__in=Severity.values), name="finding_severity_known"
            ),
            models.CheckConstraint(
                condition=Q(source__in=["tarball", "registry", "provenance"]),
                name="finding_source_known",
            ),
            models.CheckConstraint(condition=~Q(rule=""), name="finding_names_its_rule"),
            models.CheckConstraint(
                condition=Q(line__isnull=True) | Q(line__gte=1), name="finding_line_from_one"
            ),
            models.CheckConstraint(
                condition=Q(line__isnull=True, file_position__isnull=True) | ~Q(path=""),
                name="finding_line_is_of_a_file",
            ),
            models.CheckConstraint(
                condition=Q(stands_for__gte=1), name="finding_stands_for_something"
            ),
            models.CheckConstraint(
                condition=Exact(Length("fingerprint"), _FINGERPRINT),
                name="finding_fingerprint_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule} of {self.staged_version_id}"


class LookedAt(models.Model):
    """A person has looked at this evidence: for this package and rule, until it changes."""

    package = models.ForeignKey(Package, on_delete=models.CASCADE, related_name="looked_at")
    rule = models.CharField(max_length=LONGEST_RULE)
    fingerprint = models.CharField(max_length=_FINGERPRINT)
    # Whoever it was is remembered in the audit log when the account is gone.
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(default=timezone.now)
    words = models.CharField(max_length=LONGEST_WORDS)

    class Meta:
        verbose_name_plural = "looked at"
        constraints = [
            models.UniqueConstraint(
                fields=["package", "rule", "fingerprint"], name="looked_at_once"
            ),
            models.CheckConstraint(condition=~Q(words=""), name="looked_at_says_why"),
            models.CheckConstraint(
                condition=Exact(Length("fingerprint"), _FINGERPRINT),
                name="looked_at_fingerprint_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule} in {self.package_id}"


class RuleSetting(models.Model):
    """How much a rule counts for the packages of a pattern; the closest pattern holds."""

    class Weight(models.TextChoices):
        USUAL = "usual", "as the rule says"
        OFF = "off", "off"
        CRITICAL = "critical", "critical"
        HIGH = "high", "high"
        MEDIUM = "medium", "medium"
        LOW = "low", "low"
        INFO = "info", "info"

    rule = models.CharField(max_length=LONGEST_RULE)
    # As in scopes.py: a name, @acme/*, or * alone for every package.
    packages = models.CharField(max_length=214)
    weight = models.CharField(max_length=10, choices=Weight)
    words = models.CharField("why", max_length=LONGEST_WORDS)
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    set_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["rule", "packages"]
        constraints = [
            models.UniqueConstraint(fields=["rule", "packages"], name="rule_set_once_a_pattern"),
            models.CheckConstraint(
                condition=Q(
                    weight__in=["usual", "off", "critical", "high", "medium", "low", "info"]
                ),
                name="rule_weight_known",
            ),
            models.CheckConstraint(
                condition=~(Q(rule="") | Q(packages="") | Q(words="")),
                name="rule_setting_says_what_for_whom_and_why",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule} for {self.packages}: {self.weight}"
