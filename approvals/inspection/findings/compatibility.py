"""Patch and minor versions after which what users have written does not work any more."""

from collections.abc import Iterator
from typing import Any

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.json_lines import KeyLines
from approvals.inspection.risk import MANIFEST
from approvals.inspection.search.look import Look
from registry_client.ranges import parse_range
from registry_client.versions import version_step

GROUP = Group.IDENTITY
RULES = {
    "exports-gone": "A patch or minor version that no longer exports what it did",
    "entry-points-gone": "A patch or minor version without an entry point that there was",
    "engines-raised": "A patch or minor version that needs a newer Node.js",
    "module-type-changed": "A patch or minor version of another module type",
}
_ENTRIES = ("main", "module", "browser", "types", "typings")
_WHY = "Users take such a version without looking, as its number promises that nothing breaks."
_CHECK = "See whether this is meant; if so, it needs a new major version."
_MOST_ENTRIES = 500
_DEEPEST = 20


def in_tarball(look: Look) -> Iterator[Finding]:
    old, new = look.manifest_old, look.manifest_new
    if old is None or new is None:
        return
    step = version_step(str(old.get("version", "")), str(new.get("version", "")))
    if step not in ("patch", "minor"):
        return
    lines = KeyLines(look.content_of(MANIFEST))
    if gone := _exports_gone(old, new):
        yield Finding(
            "exports-gone",
            Severity.MEDIUM,
            f"This {step} version no longer exports {gone[0]}"
            f"{f' and {len(gone) - 1} more' if len(gone) > 1 else ''}.",
            _WHY,
            _CHECK,
            path=MANIFEST,
            line=lines("exports"),
            detail=", ".join(gone),
        )
    if names := _entries_gone(old, new):
        yield Finding(
            "entry-points-gone",
            Severity.MEDIUM,
            f"This {step} version has no {' and no '.join(names)} any more.",
            _WHY,
            _CHECK,
            path=MANIFEST,
            detail=", ".join(f"{name}: {old[name]} → none" for name in names),
        )
    before, after = _node(old), _node(new)
    if after and _is_raised(before, after):
        yield Finding(
            "engines-raised",
            Severity.MEDIUM,
            f"This {step} version needs a newer Node.js.",
            _WHY,
            _CHECK,
            path=MANIFEST,
            line=lines("engines", "node"),
            detail=f"{before or 'any'} → {after}",
        )
    kinds = str(old.get("type", "commonjs")), str(new.get("type", "commonjs"))
    if kinds[0] != kinds[1]:
        yield Finding(
            "module-type-changed",
            Severity.MEDIUM,
            f"Files .js of this {step} version are modules of another type than before.",
            _WHY,
            _CHECK,
            path=MANIFEST,
            line=lines("type"),
            detail=" → ".join(kinds),
        )


def _exports_gone(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Subpaths, and conditions of the main one, that are exported no longer."""
    before, after = _subpaths(old), _subpaths(new)
    if before is None:
        return []
    if after is None:
        # Without exports, every file can be loaded.
        return []
    gone = [path for path in before if path not in after and not _is_covered(path, after)]
    lost = _conditions(before.get(".")) - _conditions(after.get("."))
    if "default" not in _conditions(after.get(".")) and "." in after:
        gone += [f"the condition {name}" for name in sorted(lost)]
    return gone


def _subpaths(manifest: dict[str, Any]) -> dict[str, Any] | None:
    exports = manifest.get("exports")
    if exports is None:
        return None
    if isinstance(exports, dict) and any(key.startswith(".") for key in exports):
        return {key: value for key, value in exports.items() if value is not None}
    return {".": exports}


def _is_covered(path: str, after: dict[str, Any]) -> bool:
    """Whether a pattern offers what had an entry of its own."""
    for number, key in enumerate(after):
        if number > _MOST_ENTRIES:
            return False
        start, star, end = key.partition("*")
        if star and path.startswith(start) and path.endswith(end):
            return True
    return False


def _conditions(value: Any, depth: int = 0) -> set[str]:
    """The conditions under which there is something; a plain path is there under all."""
    if isinstance(value, str):
        return {"default"} if not depth else set()
    if not isinstance(value, dict) or depth > _DEEPEST:
        return set()
    found = {key for key in value if key in ("require", "import", "default") and value[key]}
    for item in value.values():
        found |= _conditions(item, depth + 1)
    return found


def _entries_gone(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    if new.get("exports") is not None and old.get("exports") is None:
        return []
    gone = [name for name in _ENTRIES if old.get(name) and not new.get(name)]
    # Two names for one thing.
    if ("types" in gone and new.get("typings")) or ("typings" in gone and new.get("types")):
        gone = [name for name in gone if name not in ("types", "typings")]
    if new.get("exports") is not None:
        gone = [name for name in gone if name in ("main",)]
    return gone


def _node(manifest: dict[str, Any]) -> str:
    engines = manifest.get("engines")
    value = engines.get("node") if isinstance(engines, dict) else None
    return value if isinstance(value, str) else ""


def _is_raised(before: str, after: str) -> bool:
    """Whether a Node.js that fitted before fits no longer, by where the ranges begin."""
    now, was = parse_range(after), parse_range(before or "*")
    return now is not None and was is not None and now.lowest > was.lowest
