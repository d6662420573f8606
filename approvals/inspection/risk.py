"""Which files a reviewer must see before all others, and which are code whatever they look like."""

import re
from collections.abc import Iterator
from posixpath import basename, normpath, splitext
from typing import Any

from approvals.inspection.filetree import FileInfo
from approvals.inspection.script_calls import implied_names, led_to
from registry_client.tar_names import GITIGNORE, NPMIGNORE

# npm runs these on the machine of whoever installs the package (docs: "scripts", life cycle).
INSTALL_SCRIPTS = ("preinstall", "install", "postinstall")
MANIFEST = "package.json"
NATIVE_BUILD = "binding.gyp"

CODE_ENDINGS = frozenset(
    {
        *(".js", ".cjs", ".mjs", ".jsx", ".ts", ".cts", ".mts", ".tsx", ".vue", ".svelte"),
        *(".sh", ".bash", ".zsh", ".bat", ".cmd", ".ps1", ".py", ".rb", ".pl", ".php", ".lua"),
        *(".gyp", ".gypi", ".c", ".cc", ".cpp", ".h", ".hpp", ".mk"),
    }
)
_TEXT = CODE_ENDINGS | {
    *(".json", ".json5", ".jsonc", ".yml", ".yaml", ".toml", ".ini", ".xml", ".svg", ".html"),
    *(".htm", ".css", ".scss", ".less", ".md", ".markdown", ".txt", ".map", ".flow", ".graphql"),
}
_ENTRY_FIELDS = ("main", "module", "browser", "bin", "exports", "imports")
_WORD = re.compile(r"[^\s\"'`;&|<>()=]+")
# What Node tries where a path has no ending.
_ENDINGS = ("", ".js", ".json", ".node", "/index.js", ".cjs", ".mjs")
_MOST_NAMES = 5_000


class Risk:
    """The order of risk among a package's files, by its package.json (None if it has none)."""

    def __init__(self, manifest: dict[str, Any] | None) -> None:
        manifest = manifest or {}
        commands = led_to(manifest, INSTALL_SCRIPTS).values()
        words = [word for text in commands for word in _WORD.findall(text)]
        self._scripts = _paths(words)
        self._implied = implied_names(basename(word).lower() for word in words)
        self._entries = _paths(
            ["index.js", *_strings([manifest.get(field) for field in _ENTRY_FIELDS])]
        )

    def rank(self, info: FileInfo) -> int:
        """Lower is riskier: package.json, what runs on installation, entry points, code, others."""
        path, name = info.path, basename(info.path)
        checks = (
            path == MANIFEST,
            _is_named(path, name, self._scripts)
            or name == NATIVE_BUILD
            or name.lower() in self._implied,
            _is_named(path, name, self._entries),
            name == MANIFEST,
            _ending(path) in CODE_ENDINGS or info.shebang,
        )
        return checks.index(True) if True in checks else len(checks)

    def is_code(self, info: FileInfo) -> bool:
        """Whether it can run, by its name, its first bytes or what package.json says of it."""
        return self.rank(info) < _OTHERS

    def is_text(self, info: FileInfo) -> bool:
        """Whether it ought to be text, so that a NUL in it hides something."""
        return _ending(info.path) in _TEXT or (self.is_code(info) and not _is_native(info.path))


_OTHERS = 5


def install_scripts(manifest: dict[str, Any] | None) -> dict[str, str]:
    """The commands of a parsed package.json that npm runs on installation, by name."""
    scripts = (manifest or {}).get("scripts")
    if not isinstance(scripts, dict):
        return {}
    return {
        name: scripts[name]
        for name in INSTALL_SCRIPTS
        if scripts.get(name) and isinstance(scripts[name], str)
    }


def _is_named(path: str, name: str, paths: frozenset[str]) -> bool:
    if path in paths:
        return True
    # Tools other than npm leave its name as it is in the tarball.
    return name == NPMIGNORE and path[: -len(NPMIGNORE)] + GITIGNORE in paths


def _paths(names: Any) -> frozenset[str]:
    found: set[str] = set()
    for number, name in enumerate(names):
        if number >= _MOST_NAMES:
            break
        path = normpath(name).lstrip("/")
        found.update(path + ending for ending in _ENDINGS)
    return frozenset(found)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _ending(path: str) -> str:
    return splitext(path)[1].lower()


def _is_native(path: str) -> bool:
    """Compiled code, which is binary by nature."""
    return _ending(path) in (".node", ".wasm", ".exe", ".dll", ".so", ".dylib")
