"""Files that package.json names, and that are not in the tarball: what is installed breaks."""

from collections.abc import Iterator
from posixpath import normpath
from typing import Any

from approvals.inspection.filetree import FileTree
from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.json_lines import KeyLines
from approvals.inspection.risk import MANIFEST
from approvals.inspection.search.look import Look

GROUP = Group.CONTENT
RULES = {"missing-entry-points": "Entry points that are not in the tarball"}
_TRIED = ("", ".js", ".json", ".node", "/index.js", "/index.json", "/index.node", "/package.json")
_TYPES_TRIED = ("", ".d.ts", ".ts", ".tsx", "/index.d.ts", ".d.mts", ".d.cts")
_RUN = frozenset({"import", "require", "default", "node", "browser", "module", "module-sync", "."})
_MOST = 3_000
_MOST_NAMES = 12
_MOST_PATTERNS = 100
_DEEPEST = 20


def in_tarball(look: Look) -> Iterator[Finding]:
    if look.manifest_new is None:
        return
    before = {path for _, path in _missing(look.manifest_old, look.old)}
    serious: list[str] = []
    others: list[str] = []
    known: list[str] = []
    for field, path in _missing(look.manifest_new, look.new):
        words = f"{field}: {path}"
        if path in before:
            known.append(words)
        elif _breaks(look, field):
            serious.append(words)
        else:
            others.append(words)
    if serious:
        yield _finding(
            look,
            Severity.HIGH,
            "Files that package.json names as its code are not in the tarball.",
            serious,
            is_new=True,
        )
    if others:
        yield _finding(
            look,
            Severity.LOW,
            "Files that package.json names are not in the tarball.",
            others,
            is_new=True,
        )
    if known:
        yield _finding(
            look,
            Severity.INFO,
            "Files that package.json names are not in the tarball, as in the baseline.",
            known,
            is_new=False,
        )


def _finding(
    look: Look, severity: Severity, title: str, names: list[str], *, is_new: bool
) -> Finding:
    names = list(dict.fromkeys(names))
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return Finding(
        "missing-entry-points",
        severity,
        title,
        "Whoever installs this cannot load them. Most often a build failed, or was not run, before "
        "the package was packed.",
        "Do not approve it before the build has been run again, unless these are not used.",
        path=MANIFEST,
        line=KeyLines(look.content_of(MANIFEST))(*names[0].partition(":")[0].split(" ")),
        detail=", ".join(names[:_MOST_NAMES]) + more,
        is_new=is_new,
        evidence=" ".join(names),
        stands_for=len(names),
    )


def _breaks(look: Look, field: str) -> bool:
    """Whether `require`, `import` or a command of the package fails for it."""
    if field == "main":
        # Node falls back on this one.
        has_exports = (look.manifest_new or {}).get("exports") is not None
        return not has_exports and "index.js" not in look.new.files
    if field.startswith("exports"):
        conditions = [word for word in field.split(" ")[1:] if not word.startswith(".")]
        return all(word in _RUN for word in conditions)
    return field.startswith("bin")


def _missing(manifest: dict[str, Any] | None, tree: FileTree | None) -> list[tuple[str, str]]:
    if manifest is None or tree is None:
        return []
    found = []
    patterns = 0
    for number, (field, path) in enumerate(_named(manifest)):
        if number >= _MOST:
            break
        if "*" in path:
            patterns += 1
            if patterns > _MOST_PATTERNS:
                continue
        if not _is_there(field, path, tree):
            found.append((field, path))
    return found


def _named(manifest: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for field in ("main", "module", "types", "typings", "browser"):
        if isinstance(manifest.get(field), str) and manifest[field]:
            yield field, manifest[field]
    commands = manifest.get("bin")
    if isinstance(commands, str):
        yield "bin", commands
    elif isinstance(commands, dict):
        yield from (
            (f"bin {name}", path) for name, path in commands.items() if isinstance(path, str)
        )
    yield from _exported("exports", manifest.get("exports"), 0)


def _exported(field: str, value: Any, depth: int) -> Iterator[tuple[str, str]]:
    if depth > _DEEPEST:
        return
    if isinstance(value, str):
        if value.startswith("./"):
            yield field, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _exported(f"{field} {key}", item, depth + 1)
    elif isinstance(value, list) and value:
        # The first that is valid counts; others are for older programs.
        yield from _exported(field, value[0], depth + 1)


def _is_there(field: str, path: str, tree: FileTree) -> bool:
    plain = normpath(path.removeprefix("./") or ".").removeprefix("/")
    if plain.startswith(".."):
        return True
    if "*" in plain:
        start, _, end = plain.partition("*")
        end = end.rpartition("*")[2]
        return any(name.startswith(start) and name.endswith(end) for name in tree.files)
    tried: tuple[str, ...] = _TRIED
    if field in ("types", "typings"):
        tried = _TYPES_TRIED
        plain = plain.removesuffix(".js") if f"{plain}" not in tree.files else plain
    elif field.startswith("exports"):
        tried = ("",)
    if path.endswith("/") and field.startswith("exports"):
        return any(name.startswith(f"{plain}/") for name in tree.files)
    if plain == ".":
        return "index.js" in tree.files or "index.d.ts" in tree.files
    return any(plain + ending in tree.files for ending in tried)
