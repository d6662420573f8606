"""YARA rules that an operator keeps in a folder: read, compiled once, and known by a digest.

Each file is a namespace of its own, so that one that does not compile takes nothing from the
others. The folder is looked at anew for each comparison: what changed in it holds from then on.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import yara_x

MOST_FILES = 500
MOST_SIZE = 8 * 1024 * 1024
"""Bytes of all files together."""
_MOST_ENTRIES = 5_000
_ENDINGS = (".yar", ".yara")
_DIGEST = 12

# Path, size and time of the last change of each file, its rights included.
_Listing = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """What of the folder is not in force: where (a path, with a line behind a colon where one is
    known) and why."""

    where: str
    why: str


@dataclass(frozen=True)
class OperatorRules:
    """The rules of one state of the folder. `compiled` is None where there is none; `digest` is
    "" only where there is no folder to be read: what is not in force is part of it.
    """

    compiled: yara_x.Rules | None = None
    digest: str = ""
    broken: tuple[Broken, ...] = field(default=())


def operator_rules(name: str) -> OperatorRules:
    """What is in the folder of that name now; "" for none."""
    if not name:
        return OperatorRules()
    folder = Path(name)
    name = str(folder)
    try:
        listing, problems = _listing(folder)
    except OSError as error:
        return _known(None, hashlib.sha256(), name, [Broken(name, f"{error.strerror}.")])
    return _compiled(name, listing, problems)


def _listing(folder: Path) -> tuple[_Listing, tuple[Broken, ...]]:
    os.stat(folder)
    if not folder.is_dir():
        return (), (Broken(str(folder), "It is not a folder."),)
    os.scandir(folder).close()
    found: list[tuple[str, int, int]] = []
    problems: list[Broken] = []
    left, entries = MOST_SIZE, 0
    for path in _files(folder):
        entries += 1
        if entries > _MOST_ENTRIES or len(found) >= MOST_FILES:
            problems.append(Broken(str(folder), f"Only {len(found):,} files of it are in force."))
            break
        if path.suffix.lower() not in _ENDINGS:
            continue
        try:
            facts = path.stat()
        except OSError as error:
            problems.append(Broken(str(path), f"{error.strerror}."))
            continue
        if facts.st_size > left:
            why = f"It is left out: all files together may have {MOST_SIZE:,} bytes."
            problems.append(Broken(str(path), why))
            continue
        left -= facts.st_size
        found.append((str(path), facts.st_size, facts.st_ctime_ns))
    return tuple(found), tuple(problems)


def _files(folder: Path) -> Iterator[Path]:
    """All files under it in order, but in hidden folders."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            yield Path(parent) / name


@lru_cache(maxsize=2)
def _compiled(folder: str, listing: _Listing, problems: tuple[Broken, ...]) -> OperatorRules:
    compiler = yara_x.Compiler(includes_enabled=False)
    hasher = hashlib.sha256()
    broken = list(problems)
    for path, _, _ in listing:
        name = os.path.relpath(path, folder)
        try:
            content = Path(path).read_bytes()[:MOST_SIZE]
            source = content.decode()
        except OSError as error:
            broken.append(Broken(path, f"{error.strerror}."))
            continue
        except UnicodeDecodeError:
            broken.append(Broken(path, "It is not text in UTF-8."))
            continue
        for part in (name.encode("utf-8", "surrogateescape"), content):
            hasher.update(hashlib.sha256(part).digest())
        compiler.new_namespace(name.encode("utf-8", "replace").decode())
        known = len(compiler.errors())
        try:
            compiler.add_source(source, origin=name.encode("utf-8", "replace").decode())
        except yara_x.CompileError:
            broken += [
                Broken(f"{path}:{error.get('line', 1)}", f"{error.get('title', 'It is no YARA')}.")
                for error in compiler.errors()[known:]
            ]
    if not listing:
        broken.append(Broken(folder, f"It has no file that ends in {' or '.join(_ENDINGS)}."))
        return _known(None, hasher, folder, broken)
    return _known(compiler.build(), hasher, folder, broken)


def _known(
    compiled: yara_x.Rules | None, hasher: "hashlib._Hash", folder: str, broken: list[Broken]
) -> OperatorRules:
    for one in broken:
        # Machines may have the same rules in folders of other names.
        where = one.where.removeprefix(folder)
        hasher.update(hashlib.sha256(f"{where}: {one.why}".encode("utf-8", "replace")).digest())
    return OperatorRules(compiled, hasher.hexdigest()[:_DIGEST], tuple(broken))
