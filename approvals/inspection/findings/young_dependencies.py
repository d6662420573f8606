"""New dependencies that were published days ago, or that nobody has published."""

from collections.abc import Iterator
from datetime import datetime

from approvals.inspection.dependencies import names_in
from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.risk import MANIFEST
from approvals.inspection.similar_names import Names, popular_names
from approvals.inspection.staging import Dependency, Staging

GROUP = Group.DEPENDENCIES
RULES = {
    "dependency-young": "New dependencies that were first published days ago",
    "dependency-version-young": "New dependencies of which the installed version is days old",
    "dependency-missing": "New dependencies that the registry does not have",
    "dependency-no-version": "New dependencies of which no version fits",
}
_YOUNG_DAYS = 30
_VERY_YOUNG_DAYS = 3
_VERSION_DAYS = 2


def at_registry(staging: Staging) -> Iterator[Finding]:
    for one in staging.new_dependencies:
        if one.is_missing:
            yield _missing(staging, one)
        elif one.failure:
            continue
        elif not one.version:
            yield _no_version(one)
        else:
            yield from _young(staging, one)


def _young(staging: Staging, one: Dependency) -> Iterator[Finding]:
    days = staging.days_before(one.first_published_at)
    if days is not None and days <= _YOUNG_DAYS:
        names = Names(names_in(staging.manifest_old))
        like = popular_names().like(one.name) or names.like(one.name)
        severity = Severity.HIGH if days <= _VERY_YOUNG_DAYS else Severity.MEDIUM
        if is_own(staging, one):
            severity = Severity.LOW
        elif like:
            severity = Severity.CRITICAL
        yield Finding(
            "dependency-young",
            severity,
            f"The new dependency {one.name} was first published days before this was staged"
            f"{f', and is called almost like {like[0]}' if like else ''}.",
            "Attackers publish the package that carries the attack shortly before they use it. "
            "Nobody has had the time to find anything in it.",
            "Look into it as into code of your own, and at who publishes it. If it can wait, wait.",
            path=MANIFEST,
            excerpt=f'"{one.name}": "{one.spec}"',
            detail=f"First published on {_day(one.first_published_at)}, "
            f"staged on {_day(staging.created_at)}",
        )
        return
    days = staging.days_before(one.version_published_at)
    if days is not None and days <= _VERSION_DAYS:
        yield Finding(
            "dependency-version-young",
            Severity.LOW if is_own(staging, one) else Severity.MEDIUM,
            f"The new dependency {one.name} would be installed in a version of these days.",
            "Versions that are taken over by attackers are found and removed within days, most of "
            "them. Whoever installs them before that is reached.",
            "Look at what that version changed, or wait some days.",
            path=MANIFEST,
            excerpt=f'"{one.name}": "{one.spec}"',
            detail=f"{one.version}, published on {_day(one.version_published_at)}",
        )


def is_own(staging: Staging, one: Dependency) -> bool:
    """Whether it is of the same scope: parts of one project are published together."""
    scope = staging.package.partition("/")[0]
    return scope.startswith("@") and one.name.startswith(f"{scope}/")


def _missing(staging: Staging, one: Dependency) -> Finding:
    # What has a scope may be hidden from this token, and nobody else can take its name.
    is_free = not one.name.startswith("@")
    return Finding(
        "dependency-missing",
        Severity.HIGH if is_free else Severity.LOW if is_own(staging, one) else Severity.MEDIUM,
        f"The registry does not have the new dependency {one.name}.",
        "Nobody can install this as it is; and where the name is free, anybody may publish "
        "something under it, which everyone who installs this then gets.",
        "See whether the name is right. A package of your own has to be published first.",
        path=MANIFEST,
        excerpt=f'"{one.name}": "{one.spec}"',
    )


def _no_version(one: Dependency) -> Finding:
    return Finding(
        "dependency-no-version",
        Severity.MEDIUM,
        f"No published version of the new dependency {one.name} is what is asked for.",
        "Nobody can install this as it is. Whoever publishes such a version later decides what it "
        "holds.",
        "See whether the range is right. A package of your own has to be published first.",
        path=MANIFEST,
        excerpt=f'"{one.name}": "{one.spec}"',
    )


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else ""
