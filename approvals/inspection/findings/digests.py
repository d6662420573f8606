"""A tarball that is not the one that the registry lists."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.staging import Staging

GROUP = Group.IDENTITY
RULES = {"digest-unlike-listing": "A tarball with another digest than the registry lists"}


def at_registry(staging: Staging) -> Iterator[Finding]:
    listed = staging.listed_shasum.lower()
    if listed and listed != staging.shasum.lower():
        yield Finding(
            "digest-unlike-listing",
            Severity.CRITICAL,
            "The tarball is not the one that the registry lists.",
            "What was inspected here is not what would go out.",
            "Do not approve. Ask whoever runs the registry, and stage it anew.",
            detail=f"Listed {listed}, downloaded {staging.shasum}",
        )
