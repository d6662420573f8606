"""What a decision stands on: the same on the review page and on its confirmation."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db.models import Count

from approvals.decisions.judging.checklist import Checklist
from approvals.inspection.finding import Severity
from approvals.inspection.models import FileChange, Inspection
from approvals.inspection.standing import (
    StandingFinding,
    standing_findings,
    summary_of,
)
from approvals.provenance.case import case_of
from approvals.provenance.comparison import lines_of
from approvals.provenance.findings import findings_of
from approvals.queue.models import StagedVersion
from approvals.web.provenance import in_short
from approvals.web.reading import check_of, request_of
from approvals.web.wording import approve_words, gets_it, reject_words, who_gets_it
from registry_client.versions import version_step

# Where there is no room for all.
FIRST_FINDINGS = 5
TO_LOOK_AT = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM)


def facts_of(staged_version: StagedVersion, checklist: Checklist | None = None) -> dict[str, Any]:
    """The decision's facts, as the review page and the confirmation show them.

    What its checklist judges by is not read once more, for whoever has one.
    """
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
    if inspection is not None:
        facts["is_searched"] = inspection.is_searched
    case = checklist.case.provenance if checklist else None
    if case is None:
        case = case_of(check_of(staged_version), staged_version)
    lines = lines_of(case)
    found = checklist.case.findings if checklist else standing_findings(staged_version)
    return (
        facts
        | {
            "case": case,
            "provenance_findings": findings_of(case),
            "built_in_short": in_short(case, lines),
            "lines": lines,
            "standing": found,
        }
        | _findings(found)
    )


def _findings(found: Sequence[StandingFinding]) -> dict[str, Any]:
    open_ones = [one for one in found if one.is_open]
    looked_at = [one for one in found if not one.is_open]
    minor = [one for one in open_ones if one.severity not in TO_LOOK_AT]
    # All that is serious, however many others there are.
    first = [
        one
        for number, one in enumerate(open_ones)
        if one.severity.is_serious or (one.severity in TO_LOOK_AT and number < FIRST_FINDINGS)
    ]
    groups = [
        (severity, [one for one in open_ones if one.severity == severity])
        for severity in TO_LOOK_AT
    ]
    return {
        "findings": [(severity, group) for severity, group in groups if group],
        "minor_findings": minor,
        "minor_in_words": _minor_in_words(minor),
        "looked_at": looked_at,
        "findings_in_short": summary_of(found),
        "first_findings": first,
        "serious_looked_at": [one for one in looked_at if one.severity.is_serious],
        "more_findings": len(open_ones) - len(first),
    }


def _minor_in_words(findings: Sequence[StandingFinding]) -> str:
    """As the summary counts them: "2 low, 1 good to know"."""
    counted = (
        (sum(one.row.stands_for for one in findings if one.severity == severity), words)
        for severity, words in ((Severity.LOW, "low"), (Severity.INFO, "good to know"))
    )
    return ", ".join(f"{number:,} {words}" for number, words in counted if number)


def counts_of(inspection: Inspection) -> list[tuple[int, str]]:
    """How many files changed in which way."""
    return _counts(inspection.pk, inspection.made_at)


# It cannot change any more, and pages that wait for something ask again and again.
@lru_cache(maxsize=512)
def _counts(inspection_id: int, made_at: datetime) -> list[tuple[int, str]]:
    inspection = Inspection.objects.only("pk").get(pk=inspection_id, made_at=made_at)
    counts = dict(inspection.files.order_by().values_list("status").annotate(number=Count("pk")))
    return [(counts[kind.value], kind.label) for kind in FileChange.Status if counts.get(kind)]
