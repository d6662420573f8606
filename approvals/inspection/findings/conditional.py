"""Code that does something else on some day, in some country or on some machine."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.look import Look
from approvals.inspection.search.sign import as_one, is_for_tests, joined, weight
from approvals.inspection.search.signs import DATES, PLACES

GROUP = Group.CODE
RULES = {
    "date-condition": "Code that newly does something else from some day on",
    "place-condition": "Code that newly does something else in some country or on some machine",
}
NEEDLES = joined(DATES.needles, PLACES.needles)


def in_tarball(look: Look) -> Iterator[Finding]:
    for sign, rule, words in (
        (DATES, "date-condition", "from a fixed day on"),
        (PLACES, "place-condition", "in some country or time zone, or on some machine"),
    ):
        uses = [use for use in sign.uses(look) if not is_for_tests(use)]
        if uses:
            yield as_one(
                uses,
                rule=rule,
                severity=weight(look, sign, Severity.MEDIUM),
                title=f"It does something else {words}.",
                why="What lies in wait does nothing where it is tested and reviewed.",
                what_to_check="See what it does then, and why.",
            )
