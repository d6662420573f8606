"""CI built it, and a person staged it."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.provenance.case import Case
from approvals.provenance.words import named

GROUP = Group.PROVENANCE
BY_PERSON = "staged-by-person"
RULES = {BY_PERSON: "What a workflow built and a person staged"}


def findings(case: Case) -> Iterator[Finding]:
    # Only CI systems are given the certificates that provenance is signed with.
    if case.now is None or case.actor_type.strip().casefold() != "user":
        return
    yield Finding(
        BY_PERSON,
        Severity.MEDIUM,
        "A workflow built it, but a person's account staged it.",
        "What CI builds, CI usually stages as well. Somebody may have taken the tarball and its "
        "bundle from there to stage it under a name of their own: as another dist-tag, or long "
        "after it was built. It may also just be that CI uses a person's token.",
        "Ask this person whether they staged it, and see whether the dist-tag is the intended one. "
        "If CI uses their token, let it use a trusted publisher instead.",
        detail=f"{named(case.actor) or 'an unnamed person'} ({named(case.actor_type.strip())})",
        is_about_build=False,
    )
