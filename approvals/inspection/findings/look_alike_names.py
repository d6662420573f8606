"""New dependencies whose names may be taken for those of others."""

from collections.abc import Iterator

from approvals.inspection.dependencies import Asked, names_in, new_in
from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.json_lines import KeyLines
from approvals.inspection.risk import MANIFEST
from approvals.inspection.search.look import Look
from approvals.inspection.similar_names import MOST_NAMES, Names, popular_names
from approvals.inspection.specs import aliased, kind_of_spec

GROUP = Group.DEPENDENCIES
RULES = {
    "dependency-look-alike": "New dependencies whose names may be taken for those of others",
    "dependency-names-unread": "More dependencies than there are names compared",
}
LIMITS = ("dependency-names-unread",)


def in_tarball(look: Look) -> Iterator[Finding]:
    added = new_in(look.manifest_old, look.manifest_new)
    if not added:
        return
    lines = KeyLines(look.content_of(MANIFEST))
    before = names_in(look.manifest_old)
    used = Names(before)
    if max(len(added), len(before)) > MOST_NAMES:
        yield Finding(
            "dependency-names-unread",
            Severity.MEDIUM,
            "There are so many dependencies that not all of their names were compared.",
            "No honest package has as many. One that attacks may be hidden among them.",
            "See what they are for.",
            path=MANIFEST,
            line=lines(added[0].field),
            detail=f"{len(before):,} before, {len(added):,} new",
        )
    for one in added[:MOST_NAMES]:
        name = _installed(one)
        if name in popular_names().names or name in used.names:
            continue
        if like := popular_names().like(name):
            yield _finding(one, name, like, "a well-known package", lines, look)
        elif like := used.like(name):
            yield _finding(one, name, like, "a dependency that was there before", lines, look)


def _installed(one: Asked) -> str:
    """The name of the package that npm installs for it."""
    return aliased(one.spec)[0] if kind_of_spec(one.spec) == "alias" else one.name


def _finding(  # noqa: PLR0917 - all that is said
    one: Asked, name: str, like: tuple[str, str], what: str, lines: KeyLines, look: Look
) -> Finding:
    other, difference = like
    new = "" if look.is_first else "new "
    return Finding(
        "dependency-look-alike",
        Severity.HIGH,
        f"The {new}dependency {name} is called almost like {other}, {what}.",
        "Attackers publish packages under names that people mistype, or that a program that writes "
        "code makes up, and wait.",
        f"See whether {other} is meant. If {name} is, look at who publishes it and since when.",
        path=MANIFEST,
        line=lines(one.field, one.name),
        excerpt=f'"{one.name}": "{one.spec}"',
        detail=f"{name} and {other}: {difference}",
    )
