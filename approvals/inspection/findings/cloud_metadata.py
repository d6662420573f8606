"""Code that newly asks a cloud for the credentials of its machine."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group
from approvals.inspection.search.look import Look
from approvals.inspection.search.sign import as_one, is_for_tests, told, weight
from approvals.inspection.search.signs import METADATA

GROUP = Group.CODE
RULES = {"cloud-metadata": "Addresses at which clouds give out credentials"}
NEEDLES = METADATA.needles


def in_tarball(look: Look) -> Iterator[Finding]:
    uses = [use for use in METADATA.uses(look) if not is_for_tests(use)]
    if not uses:
        return
    severity = weight(look, METADATA)
    yield as_one(
        uses,
        rule="cloud-metadata",
        severity=severity,
        title=told(
            look,
            severity,
            "It names the address at which a cloud gives out credentials of a machine",
        ),
        why=(
            "Whoever can ask that address from a machine in a cloud gets the rights of that "
            "machine."
        ),
        what_to_check=(
            "See whether this package is a client of that cloud, and where the answer goes."
        ),
    )
