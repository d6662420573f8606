"""Shells that somebody far away types into."""

import re
from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search import syntax
from approvals.inspection.search.look import Look, Use
from approvals.inspection.search.needles import needles
from approvals.inspection.search.sign import Sign, as_one, is_in_text, leaf

GROUP = Group.CODE
RULES = {"reverse-shell": "A shell that is connected to the network"}
NEEDLES = needles(
    "/dev/tcp/", "bash -i", "nc -e", "ncat -e", "sh -i", "pty.spawn", patterns=(r"\.pipe\s*\(",)
)
_SHELLS = re.compile(rb"/bin/(ba|z)?sh|cmd\.exe|powershell|child_process|spawn|[\"']sh[\"']")
_CONNECTS = re.compile(
    rb"\.connect\s*\(|createConnection|createServer|\.Socket\b|[\"'](net|tls)[\"']"
)


def _is_shell(use: Use) -> bool:
    if not use.needle.startswith(".pipe"):
        return not use.file.language or is_in_text(use)
    node = leaf(use)
    call = None if node is None else syntax.call_around(node)
    arguments = [] if call is None else syntax.arguments_of(call)
    if not arguments or not (arguments[0].text or b"").endswith(b".stdin"):
        return False
    content = use.file.content or b""
    around = content[max(0, use.match.start - 3_000) : use.match.end + 3_000]
    return bool(_SHELLS.search(around) and _CONNECTS.search(around)) and not (
        (arguments[0].text or b"").startswith(b"process.")
    )


_SIGN = Sign(NEEDLES, _is_shell)


def in_tarball(look: Look) -> Iterator[Finding]:
    if uses := _SIGN.uses(look):
        yield as_one(
            uses[:1],
            rule="reverse-shell",
            severity=Severity.CRITICAL,
            title="It connects a shell to the network.",
            why="Whoever is at the other end types commands on the machine that runs it.",
            what_to_check="Reject it, unless the package is a terminal for exactly that.",
        )
