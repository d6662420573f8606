"""Code that newly takes all environment variables at once."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group
from approvals.inspection.search.look import Look
from approvals.inspection.search.sign import as_one, is_for_tests, told, weight
from approvals.inspection.search.signs import ENVIRONMENT

GROUP = Group.CODE
RULES = {"environment-sweep": "Code that newly takes all environment variables at once"}
NEEDLES = ENVIRONMENT.needles


def in_tarball(look: Look) -> Iterator[Finding]:
    uses = [use for use in ENVIRONMENT.uses(look) if not is_for_tests(use)]
    if not uses:
        return
    severity = weight(look, ENVIRONMENT)
    yield as_one(
        uses,
        rule="environment-sweep",
        severity=severity,
        title=told(look, severity, "It takes all environment variables at once"),
        why=(
            "Build machines keep their tokens in the environment. Who needs one variable asks for"
            " that one."
        ),
        what_to_check=(
            "See where the variables go: whether anything but a child process or a look for own "
            "names gets them."
        ),
    )
