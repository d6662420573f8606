"""Code that takes what people type or keep in a page, and sends it to an address of its own."""

import re
from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.look import Look, Use
from approvals.inspection.search.needles import needles
from approvals.inspection.search.sign import Sign, as_one, is_for_tests, is_in_text, joined

GROUP = Group.CODE
RULES = {"page-theft": "Code that sends what people type or keep in a page to a fixed address"}
_KEYS = needles(patterns=(r"[\"'`]key(down|press|up)[\"'`]", r"\bonkey(down|press|up)\b"))
_KEPT = needles(
    "document.cookie",
    ".serialize()",
    ".serializeArray()",
    "new FormData(",
    patterns=(
        r"stringify\([ ]?(window\.)?(local|session)Storage\b",
        r"type=[\\\"']{0,2}password",
    ),
)
NEEDLES = joined(_KEYS, _KEPT)
_NEAR = 500
_SENT = re.compile(
    r"(?:\bfetch|\bsendBeacon|\bajax|\.post|\.open|\bWebSocket|\baxios)\s{0,4}\([^;]{0,160}?"
    r"[\"'`](?:https?|wss?)?:?//[^\"'`\s]{3,40}"
    r"|\.src\s{0,4}=\s{0,4}[\"'`](?:https?:)?//[^\"'`\s]{3,40}"
)
_OWN = re.compile(r"//(?:localhost|127\.0\.0\.1|\[::1\])\b")


def in_tarball(look: Look) -> Iterator[Finding]:
    uses = [use for use in _SIGN.uses(look) if not is_for_tests(use)]
    if uses:
        yield as_one(
            uses,
            rule="page-theft",
            severity=Severity.HIGH,
            title="It takes what people type or keep in a page, near code that sends to a fixed "
            "address.",
            why="Passwords, numbers of cards and sessions are stolen so, from every page that "
            "loads the package.",
            what_to_check="See what is sent, when, and whose the address is. No library needs to "
            "send forms, keys or cookies to an address of its own.",
        )


def _may_be(use: Use) -> bool:
    if use.needle == "document.cookie" and re.match(r"\s{0,4}=[^=]", use.around(0, 8)[15:]):
        return False
    sent = _SENT.search(use.around(_NEAR, _NEAR))
    return sent is not None and not _OWN.search(sent[0])


def _is_one(use: Use) -> bool:
    return not re.search(r"password$|^[\"'`]key", use.needle) or is_in_text(use)


_SIGN = Sign(NEEDLES, _is_one, _may_be)
