"""The repository is the same, and has another address."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.provenance.alike import is_renamed, is_transferred
from approvals.provenance.case import Case
from approvals.provenance.words import plain, repository_name

GROUP = Group.PROVENANCE
RULES = {"repository-renamed": "A repository that was renamed"}


def findings(case: Case) -> Iterator[Finding]:
    now, before = case.now, case.compared
    if now is None or before is None or not is_renamed(now, before):
        return
    # A transfer is for the rule about owners.
    if is_transferred(now, before):
        return
    names = [repository_name(release.build.repository, with_host=True) for release in (before, now)]
    yield Finding(
        "repository-renamed",
        Severity.INFO,
        f"The repository was renamed since {plain(before.version)}.",
        "It is the same one: the number that its host gave it did not change.",
        "See that package.json names the new address, as links to the old one may lead elsewhere "
        "one day.",
        detail=" → ".join(names),
    )
