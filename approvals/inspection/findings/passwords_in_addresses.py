"""Addresses of databases and other services with a password in them."""

import re
from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.look import Look
from approvals.inspection.search.needles import needles
from approvals.inspection.search.secret_forms import looks_random

GROUP = Group.CONTENT
RULES = {"password-in-address": "Addresses of services with a password in them"}
_SCHEMES = (
    "postgres|postgresql|mysql|mariadb|mongodb|mongodb\\+srv|redis|rediss|amqp|amqps|mssql"
    "|sqlserver|clickhouse|ldaps|ftp|ftps|sftp|smtp|smtps|https"
)
_PART = r"[^\x00-\x20\/:@'\"`<>{}$()*\\]"
NEEDLES = needles(
    patterns=[
        rf"({_SCHEMES}):\/\/{_PART}{{1,60}}:{_PART}{{6,100}}@[A-Za-z0-9][A-Za-z0-9.-]{{3,100}}"
    ]
)
_ADDRESS = re.compile(rf"([a-z+]+)://({_PART}{{1,60}}):({_PART}{{6,100}})@([A-Za-z0-9.-]+)")
_OWN_HOST = re.compile(
    r"^(localhost|.*\.(local|localhost|test|invalid|example|internal|svc)|127\..*|0\.0\.0\.0|10\..*"
    r"|192\.168\..*|172\.(1[6-9]|2\d|3[01])\..*|(.*\.)?(example|domain|host|server|mysite|foo|bar|"
    r"website|company|acme|yourdomain|my-?host|test)\.(com|org|net|io|dev))$",
    re.IGNORECASE,
)
_EXAMPLES = re.compile(r"pass|pwd|secret|token|user|admin|root|test|demo|hunter|key", re.IGNORECASE)
_LEAST_DIGITS = 1


def in_tarball(look: Look) -> Iterator[Finding]:
    uses = [use for use in look.uses(NEEDLES) if _is_real_address(use.needle)]
    had = {text for _, text in look.before(NEEDLES)} if uses else set()
    for use in uses:
        found = _ADDRESS.match(use.needle)
        if found is None:
            continue
        scheme, _, _, host = found.groups()
        is_new = use.needle not in had
        # The digest of a password could be reversed by trying: the file's stands for it.
        yield Finding(
            "password-in-address",
            Severity.HIGH if is_new else Severity.LOW,
            "An address with a password in it is in the package.",
            "Whoever installs a package can read all of it, and can go where this leads as whom "
            "it names.",
            "Do not approve it, unless it is an example. Have the password changed, and find out "
            "how it came into the package.",
            path=use.path,
            line=use.line,
            excerpt=f"{scheme}://…:…@{host}",
            is_new=is_new,
            evidence=use.file.change.new_sha256,
        )


def _is_real_address(text: str) -> bool:
    found = _ADDRESS.match(text)
    return found is not None and _is_real(found[3], found[4])


def _is_real(password: str, host: str) -> bool:
    if "." not in host or _OWN_HOST.match(host) or _EXAMPLES.search(password):
        return False
    return looks_random(password) and sum(map(str.isdigit, password)) >= _LEAST_DIGITS
