"""What a package.json asks npm to install beside the package itself."""

from dataclasses import dataclass
from typing import Any

FIELDS = ("dependencies", "optionalDependencies", "peerDependencies")
"""Of a published package, npm installs these; devDependencies only in its own folder."""
_DEEPEST_OVERRIDE = 5
_MOST_OVERRIDES = 5_000


@dataclass(frozen=True, order=True)
class Asked:
    """One thing that is asked for: `field` is where, `name` under which name, `spec` what."""

    field: str
    name: str
    spec: str
    is_optional_peer: bool = False


def asked_in(manifest: dict[str, Any] | None) -> list[Asked]:
    """Every dependency that npm may install, in the order of the fields and of the text."""
    manifest = manifest or {}
    found = []
    optional_peers = _dict(manifest.get("peerDependenciesMeta"))
    optional = _dict(manifest.get("optionalDependencies"))
    for field in FIELDS:
        for name, spec in _dict(manifest.get(field)).items():
            if not isinstance(spec, str) or (field == "dependencies" and name in optional):
                continue
            is_optional = (
                field == "peerDependencies"
                and _dict(optional_peers.get(name)).get("optional") is True
            )
            found.append(Asked(field, name, spec, is_optional))
    return found


def overrides_in(manifest: dict[str, Any] | None) -> list[Asked]:
    """What `overrides` puts in the place of dependencies."""
    found: list[Asked] = []
    _overrides(_dict((manifest or {}).get("overrides")), found, 0)
    return found


def names_in(manifest: dict[str, Any] | None) -> set[str]:
    """Every name that any field of dependencies has, those for developers included."""
    manifest = manifest or {}
    return {name for field in (*FIELDS, "devDependencies") for name in _dict(manifest.get(field))}


def new_in(old: dict[str, Any] | None, new: dict[str, Any] | None) -> list[Asked]:
    """What npm installs for the new package.json and did not for the old one, by name."""
    before = {one.name for one in asked_in(old) if not one.is_optional_peer}
    found: dict[str, Asked] = {}
    for one in asked_in(new):
        if one.name not in before and not one.is_optional_peer:
            found.setdefault(one.name, one)
    return list(found.values())


def _overrides(value: dict[str, Any], found: list[Asked], depth: int) -> None:
    for name, spec in value.items():
        if len(found) >= _MOST_OVERRIDES:
            return
        if isinstance(spec, str):
            found.append(Asked("overrides", name, spec))
        elif isinstance(spec, dict) and depth < _DEEPEST_OVERRIDE:
            _overrides(spec, found, depth + 1)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
