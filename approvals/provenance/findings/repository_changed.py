"""It was built from another repository."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.provenance.alike import Release, same_address, same_repository
from approvals.provenance.case import Case
from approvals.provenance.expected_met import is_told_by_pin
from approvals.provenance.words import named, plain, repository_name

GROUP = Group.PROVENANCE
RULES = {"repository-changed": "Another repository than before"}


def findings(case: Case) -> Iterator[Finding]:
    now, before = case.now, case.compared
    if now is None or before is None or same_repository(now, before):
        return
    if is_told_by_pin(case, "repository"):
        return
    reused = same_address(now.build.repository, before.build.repository)
    yield Finding(
        "repository-changed",
        Severity.CRITICAL,
        f"It was built from another repository than {plain(before.version)}.",
        "The address is the same, but the number that the host gave the repository is not: it was "
        "deleted and made anew, perhaps by somebody else."
        if reused
        else "Whoever can write to the other repository decides what is in this tarball. A fork "
        "can look the same as the project and be somebody else's.",
        "Ask the maintainers whether the project moved. Until they have said so by a way that you "
        "trust, do not approve it. Once it is settled, pin the new repository as expected.",
        detail=f"{_evidence(before)} → {_evidence(now)}",
    )


def _evidence(release: Release) -> str:
    name = repository_name(release.build.repository, with_host=True)
    number = release.build.repository_id
    return f"{name} (id {named(number)})" if number else name
