"""Dependencies that do not come from the registry under their own name."""

from collections.abc import Iterator

from approvals.inspection.dependencies import Asked, asked_in, overrides_in
from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.json_lines import KeyLines
from approvals.inspection.risk import MANIFEST
from approvals.inspection.search.look import Look
from approvals.inspection.specs import SpecKind, aliased, kind_of_spec

GROUP = Group.DEPENDENCIES
RULES = {
    "dependency-git": "Dependencies from a git repository",
    "dependency-remote": "Dependencies from an address",
    "dependency-file": "Dependencies from a tarball on the disk",
    "dependency-directory": "Dependencies from a folder on the disk",
    "dependency-alias": "Dependencies that are another package under this name",
    "dependency-unusable": "Dependencies that npm refuses to install",
}
_WORDS: dict[SpecKind, tuple[str, str, str]] = {
    "git": (
        "comes from a git repository",
        "What it holds can change after every review, nothing signs it, and npm runs its scripts "
        "for building too. npm's allow-git refuses such dependencies.",
        "Find out whose repository it is. Ask for a version from the registry instead.",
    ),
    "remote": (
        "comes from an address, not from the registry",
        "Whoever holds that address decides what everyone installs, and may give each of them "
        "something else. npm's allow-remote refuses such dependencies.",
        "Find out whose address it is. Ask for a version from the registry instead.",
    ),
    "file": (
        "comes from a tarball on the disk",
        "npm takes it out of the package, or from wherever the path leads on the machine of "
        "whoever installs this. npm's allow-file refuses such dependencies.",
        "See whether the tarball is in the package, and look into it; else it is a mistake.",
    ),
    "directory": (
        "comes from a folder on the disk",
        "It leads to whatever is there on the machine of whoever installs this, or into the "
        "package itself. npm's allow-directory refuses such dependencies.",
        "This is most often left over from a monorepo: publish with versions instead.",
    ),
    "unusable": (
        "is asked for in a way that npm refuses",
        "Everyone who installs this with npm gets an error. Workspaces' and other tools' own "
        "notations have to be replaced by versions before publishing.",
        "Reject, and publish with the tool that replaces them.",
    ),
    "alias": (
        "is another package under this name",
        "Code that loads this name gets the other package, and lists of dependencies by their "
        "names do not show it.",
        "Look at the other package as at any new dependency.",
    ),
}


def in_tarball(look: Look) -> Iterator[Finding]:
    before = {(one.field, one.name): one.spec for one in _all(look.manifest_old)}
    lines: KeyLines | None = None
    for one in _all(look.manifest_new):
        kind = kind_of_spec(one.spec)
        if kind == "registry" or (one.field == "overrides" and one.spec.startswith("$")):
            continue
        lines = lines or KeyLines(look.content_of(MANIFEST))
        was = before.get((one.field, one.name))
        yield _finding(look, one, kind, was, lines(one.field, one.name))


def _all(manifest: dict[str, object] | None) -> list[Asked]:
    return [*asked_in(manifest), *overrides_in(manifest)]


def _finding(look: Look, one: Asked, kind: SpecKind, was: str | None, line: int | None) -> Finding:
    words, why, check = _WORDS[kind]
    is_new = was != one.spec
    return Finding(
        f"dependency-{kind}",
        _severity(look, one, kind) if is_new else Severity.LOW,
        f"The dependency {one.name} {words}.",
        why,
        check,
        path=MANIFEST,
        line=line,
        excerpt=f'"{one.name}": "{one.spec}"',
        detail=f"{was} → {one.spec}" if is_new and was is not None else f"In {one.field}",
        is_new=is_new,
        evidence=one.spec,
    )


def _severity(look: Look, one: Asked, kind: SpecKind) -> Severity:
    # npm heeds overrides only where a package is the project itself.
    if one.field == "overrides":
        return Severity.LOW
    if kind == "alias" and _is_plain_alias(one):
        return Severity.LOW
    return Severity.MEDIUM if look.is_first else Severity.HIGH


def _is_plain_alias(one: Asked) -> bool:
    """Whether one name says the other, as where two versions of a package are needed."""
    target = aliased(one.spec)[0].lower()
    return target.rpartition("/")[2] in one.name.lower()
