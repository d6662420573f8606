"""A package.json that names another package or version than what is staged."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.json_lines import KeyLines
from approvals.inspection.risk import MANIFEST
from approvals.inspection.search.look import Look
from approvals.inspection.staging import Staging
from registry_client.versions import parse_version

GROUP = Group.IDENTITY
RULES = {
    "named-otherwise": "A package.json with another name or version than what is staged",
    "no-name": "A package.json without a name",
    "no-version": "A package.json without a version",
    "odd-version": "A version that is not one for npm",
}
_WHY = "Tools that read the package trust what it says of itself, others what the registry lists: "
_WHY += "they would tell of different packages, and of different weaknesses."
_CHECK = "Reject, and find out where this tarball comes from."


def in_tarball(look: Look) -> Iterator[Finding]:
    after = look.manifest_new
    if after is None:
        return
    lines = KeyLines(look.content_of(MANIFEST))
    for key in ("name", "version"):
        value = after.get(key)
        if not isinstance(value, str) or not value:
            yield Finding(
                f"no-{key}",
                Severity.HIGH,
                f"package.json has no {key}.",
                _WHY,
                _CHECK,
                path=MANIFEST,
                line=lines(key),
            )
        elif key == "version" and parse_version(value) is None:
            yield Finding(
                "odd-version",
                Severity.HIGH,
                "package.json has a version that is not one for npm.",
                _WHY,
                _CHECK,
                path=MANIFEST,
                line=lines(key),
                excerpt=value,
            )
    before = (look.manifest_old or {}).get("name")
    if isinstance(before, str) and before != after.get("name"):
        yield Finding(
            "named-otherwise",
            Severity.CRITICAL,
            "package.json names another package than the baseline's does.",
            _WHY,
            _CHECK,
            path=MANIFEST,
            line=lines("name"),
            detail=f"{before} → {after.get('name')}",
        )


def at_registry(staging: Staging) -> Iterator[Finding]:
    after = staging.manifest_new
    if after is None:
        return
    name, version = after.get("name"), after.get("version")
    before = (staging.manifest_old or {}).get("name")
    # What is unlike the baseline's name as well was said of the tarball by itself.
    is_other = name != staging.package and before in (None, name)
    if is_other or version != staging.version:
        yield Finding(
            "named-otherwise",
            Severity.CRITICAL,
            f"The package.json in the tarball says {name}@{version}, but it is staged as "
            f"{staging.package}@{staging.version}.",
            _WHY,
            _CHECK,
            path=MANIFEST,
        )
