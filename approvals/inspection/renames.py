"""Pairing removed with added files: by digest first, then by similarity."""

import hashlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from posixpath import basename

import pygit2
from pygit2.enums import DeltaStatus, DiffFind, ObjectType

from approvals.inspection.filetree import FileInfo
from approvals.inspection.results import CompareLimits

_THRESHOLD = 50


@dataclass(frozen=True, slots=True)
class Rename:
    """A file that moved. `similarity` is from 50 to 100 per cent."""

    old: FileInfo
    new: FileInfo
    similarity: int


def identical_renames(removed: list[FileInfo], added: list[FileInfo]) -> list[Rename]:
    """Pairs with the same content, if possible with the same file name."""
    by_digest: dict[bytes, list[FileInfo]] = defaultdict(list)
    for info in removed:
        by_digest[info.digest].append(info)
    pairs: list[Rename] = []
    for same_name_only in (True, False):
        taken = {pair.new.path for pair in pairs}
        for new in added:
            olds = by_digest.get(new.digest)
            if not olds or new.path in taken:
                continue
            name = basename(new.path)
            old = next((old for old in olds if basename(old.path) == name), None)
            if old is None:
                if same_name_only:
                    continue
                old = olds[0]
            olds.remove(old)
            pairs.append(Rename(old, new, 100))
    return pairs


def similar_renames(
    removed: list[FileInfo],
    added: list[FileInfo],
    old_content: Callable[[FileInfo], bytes],
    new_content: Callable[[FileInfo], bytes],
) -> list[Rename]:
    """Pairs that libgit2 finds similar. Callers choose candidates with `candidates`.

    The files stand in two trees under numbers, in an object store that lives in memory only while
    this function runs: no name from a package reaches git or the disk.
    """
    if not removed or not added:
        return []
    objects = _Objects()
    store = pygit2.Odb()
    store.add_backend(objects, 1)
    repository = pygit2.Repository()
    repository.set_odb(store)
    old_tree = objects.add_tree([old_content(info) for info in removed], b"old")
    new_tree = objects.add_tree([new_content(info) for info in added], b"new")
    diff = repository.diff(str(old_tree), str(new_tree))
    diff.find_similar(
        flags=DiffFind.FIND_RENAMES | DiffFind.FIND_DONT_IGNORE_WHITESPACE,
        rename_threshold=_THRESHOLD,
        rename_limit=max(len(removed), len(added)),
    )
    return [
        Rename(
            removed[int(delta.old_file.path[3:])],
            added[int(delta.new_file.path[3:])],
            delta.similarity,
        )
        for delta in diff.deltas
        if delta.status == DeltaStatus.RENAMED
    ]


def candidates(files: list[FileInfo], limits: CompareLimits) -> tuple[list[FileInfo], int]:
    """The texts to compare for similarity, and how many more were left out because of a limit."""
    chosen: list[FileInfo] = []
    left_out = 0
    room = limits.rename_all_sizes
    for info in files:
        if info.binary or not info.size:
            continue
        fits = info.size <= min(limits.rename_size, room) and len(chosen) < limits.rename_files
        if fits:
            room -= info.size
            chosen.append(info)
        else:
            left_out += 1
    return chosen, left_out


class _Objects(pygit2.OdbBackend):
    """A git object store in a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self._objects: dict[pygit2.Oid, tuple[int, bytes]] = {}

    def add_tree(self, contents: list[bytes], prefix: bytes) -> pygit2.Oid:
        """A tree whose entries are named with the prefix and the content's number."""
        entries = [
            b"100644 %s%06d\0%s" % (prefix, number, self._add(ObjectType.BLOB, content).raw)
            for number, content in enumerate(contents)
        ]
        return self._add(ObjectType.TREE, b"".join(entries))

    def _add(self, kind: ObjectType, data: bytes) -> pygit2.Oid:
        head = b"%s %d\0" % (kind.name.lower().encode(), len(data))
        # Git's own naming of objects; nothing is trusted because of it.
        oid = pygit2.Oid(hashlib.sha1(head + data, usedforsecurity=False).digest())
        self._objects[oid] = (kind, data)
        return oid

    def exists_cb(self, oid: pygit2.Oid) -> bool:
        return oid in self._objects

    def read_cb(self, oid: pygit2.Oid) -> tuple[int, bytes]:
        return self._objects[oid]

    def read_header_cb(self, oid: pygit2.Oid) -> tuple[int, int]:
        kind, data = self._objects[oid]
        return kind, len(data)
