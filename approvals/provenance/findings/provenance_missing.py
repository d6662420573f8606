"""Nothing proves where it was built."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.provenance.case import Case
from approvals.provenance.models import Provenance
from approvals.provenance.words import plain, repository_name, workflow_name

GROUP = Group.PROVENANCE
RULES = {"provenance-missing": "Versions without provenance"}

HOW_TO_TURN_ON = (
    "Provenance is made where it is built: stage with `npm stage publish --provenance` from GitHub "
    "Actions (permission `id-token: write`) or GitLab CI (an ID token SIGSTORE_ID_TOKEN for "
    "sigstore), or with a trusted publisher, which makes it by itself."
)


def findings(case: Case) -> Iterator[Finding]:
    found = case.provenance
    if found is None or found.outcome != Provenance.Outcome.MISSING:
        return
    last = case.compared
    if last is not None:
        build = last.build
        workflow = workflow_name(build)
        by = f" by {workflow}" if workflow else ""
        yield Finding(
            "provenance-missing",
            Severity.HIGH if case.before else Severity.MEDIUM,
            f"Nothing proves where this was built, and {plain(last.version)} was proven.",
            "A tarball that was made on somebody's machine, or with a stolen token, comes without "
            "provenance. It is the first thing to be missing in a release that is not what it "
            "seems.",
            f"Ask who staged it, from where, and why not{by} in "
            f"{repository_name(build.repository)}. If CI made a bundle that did not come along, "
            "hand it in. If nobody can say, reject it and stage it again from CI.",
        )
    elif _had_one(case):
        yield Finding(
            "provenance-missing",
            Severity.MEDIUM,
            "Nothing proves where this was built, and earlier releases came with provenance.",
            "What earlier releases came with could not be verified, but there was something.",
            "Ask who staged it and from where, and why no provenance came along this time.",
        )
    else:
        none_has_it = " No release of this package that is known here has it."
        yield Finding(
            "provenance-missing",
            Severity.INFO,
            "Nothing proves where this was built.",
            "Without provenance nobody can tell a tarball that CI made from one that was made "
            f"somewhere else.{none_has_it if case.is_compared else ''}",
            HOW_TO_TURN_ON,
            is_new=not case.baseline_version,
        )


def _had_one(case: Case) -> bool:
    return any(row.outcome == Provenance.Outcome.REFUSED for row in case.history)
