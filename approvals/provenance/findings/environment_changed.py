"""The workflow ran in another deployment environment, or in none any more."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.provenance.alike import other_environment
from approvals.provenance.case import Case
from approvals.provenance.expected_met import is_told_by_pin
from approvals.provenance.words import named, plain

GROUP = Group.PROVENANCE
RULES = {"environment-changed": "Another deployment environment than before"}


def findings(case: Case) -> Iterator[Finding]:
    now, before = case.now, case.compared
    if now is None or before is None or not other_environment(now, before):
        return
    if is_told_by_pin(case, "environment"):
        return
    yield Finding(
        "environment-changed",
        Severity.MEDIUM,
        f"It ran in another deployment environment than {plain(before.version)}.",
        "An environment can demand that somebody approves the run, and limit the branches that it "
        "runs for. Another one, or none, may demand less.",
        "See which rules protect the new environment, and whether it was meant to be used.",
        detail=f"{named(before.build.environment)} → {named(now.build.environment) or 'none'}",
    )
