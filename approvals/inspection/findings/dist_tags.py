"""Versions that surprise whoever installs by a dist-tag."""

import re
from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.staging import Staging
from registry_client.versions import PLACEHOLDER_VERSION, parse_version, sort_key

GROUP = Group.IDENTITY
RULES = {
    "prerelease-as-latest": "A prerelease under the dist-tag latest",
    "lower-than-tag": "A version lower than what its dist-tag points to",
    "jump-of-majors": "A jump over more than one major version",
    "stable-on-prerelease-tag": "A stable version under a dist-tag for prereleases",
}
_PRERELEASE_TAG = re.compile(
    r"(?:^|[-_.])(?:alpha|beta|rc|canary|next|nightly|dev|preview|experimental|insiders|edge|pre)"
    r"(?:$|[-_.\d])",
    re.IGNORECASE,
)


def at_registry(staging: Staging) -> Iterator[Finding]:
    version = parse_version(staging.version)
    if version is None:
        return
    target = staging.packument.dist_tags.get(staging.tag, "") if staging.packument else ""
    points_to = parse_version(target) if target != PLACEHOLDER_VERSION else None
    if staging.tag == "latest" and version.prerelease and not (points_to and points_to.prerelease):
        yield Finding(
            "prerelease-as-latest",
            Severity.HIGH if points_to else Severity.MEDIUM,
            f"{staging.version} is a prerelease, and would be what everyone gets who names no "
            "version.",
            "Mostly somebody has forgotten to name a dist-tag. It reaches everyone who installs "
            "without a version, at once.",
            "Reject, and stage it with a dist-tag such as next; unless you mean it.",
            detail=f"latest: {target} → {staging.version}" if target else "",
        )
    if points_to is not None and version.compare(points_to) < 0:
        yield Finding(
            "lower-than-tag",
            Severity.HIGH if staging.tag == "latest" else Severity.MEDIUM,
            f"{staging.version} is lower than {target}, which the dist-tag {staging.tag} points to "
            "now.",
            "Whoever installs by this dist-tag goes back to an older line, and loses what was "
            "repaired since.",
            "Reject, and stage it with a dist-tag of its line, such as "
            f"release-{version.major}.x; unless you mean it.",
            detail=f"{staging.tag}: {target} → {staging.version}",
        )
    yield from _jump(staging)
    if not version.prerelease and _PRERELEASE_TAG.search(staging.tag):
        yield Finding(
            "stable-on-prerelease-tag",
            Severity.INFO,
            f"{staging.version} is no prerelease, and has the dist-tag {staging.tag}.",
            "Those who wait for a stable version do not get it by default.",
            "See that the dist-tag is the intended one.",
        )


def _jump(staging: Staging) -> Iterator[Finding]:
    version = parse_version(staging.version)
    published = [
        one
        for one in (staging.packument.versions if staging.packument else ())
        if one != PLACEHOLDER_VERSION and parse_version(one)
    ]
    highest = parse_version(max(published, key=sort_key, default=""))
    if version is None or highest is None or version.major <= highest.major + 1:
        return
    yield Finding(
        "jump-of-majors",
        Severity.MEDIUM,
        f"{staging.version} leaves out {version.major - highest.major - 1} major versions.",
        "A high number wins wherever the highest version is taken: attackers publish one to be "
        "preferred to a package of the same name inside a company. It may also be a typing error, "
        "and no number can be taken back.",
        "See that the number is the intended one.",
        detail=f"{highest} → {staging.version}",
    )
