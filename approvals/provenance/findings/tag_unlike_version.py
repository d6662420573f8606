"""It was built from the tag of another version."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.provenance.case import Case
from approvals.provenance.refs import names_another_version
from approvals.provenance.words import named, plain, ref_name

GROUP = Group.PROVENANCE
RULES = {"tag-unlike-version": "Builds from the tag of another version"}


def findings(case: Case) -> Iterator[Finding]:
    now, before = case.now, case.compared
    if now is None or not (other := names_another_version(now.build.ref, now.version)):
        return
    # Some tags count something else: days, or the releases of a whole repository.
    usual = before is not None and names_another_version(before.build.ref, before.version)
    evidence = f"{ref_name(now.build.ref)} → {plain(now.version)}"
    if before is not None and usual:
        evidence += f"; {ref_name(before.build.ref)} → {plain(before.version)} in the same way"
    yield Finding(
        "tag-unlike-version",
        Severity.LOW if usual else Severity.MEDIUM,
        f"It was built from the tag of {named(other)}, but is {plain(now.version)}.",
        "The tag of another version points to another state of the code: an older one with known "
        "holes, or one that nobody meant to release under this number.",
        "Look at what the tag points to, and whether the version in package.json was raised there.",
        detail=evidence,
    )
