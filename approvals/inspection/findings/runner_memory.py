"""Code that reads the memory or the environment of other processes."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.look import Look
from approvals.inspection.search.sign import as_one
from approvals.inspection.search.signs import MEMORY

GROUP = Group.CODE
RULES = {"process-memory": "Code that reads the memory or environment of other processes"}
NEEDLES = MEMORY.needles


def in_tarball(look: Look) -> Iterator[Finding]:
    if uses := MEMORY.uses(look):
        yield as_one(
            uses,
            rule="process-memory",
            severity=Severity.HIGH,
            title="It reads the memory or the environment of processes.",
            why="The secrets of a whole build, of steps too that this package is no part of, stand "
            "in the memory of the program that runs it. Attacks have read them there.",
            what_to_check="Find out what it looks for. Next to no package needs this.",
        )
