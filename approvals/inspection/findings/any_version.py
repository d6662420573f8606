"""Dependencies of which any later version is installed."""

from collections.abc import Iterator

from approvals.inspection.dependencies import asked_in
from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.json_lines import KeyLines
from approvals.inspection.risk import MANIFEST
from approvals.inspection.search.look import Look
from approvals.inspection.specs import aliased, kind_of_spec
from registry_client.ranges import parse_range

GROUP = Group.DEPENDENCIES
RULES = {"dependency-any-version": "Dependencies of which any later version is installed"}


def in_tarball(look: Look) -> Iterator[Finding]:
    before = {one.name: one.spec for one in asked_in(look.manifest_old)}
    found = [
        one
        for one in asked_in(look.manifest_new)
        # Peers are what whoever installs this has chosen already.
        if one.field != "peerDependencies"
        and before.get(one.name) != one.spec
        and _takes_any(one.spec)
    ]
    if found:
        first = found[0]
        is_bare = any(parse_range(_range(one.spec)) is None for one in found) or any(
            _range(one.spec).strip() in ("", "*", "x") for one in found
        )
        yield Finding(
            "dependency-any-version",
            Severity.MEDIUM if is_bare and not look.is_first else Severity.LOW,
            f"Any later version of {first.name} is installed, whatever it will be."
            if len(found) == 1
            else f"Any later version of {len(found)} dependencies is installed.",
            "Whoever takes over such a package reaches everyone who installs this at once, and a "
            "version that breaks it does too.",
            "Ask for a range that ends before the next major version.",
            path=MANIFEST,
            line=KeyLines(look.content_of(MANIFEST))(first.field, first.name),
            excerpt=f'"{first.name}": "{first.spec}"',
            detail=", ".join(f"{one.name} {one.spec or '(empty)'}" for one in found[1:]),
        )


def _takes_any(spec: str) -> bool:
    if kind_of_spec(spec) not in ("registry", "alias"):
        return False
    wanted = parse_range(_range(spec))
    return wanted is None or wanted.has_no_end


def _range(spec: str) -> str:
    return aliased(spec)[1] if kind_of_spec(spec) == "alias" else spec
