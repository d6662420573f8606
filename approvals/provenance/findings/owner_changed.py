"""The repository belongs to somebody else."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.provenance.alike import Release, owner_of, same_owner, same_repository
from approvals.provenance.case import Case
from approvals.provenance.expected_met import is_told_by_pin
from approvals.provenance.words import named, plain, repository_name

GROUP = Group.PROVENANCE
RULES = {"owner-changed": "Another owner of the same repository"}


def findings(case: Case) -> Iterator[Finding]:
    now, before = case.now, case.compared
    # That another repository has another owner is no news of its own.
    if now is None or before is None or not same_repository(now, before):
        return
    if same_owner(now, before) or is_told_by_pin(case, "owner"):
        return
    yield Finding(
        "owner-changed",
        Severity.CRITICAL,
        f"The repository has another owner than for {plain(before.version)}.",
        "Whoever owns a repository decides who may write to it. Packages have been taken over by "
        "transferring their repository, and by registering the name of an account that was given "
        "up.",
        "Ask the maintainers whether they handed the repository over, and to whom. Once it is "
        "settled, pin the publisher anew.",
        detail=f"{_evidence(before)} → {_evidence(now)}",
    )


def _evidence(release: Release) -> str:
    name = repository_name(owner_of(release.build), with_host=True)
    number = release.build.owner_id
    return f"{name} (id {named(number)})" if number else name
