"""Code that uses the registry, GitHub or an assistant in the name of whoever runs it."""

import re
from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search import syntax
from approvals.inspection.search.look import Look, LookedFile, Use
from approvals.inspection.search.needles import needles
from approvals.inspection.search.sign import Sign, as_one, is_for_tests, is_in_text, text_around

GROUP = Group.CODE
RULES = {
    "worm": "Code that publishes packages, pushes code or looks for secrets in others' names",
    "local-assistant": "Code that has an assistant on the machine do anything without asking",
}
_RARE = (
    *("gh auth token", "trufflehog", "gitleaks", "toJSON(secrets)", "/-/npm/v1/tokens"),
    *("/-/whoami", "npm whoami", "maintainer:", "createForAuthenticatedUser", "/actions/secrets"),
    *("actions/runners/registration-token", "npm token create"),
)
_COMMON = (
    *("npm publish", "npm pack", "git push", "/user/repos", "_authToken", "/user/orgs"),
    *("/-/v1/search", "bun publish", "pnpm publish", "yarn npm publish", ".github/workflows"),
)
_ASSISTANTS = ("--dangerously-skip-permissions", "--yolo", "--trust-all-tools")
NEEDLES = needles(*_RARE, *_COMMON, *_ASSISTANTS)
_SAYS = re.compile(r"(console\.\w+|[Ee]rror|log|warn|info|debug|print\w*|describe|it)$")
_MANY = 3


def _is_used(use: Use) -> bool:
    if not is_in_text(use):
        return False
    call = syntax.call_around(use.node)
    if call is not None and _SAYS.search(syntax.callee_of(call)[-60:]):
        return False
    text = text_around(use)
    return text is None or text.find(use.needle) < _EARLY or "\n" in text


_EARLY = 60
_SIGN = Sign(needles(*_RARE, *_COMMON), _is_used)
_ASKS = Sign(needles(*_ASSISTANTS), is_in_text)


def in_tarball(look: Look) -> Iterator[Finding]:
    by_file: dict[LookedFile, list[Use]] = {}
    for use in _SIGN.uses(look):
        if not is_for_tests(use):
            by_file.setdefault(use.file, []).append(use)
    for uses in by_file.values():
        kinds = {use.needle for use in uses}
        rare = [use for use in uses if use.needle in _RARE]
        if not rare and len(kinds) < _MANY:
            continue
        severity = Severity.MEDIUM
        if len(kinds) >= _MANY and rare:
            severity = Severity.CRITICAL
        elif len(kinds) > 1:
            severity = Severity.HIGH
        yield as_one(
            (rare or uses)[:1],
            rule="worm",
            severity=severity,
            title="It uses the registry or GitHub in the name of whoever runs it.",
            why="Worms looked for tokens, asked whose they were, and published the packages of "
            "that person with themselves in them.",
            what_to_check="See whether the package is a tool for publishing, and does so only when "
            "it is asked to.",
            detail=", ".join(sorted(kinds)),
        )
    if asked := _ASKS.uses(look):
        yield as_one(
            asked,
            rule="local-assistant",
            severity=Severity.HIGH,
            title="It has an assistant on the machine do anything without asking.",
            why="Such an assistant finds and does for an attacker what would be noticed in code.",
            what_to_check="Read what the assistant is told to do.",
        )
