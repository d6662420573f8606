"""Code that newly runs text as code."""

import re
from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search import syntax
from approvals.inspection.search.look import Look, Use
from approvals.inspection.search.sign import as_one, is_for_tests, told, weight
from approvals.inspection.search.signs import EVALUATES

GROUP = Group.CODE
RULES = {
    "dynamic-code": "Code that newly runs text as code",
    "hidden-evaluation": "Code that runs text as code, and hides that it does",
    "programs-in-text": "Code in quotes that runs, and starts programs",
}
NEEDLES = EVALUATES.needles
_STARTS = re.compile(r"child_process[\"'`]\s{0,4}\)\s{0,4}[.\[]|\bspawn_sync\b")
_IS_HIDDEN = re.compile(r"\[\s*[\"'`]constructor|Reflect\b")


def in_tarball(look: Look) -> Iterator[Finding]:
    uses = [use for use in EVALUATES.uses(look) if not is_for_tests(use)]
    if not uses:
        return
    severity = weight(look, EVALUATES)
    yield as_one(
        uses,
        rule="dynamic-code",
        severity=severity,
        title=told(
            look, severity, "It runs text as code", ", and the files that changed did not before"
        ),
        why="What is made of text when it runs is not in the tarball, and nobody can review it.",
        what_to_check="See where the text comes from. It should be written out in the package.",
    )
    hidden = [use for use in uses if _IS_HIDDEN.match(use.needle)]
    if hidden:
        yield as_one(
            hidden,
            rule="hidden-evaluation",
            severity=Severity.HIGH,
            title="It runs text as code in a manner that hides it.",
            why="Who has a reason to run text calls `eval` or `Function`. To get at them by way of "
            "another function's constructor or by reflection serves not to be found.",
            what_to_check="Follow the text to where it comes from, and ask why it is hidden.",
        )
    starting = [use for use in uses if _starts_programs(use)]
    if starting:
        yield as_one(
            starting,
            rule="programs-in-text",
            severity=Severity.HIGH,
            title="Code that starts programs stands in quotes, and is run.",
            why="Nothing that reads code looks into texts: whoever writes code as text does not "
            "want it to be found.",
            what_to_check="Read the text as code. A release has no reason to hide such code.",
        )


def _starts_programs(use: Use) -> bool:
    call = syntax.call_around(use.node)
    texts = [] if call is None else map(syntax.text_of, syntax.arguments_of(call))
    return any(_STARTS.search(text) for text in texts if text)
