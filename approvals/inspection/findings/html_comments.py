"""HTML's comments in code, which programs that show code do not know for comments."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search import syntax
from approvals.inspection.search.look import Look, Use
from approvals.inspection.search.needles import needles
from approvals.inspection.search.sign import as_one, is_for_tests, leaf

GROUP = Group.HIDING
RULES = {"html-comment": "HTML's comments in code"}
NEEDLES = needles("<!--")
_MOST = 500


def in_tarball(look: Look) -> Iterator[Finding]:
    uses = [use for use in look.uses(NEEDLES)[:_MOST] if not is_for_tests(use) and _is_one(use)]
    if uses:
        yield as_one(
            uses,
            rule="html-comment",
            severity=Severity.HIGH,
            title="It has a comment as HTML writes it, in the midst of code.",
            why="Node takes the rest of such a line for a comment, and most other programs do not. "
            "So they take for code what is none, or for a comment what runs.",
            what_to_check="Read what is below it as if that line were not there.",
        )


def _is_one(use: Use) -> bool:
    if not use.file.language:
        return False
    node = leaf(use)
    if node is None or not syntax.is_any_text(node):
        return True
    # What was parsed has it as `//--`.
    return syntax.is_comment(node) and (node.text or b"")[:4] in (b"<!--", b"//--")
