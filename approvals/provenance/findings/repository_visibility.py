"""Who could see the repository when it was built."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.provenance.case import Case
from approvals.provenance.words import named, plain

GROUP = Group.PROVENANCE
RULES = {
    "repository-visibility-changed": "A repository made public or private",
    "repository-not-public": "Repositories that not everybody can see",
}


def findings(case: Case) -> Iterator[Finding]:
    if case.now is None or not (visibility := case.now.build.visibility):
        return
    before = case.compared
    if before is not None and before.build.visibility not in ("", visibility):
        yield Finding(
            "repository-visibility-changed",
            Severity.LOW,
            f"The repository is {named(visibility)} now; it was {named(before.build.visibility)} "
            f"for {plain(before.version)}.",
            "Fewer eyes on a repository find less; more may see what was not meant for them.",
            "Ask the maintainers whether they meant to change it.",
        )
    elif visibility != "public":
        yield Finding(
            "repository-not-public",
            Severity.INFO,
            "It was built from a repository that not everybody can see.",
            "The commit is proven, but only who has access can look at it.",
            "If you have access, read the commit there; if not, rely on what the tarball has.",
            detail=named(visibility),
            is_new=before is None or not before.build.visibility,
        )
