"""How the replica of an attack is written down, and how its tarballs are made.

`<<<rule-id>>>` in a file's text marks the line that a finding of this rule must point to; two ids
in one mark are both expected. Marks are taken out before the tarball is made, so that nothing in it
tells a rule where to look.
"""

import json
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.findings import attacks
from tests.registry_client.tarballs import member, write

Files = Mapping[str, str | bytes]

_MARK = re.compile(r"<<<([a-z -]*)>>>")
_LICENSE = "MIT License\n\nPermission is hereby granted, free of charge, to any person …\n"


@dataclass(frozen=True)
class Expected:
    """A finding that there must be, at high or critical. Line None: what has no lines."""

    rule: str
    path: str
    line: int | None = None


@dataclass(frozen=True)
class Attack:
    """The baseline (None: there is none), the next release as it would have been without the
    payload, and with it.

    `after` has one release for each manner in which the payload is written, by the manner's name.
    `seen` is what no mark can say, as in a binary file. What the registry alone knows is in
    `staged`: the fields of a Staging that differ from the ordinary, and `seen_at_registry`: the
    rules that must speak of it.
    """

    before: Files | None
    unharmed: Files
    after: Mapping[str, Files]
    seen: tuple[Expected, ...] = ()
    staged: Mapping[str, Any] = field(default_factory=dict)
    seen_at_registry: tuple[str, ...] = ()

    def expected(self, manner: str) -> list[Expected]:
        """Every finding that there must be in the tarball."""
        return [*_marked(self.after[manner]), *self.seen]


def all_attacks() -> dict[str, Attack]:
    """Every replica by its module's name."""
    names = sorted(module.name for module in pkgutil.iter_modules(attacks.__path__))
    return {name: import_module(f"{attacks.__name__}.{name}").ATTACK for name in names}


def tarball(folder: Path, name: str, files: Files) -> Path:
    """A tarball as npm packs it, without the marks."""
    members = (member(f"package/{path}", _plain(text)) for path, text in files.items())
    return write(folder, *members, name=f"{name}.tgz")


def release(
    name: str,
    version: str,
    files: Files,
    *,
    readme: str = "Small, tested and without surprises.",
    **manifest: Any,
) -> dict[str, str | bytes]:
    """The files of a package as it usually looks: package.json, README and license beside these."""
    described = {
        "name": name,
        "version": version,
        "description": readme,
        "license": "MIT",
        "repository": {"type": "git", "url": f"git+https://git.example.org/{name}.git"},
        "main": "index.js",
    } | manifest
    return {
        "package.json": json.dumps(described, indent=2, ensure_ascii=False) + "\n",
        "README.md": f"# {name}\n\n{readme}\n\nVersion {version}.\n",
        "LICENSE": _LICENSE,
        **files,
    }


def one_line(text: str) -> str:
    """The text as minifiers leave it: without line ends and indentation."""
    return "".join(line.strip() for line in text.splitlines())


def _marked(files: Files) -> Iterator[Expected]:
    for path, text in files.items():
        if isinstance(text, bytes):
            continue
        for number, line in enumerate(text.split("\n"), 1):
            for mark in _MARK.finditer(line):
                for rule in mark[1].split() or [""]:
                    yield Expected(rule, _MARK.sub("", path), number)


def _plain(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else _MARK.sub("", text).encode()
