"""It was built on a machine of somebody's own."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.provenance.case import Case
from approvals.provenance.words import plain

GROUP = Group.PROVENANCE
RULES = {
    "self-hosted-runner": "Builds on a self-hosted runner",
    "self-hosted-runner-new": "A self-hosted runner where a hosted one built before",
}

_WHY = (
    "A hosted runner is a fresh machine for each build. A self-hosted one keeps what earlier "
    "builds left on it, and whoever has access to it can change what it makes."
)
_WHAT = (
    "Ask who runs this machine and who can reach it, and why it took the place of a hosted runner."
)


def findings(case: Case) -> Iterator[Finding]:
    if case.now is None or case.now.build.runner != "self-hosted":
        return
    releases = (case.compared, *case.published)
    known = next((release for release in releases if release and release.build.runner), None)
    if known is None:
        yield Finding(
            "self-hosted-runner",
            Severity.LOW,
            "It was built on a self-hosted runner.",
            _WHY,
            "Ask who runs this machine and who can reach it.",
        )
    elif known.build.runner != "self-hosted":
        yield Finding(
            "self-hosted-runner-new",
            Severity.MEDIUM,
            f"It was built on a self-hosted runner, and {plain(known.version)} was not.",
            _WHY,
            _WHAT,
            detail="hosted → self-hosted",
        )
