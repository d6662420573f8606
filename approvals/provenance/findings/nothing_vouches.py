"""Earlier releases exist, and none of them proves that this is the package's repository."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.provenance.case import Case
from approvals.provenance.expected_met import is_as_pinned
from approvals.provenance.words import repository_name

GROUP = Group.PROVENANCE
RULES = {"nothing-vouches": "A repository that no earlier release is proven to come from"}


def findings(case: Case) -> Iterator[Finding]:
    now = case.now
    if now is None or not case.is_compared or not case.baseline_version:
        return
    if case.compared is not None or is_as_pinned(case, "repository"):
        return
    yield Finding(
        "nothing-vouches",
        Severity.MEDIUM,
        "No earlier release is proven to come from this repository.",
        "Anybody can build a tarball in a repository of their own and have that proven. That this "
        "repository is the package's own follows from nothing that is known here.",
        "See whether the package's earlier versions and its maintainers name this repository. If "
        "it is the right one, pin it as expected: from then on any other is critical.",
        detail=repository_name(now.build.repository, with_host=True),
    )
