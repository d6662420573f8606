"""Changed files as a tree of folders, and as a list that is narrowed by path, status and kind."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Count, Max, Min, Q, QuerySet, Sum, Value
from django.db.models.functions import Left, StrIndex, Substr

from approvals.inspection.models import FileChange
from approvals.inspection.unchanged import unchanged_files
from approvals.inspection.viewed import with_viewed
from approvals.web.patterns import like_of, matches_glob

COLUMNS = (
    "position",
    "path",
    "old_path",
    "status",
    "similarity",
    "old_size",
    "new_size",
    "old_mode",
    "new_mode",
    "added_lines",
    "removed_lines",
    "is_binary",
    "kind",
    "is_vendored",
    "problems",
    "viewed",
)
UNCHANGED = "unchanged"
VENDORED = "vendored"

MOST_LEVELS_AT_ONCE = 12


@dataclass(slots=True)
class Folder:
    """A folder with what changed below it. `path` ends with a slash, and is empty at the top.

    `name` is what to show: several levels at once where each holds nothing but the next.
    """

    name: str
    path: str
    folders: dict[str, Folder] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0
    added_lines: int = 0
    removed_lines: int = 0
    problems: int = 0
    viewed: int = 0

    def entries(self) -> list[Entry]:
        """Folders and files in the order of their paths, in which readers go through them."""
        return in_order(self.folders.values(), self.files)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the tree: a folder or a file."""

    folder: Folder | None = None
    file: dict[str, Any] | None = None

    @property
    def path(self) -> str:
        return self.folder.path if self.folder else (self.file or {})["path"]


def in_order(folders: Iterable[Folder], files: Iterable[dict[str, Any]]) -> list[Entry]:
    """Folders and files by path."""
    entries = [*(Entry(folder=one) for one in folders), *(Entry(file=one) for one in files)]
    return sorted(entries, key=lambda entry: entry.path)


def changes_under(
    inspection_id: int, user: AbstractBaseUser, under: str = ""
) -> QuerySet[FileChange]:
    """The changed files below a folder, in the order of their paths, each with `viewed`."""
    rows = FileChange.objects.filter(inspection_id=inspection_id).order_by("position")
    rows = with_viewed(rows, user)
    if under:
        # Not path__startswith, for which SQLite takes a capital and a small letter for the same.
        rows = rows.alias(start=Left("path", len(under))).filter(start=under)
    return rows


def listed(changes: QuerySet[FileChange]) -> QuerySet[FileChange, dict[str, Any]]:
    """They as dicts of COLUMNS, without reading any diff."""
    found: QuerySet[FileChange, dict[str, Any]] = changes.values(*COLUMNS)
    return found


def narrowed(
    changes: QuerySet[FileChange], *, path: str = "", status: str = "", kind: str = ""
) -> QuerySet[FileChange]:
    """Those whose path holds `path` (or matches it, where it has a * or ?), of this status and
    kind; the kind VENDORED stands for other people's code of any kind.
    """
    if "*" in path or "?" in path:
        changes = changes.filter(path__like=like_of(path))
    elif path:
        changes = changes.filter(path__icontains=path)
    if status:
        changes = changes.filter(status=status)
    if kind == VENDORED:
        changes = changes.filter(is_vendored=True)
    elif kind:
        changes = changes.filter(kind=kind)
    return changes


def unchanged_rows(inspection_id: int, under: str = "") -> list[dict[str, Any]]:
    """The files that are the same on both sides, as dicts of COLUMNS."""
    return [
        dict.fromkeys(COLUMNS)
        | {
            "path": file.path,
            "old_path": "",
            "status": UNCHANGED,
            "old_size": file.size,
            "new_size": file.size,
            "kind": file.kind,
            "problems": [],
        }
        for file in unchanged_files(inspection_id, under)
    ]


def holding(rows: list[dict[str, Any]], *, path: str, kind: str) -> list[dict[str, Any]]:
    """As `narrowed`, for rows that are in memory."""
    if "*" in path or "?" in path:
        # The same as the database's LIKE: no regard to case, and only * and ? are special.
        rows = [row for row in rows if matches_glob(row["path"], path)]
    elif path:
        rows = [row for row in rows if path.casefold() in row["path"].casefold()]
    return [row for row in rows if row["kind"] == kind] if kind else rows


