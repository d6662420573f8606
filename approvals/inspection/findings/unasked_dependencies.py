"""New dependencies that the registry was not asked about, or gave no usable answer."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.risk import MANIFEST
from approvals.inspection.staging import Staging

GROUP = Group.LIMITS
RULES = {"limit-dependencies": "New dependencies of which nothing is known"}


def at_registry(staging: Staging) -> Iterator[Finding]:
    unknown = [one for one in staging.new_dependencies if one.failure and not one.is_missing]
    if unknown:
        names = ", ".join(one.name for one in unknown)
        yield Finding(
            "limit-dependencies",
            Severity.LOW,
            f"The registry was not asked about {unknown[0].name}, or gave no answer."
            if len(unknown) == 1
            else f"The registry gave no answer about {len(unknown):,} new dependencies.",
            "How old they are, and whether they run code on installation, is not known.",
            "Look at them at the registry by yourself, or compare again later.",
            path=MANIFEST,
            detail=f"{names}: {unknown[0].failure}",
            stands_for=len(unknown),
        )
