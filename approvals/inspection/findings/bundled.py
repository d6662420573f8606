"""Dependencies that are shipped inside the package."""

from collections.abc import Iterator
from typing import Any

from approvals.inspection.filetree import FileTree
from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.json_lines import KeyLines
from approvals.inspection.risk import MANIFEST
from approvals.inspection.search.look import Look

GROUP = Group.DEPENDENCIES
RULES = {
    "bundled-dependency": "Dependencies that are newly shipped inside the package",
    "shipped-node-modules": "A folder node_modules that nothing declares",
}
_FOLDER = "node_modules/"
_LONGEST = 500


def in_tarball(look: Look) -> Iterator[Finding]:
    before, shipped_before = _declared(look.manifest_old), _shipped(look.old)
    after, shipped = _declared(look.manifest_new), _shipped(look.new)
    if new := sorted((after - before) | ((shipped.keys() & after) - shipped_before.keys())):
        yield Finding(
            "bundled-dependency",
            Severity.LOW if look.is_first else Severity.MEDIUM,
            f"{_named(new)}{'' if look.is_first else ' newly'} shipped inside the package.",
            "Bundled code is not what the registry has under that name: it may have been changed, "
            "no audit sees it, and nobody gets a fix before this package ships one.",
            "Compare it with the published version, and see why it has to be bundled.",
            path=shipped.get(new[0], MANIFEST),
            line=1
            if new[0] in shipped
            else KeyLines(look.content_of(MANIFEST))("bundleDependencies"),
            detail=", ".join(new)[:_LONGEST],
            evidence=_digest_of(look, new),
        )
    if odd := sorted(shipped.keys() - after - shipped_before.keys()):
        yield Finding(
            "shipped-node-modules",
            Severity.HIGH,
            f"{_named(odd)} in a folder node_modules that package.json does not declare.",
            "npm's own packing leaves this folder out unless its packages are bundled, and Node "
            "loads what is in it before what npm installs.",
            "Find out which tool put it there. Read it as new code, or leave it out.",
            path=shipped[odd[0]],
            line=1,
            detail=", ".join(odd)[:_LONGEST],
            evidence=_digest_of(look, odd),
        )


def _declared(manifest: dict[str, Any] | None) -> set[str]:
    manifest = manifest or {}
    value = manifest.get("bundleDependencies", manifest.get("bundledDependencies"))
    if value is True:
        dependencies = manifest.get("dependencies")
        value = list(dependencies) if isinstance(dependencies, dict) else []
    return {name for name in value if isinstance(name, str)} if isinstance(value, list) else set()


def _shipped(tree: FileTree | None) -> dict[str, str]:
    """Each package in the folder node_modules with one of its files, package.json at best."""
    found: dict[str, str] = {}
    for path in tree.files if tree else ():
        if not path.startswith(_FOLDER):
            continue
        parts = path.split("/", 3)
        length = 2 if parts[1].startswith("@") else 1
        if len(parts) <= length + 1:
            # A file such as .package-lock.json beside the packages.
            continue
        name = "/".join(parts[1 : 1 + length])
        if name not in found or path == f"{_FOLDER}{name}/package.json":
            found[name] = path
    return found


def _digest_of(look: Look, names: list[str]) -> str:
    return look.digest_of(path for name in names for path in look.paths_under(f"{_FOLDER}{name}/"))


def _named(names: list[str]) -> str:
    return f"{names[0]} is" if len(names) == 1 else f"{len(names):,} packages are"
