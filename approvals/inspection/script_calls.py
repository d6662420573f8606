"""What a command leads to: other scripts of the same package.json, and files of the package.

A script that runs on installation may say `npm run setup` or `make` for years. What runs then
stands elsewhere, and that is where it changes.
"""

import re
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import islice
from posixpath import basename, dirname, join, normpath, splitext
from typing import Any

_WORD = re.compile(r"[^\s\"'`;&|<>()=,\[\]{}]{1,500}")
_RUNNERS = re.compile(
    r"\b(npm|npx|yarn|yarnpkg|pnpm|pnpx|bun|bunx|npm-run-all2?|run-[sp]|nr|concurrently|wireit|"
    r"corepack|npm_execpath|lerna|nx|turbo)\b|--run\b",
    re.IGNORECASE,
)
_BY_THEMSELVES = {
    "make": ("makefile", "gnumakefile"),
    "gmake": ("makefile", "gnumakefile"),
    "nmake": ("makefile",),
    "mingw32-make": ("makefile", "gnumakefile"),
    "cmake": ("cmakelists.txt",),
    "cmake-js": ("cmakelists.txt",),
    "node-gyp": ("binding.gyp",),
    "node-pre-gyp": ("binding.gyp",),
    "node-gyp-build": ("binding.gyp",),
    "prebuild-install": ("binding.gyp",),
    "grunt": ("gruntfile.js", "gruntfile.cjs", "gruntfile.ts"),
    "gulp": ("gulpfile.js", "gulpfile.cjs", "gulpfile.mjs", "gulpfile.ts"),
    "jake": ("jakefile", "jakefile.js"),
    "rake": ("rakefile",),
    "just": ("justfile", ".justfile"),
    "task": ("taskfile.yml", "taskfile.yaml"),
    "waf": ("wscript",),
    "node-waf": ("wscript",),
    "scons": ("sconstruct",),
    "ninja": ("build.ninja",),
    "cargo": ("build.rs",),
    "ant": ("build.xml",),
    "gradle": ("build.gradle",),
    "lerna": ("lerna.json",),
    "husky": (".huskyrc", ".huskyrc.js"),
}
"""Programs, and the files that they look for without being told."""
_IMPLIED = frozenset(name for names in _BY_THEMSELVES.values() for name in names)
_RECIPES = frozenset({".mk", ".gyp", ".gypi", ".cmake", ".ninja", ".sh", ".bash", ".bat", ".cmd"})
_ENDINGS = ("", ".js", ".cjs", ".mjs", ".json", ".ts", ".sh", "/index.js")
_LONGEST = 20_000
_LARGEST = 256 * 1024
_MOST_WORDS = 2_000
_MOST_SCRIPTS = 100
_MOST_PATTERNS = 5
_MOST_BY_PATTERN = 1_000
_MOST_FILES = 50
_BESIDE = re.compile(r"[\"'`](\.{1,2}/[^\"'`\s]{1,300})[\"'`]")


def led_to(manifest: dict[str, Any] | None, names: Iterable[str]) -> dict[str, str]:
    """The scripts of these names with their commands, and all others that they call, with what
    runs before and after those.

    Rather too many than too few: where npm or its like is called, every word that is the name of
    a script counts.
    """
    scripts = _scripts(manifest)
    found: dict[str, str] = {}
    open_ones = list(names)
    while open_ones and len(found) < _MOST_SCRIPTS:
        name = open_ones.pop(0)
        if name in found or name not in scripts:
            continue
        command = found[name] = scripts[name]
        for called in _called(command, scripts):
            open_ones += (f"pre{called}", called, f"post{called}")
    return found


def files_led_to(
    commands: Iterable[str],
    files: Iterable[str],
    content_of: Callable[[str], bytes | None],
    *,
    loaded: bool = False,
) -> list[str]:
    """The package's files that commands name or imply, and those that files of commands do; with
    those that JavaScript among them has beside it, if they are `loaded`, too."""
    paths = _Paths(files)
    found: dict[str, None] = {}
    for command in commands:
        found |= dict.fromkeys(paths.named_in(command[:_LONGEST], ""))
        found |= dict.fromkeys(paths.implied_by(command[:_LONGEST]))
    open_ones = list(found)
    while open_ones and len(found) < _MOST_FILES:
        path = open_ones.pop(0)
        content = content_of(path)
        if content is None or len(content) > _LARGEST:
            continue
        text = content.decode("utf-8", "replace")
        if is_recipe(path) or _is_shell(content):
            more = dict.fromkeys([*paths.named_in(text, dirname(path)), *paths.implied_by(text)])
        elif loaded:
            more = dict.fromkeys(paths.beside(text, dirname(path)))
        else:
            continue
        open_ones += [other for other in more if other not in found]
        found |= more
    return list(found)[:_MOST_FILES]


def is_recipe(path: str) -> bool:
    """Whether it is a file of commands and what they make, and no JavaScript."""
    name = basename(path).lower()
    ending = splitext(name)[1]
    return ending in _RECIPES or (name in _IMPLIED and ending not in (".js", ".cjs", ".mjs", ".ts"))


def _is_shell(content: bytes) -> bool:
    first = content[:200].partition(b"\n")[0]
    return first.startswith(b"#!") and b"node" not in first


def _called(command: str, scripts: dict[str, str]) -> list[str]:
    command = command[:_LONGEST]
    if not _RUNNERS.search(command):
        return []
    called: dict[str, None] = {}
    patterns = 0
    for word in _words(command):
        name = word.removeprefix("npm:")
        if name in scripts:
            called[name] = None
        elif "*" in name and patterns < _MOST_PATTERNS:
            patterns += 1
            some = islice(scripts, _MOST_BY_PATTERN)
            called |= {other: None for other in some if fnmatchcase(other, name)}
    return list(called)


class _Paths:
    """The paths of a package's files."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._all = frozenset(paths)

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in sorted(self._all):
            name = basename(path).lower()
            if name in _IMPLIED:
                found.setdefault(name, []).append(path)
        return found

    def named_in(self, text: str, folder: str) -> list[str]:
        """Those that are words of a text, from the package's folder or this one on."""
        named = []
        for word in _words(text):
            plain = word.replace("\\", "/")
            for place in dict.fromkeys((normpath(plain), normpath(join(folder, plain)))):
                named += self._at(place)
        return [path for path in named if path != "package.json"]

    def implied_by(self, text: str) -> list[str]:
        """Those that programs named in a text look for, in any folder: it may be `make -C deps`."""
        programs = {basename(word).lower().removesuffix(".exe") for word in _words(text)}
        wanted = implied_names(programs)
        return [path for name in sorted(wanted) for path in self._by_name.get(name, ())]

    def beside(self, text: str, folder: str) -> list[str]:
        """Those that code in this folder names as its neighbours."""
        places = (normpath(join(folder, found[1])) for found in _BESIDE.finditer(text))
        return [path for place in places for path in self._at(place)]

    def _at(self, place: str) -> list[str]:
        return [place + ending for ending in _ENDINGS if place + ending in self._all][:1]


def implied_names(programs: Iterable[str]) -> frozenset[str]:
    """The names of files, in small letters, that these programs look for by themselves."""
    return frozenset(name for program in programs for name in _BY_THEMSELVES.get(program, ()))


def _words(text: str) -> list[str]:
    return _WORD.findall(text)[:_MOST_WORDS]


def _scripts(manifest: dict[str, Any] | None) -> dict[str, str]:
    scripts = (manifest or {}).get("scripts")
    if not isinstance(scripts, dict):
        return {}
    return {name: text for name, text in scripts.items() if isinstance(text, str) and text}
