"""Another workflow built it."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.provenance.alike import Release, reusable_of, same_workflow, workflow_of
from approvals.provenance.case import Case
from approvals.provenance.comparison import earlier_one
from approvals.provenance.expected_met import is_told_by_pin
from approvals.provenance.words import named, plain

GROUP = Group.PROVENANCE
RULES = {"workflow-changed": "Another workflow than before"}


def findings(case: Case) -> Iterator[Finding]:
    now, before = case.now, case.compared
    if now is None or before is None or not before.build.workflow or same_workflow(now, before):
        return
    # A pin is about the workflow that was started, and says nothing of those that it uses.
    same_reusable = reusable_of(now.build) == reusable_of(before.build)
    if same_reusable and is_told_by_pin(case, "workflow"):
        return
    evidence = f"{_evidence(before)} → {_evidence(now)}"
    if version := earlier_one(case, same_workflow):
        evidence += f"; {plain(version)} was built by this one, too"
    yield Finding(
        "workflow-changed",
        Severity.HIGH,
        f"It was built by another workflow than {plain(before.version)}.",
        "A workflow decides which commands make the tarball. Who can add a file to any branch can "
        "add a workflow that leaves out tests and reviews, or that packs something else.",
        "Read the workflow file at this very commit: what it runs, who could start it, and whether "
        "the project's maintainers meant to release with it.",
        detail=evidence,
    )


def _evidence(release: Release) -> str:
    reusable = reusable_of(release.build)
    name = named(workflow_of(release.build)) or "not said"
    return f"{name} through {named(reusable)}" if reusable else name
