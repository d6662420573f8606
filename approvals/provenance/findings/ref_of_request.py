"""It was built for a pull or merge request."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.provenance.case import Case
from approvals.provenance.refs import is_request
from approvals.provenance.words import ref_name

GROUP = Group.PROVENANCE
RULES = {"ref-of-request": "Builds for a pull or merge request"}


def findings(case: Case) -> Iterator[Finding]:
    now = case.now
    if now is None or not is_request(now.build.ref):
        return
    # Seen before or not, it never is a usual way to release.
    before = f"{ref_name(case.compared.build.ref) or 'not said'} → " if case.compared else ""
    yield Finding(
        "ref-of-request",
        Severity.HIGH,
        "It was built for a pull or merge request.",
        "What a request proposes was not merged, and perhaps not reviewed; its author may be "
        "anybody. No release is made from one by intention.",
        "Reject it, unless the maintainers can say why it was built there. See whether workflows "
        "that run for requests can publish, and take that from them.",
        detail=f"{before}{ref_name(now.build.ref)}",
    )
