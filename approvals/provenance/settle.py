"""The one place where a check's provenance and its verdict are set, and told."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from approvals.audit import outbox
from approvals.audit.record import Happening, record_all
from approvals.inspection.finding import Finding
from approvals.inspection.models import StagedFinding
from approvals.inspection.standing import write_findings_of_several
from approvals.provenance.case import Case, case_of, cases_of, open_cases
from approvals.provenance.findings import findings_of
from approvals.provenance.models import Provenance, ProvenanceCheck
from approvals.provenance.verdict import verdict_of
from approvals.queue.models import Package, StagedVersion
from approvals.queue.transitions import news_of

TOPIC = "provenance.found"


def settle(check: ProvenanceCheck, *, provenance: Provenance | None = None) -> None:
    """Judges a check anew by all that is known now, with `provenance` as what was found if given.

    Where the outcome, the verdict or what is found is another one than was told last, that is
    written down and told. `check` follows its row. The audit log's head is held from then on until
    the transaction ends: take no other lock after it.
    """
    with transaction.atomic():
        now = _locked().get(pk=check.pk)
        if provenance is not None:
            now.provenance = provenance
        _judge([(now, case_of(now, now.staged_version))])
    for name in ("provenance", "verdict", "outcome_told"):
        setattr(check, name, getattr(now, name))


def settle_all(checks: Iterable[ProvenanceCheck]) -> None:
    """The same for several, in one transaction: one after another, the second would lock rows
    while the first holds the audit log's head.
    """
    with transaction.atomic():
        _judge(cases_of(_locked().filter(pk__in=[check.pk for check in checks]).order_by("pk")))


def settle_open(package: Package) -> None:
    """The same for all staged versions of a package that are not decided yet.

    For what changes the verdict of all of them: another expected publisher.
    """
    with transaction.atomic():
        _judge(open_cases(package))


def _locked() -> QuerySet[ProvenanceCheck]:
    return (
        ProvenanceCheck.objects.select_for_update(no_key=True, of=("self",))
        .select_related("staged_version__package", "staged_version__registry", "provenance")
        .defer("provenance__compressed")
    )


def _judge(cases: Iterable[tuple[ProvenanceCheck, Case]]) -> None:
    """The checks are locked by now."""
    judged: list[ProvenanceCheck] = []
    changed: set[int] = set()
    found: list[tuple[StagedVersion, list[Finding]]] = []
    for check, case in cases:
        was_told = (check.outcome_told, check.verdict)
        check.verdict = verdict_of(case)
        check.outcome_told = check.provenance.outcome if check.provenance else ""
        if was_told != (check.outcome_told, check.verdict):
            changed.add(check.staged_version_id)
        check.save(update_fields=["provenance", "verdict", "outcome_told"])
        judged.append(check)
        # A decision stands on what was found before it.
        if check.staged_version.is_open:
            found.append((check.staged_version, findings_of(case)))
    # What else is found may make votes void, whatever the verdict.
    changed |= write_findings_of_several(StagedFinding.Source.PROVENANCE, found)
    told = [check for check in judged if check.staged_version_id in changed]
    if not told:
        return
    # The audit log's head is locked last, whatever else is.
    outbox.publish_all(
        [
            (
                TOPIC,
                check.staged_version.stage_id,
                {**news_of(check.staged_version), **_said(check)},
            )
            for check in told
        ]
    )
    record_all(
        [
            Happening(
                TOPIC,
                subject=check.staged_version,
                stage_id=check.staged_version.stage_id,
                detail=_said(check) | _more(check),
            )
            for check in told
        ]
    )


def _said(check: ProvenanceCheck) -> dict[str, str]:
    return {"outcome": str(check.outcome_told), "verdict": str(check.verdict)}


def _more(check: ProvenanceCheck) -> dict[str, Any]:
    found = check.provenance
    if found is None:
        return {}
    return {
        "reason": found.reason,
        "source": found.source,
        "sha512": found.sha512,
        "repository": found.build.get("repository", ""),
        "commit": found.build.get("commit", ""),
        "baseline": check.baseline_version or None,
    }
