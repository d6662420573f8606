"""Functions of the platform that are replaced for everybody."""

import re
from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search import syntax
from approvals.inspection.search.look import Look, Use
from approvals.inspection.search.needles import needles
from approvals.inspection.search.sign import Sign, as_one, is_for_tests, leaf, weight

GROUP = Group.CODE
RULES = {
    "patched-global": "Functions of the platform that are newly replaced for everybody",
    "patched-loader": "The loader of modules, newly replaced for everybody",
}
_LOADER = (
    r"\._load\s*=[^=]",
    r"\.(prototype\._compile|prototype\.require|_resolveFilename)\s*=[^=]",
    r"\b_extensions\s*\[[^\]\n]{1,30}\]\s*=[^=]",
    r"require\.extensions\s*\[[^\]\n]{1,30}\]\s*=[^=]",
)
_PLATFORM = (
    r"\b(globalThis|window|global|self)\.(fetch|XMLHttpRequest|WebSocket|eval|Function)\s*=[^=]",
    r"XMLHttpRequest\.prototype\.[a-z]{3,20}\s*=[^=]",
    r"\bhttps?\.(request|get)\s*=[^=]",
    r"\bJSON\.(parse|stringify)\s*=[^=]",
    r"\bPromise\.prototype\.then\s*=[^=]",
)
NEEDLES = needles(patterns=(*_LOADER, *_PLATFORM))
_OF_LOADER = re.compile(r"_load\b|_compile|\.require\b|_resolveFilename|extensions")


def _is_assigned(use: Use) -> bool:
    node = leaf(use)
    return use.node is None or not (syntax.is_text(node) or syntax.is_comment(node))


LOADER = Sign(needles(patterns=_LOADER), _is_assigned)
PLATFORM = Sign(needles(patterns=_PLATFORM), _is_assigned)


def in_tarball(look: Look) -> Iterator[Finding]:
    for sign, rule, severity, title in (
        (LOADER, "patched-loader", Severity.HIGH, "It replaces how Node loads modules."),
        (PLATFORM, "patched-global", Severity.MEDIUM, "It replaces functions of the platform."),
    ):
        uses = [use for use in sign.uses(look) if not is_for_tests(use)]
        if uses:
            yield as_one(
                uses,
                rule=rule,
                severity=weight(look, sign, severity),
                title=title,
                why="All code in the process goes through what it puts there: it can read and "
                "change whatever others load, send or receive.",
                what_to_check="See whether the original is called with what it was given, and its "
                "answer given on unchanged.",
            )
