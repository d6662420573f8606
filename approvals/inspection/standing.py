"""The findings of staged versions as they stand now: with the rules' settings, and with what people
have looked at.

They are applied to what is kept when it is read, so that a setting holds everywhere at once.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from django.db import transaction
from django.db.models import Exists, OuterRef, Sum

from approvals.inspection.critical import tell_of_critical
from approvals.inspection.finding import Finding, Group, Severity, most_serious_first
from approvals.inspection.findings import rules_in_words
from approvals.inspection.models import FileChange, Inspection, LookedAt, StagedFinding
from approvals.inspection.rule_settings import weights_of_rules
from approvals.queue.models import StagedVersion

Source = StagedFinding.Source
# That a person staged it is said by the first already: by what is known of the versions before.
_SAID_BY = {"staged-by-person": "person-instead-of-automation"}


@dataclass(frozen=True)
class StandingFinding:
    """A finding as a person sees it: its severity by the settings, and who has looked at it."""

    row: StagedFinding
    severity: Severity
    looked_at: LookedAt | None = None

    @property
    def is_open(self) -> bool:
        return self.looked_at is None

    @property
    def is_new(self) -> bool:
        return self.row.is_new

    @property
    def is_re_weighted(self) -> bool:
        return self.severity != self.row.severity


@dataclass(frozen=True)
class FindingsSummary:
    """How many findings of one staged version are open, by severity, and how many somebody has
    looked at."""

    counts: dict[Severity, int] = field(default_factory=dict)
    seen: dict[Severity, int] = field(default_factory=dict)

    @property
    def worst(self) -> Severity | None:
        return next((severity for severity in Severity if self.counts.get(severity)), None)

    @property
    def total(self) -> int:
        """Without those that are only good to know."""
        return sum(n for severity, n in self.counts.items() if severity != Severity.INFO)

    @property
    def is_serious(self) -> bool:
        return self.worst is not None and self.worst.is_serious

    @property
    def worst_in_words(self) -> str:
        """As "2 high"."""
        return "" if self.worst is None else f"{self.counts[self.worst]:,} {self.worst}"

    @property
    def others(self) -> int:
        """How many there are of less severity than the worst."""
        return 0 if self.worst is None else self.total - self.counts[self.worst]

    @property
    def has_serious_seen(self) -> bool:
        """Whether anything was looked at that would be an alarm otherwise."""
        return any(number and severity.is_serious for severity, number in self.seen.items())

    @property
    def seen_in_words(self) -> str:
        """What was looked at, as "1 critical, 3 medium"."""
        return _in_words(self.seen)

    def __str__(self) -> str:
        """What is open, as "1 critical, 3 medium", "" for none."""
        return _in_words(self.counts)


def _in_words(counts: Mapping[Severity, int]) -> str:
    return ", ".join(
        f"{counts[severity]:,} {severity.label.lower()}"
        for severity in Severity
        if counts.get(severity) and severity != Severity.INFO
    )


# What does harm soonest comes first among equals; rules that are not of this room after it.
_GROUPS = (
    Group.INSTALLATION,
    Group.CODE,
    Group.HIDING,
    Group.DEPENDENCIES,
    Group.CONTENT,
    Group.IDENTITY,
)


@cache
def _places() -> dict[str, int]:
    """Where each rule stands among those of its severity."""
    rules = rules_in_words()
    return {rule: place for place, group in enumerate(_GROUPS) for rule in rules[group]}


def _place(finding: StandingFinding) -> int:
    return _places().get(finding.row.rule, len(_GROUPS))


def write_findings(
    staged_version: StagedVersion,
    source: StagedFinding.Source,
    findings: Sequence[Finding],
    *,
    inspection: Inspection | None = None,
) -> None:
    """Replaces what this source found before. Nothing is written where nothing changed.

    `inspection` is the comparison that their paths are of. The caller holds what keeps others from
    writing for the same staged version and source.
    """
    positions = _positions(findings, inspection) if inspection else {}
    _replace(source, {staged_version.pk: _rows(staged_version, source, findings, positions)})


def write_findings_of_several(
    source: StagedFinding.Source,
    found: Iterable[tuple[StagedVersion, Sequence[Finding]]],
) -> frozenset[int]:
    """The same for several, in as many queries for any number; about no file.

    Returns the keys of those of which something else was found before.
    """
    return _replace(
        source, {version.pk: _rows(version, source, findings, {}) for version, findings in found}
    )


def standing_findings(staged_version: StagedVersion) -> list[StandingFinding]:
    """Every finding of one staged version, the most serious first."""
    return findings_of_several([staged_version])[staged_version.pk]


def findings_of_several(
    staged_versions: Iterable[StagedVersion],
) -> dict[int, list[StandingFinding]]:
    """The same for each of several, by key; in as many queries for any number."""
    versions = {version.pk: version for version in staged_versions}
    weights = weights_of_rules()
    rows = StagedFinding.objects.filter(staged_version__in=versions)
    # Of all that was ever looked at in a package, most is of evidence that is gone.
    looked_at = {
        (one.package_id, one.rule, one.fingerprint): one
        for one in LookedAt.objects.filter(
            package__in={version.package_id for version in versions.values()},
            fingerprint__in=rows.order_by().values("fingerprint"),
        ).select_related("by")
    }
    found: dict[int, list[StandingFinding]] = {pk: [] for pk in versions}
    for row in rows:
        version = versions[row.staged_version_id]
        severity = weights.severity(row.rule, version.package.name, Severity(row.severity))
        if severity is not None:
            key = (version.package_id, row.rule, row.fingerprint)
            found[version.pk].append(StandingFinding(row, severity, looked_at.get(key)))
    return {
        pk: most_serious_first(sorted(_said_once(findings), key=_place))
        for pk, findings in found.items()
    }


def _said_once(findings: list[StandingFinding]) -> list[StandingFinding]:
    rules = {one.row.rule for one in findings}
    return [one for one in findings if _SAID_BY.get(one.row.rule) not in rules]


def summary_of(findings: Iterable[StandingFinding]) -> FindingsSummary:
    """What the queue says of one, from all that is known of it."""
    counts: Counter[Severity] = Counter()
    seen: Counter[Severity] = Counter()
    for finding in findings:
        (counts if finding.is_open else seen)[finding.severity] += finding.row.stands_for
    return FindingsSummary(dict(counts), dict(seen))


def summaries_of(staged_versions: Iterable[StagedVersion]) -> dict[int, FindingsSummary]:
    """What the queue says of each of several, by key; in as many queries for any number."""
    names = {version.pk: version.package.name for version in staged_versions}
    weights = weights_of_rules()
    seen = LookedAt.objects.filter(
        package=OuterRef("staged_version__package"),
        rule=OuterRef("rule"),
        fingerprint=OuterRef("fingerprint"),
    )
    groups = (
        StagedFinding.objects.filter(staged_version__in=names)
        .order_by()
        .annotate(is_seen=Exists(seen))
        .values_list("staged_version", "rule", "severity", "is_seen")
        .annotate(number=Sum("stands_for"))
    )
    rules: dict[int, set[str]] = defaultdict(set)
    weighed: list[tuple[int, str, Severity, bool, int]] = []
    for pk, rule, usual, is_seen, number in groups:
        severity = weights.severity(rule, names[pk], Severity(usual))
        if severity is not None:
            rules[pk].add(rule)
            weighed.append((pk, rule, severity, is_seen, number))
    counts: dict[tuple[int, bool], Counter[Severity]] = defaultdict(Counter)
    for pk, rule, severity, is_seen, number in weighed:
        if _SAID_BY.get(rule) not in rules[pk]:
            counts[pk, is_seen][severity] += number
    return {pk: FindingsSummary(dict(counts[pk, False]), dict(counts[pk, True])) for pk in names}


def _rows(
    staged_version: StagedVersion,
    source: StagedFinding.Source,
    findings: Sequence[Finding],
    positions: Mapping[str, int],
) -> list[StagedFinding]:
    return [
        StagedFinding(
            staged_version=staged_version,
            source=source,
            position=number,
            rule=finding.rule,
            severity=finding.severity,
            is_new=finding.is_new,
            title=finding.title,
            why=finding.why,
            what_to_check=finding.what_to_check,
            path=finding.path,
            line=finding.line,
            file_position=positions.get(finding.path),
            excerpt=finding.excerpt,
            detail=finding.detail,
            stands_for=finding.stands_for,
            fingerprint=finding.fingerprint,
        )
        for number, finding in enumerate(one.bounded() for one in findings)
    ]


def _replace(
    source: StagedFinding.Source, rows: Mapping[int, list[StagedFinding]]
) -> frozenset[int]:
    """Makes these, by staged version, all that there is of the source; which had others."""
    with transaction.atomic():
        before: dict[int, list[StagedFinding]] = {pk: [] for pk in rows}
        for row in StagedFinding.objects.filter(staged_version__in=rows, source=source):
            before[row.staged_version_id].append(row)
        others = {pk: after for pk, after in rows.items() if not _same(before[pk], after)}
        gone = [row.pk for pk in others for row in before[pk]]
        if gone:
            StagedFinding.objects.filter(pk__in=gone).delete()
        StagedFinding.objects.bulk_create(row for after in others.values() for row in after)
        tell_of_critical(before, others)
    return frozenset(others)


def _positions(findings: Sequence[Finding], inspection: Inspection) -> dict[str, int]:
    paths = {finding.path for finding in findings if finding.path}
    rows = FileChange.objects.filter(inspection=inspection, path__in=paths).exclude(
        status=FileChange.Status.LEFT_OUT
    )
    return dict(rows.values_list("path", "position"))


def _same(kept: list[StagedFinding], rows: list[StagedFinding]) -> bool:
    names = [
        field.attname for field in StagedFinding._meta.concrete_fields if field.attname != "id"
    ]

    def values(row: StagedFinding) -> list[object]:
        return [getattr(row, name) for name in names]

    return [values(row) for row in kept] == [values(row) for row in rows]
