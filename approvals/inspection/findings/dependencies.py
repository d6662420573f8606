"""What npm newly installs beside the package, no longer installs, or installs in other versions."""

from collections.abc import Iterator

from approvals.inspection.dependencies import Asked, asked_in
from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.json_lines import KeyLines
from approvals.inspection.risk import MANIFEST
from approvals.inspection.search.look import Look
from registry_client.versions import version_step

GROUP = Group.DEPENDENCIES
RULES = {
    "dependencies-added": "New dependencies",
    "dependencies-removed": "Dependencies that went",
    "dependency-ranges": "Dependencies in other versions than before",
}


def in_tarball(look: Look) -> Iterator[Finding]:
    if look.manifest_new is None:
        return
    before = {one.name: one for one in asked_in(look.manifest_old)}
    after = {one.name: one for one in asked_in(look.manifest_new)}
    lines = KeyLines(look.content_of(MANIFEST))
    if added := [one for name, one in after.items() if name not in before]:
        yield _added(look, added, lines)
    if look.manifest_old is None:
        return
    if removed := [one for name, one in before.items() if name not in after]:
        yield Finding(
            "dependencies-removed",
            Severity.INFO,
            _count(len(removed), "dependency went.", "dependencies went."),
            "What was done by them is now done otherwise: by the package's own code, maybe.",
            "See what took their place.",
            path=MANIFEST,
            detail=_list(removed),
        )
    changed = [one for name, one in after.items() if name in before and _differs(before[name], one)]
    if changed:
        first = changed[0]
        yield Finding(
            "dependency-ranges",
            Severity.INFO,
            _count(len(changed), "dependency comes", "dependencies come") + " in other versions.",
            "Everyone who installs this gets what the new ranges lead to.",
            "See that the change explains them.",
            path=MANIFEST,
            line=lines(first.field, first.name),
            detail=", ".join(f"{one.name} {before[one.name].spec} → {one.spec}" for one in changed),
        )


def _added(look: Look, added: list[Asked], lines: KeyLines) -> Finding:
    first = added[0]
    is_patch = not look.is_first and version_step(*_versions(look)) == "patch"
    installed = [one for one in added if one.field != "peerDependencies"]
    return Finding(
        "dependencies-added",
        Severity.INFO
        if look.is_first
        else Severity.MEDIUM
        if is_patch and installed
        else Severity.LOW,
        f"It has {_count(len(added), 'dependency', 'dependencies').lower()}."
        if look.is_first
        else _count(len(added), "dependency is", "dependencies are") + " new.",
        "Everyone who installs this installs them too, with all that they depend on. Attackers add "
        "one that carries the attack, so that the package itself looks harmless.",
        "See for each that the code uses it, who publishes it and since when.",
        path=MANIFEST,
        line=lines(first.field, first.name),
        excerpt=f'"{first.name}": "{first.spec}"' if len(added) == 1 else "",
        detail=_list(added),
    )


def _versions(look: Look) -> tuple[str, str]:
    old, new = look.manifest_old or {}, look.manifest_new or {}
    return str(old.get("version", "")), str(new.get("version", ""))


def _differs(one: Asked, other: Asked) -> bool:
    return (one.spec, one.field) != (other.spec, other.field)


def _list(found: list[Asked]) -> str:
    return ", ".join(f"{one.name} {one.spec}" for one in found)


def _count(number: int, one: str, many: str) -> str:
    return f"{'One' if number == 1 else f'{number:,}'} {one if number == 1 else many}"
