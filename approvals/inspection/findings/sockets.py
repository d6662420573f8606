"""Code that newly opens raw sockets or asks for names by itself."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group
from approvals.inspection.search.look import Look
from approvals.inspection.search.sign import as_one, is_for_tests, told, weight
from approvals.inspection.search.signs import SOCKETS

GROUP = Group.CODE
RULES = {"sockets": "Code that newly opens raw sockets or asks DNS"}
NEEDLES = SOCKETS.needles


def in_tarball(look: Look) -> Iterator[Finding]:
    uses = [use for use in SOCKETS.uses(look) if not is_for_tests(use)]
    if not uses:
        return
    severity = weight(look, SOCKETS)
    yield as_one(
        uses,
        rule="sockets",
        severity=severity,
        title=told(
            look,
            severity,
            "It opens raw sockets or asks DNS",
            ", and the files that changed did not before",
        ),
        why=(
            "Raw sockets serve remote shells, and names that are asked for carry data out where "
            "no other way is open."
        ),
        what_to_check="See which host or name it is, and who makes it up.",
    )
