"""Reading a packument as it streams in, keeping only what is needed of it.

A packument can have 50 MB and more, because every version carries its whole package.json. Parsed
event by event, it costs a few hundred bytes a version.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import ijson

from registry_client.addresses import MAX_URL
from registry_client.errors import NotARegistry, TooLarge, clean_words
from registry_client.versions import MAX_VERSION_LENGTH, Packument, PublishedVersion

MAX_BYTES = 200 * 1024 * 1024
"""Of a whole packument; the largest public ones have about 100 MB."""
MAX_VALUE = 16 * 1024 * 1024
"""Bytes of one string or number; the largest real ones are READMEs."""
MAX_ENTRIES = 50_000
"""Versions, dist-tags, times or maintainers."""
MAX_DEPTH = 1000
MAX_FIELD = 1024
MAX_COMMAND = 300
"""Characters kept of an install script's command."""
INSTALL_SCRIPTS = ("preinstall", "install", "postinstall")

_Wanted: TypeAlias = dict[str, "_Wanted"]

_ANY = "*"
_ELEMENT = "[]"
_WANTED: _Wanted = {
    "name": {},
    "dist-tags": {_ANY: {}},
    "time": {_ANY: {}},
    "maintainers": {_ELEMENT: {"name": {}}},
    "versions": {
        _ANY: {
            "deprecated": {},
            "_npmUser": {"name": {}},
            "gypfile": {},
            "hasInstallScript": {},
            "scripts": {"preinstall": {}, "install": {}, "postinstall": {}},
            "dist": {
                "shasum": {},
                "integrity": {},
                "tarball": {},
                "attestations": {"url": {}},
            },
        }
    },
}


class Source(Protocol):
    """What can be read: at most `size` bytes at a time, b"" at the end."""

    def read(self, size: int, /) -> bytes:
        """The next bytes."""


def read_packument(source: Source, name: str) -> Packument:
    """The packument of `name` from its JSON text.

    Raises NotARegistry (no packument, or another package's) and TooLarge.
    """
    bounded = _Bounded(source)
    found = _Found()
    try:
        _walk(bounded, found)
    except (ijson.JSONError, ValueError):
        # ValueError comes from numbers with thousands of digits.
        raise NotARegistry(
            f"The registry's description of {name} is not valid JSON. Is it an npm registry?"
        ) from None
    if found.name != name:
        raise NotARegistry(f"The registry does not answer with a description of {name}.")
    return Packument(
        name=name,
        versions={v: _published(v, facts) for v, facts in found.versions.items()},
        dist_tags=found.dist_tags,
        time=found.time,
        maintainers=found.maintainers,
    )


class _Bounded:
    """A source that stops a parser which reads on and on without reaching the end of a value."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.since_event = 0

    def read(self, size: int) -> bytes:
        self.since_event += size
        if self.since_event > MAX_VALUE:
            raise TooLarge(
                f"A value in the registry's answer is larger than {MAX_VALUE:,} bytes.",
                limit=MAX_VALUE,
            )
        return self._source.read(size)


@dataclass
class _Found:
    """What has been read so far. `versions` maps each to its facts, by their dotted path."""

    name: str = ""
    dist_tags: dict[str, str] = field(default_factory=dict)
    time: dict[str, str] = field(default_factory=dict)
    maintainers: list[str] = field(default_factory=list)
    versions: dict[str, dict[str, object]] = field(default_factory=dict)

    def begin(self, path: tuple[str, ...]) -> None:
        """An object begins."""
        match path:
            case ("versions", version) if _is_key(version):
                # Programs differ in which of two such entries they believe.
                if version in self.versions:
                    raise NotARegistry("The registry describes one version twice.")
                self._count(self.versions)
                self.versions[version] = {}

    def add(self, path: tuple[str, ...], value: object) -> None:
        """A string, number, boolean or null was read."""
        match path:
            case ("versions", version, *inner):
                if version in self.versions:
                    self.versions[version][".".join(inner)] = value
            case ("name",) if isinstance(value, str):
                self.name = value
            case ("dist-tags", tag) if isinstance(value, str) and _is_key(tag) and _is_key(value):
                self._count(self.dist_tags)
                self.dist_tags[tag] = value
            case ("time", version) if isinstance(value, str) and _is_key(version):
                self._count(self.time)
                self.time[version] = _text(value)
            case ("maintainers", *_) if isinstance(value, str):
                self._count(self.maintainers)
                self.maintainers.append(_text(value))

    @staticmethod
    def _count(entries: dict[str, Any] | list[str]) -> None:
        if len(entries) >= MAX_ENTRIES:
            raise TooLarge(f"The registry's answer has more than {MAX_ENTRIES:,} entries.")


def _walk(source: _Bounded, found: _Found) -> None:
    """Feeds the wanted values to `found`; everything else is passed over."""
    levels: list[tuple[_Wanted, str, _Wanted | None]] = []
    wanted: _Wanted = {}  # what is wanted inside the object or array that is open
    key = ""
    child: _Wanted | None = _WANTED  # what is wanted of the value to come; None if it is not
    skipping = 0  # levels below the first unwanted object or array
    for event, value in ijson.basic_parse(source, buf_size=64 * 1024, use_float=True):
        source.since_event = 0
        if event == "map_key":
            if not skipping:
                key = value
                child = wanted.get(key, wanted.get(_ANY))
        elif event in ("start_map", "start_array"):
            if skipping or child is None:
                skipping += 1
                if skipping > MAX_DEPTH:
                    raise NotARegistry("The registry's answer is nested too deeply.")
                continue
            levels.append((wanted, key, child))
            wanted = child
            if event == "start_map":
                found.begin(tuple(level[1] for level in levels[1:]))
            key, child = _ELEMENT, wanted.get(_ELEMENT)
        elif event in ("end_map", "end_array"):
            if skipping:
                skipping -= 1
            else:
                wanted, key, child = levels.pop()
        elif not skipping and child is not None and levels:
            found.add((*(level[1] for level in levels[1:]), key), value)


def _is_key(text: str) -> bool:
    return 0 < len(text) <= MAX_VERSION_LENGTH and text.isprintable()


def _text(value: object, limit: int = MAX_FIELD) -> str:
    return clean_words(value, limit) if isinstance(value, str) else ""


def _published(version: str, facts: dict[str, object]) -> PublishedVersion:
    deprecated = facts.get("deprecated")
    return PublishedVersion(
        version=version,
        shasum=_text(facts.get("dist.shasum")).lower(),
        integrity=_text(facts.get("dist.integrity")),
        tarball=_text(facts.get("dist.tarball"), MAX_URL),
        # Some old versions have `true` for a message, and `false` or "" for none.
        deprecated="deprecated" if deprecated is True else _text(deprecated),
        attestations_url=_text(facts.get("dist.attestations.url"), MAX_URL) or None,
        npm_user=_text(facts.get("_npmUser.name") or facts.get("_npmUser")),
        install_scripts=_install_scripts(facts),
    )


def _install_scripts(facts: dict[str, object]) -> tuple[tuple[str, str], ...]:
    """What npm runs on installation, as far as the registry says."""
    scripts = [
        (name, _text(command, MAX_COMMAND))
        for name in INSTALL_SCRIPTS
        if (command := facts.get(f"scripts.{name}")) and isinstance(command, str)
    ]
    if facts.get("gypfile") is True and not any(name != "postinstall" for name, _ in scripts):
        scripts.append(("install", "node-gyp rebuild"))
    elif facts.get("hasInstallScript") is True and not scripts:
        scripts.append(("install", ""))
    return tuple(scripts)
