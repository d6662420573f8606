"""Changed files as a tree of folders, and as a list that is narrowed by path and status."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from approvals.inspection.models import FileChange
from approvals.web.listing import glob_as_regex

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
    "problems",
)


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

    def children(self) -> Iterator[Folder]:
        return (self.folders[name] for name in sorted(self.folders))


def changes_under(inspection_id: int, under: str = "") -> QuerySet[FileChange, dict[str, Any]]:
    """The changed files below a folder, as dicts of COLUMNS, without reading any diff."""
    rows = FileChange.objects.filter(inspection_id=inspection_id)
    if under:
        rows = rows.filter(path__startswith=under)
    found: QuerySet[FileChange, dict[str, Any]] = rows.order_by("position").values(*COLUMNS)
    return found


def narrowed(
    rows: QuerySet[FileChange, dict[str, Any]], path: str, status: str
) -> QuerySet[FileChange, dict[str, Any]]:
    """Those whose path holds `path` (or matches it, where it has a * or ?), of this status."""
    if "*" in path or "?" in path:
        rows = rows.filter(path__regex=glob_as_regex(path))
    elif path:
        rows = rows.filter(path__icontains=path)
    return rows.filter(status=status) if status else rows


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
