"""What became of a version's provenance in a word."""

from approvals.provenance.case import Case
from approvals.provenance.findings import Severity, findings_of
from approvals.provenance.models import Provenance, ProvenanceCheck

_SERIOUS = frozenset({Severity.CRITICAL, Severity.HIGH})


def verdict_of(case: Case) -> ProvenanceCheck.Verdict:
    """The verdict; CHANGED where anything serious is to be said of a version that is proven."""
    found = case.provenance
    if found is None:
        return ProvenanceCheck.Verdict.UNKNOWN
    if found.outcome == Provenance.Outcome.REFUSED:
        return ProvenanceCheck.Verdict.REFUSED
    # Without a build there is nothing to compare, whatever the outcome calls itself.
    if case.now is None:
        is_lost = case.before is not None
        return ProvenanceCheck.Verdict.LOST if is_lost else ProvenanceCheck.Verdict.MISSING
    if any(finding.severity in _SERIOUS for finding in findings_of(case)):
        return ProvenanceCheck.Verdict.CHANGED
    return ProvenanceCheck.Verdict.SAME if case.before else ProvenanceCheck.Verdict.FIRST
