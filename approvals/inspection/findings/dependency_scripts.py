"""Install scripts of new direct dependencies."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.risk import MANIFEST
from approvals.inspection.staging import Staging

GROUP = Group.INSTALLATION
RULES = {"dependency-install-script": "Install scripts of new dependencies"}
_YOUNG_DAYS = 30


def at_registry(staging: Staging) -> Iterator[Finding]:
    for one in staging.new_dependencies:
        if not one.install_scripts:
            continue
        days = staging.days_before(one.first_published_at)
        is_young = days is not None and days <= _YOUNG_DAYS
        commands = "; ".join(
            f"{name}: {command}" if command else name
            for name, command in one.install_scripts.items()
        )
        yield Finding(
            "dependency-install-script",
            Severity.HIGH if is_young else Severity.MEDIUM,
            f"The new dependency {one.name} runs code on installation"
            f"{', and was first published days ago' if is_young else ''}.",
            "Whoever installs this package runs that code too, with their rights.",
            "See what it does and whether this package needs it. npm's allow-scripts has to list "
            "it where scripts are not run by default.",
            path=MANIFEST,
            excerpt=f'"{one.name}": "{one.spec}"',
            detail=f"{one.version}: {commands}",
        )