def directly_in(changes: QuerySet[FileChange], under: str) -> QuerySet[FileChange, dict[str, Any]]:
    """Those that lie in the folder `under` itself, as dicts of COLUMNS and their `name`."""
    below, slash = _below(under)
    found: QuerySet[FileChange, dict[str, Any]] = (
        changes.alias(slash=slash).filter(slash=0).values(*COLUMNS, name=below)
    )
    return found


def folders_in(changes: QuerySet[FileChange], under: str, most: int) -> list[Folder]:
    """The first `most` folders in `under` by name, with what changed below each but no files.

    The database counts: there may be tens of thousands of files.
    """
    below, slash = _below(under)
    groups = list(
        changes.order_by()
        .alias(slash=slash)
        .filter(slash__gt=0)
        .values(folder=Substr(below, 1, slash))
        .annotate(
            number=Count("pk"),
            added=Sum("added_lines"),
            removed=Sum("removed_lines"),
            with_problems=Count("pk", filter=~Q(problems=[])),
            viewed_files=Count("pk", filter=Q(viewed=True)),
            first=Min("position"),
            last=Max("position"),
        )
        .order_by("first")[:most]
    )
    ends = [position for group in groups for position in (group["first"], group["last"])]
    paths = dict(changes.filter(position__in=ends).values_list("position", "path"))
    folders = []
    for group in groups:
        # Positions follow the paths' order: what the first and the last have in common, all have.
        path = _common_folder(paths[group["first"]], paths[group["last"]])
        folders.append(
            Folder(
                name=path.removeprefix(under),
                path=path,
                count=group["number"],
                added_lines=group["added"] or 0,
                removed_lines=group["removed"] or 0,
                problems=group["with_problems"],
                viewed=group["viewed_files"],
            )
        )
    return folders


def _below(under: str) -> tuple[Substr, StrIndex]:
    """The path below the folder, and where in it the first slash is (0: nowhere)."""
    below = Substr("path", len(under) + 1)
    return below, StrIndex(below, Value("/"))


def _common_folder(first: str, last: str) -> str:
    folders, others = first.split("/")[:-1], last.split("/")[:-1]
    common = itertools.takewhile(
        lambda pair: pair[0] == pair[1], zip(folders, others, strict=False)
    )
    return "".join(f"{name}/" for name, _ in common)


def fits_at_once(changes: QuerySet[FileChange], under: str, most: int) -> bool:
    """Whether there are few enough files, in few enough folders within one another, to show all.

    A page is made folder in folder: a package with a hundred levels must not exhaust it.
    """
    paths = list(changes.values_list("path", flat=True)[: most + 1])
    deepest = max((path.removeprefix(under).count("/") for path in paths), default=0)
    return len(paths) <= most and deepest <= MOST_LEVELS_AT_ONCE


def tree_of(rows: Iterable[dict[str, Any]], under: str = "") -> Folder:
    """The folder `under` with everything in it."""
    top = Folder(name=under, path=under)
    for row in rows:
        *names, row["name"] = row["path"].removeprefix(under).split("/")
        folder = top
        _count(folder, row)
        for name in names:
            if name not in folder.folders:
                folder.folders[name] = Folder(name + "/", f"{folder.path}{name}/")
            folder = folder.folders[name]
            _count(folder, row)
        folder.files.append(row)
    _join_chains(top)
    return top


def _count(folder: Folder, row: dict[str, Any]) -> None:
    folder.count += 1
    folder.added_lines += row["added_lines"] or 0
    folder.removed_lines += row["removed_lines"] or 0
    folder.problems += bool(row["problems"])
    folder.viewed += bool(row["viewed"])


def _join_chains(top: Folder) -> None:
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        for name, child in list(folder.folders.items()):
            joined = child
            while len(joined.folders) == 1 and not joined.files:
                (only,) = joined.folders.values()
                only.name = joined.name + only.name
                joined = only
            folder.folders[name] = joined
            waiting.append(joined)
