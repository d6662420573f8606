"""What a reviewer should look at in how and where a version was built.

Each module in this folder is one rule, in force by being there; helpers live outside. It has one
function, `findings(case) -> Iterator[Finding]`, which is quick and asks no database.
"""

import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from django.db.models import TextChoices

from approvals.provenance.case import Case


class Severity(TextChoices):
    """The most serious first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


@dataclass(frozen=True)
class Finding:
    """One thing to look at. `rule` is a stable id for programs; the others are for people.

    `title` is a sentence; `evidence` is what was found, at best as "before → now"; bounded, as all
    of it may be shown, and with nothing hidden in it. `is_about_build` is False where it is about
    something else than how and where it was built: that takes no "as always" from the verdict.
    """

    rule: str
    severity: Severity
    title: str
    why: str
    what_to_check: str
    evidence: str = ""
    is_about_build: bool = True


Rule = Callable[[Case], Iterable[Finding]]
_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


def findings_of(case: Case) -> list[Finding]:
    """Every finding, the most serious first."""
    findings = [finding for rule in rules() for finding in rule(case)]
    return sorted(findings, key=lambda finding: _RANKS[finding.severity])


@cache
def rules() -> tuple[Rule, ...]:
    """Every rule in force, in the order of their modules' names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(import_module(f"{__name__}.{name}").findings for name in names)
