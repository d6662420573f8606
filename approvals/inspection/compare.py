"""A staged tarball against its baseline: what differs, in bounded time and memory.

Both tarballs are read once to know every file's digest; the baseline is read a second time, only
for the files that turned out to differ and only up to the last of them. Nothing is executed, and
nothing is written to a path that a package names.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from approvals.inspection.filediff import TextDiff, diff_one_side, diff_texts
from approvals.inspection.filetree import (
    ContentStore,
    FileInfo,
    FileTree,
    Progress,
    fetch_contents,
    read_tree,
)
from approvals.inspection.installing import is_nested_manifest, problems_of_installing
from approvals.inspection.manifest import (
    ManifestError,
    compare_manifests,
    parse_manifest,
)
from approvals.inspection.renames import Rename, candidates, identical_renames, similar_renames
from approvals.inspection.results import CompareLimits, Comparison, FileChange, Status
from approvals.inspection.risk import MANIFEST, Risk
from approvals.inspection.text import display_text, is_utf8
from approvals.inspection.unseen import Unseen
from registry_client.tar_paths import Problem
from registry_client.tarball import TarballError

ENGINE = "2"

OnProgress = Callable[[str, int, int], None]


def compare_tarballs(
    staged: Path,
    baseline: Path | None,
    *,
    limits: CompareLimits | None = None,
    on_progress: OnProgress | None = None,
) -> Comparison:
    """Compare a staged tarball with its baseline (None for a first release).

    `on_progress` gets a stage ("baseline", "staged", "differences"), how much is done and how much
    there is: bytes, bytes and files. Raises TarballError if the staged tarball cannot be read
    safely and wholly; an unreadable baseline is a problem of the result instead, with everything
    counted as added.
    """
    with ContentStore() as old_store, ContentStore() as new_store:
        run = _Run(limits or CompareLimits(), old_store, new_store, on_progress or _silent)
        return run.compare(staged, baseline)


class _Run:
    """One comparison under way."""

    def __init__(
        self,
        limits: CompareLimits,
        old_store: ContentStore,
        new_store: ContentStore,
        on_progress: OnProgress,
    ) -> None:
        self.limits = limits
        self.old_store = old_store
        self.new_store = new_store
        self.on_progress = on_progress
        self.room_for_text = limits.all_diffs
        self.room_for_work = limits.all_sizes
        self.room_for_lines = limits.all_lines
        self.risk = Risk(None)
        self.unseen = Unseen(self.risk)

    def compare(self, staged: Path, baseline: Path | None) -> Comparison:
        old, old_problems = self._read_baseline(baseline)
        new = self._read_staged(staged, old)
        manifest_new, manifest_problem = self._manifest(new, self.new_store)
        self.risk = Risk(manifest_new)
        self.unseen = Unseen(self.risk)
        changed, removed, added = _pair(old, new)
        renames = identical_renames(removed, added)
        gone = {pair.old.path for pair in renames}
        come = {pair.new.path for pair in renames}
        removed = [info for info in removed if info.path not in gone]
        added = [info for info in added if info.path not in come]
        if baseline is not None and old is not None:
            self._fetch_old(baseline, old, self._wanted(changed, removed))
        old_candidates, old_left_out = candidates(removed, self.limits)
        new_candidates, new_left_out = candidates(added, self.limits)
        problems: tuple[Problem, ...] = ()
        if removed and added and (old_left_out or new_left_out):
            problems += (_RENAMES_LIMITED,)
        similar = similar_renames(
            old_candidates,
            new_candidates,
            lambda info: self.old_store.get(info.index),
            lambda info: self.new_store.get(info.index),
        )
        files = self._changes(changed, removed, added, [*renames, *similar])
        manifest_old, old_manifest_problem = self._manifest(old, self.old_store)
        if old_manifest_problem:
            old_problems += (Problem("manifest", MANIFEST, old_manifest_problem),)
        installing = problems_of_installing(
            old,
            new,
            (self.old_store.get_or_none, self.new_store.get_or_none),
            (manifest_old, manifest_new),
            self.limits,
        )
        readme, readme_note = self._readme(new)
        unchanged = len(new.files) - len(changed) - len(added) - len(renames)
        return Comparison(
            files=tuple(files),
            unchanged_count=unchanged,
            old=None if old is None else old.totals,
            new=new.totals,
            manifest_old=manifest_old,
            manifest_new=manifest_new,
            manifest_problem=manifest_problem,
            manifest_changes=()
            if manifest_new is None or (manifest_old is None and old is not None)
            else compare_manifests(manifest_old or {}, manifest_new),
            readme=readme,
            readme_note=readme_note,
            problems=(*installing, *self.unseen.problems(), *problems, *new.problems),
            old_problems=old_problems,
            problems_left_out=new.problems_left_out,
        )

    def _read_baseline(self, baseline: Path | None) -> tuple[FileTree | None, tuple[Problem, ...]]:
        if baseline is None:
            return None, ()
        try:
            tree = read_tree(
                baseline,
                self.limits.tarball,
                keep=lambda info: info.path == MANIFEST,
                keep_size=self.limits.file_size,
                store=self.old_store,
                progress=self._reading("baseline", baseline),
            )
        except TarballError as error:
            return None, (
                Problem(
                    "baseline-unreadable",
                    "",
                    f"The baseline could not be read, so every file counts as added: {error}",
                ),
            )
        return tree, tree.problems

    def _read_staged(self, staged: Path, old: FileTree | None) -> FileTree:
        old_files = {} if old is None else old.files

        def keep(info: FileInfo) -> bool:
            before = old_files.get(info.path)
            return (
                before is None
                or before.digest != info.digest
                or info.path == MANIFEST
                or _is_readme(info.path)
                or is_nested_manifest(info.path)
            )

        return read_tree(
            staged,
            self.limits.tarball,
            keep=keep,
            keep_size=self.limits.file_size,
            store=self.new_store,
            progress=self._reading("staged", staged),
        )

    def _fetch_old(self, baseline: Path, old: FileTree, infos: list[FileInfo]) -> None:
        wanted = {
            info.index: info
            for info in infos
            if info.size <= self.limits.file_size and info.index not in self.old_store
        }
        fetch_contents(
            baseline,
            self.limits.tarball,
            wanted,
            self.old_store,
            self._reading("baseline", baseline),
        )

    def _wanted(
        self, changed: list[tuple[FileInfo, FileInfo]], removed: list[FileInfo]
    ) -> list[FileInfo]:
        pairs = [old for old, new in changed if not self._is_binary(old, new)]
        return pairs + [old for old in removed if not self._is_binary(old)]

    def _is_binary(self, *sides: FileInfo | None) -> bool:
        """Whether a diff would say nothing: no side is text, or ought to be."""
        there = [info for info in sides if info is not None]
        return all(info.binary and not self.risk.is_text(info) for info in there)

    def _reading(self, stage: str, path: Path) -> Progress:
        total = path.stat().st_size
        return lambda done: self.on_progress(stage, min(done, total), total)

    def _changes(
        self,
        changed: list[tuple[FileInfo, FileInfo]],
        removed: list[FileInfo],
        added: list[FileInfo],
        renames: list[Rename],
    ) -> list[FileChange]:
        gone = {pair.old.path for pair in renames}
        come = {pair.new.path for pair in renames}
        work: list[tuple[FileInfo | None, FileInfo | None, int | None]] = [
            *((old, new, None) for old, new in changed),
            *((info, None, None) for info in removed if info.path not in gone),
            *((None, info, None) for info in added if info.path not in come),
            *((pair.old, pair.new, pair.similarity) for pair in renames),
        ]
        # The riskiest first, so that no heap of other files can use up their share of the bounds;
        # what is only removed comes last.
        work.sort(
            key=lambda item: (
                item[1] is None,
                self.risk.rank(item[1] or item[0] or _NOTHING),
                (item[1] or item[0] or _NOTHING).size,
                (item[1] or item[0] or _NOTHING).path,
            )
        )
        files = []
        for number, (old, new, similarity) in enumerate(work):
            self.on_progress("differences", number, len(work))
            files.append(self._change(old, new, similarity))
        self.on_progress("differences", len(work), len(work))
        files.sort(key=lambda change: change.path)
        return files

    def _change(
        self, old: FileInfo | None, new: FileInfo | None, similarity: int | None
    ) -> FileChange:
        shown = new or old or _NOTHING
        binary = self._is_binary(old, new)
        diff, note = None, ""
        problems = new.problems if new else ()
        if old and new and old.digest == new.digest:
            diff = TextDiff(0, 0, "", "")
        else:
            limited = "" if binary else self._why_no_diff(old, new)
            if not binary and not limited:
                diff = self._diff(old, new)
                limited = diff.note
            if new:
                problems += self.unseen.look_at(old, new, limited)
            odd = self._odd(old, new) if diff else ""
            note = "It is a binary file." if binary else f"{limited} {odd}".strip()
        return FileChange(
            path=shown.path,
            old_path=old.path if old and new and old.path != new.path else "",
            status=_status(old, new),
            similarity=similarity,
            old_size=None if old is None else old.size,
            new_size=None if new is None else new.size,
            old_mode=None if old is None else old.mode,
            new_mode=None if new is None else new.mode,
            added_lines=_count(diff.added_lines if diff else None, old, new, binary=binary),
            removed_lines=_count(diff.removed_lines if diff else None, new, old, binary=binary),
            is_binary=binary,
            diff=diff.text if diff else None,
            diff_note=note,
            problems=problems,
        )

    def _why_no_diff(self, old: FileInfo | None, new: FileInfo | None) -> str:
        sides = [info for info in (old, new) if info is not None]
        largest = max(info.size for info in sides)
        if largest > self.limits.file_size:
            return f"It is too large for a diff: {largest:,} bytes."
        longest = max(info.lines for info in sides)
        if len(sides) > 1 and longest > self.limits.file_lines:
            return f"It has too many lines for a diff: {longest:,}."
        size = sum(info.size for info in sides)
        lines = sum(info.lines for info in sides) if len(sides) > 1 else 0
        short = self.room_for_text < self.limits.line
        if short or size > self.room_for_work or lines > self.room_for_lines:
            return "The other files' diffs have used up the room for diffs."
        self.room_for_work -= size
        self.room_for_lines -= lines
        return ""

    def _diff(self, old: FileInfo | None, new: FileInfo | None) -> TextDiff:
        before = self.old_store.get(old.index) if old else b""
        after = self.new_store.get(new.index) if new else b""
        if old is None:
            diff = diff_one_side(after, "+", self.limits, self.room_for_text)
        elif new is None:
            diff = diff_one_side(before, "-", self.limits, self.room_for_text)
        else:
            diff = diff_texts(before, after, self.limits, self.room_for_text)
        self.room_for_text -= len(diff.text)
        return diff

    def _odd(self, old: FileInfo | None, new: FileInfo | None) -> str:
        """What is odd about the text as it is shown."""
        notes = []
        before = self.old_store.get_or_none(old) if old else None
        after = self.new_store.get_or_none(new) if new else None
        if not is_utf8(before or b"") or not is_utf8(after or b""):
            notes.append("It is not valid UTF-8; broken bytes are shown as \ufffd.")
        if (old and old.nul) or (new and new.nul):
            notes.append("It has NUL characters, shown as \u2400.")
        return " ".join(notes)

    def _manifest(
        self, tree: FileTree | None, store: ContentStore
    ) -> tuple[dict[str, Any] | None, str]:
        if tree is None:
            return None, ""
        info = tree.files.get(MANIFEST)
        problem = ""
        if tree.manifests > 1:
            problem = f"The tarball has {tree.manifests} files package.json; npm uses the last one."
        try:
            if info is not None and info.index not in store:
                raise ManifestError(f"package.json is too large: {info.size:,} bytes.")
            content = None if info is None else store.get(info.index)
            return parse_manifest(content, self.limits), problem
        except ManifestError as error:
            return None, str(error)

    def _readme(self, tree: FileTree) -> tuple[str, str]:
        names = sorted(filter(_is_readme, tree.files))
        names.sort(key=lambda path: path.lower() != "readme.md")
        if not names:
            return "", "The tarball has no README."
        info = tree.files[names[0]]
        if info.index not in self.new_store:
            return "", f"{info.path} is too large to show: {info.size:,} bytes."
        if info.binary:
            return "", f"{info.path} is not text."
        limit = self.limits.readme_size
        note = ""
        if info.size > limit:
            note = f"Only the first {limit:,} bytes of {info.path} are shown."
        return display_text(self.new_store.get(info.index)[:limit]), note


_RENAMES_LIMITED = Problem(
    "limit-renames",
    "",
    "So many files were added and removed that not all were searched for renames.",
)
_NOTHING = FileInfo("", -1, 0, 0, b"", False, 0, ())


def _pair(
    old: FileTree | None, new: FileTree
) -> tuple[list[tuple[FileInfo, FileInfo]], list[FileInfo], list[FileInfo]]:
    """Files on both sides that differ, files only in the old tree, files only in the new one."""
    before = {} if old is None else old.files
    changed = [
        (before[path], info)
        for path, info in new.files.items()
        if path in before
        and (
            before[path].digest != info.digest
            or before[path].mode_that_counts != info.mode_that_counts
        )
    ]
    removed = [info for path, info in before.items() if path not in new.files]
    added = [info for path, info in new.files.items() if path not in before]
    return changed, removed, added


def _status(old: FileInfo | None, new: FileInfo | None) -> Status:
    if old is None:
        return "added"
    if new is None:
        return "removed"
    if old.path != new.path:
        return "renamed"
    return "mode_changed" if old.digest == new.digest else "modified"


def _count(
    counted: int | None, other: FileInfo | None, this: FileInfo | None, *, binary: bool
) -> int | None:
    """Lines of one side; known without a diff if the other side does not exist."""
    if binary or counted is not None:
        return None if binary else counted
    if this is None:
        return 0
    return this.lines if other is None else None


def _is_readme(path: str) -> bool:
    return "/" not in path and path.lower().partition(".")[0] == "readme"


def _silent(stage: str, done: int, total: int) -> None:
    pass
