"""Private keys: whole ones, not code that speaks of them."""

import base64
import binascii
import re
from collections.abc import Iterator
from posixpath import dirname

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.look import Look
from approvals.inspection.search.needles import needles
from approvals.inspection.search.secret_forms import digest

GROUP = Group.CONTENT
RULES = {"private-key": "Private keys"}
NEEDLES = needles("PRIVATE KEY-----", "PRIVATE KEY BLOCK-----", "PuTTY-User-Key-File-")
_LONGEST = 6_000
_LEAST = 64
"""Characters of base64. The shortest key, of an elliptic curve, has about as many."""
_HEADERS = re.compile(r"(?:\\n|\s)*(?:[A-Z][\w-]{2,20}: [^\n\\]{1,100}(?:\\n|\s)+)*")
_BETWEEN = re.compile(r"\\r|\\n|[\s\"'`+,>|]")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_KIND = re.compile(r"-----BEGIN ([A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?)-----\Z")
_STARTS = (b"\x30", b"openssh-key-v1", b"SSH PRIVATE KEY")
_PGP = range(0x94, 0x98)
_FOR_TESTS = re.compile(
    r"(^|/)(__)?(tests?|specs?|fixtures?|examples?|mocks?|samples?|demo|docs?)(__)?(/|$)",
    re.IGNORECASE,
)
_WHY = (
    "Whoever installs a package can read all of it. Who has a private key can be who it stands "
    "for: sign, decrypt, or sign in."
)


def in_tarball(look: Look) -> Iterator[Finding]:
    uses = look.uses(NEEDLES)
    had = {_body(text) for text in _texts_before(look)} if uses else set()
    for use in uses:
        content = use.file.content or b""
        line_start = max(0, use.match.start - 60)
        kind = _kind(content[line_start : use.match.end].decode("utf-8", "replace"))
        text = content[use.match.end : use.match.end + _LONGEST].decode("utf-8", "replace")
        body = _putty(text) if kind.startswith("PuTTY") else _body(text)
        if not kind or not body:
            continue
        is_for_tests = bool(_FOR_TESTS.search(dirname(use.path)))
        is_new = body not in had
        severity = Severity.MEDIUM if is_for_tests else Severity.HIGH
        yield Finding(
            "private-key",
            severity if is_new else Severity.LOW,
            "A private key is in the package.",
            _WHY,
            "Do not approve it, unless the key was made for tests and opens nothing. Have every "
            "certificate and account that relies on it renewed.",
            path=use.path,
            line=use.line,
            excerpt=f"-----BEGIN {kind}-----…" if "PuTTY" not in kind else "PuTTY-User-Key-File…",
            detail="It stands among tests or examples." if is_for_tests else "",
            is_new=is_new,
            evidence=digest(body),
        )


def _texts_before(look: Look) -> Iterator[str]:
    if not look.had(NEEDLES):
        return
    for file in look.files:
        content = file.old_content or b""
        for part in content.split(b"PRIVATE KEY-----")[1:20]:
            yield part[:_LONGEST].decode("utf-8", "replace")


def _kind(text: str) -> str:
    if text.endswith("PuTTY-User-Key-File-"):
        return "PuTTY"
    found = _KIND.search(text)
    return found[1] if found else ""


def _body(text: str) -> str:
    """The key itself, without lines and quotes; "" where there is none."""
    found = _HEADERS.match(text)
    headers = found[0] if found else ""
    found = _BASE64.match(_BETWEEN.sub("", text[len(headers) :].partition("-----")[0]))
    if found is None or len(found[0]) < _LEAST:
        return ""
    body = found[0]
    if "ENCRYPTED" in headers:
        # All noise, by design.
        return body
    try:
        start = base64.b64decode(body[:40])
    except (binascii.Error, ValueError):
        return ""
    return body if start.startswith(_STARTS) or start[0] in _PGP else ""


def _putty(text: str) -> str:
    _, has, rest = text.partition("Private-Lines:")
    return _BETWEEN.sub("", rest[:400]) if has and len(rest) >= _LEAST else ""
