"""What a decision stands on: the same on the review page and on its confirmation."""

from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db.models import Count

from approvals.inspection.models import FileChange, Inspection
from approvals.inspection.unusual import Point, unusual_of
from approvals.provenance.case import case_of
from approvals.provenance.comparison import lines_of
from approvals.provenance.findings import Finding, Severity, findings_of
from approvals.queue.models import StagedVersion
from approvals.web.provenance import in_short
from approvals.web.reading import check_of, request_of
from approvals.web.wording import approve_words, gets_it, reject_words, who_gets_it
from registry_client.versions import version_step

FIRST_POINTS = 5


def facts_of(staged_version: StagedVersion) -> dict[str, Any]:
    """The decision's facts, as the review page and the confirmation show them."""
    asked = request_of(staged_version)
    inspection = asked.inspection if asked else None
    facts: dict[str, Any] = {
        "version": staged_version,
        "asked": asked,
        "inspection": inspection,
        "approve_words": approve_words(staged_version),
        "reject_words": reject_words(staged_version),
        "gets_it": gets_it(staged_version),
        "who_gets_it": who_gets_it(staged_version),
        "step": version_step(asked.baseline_version or None, staged_version.version)
        if asked and inspection
        else "",
    }
    points: list[Point] = []
    if inspection is not None:
        facts["counts"], points = _found(inspection.pk, inspection.made_at, staged_version.pk)
    check = check_of(staged_version)
    case = case_of(check, staged_version)
    findings, lines = findings_of(case), lines_of(case)
    # The dangerous ones of both first, and among those where it was built: that is the rarer news.
    unusual = sorted([*map(_point, _to_look_at(findings)), *points], key=lambda p: not p.is_bad)
    return facts | {
        "case": case,
        "findings": findings,
        "built_in_short": in_short(case, lines),
        "lines": lines,
        "unusual": unusual,
        "unusual_count": sum(point.stands_for for point in unusual),
        # What stands for many dangers belongs beside the first of them.
        "unusual_first": [
            point
            for number, point in enumerate(unusual)
            if number < FIRST_POINTS or (point.is_bad and point.stands_for > 1)
        ],
    }


def _to_look_at(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity != Severity.INFO]


def _point(finding: Finding) -> Point:
    is_bad = finding.severity in {Severity.CRITICAL, Severity.HIGH}
    return Point(finding.title, finding.evidence, is_bad=is_bad, rule=finding.rule)


# Several pages of as many versions as are decided at once.
@lru_cache(maxsize=512)
def _found(
    inspection_id: int, made_at: datetime, staged_version_id: int
) -> tuple[list[tuple[int, str]], list[Point]]:
    """How many files changed in which way, and what is unusual.

    Kept, as neither can change any more, and pages that wait for something ask again and again.
    """
    inspection = Inspection.objects.get(pk=inspection_id, made_at=made_at)
    counts = dict(inspection.files.order_by().values_list("status").annotate(number=Count("pk")))
    return (
        [(counts[kind.value], kind.label) for kind in FileChange.Status if counts.get(kind)],
        unusual_of(StagedVersion.objects.with_package().get(pk=staged_version_id), inspection),
    )
