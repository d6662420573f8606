"""Names in code whose plain letters are written in escapes."""

import re
from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.look import Look, Use
from approvals.inspection.search.needles import needles
from approvals.inspection.search.sign import Sign, as_one, leaf

GROUP = Group.HIDING
RULES = {"escaped-name": "Names in code whose plain letters are written in escapes"}
NEEDLES = needles(patterns=(r"\\u(00[4-7][0-9A-Fa-f]|\{0{0,6}[4-7][0-9A-Fa-f]\})",))
_ESCAPE = re.compile(r"\\u\{?0*([4-7][0-9A-Fa-f])\}?")
_NAMES = frozenset(
    {"identifier", "property_identifier", "shorthand_property_identifier", "statement_identifier"}
    | {"shorthand_property_identifier_pattern", "private_property_identifier", "type_identifier"}
)


def _is_in_name(use: Use) -> bool:
    node = leaf(use)
    return bool(use.file.language) and node is not None and node.type in _NAMES


ESCAPED = Sign(NEEDLES, _is_in_name)


def in_tarball(look: Look) -> Iterator[Finding]:
    uses = ESCAPED.uses(look)
    if uses:
        node = leaf(uses[0])
        written = b"" if node is None else (node.text or b"")[:200]
        name = _ESCAPE.sub(lambda one: chr(int(one[1], 16)), written.decode("utf-8", "replace"))
        yield as_one(
            uses,
            rule="escaped-name",
            severity=Severity.HIGH,
            title="A name in the code is written in escapes.",
            why="Nobody writes plain letters of a name as escapes, and no tool does: it serves to "
            "let no search find what is called.",
            what_to_check="Read the name without its escapes, and ask why it is hidden.",
            detail=f"Read: {name}",
        )
