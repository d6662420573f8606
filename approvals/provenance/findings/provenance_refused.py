"""It comes with provenance that does not hold."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.provenance.case import Case
from approvals.provenance.models import Provenance
from approvals.provenance.words import plain

GROUP = Group.PROVENANCE
RULES = {"provenance-refused": "Provenance that does not hold"}

LONGEST_REASON = 1_000


def findings(case: Case) -> Iterator[Finding]:
    found = case.provenance
    if found is None or found.outcome != Provenance.Outcome.REFUSED:
        return
    yield Finding(
        "provenance-refused",
        Severity.CRITICAL,
        "Its provenance does not hold.",
        "A bundle is signed for one tarball by one workflow run. One that cannot be verified is "
        "worse than none: somebody or something passed it off as the proof of this tarball.",
        "Find out where the bundle came from. Unless that is plain and harmless, reject this "
        "version and stage it again from CI.",
        detail=plain(found.reason, LONGEST_REASON),
    )
