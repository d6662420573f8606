"""Code that newly runs other programs."""

import re
from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.look import Look, Use
from approvals.inspection.search.sign import (
    as_one,
    is_for_tests,
    next_of,
    pointing_to,
    told,
    weight,
)
from approvals.inspection.search.signs import PROGRAMS

GROUP = Group.CODE
RULES = {"child-process": "Code that newly runs other programs"}
NEEDLES = PROGRAMS.needles
_STARTS = re.compile(rb"\b(exec|spawn)(File)?(Sync)?\s*\(|\bfork\s*\(")
_ON_INSTALLATION = 1


def in_tarball(look: Look) -> Iterator[Finding]:
    uses = [use for use in PROGRAMS.uses(look) if not is_for_tests(use)]
    if not uses:
        return
    at_once = [use for use in uses if _runs_on_installation(use)]
    if at_once and not look.is_first:
        finding = as_one(
            at_once,
            rule="child-process",
            severity=Severity.HIGH,
            title="It runs other programs on installation.",
            why="On the machine of everyone who installs it, programs run that the file "
            "did not start before.",
            what_to_check="See which program runs, with which arguments, and where it comes from.",
        )
        start = next_of(_STARTS, at_once[0], 6_000)
        yield finding if start is None else pointing_to(finding, at_once[0].file, start)
        return
    severity = weight(look, PROGRAMS)
    yield as_one(
        uses,
        rule="child-process",
        severity=severity,
        title=told(
            look,
            severity,
            "It can run other programs",
            ", and the files that changed could not before",
        ),
        why=(
            "A program that it starts may do whatever the user may who runs it, outside of what "
            "JavaScript can be watched for."
        ),
        what_to_check=(
            "See which program runs, with which arguments, and whether any of them comes from the"
            " network or from decoded text."
        ),
    )


def _runs_on_installation(use: Use) -> bool:
    """Whether npm runs it on installation, and it did not run programs before."""
    before = use.file.old_content or b""
    return use.file.change.rank == _ON_INSTALLATION and b"child_process" not in before
