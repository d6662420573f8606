"""package.json: parsed with care, and compared by meaning."""

import json
import math
from collections.abc import Callable, Iterable
from typing import Any

from approvals.inspection.results import CompareLimits, ManifestChange
from approvals.inspection.text import clean

# Fields compared key by key, because each key is a fact of its own.
_BY_KEY = (
    "scripts",
    "dependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "optionalDependencies",
    "bundleDependencies",
    "devDependencies",
    "bin",
    "engines",
    "publishConfig",
    "exports",
    "imports",
    "overrides",
)
# What a reviewer wants to see first; all other fields follow by name.
_FIRST = (
    "name",
    "version",
    *_BY_KEY,
    "main",
    "module",
    "browser",
    "types",
    "typings",
    "type",
    "files",
    "os",
    "cpu",
    "libc",
    "license",
    "author",
    "contributors",
    "maintainers",
    "repository",
    "homepage",
    "bugs",
    "description",
    "keywords",
)
# Conditions are tried in the order in which they stand.
_ORDERED = ("exports", "imports")
_LONGEST = 20_000


class ManifestError(ValueError):
    """package.json is missing or cannot be trusted to mean one thing; the text says why."""


def parse_manifest(content: bytes | None, limits: CompareLimits) -> dict[str, Any]:
    """The parsed package.json; `content` is None if there is none. Raises ManifestError."""
    if content is None:
        raise ManifestError("The tarball has no package.json.")
    if len(content) > limits.manifest_size:
        raise ManifestError(f"package.json is too large: {len(content):,} bytes.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ManifestError("package.json is not valid UTF-8.") from error
    if _depth(text) > limits.manifest_depth:
        raise ManifestError("package.json is nested too deeply.")
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_float=_finite, parse_constant=_no_constant
        )
    except ManifestError:
        raise
    except (ValueError, RecursionError) as error:
        raise ManifestError("package.json is not valid JSON.") from error
    if not isinstance(value, dict):
        raise ManifestError("package.json is not a JSON object.")
    return value


def compare_manifests(old: dict[str, Any], new: dict[str, Any]) -> tuple[ManifestChange, ...]:
    """What differs in meaning. Order of keys, formatting and equal spellings are no change."""
    old, new = _by_meaning(old), _by_meaning(new)
    names = [*_FIRST, *sorted((old.keys() | new.keys()) - set(_FIRST))]
    return tuple(
        change for name in names for change in _changes(name, old.get(name), new.get(name))
    )


def _changes(field: str, old: Any, new: Any) -> Iterable[ManifestChange]:
    ordered = field in _ORDERED
    if field in _BY_KEY and isinstance(old or {}, dict) and isinstance(new or {}, dict):
        before, after = old or {}, new or {}
        pairs = [(key, before.get(key), after.get(key)) for key in sorted({*before, *after})]
    else:
        pairs = [("", old, new)]
    for key, was, now in pairs:
        was_text, now_text = _text(was, ordered=ordered), _text(now, ordered=ordered)
        if was_text != now_text or isinstance(was, str) != isinstance(now, str):
            yield ManifestChange(field, key, _cut(was_text), _cut(now_text))


def _text(value: Any, *, ordered: bool = False) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=not ordered)


def _cut(text: str | None) -> str | None:
    if text is None or len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]} [{len(text) - _LONGEST:,} characters left out]"


def _by_meaning(manifest: dict[str, Any]) -> dict[str, Any]:
    """The same manifest with npm's several spellings of one thing made one."""
    result = dict(manifest)
    if "bundledDependencies" in result:
        result.setdefault("bundleDependencies", result.pop("bundledDependencies"))
    if isinstance(result.get("bin"), str):
        result["bin"] = {str(result.get("name", "")).rpartition("/")[2]: result["bin"]}
    for name, spell in _SPELLINGS.items():
        if name in result:
            result[name] = spell(result[name])
    return {name: value for name, value in result.items() if value not in (None, {}, [])}


def _bin(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {command: _plain_path(path) for command, path in value.items()}


def _exports(value: Any) -> Any:
    if value == {}:
        # Node then lets nothing of the package be imported.
        return {".": {}}
    subpaths = isinstance(value, dict) and all(key.startswith(".") for key in value)
    return value if subpaths else {".": value}


def _bundled(value: Any) -> Any:
    if value is False:
        return None
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return dict.fromkeys(value, "bundled")
    return value


def _set(value: Any) -> Any:
    """A list in which the order says nothing."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return sorted(value, key=lambda item: json.dumps(item, sort_keys=True))
    return value


def _patterns(value: Any) -> Any:
    """A list of patterns: one that takes files away counts for those before it only."""
    if isinstance(value, list) and any(str(item).startswith("!") for item in value):
        return value
    return _set(value)


def _people(value: Any) -> Any:
    if isinstance(value, list):
        value = [_person_or_link(item) for item in value]
    return _set(value)


def _plain_path(value: Any) -> Any:
    return value.removeprefix("./") if isinstance(value, str) else value


def _repository(value: Any) -> Any:
    if isinstance(value, dict):
        if not isinstance(value.get("url"), str) or value.keys() - {"type", "url", "directory"}:
            return value
        folder = value.get("directory")
        url = value["url"]
    else:
        folder, url = None, value
    if not isinstance(url, str):
        return value
    url = url.removeprefix("git+").removesuffix(".git")
    if not isinstance(value, dict) and ":" not in url and url.count("/") == 1:
        url = f"https://github.com/{url}"
    elif url.startswith("github:"):
        url = f"https://github.com/{url.removeprefix('github:')}"
    return f"{url} (folder {folder})" if folder else url


def _person_or_link(value: Any) -> Any:
    """npm's short and long forms: `Name <mail> (url)`, `{"url": …}`, `{"type": "MIT", …}`."""
    if not isinstance(value, dict) or not all(isinstance(part, str) for part in value.values()):
        return value
    keys = value.keys()
    if keys == {"url"}:
        return value["url"]
    if "type" in keys and keys <= {"type", "url"}:
        return value["type"]
    if "name" in keys and keys <= {"name", "email", "url"}:
        mail = f" <{value['email']}>" if value.get("email") else ""
        link = f" ({value['url']})" if value.get("url") else ""
        return f"{value['name']}{mail}{link}"
    return value


_SPELLINGS: dict[str, Callable[[Any], Any]] = {
    "bin": _bin,
    "exports": _exports,
    "bundleDependencies": _bundled,
    **dict.fromkeys(("main", "types", "typings", "module"), _plain_path),
    **dict.fromkeys(("keywords", "os", "cpu", "libc"), _set),
    "files": _patterns,
    **dict.fromkeys(("maintainers", "contributors"), _people),
    "repository": _repository,
    **dict.fromkeys(("author", "bugs", "license"), _person_or_link),
}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for raw_key, value in pairs:
        key = clean(raw_key)
        if key in result:
            raise ManifestError(f"package.json has the key '{key[:100]}' twice.")
        result[key] = clean(value) if isinstance(value, str) else _clean_list(value)
    return result


def _clean_list(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [clean(item) if isinstance(item, str) else _clean_list(item) for item in value]


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ManifestError("package.json has a number that is too large.")
    return number


def _no_constant(name: str) -> Any:
    raise ManifestError(f"package.json has {name}, which is not JSON.")


def _depth(text: str) -> int:
    """How deeply brackets nest outside strings."""
    depth = deepest = 0
    in_string = escaped = False
    for char in text:
        if in_string:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_string = False
        elif char == '"':
            in_string = True
        elif char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
    return deepest
