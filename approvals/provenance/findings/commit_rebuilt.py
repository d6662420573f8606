"""It was built from the very commit that the baseline was built from."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.provenance.alike import same_address
from approvals.provenance.case import Case
from approvals.provenance.words import plain, short_commit

GROUP = Group.PROVENANCE
RULES = {"commit-rebuilt": "A second build of the baseline's commit"}


def findings(case: Case) -> Iterator[Finding]:
    now, before = case.now, case.before
    if now is None or before is None or not same_address(now.build.commit, before.build.commit):
        return
    yield Finding(
        "commit-rebuilt",
        Severity.LOW,
        f"It was built from the same commit as {plain(before.version)}.",
        "No code was committed in between: what differs in the tarball comes from the build itself "
        "or from its dependencies.",
        "Look at the file changes: they should be what a second build explains, such as the "
        "version, and nothing else.",
        detail=short_commit(now.build.commit),
    )
