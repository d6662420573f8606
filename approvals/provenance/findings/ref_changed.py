"""It was built from another branch, or from a tag of another kind."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.provenance.alike import same_ref
from approvals.provenance.case import Case
from approvals.provenance.comparison import earlier_one
from approvals.provenance.expected_met import is_told_by_pin
from approvals.provenance.refs import is_request
from approvals.provenance.words import plain, ref_name

GROUP = Group.PROVENANCE
RULES = {"ref-changed": "Another branch or kind of tag than before"}


def findings(case: Case) -> Iterator[Finding]:
    now, before = case.now, case.compared
    if now is None or before is None or not before.build.ref or same_ref(now, before):
        return
    # A request is worse than another branch, and has a rule of its own.
    if is_request(now.build.ref) or is_told_by_pin(case, "ref"):
        return
    evidence = f"{ref_name(before.build.ref)} → {ref_name(now.build.ref) or 'not said'}"
    if version := earlier_one(case, same_ref):
        evidence += f"; {plain(version)} was built from one like this, too"
    yield Finding(
        "ref-changed",
        Severity.HIGH,
        f"It was built from another branch or kind of tag than {plain(before.version)}.",
        "Reviews and required checks usually guard the branch or the tags that releases are made "
        "from. Somewhere else, one person may have been enough to put this together.",
        "See whether its commit is on the usual branch as well, and who pushed it. A release from "
        "a maintenance branch is fine if the project has one.",
        detail=evidence,
    )
