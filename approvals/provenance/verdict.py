"""What became of a version's provenance in a word."""

from approvals.inspection.finding import Severity
from approvals.provenance.case import Case
from approvals.provenance.comparison import changed_facts, is_place_known
from approvals.provenance.findings import findings_of
from approvals.provenance.models import Provenance, ProvenanceCheck

Verdict = ProvenanceCheck.Verdict


def verdict_of(case: Case) -> ProvenanceCheck.Verdict:
    """The verdict.

    CHANGED where anything serious is to be said of a version that is proven, and where it differs
    from what it is compared with in any fact of the build, unless that is as pinned. SAME needs
    that nothing does. As long as it is not known what it is compared with, only what needs no
    comparison has a verdict: a proof that does not hold, and what is serious by itself.
    """
    found = case.provenance
    if found is None:
        return Verdict.UNKNOWN
    if found.outcome == Provenance.Outcome.REFUSED:
        return Verdict.REFUSED
    # Without a build there is nothing to compare, whatever the outcome calls itself.
    if case.now is not None:
        return _of_what_is_proven(case)
    if not case.is_compared:
        return Verdict.UNKNOWN
    return Verdict.LOST if case.before is not None else Verdict.MISSING


def _of_what_is_proven(case: Case) -> ProvenanceCheck.Verdict:
    severities = {finding.severity for finding in findings_of(case) if finding.is_about_build}
    if any(severity.is_serious for severity in severities):
        return Verdict.CHANGED
    if not case.is_compared:
        return Verdict.UNKNOWN
    if case.compared is not None and (Severity.MEDIUM in severities or changed_facts(case)):
        return Verdict.CHANGED
    return Verdict.SAME if case.before and is_place_known(case) else Verdict.FIRST
