"""What a reviewer should look at in how and where a version was built.

Each module in this folder is one rule, in force by being there; helpers live outside. It has one
function, `findings(case) -> Iterator[Finding]`, which is quick and asks no database; `GROUP`, and
`RULES`, as those of approvals/inspection/findings have. What it finds goes into `detail`, with
nothing hidden in it, as all of it may be shown.
"""

import pkgutil
from dataclasses import replace
from functools import cache
from importlib import import_module
from types import ModuleType

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.findings import rules_in_words
from approvals.inspection.gathering import Gathered, guarded
from approvals.provenance.case import Case

# What is to be done about them has to be done again for each tarball.
_OF_ONE_TARBALL = frozenset({Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM})


def findings_of(case: Case) -> list[Finding]:
    """Every finding, the most serious first; no more than a tarball may have."""
    found = Gathered(
        _bound_to_tarball(finding, case)
        for module in rule_modules()
        for finding in guarded(module.findings, case, module.__name__, case.stage_id)
    )
    return found.few_enough()


@cache
def rule_modules() -> tuple[ModuleType, ...]:
    """Every rule in force, in the order of their names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(import_module(f"{__name__}.{name}") for name in names)


@cache
def all_rules_in_words() -> dict[Group, dict[str, str]]:
    """Each rule's id with what it looks for, by what it is about: all rules, of tarballs, too."""
    found = {group: dict(rules) for group, rules in rules_in_words().items()}
    for module in rule_modules():
        found[module.GROUP] |= module.RULES
    return found


def _bound_to_tarball(finding: Finding, case: Case) -> Finding:
    """Who has looked at it in one tarball has not looked at it in the next, though it reads alike.

    Whom to ask and which run to read is another matter each time.
    """
    if finding.severity not in _OF_ONE_TARBALL:
        return finding
    digest = case.provenance.sha512 if case.provenance else ""
    return replace(finding, evidence=f"{case.version} {digest} {finding.evidence}").bounded()
