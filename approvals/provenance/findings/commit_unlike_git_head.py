"""package.json names another commit than the one that it was built from."""

import re
from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.provenance.alike import same_address
from approvals.provenance.case import Case
from approvals.provenance.words import named

GROUP = Group.PROVENANCE
RULES = {
    "commit-unlike-git-head": "Another commit than the one that package.json names",
    "git-head-not-a-commit": "A gitHead in package.json that is no whole commit id",
}

# SHA-1 or SHA-256: with less, a commit could be made to begin alike.
_WHOLE_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.IGNORECASE)


def findings(case: Case) -> Iterator[Finding]:
    now, head = case.now, case.git_head.strip()
    if now is None or not head or same_address(now.build.commit, head):
        return
    evidence = f"gitHead {named(head)} → {named(now.build.commit) or 'not said'}"
    if not _WHOLE_COMMIT.fullmatch(head):
        yield Finding(
            "git-head-not-a-commit",
            Severity.LOW,
            "The gitHead in package.json is not a whole commit id.",
            "npm writes the whole id. What stands there cannot be compared with the commit that "
            "the provenance proves.",
            "See who or what wrote gitHead. The commit that the provenance names is the proven "
            "one.",
            detail=evidence,
        )
        return
    yield Finding(
        "commit-unlike-git-head",
        Severity.HIGH,
        "It was built from another commit than the gitHead in package.json.",
        "npm notes the commit of the folder that it packs. If the proven one is another, the "
        "tarball was packed from something else than what the workflow checked out.",
        "Look at both commits, and at what differs. The commit that the provenance names is the "
        "proven one; gitHead is what the tarball says of itself.",
        detail=evidence,
    )
