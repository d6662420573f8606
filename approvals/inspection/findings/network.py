"""Code that newly talks to the network."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group
from approvals.inspection.search.look import Look
from approvals.inspection.search.sign import LOADS_TESTS, as_one, is_for_tests, joined, told, weight
from approvals.inspection.search.signs import NETWORK

GROUP = Group.CODE
RULES = {"network": "Code that newly talks to the network"}
NEEDLES = joined(NETWORK.needles, LOADS_TESTS)


def in_tarball(look: Look) -> Iterator[Finding]:
    uses = [use for use in NETWORK.uses(look) if not is_for_tests(use)]
    if not uses:
        return
    severity = weight(look, NETWORK)
    yield as_one(
        uses,
        rule="network",
        severity=severity,
        title=told(
            look, severity, "It talks to the network", ", and the files that changed did not before"
        ),
        why=(
            "What is read on a machine only becomes somebody else's over the network; and code "
            "can be fetched that no reviewer sees."
        ),
        what_to_check=(
            "See which hosts it talks to, what it sends there, and what it does with the answers."
        ),
    )
