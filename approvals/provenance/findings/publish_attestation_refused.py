"""The registry's own statement that it published this version does not hold."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.provenance.case import Case
from approvals.provenance.models import Provenance
from approvals.provenance.words import plain

GROUP = Group.PROVENANCE
RULES = {"publish-attestation-refused": "A signature of the registry that does not hold"}

LONGEST_REASON = 600


def findings(case: Case) -> Iterator[Finding]:
    found = case.provenance
    if found is None or found.publish != Provenance.Publish.REFUSED:
        return
    yield Finding(
        "publish-attestation-refused",
        Severity.CRITICAL,
        "The registry's own signature for this version does not hold.",
        "The registry signs which tarball it took in as this version. If that signature is for "
        "something else, either the tarball or what the registry serves was tampered with.",
        "Do not approve it. Ask the registry's operators, and compare the digests by hand.",
        detail=plain(found.publish_reason, LONGEST_REASON),
    )
