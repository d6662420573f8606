"""The files that are the same on both sides, read back from how they are stored."""

import json
import zlib
from dataclasses import dataclass

from approvals.inspection.models import UnchangedFiles


@dataclass(frozen=True, slots=True)
class Unchanged:
    """One file; `size` in bytes, `kind` one of FileChange.Kind."""

    path: str
    size: int
    kind: str


def unchanged_files(inspection_id: int, under: str = "") -> list[Unchanged]:
    """Those below a folder, by path; none where an earlier engine did not write them down."""
    kept = UnchangedFiles.objects.filter(inspection_id=inspection_id).first()
    if kept is None:
        return []
    files = json.loads(zlib.decompress(kept.compressed))
    return [Unchanged(*file) for file in files if file[0].startswith(under)]


def is_unchanged(inspection_id: int, path: str) -> bool:
    """Whether this file is the same on both sides."""
    return any(file.path == path for file in unchanged_files(inspection_id, path))
