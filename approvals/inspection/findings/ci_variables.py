"""Code that newly reads tokens of build machines."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group
from approvals.inspection.search.look import Look
from approvals.inspection.search.sign import as_one, is_for_tests, told, weight
from approvals.inspection.search.signs import TOKENS

GROUP = Group.CODE
RULES = {"ci-variables": "Code that newly reads tokens of build machines"}
NEEDLES = TOKENS.needles


def in_tarball(look: Look) -> Iterator[Finding]:
    uses = [use for use in TOKENS.uses(look) if not is_for_tests(use)]
    if not uses:
        return
    severity = weight(look, TOKENS)
    yield as_one(
        uses,
        rule="ci-variables",
        severity=severity,
        title=told(look, severity, "It reads tokens that build machines have"),
        why=(
            "With such a token code can be pushed, packages published or clouds entered in the "
            "name of whoever builds."
        ),
        what_to_check=(
            "See whether the package needs the token for what it is for, and whether it goes to "
            "the service that gave it."
        ),
    )
