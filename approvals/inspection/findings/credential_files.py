"""Code that newly reads files with credentials, wallets or histories."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group
from approvals.inspection.search.look import Look
from approvals.inspection.search.sign import as_one, is_for_tests, told, weight
from approvals.inspection.search.signs import CREDENTIALS

GROUP = Group.CODE
RULES = {
    "credential-files": "Code that newly reads files with credentials, wallets or shell histories"
}
NEEDLES = CREDENTIALS.needles


def in_tarball(look: Look) -> Iterator[Finding]:
    uses = [use for use in CREDENTIALS.uses(look) if not is_for_tests(use)]
    if not uses:
        return
    severity = weight(look, CREDENTIALS)
    yield as_one(
        uses,
        rule="credential-files",
        severity=severity,
        title=told(
            look,
            severity,
            "It names files in which people keep credentials, near code that reads files",
        ),
        why="Tokens, keys and wallets are what most attacks through packages were after.",
        what_to_check=(
            "See whether this package has any business with that file, and where its content goes."
        ),
    )
