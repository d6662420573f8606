"""A staged tarball against its baseline: what differs, in bounded time and memory.

Both tarballs are read once, side by side, and only what differs is kept. Nothing is executed, and
nothing is written to a path that a package names.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from approvals.inspection.changelog import is_changelog, new_part
from approvals.inspection.changes import (
    SECOND_COPY,
    Changes,
    Sides,
    is_binary,
    runs,
    shown_side,
)
from approvals.inspection.filetree import ContentStore, FileInfo, FileTree, fetch_contents
from approvals.inspection.findings import findings_in_tarball, searcher_of_rules
from approvals.inspection.installing import is_nested_manifest, problems_of_installing
from approvals.inspection.kinds import classify
from approvals.inspection.lockstep import BaselineError, read_side_by_side
from approvals.inspection.manifest import (
    ManifestError,
    compare_manifests,
    parse_manifest,
)
from approvals.inspection.renames import Rename, identical_renames, similar_renames
from approvals.inspection.results import CompareLimits, Comparison, FileChange, UnchangedFile
from approvals.inspection.risk import MANIFEST, Risk
from approvals.inspection.script_calls import is_recipe
from approvals.inspection.search.look import Look
from approvals.inspection.text import display_text
from registry_client.tar_paths import Problem

ENGINE = "4"
"""The number of what compares and of the rules in force; it goes up with either."""

OnProgress = Callable[[str, int, int], None]

READING = "Reading the tarballs"
READING_AGAIN = "Reading a tarball again"
COMPARING = "Comparing the files"
SEARCHING = "Searching for what a reviewer must not miss"


def compare_tarballs(
    staged: Path,
    baseline: Path | None,
    *,
    limits: CompareLimits | None = None,
    on_progress: OnProgress | None = None,
    stage_id: str = "",
) -> Comparison:
    """Compare a staged tarball with its baseline (None for a first release).

    `on_progress` gets a stage in words, how much is done and how much there is: bytes of both
    tarballs while they are read, then files that differ. It is called in the caller's thread, and
    what it raises ends the comparison. `stage_id` is for the log. Raises TarballError if the
    staged tarball cannot be read safely and wholly; an unreadable baseline is a problem of the
    result instead, with everything counted as added.
    """
    with ContentStore() as old_store, ContentStore() as new_store:
        run = _Run(limits or CompareLimits(), (old_store, new_store), on_progress or _silent)
        return run.compare(staged, baseline, stage_id)


class _Run:
    """One comparison under way."""

    def __init__(
        self,
        limits: CompareLimits,
        stores: tuple[ContentStore, ContentStore],
        on_progress: OnProgress,
    ) -> None:
        self.limits = limits
        self.old_store, self.new_store = stores
        self.on_progress = on_progress

    def compare(self, staged: Path, baseline: Path | None, stage_id: str) -> Comparison:
        old, new, old_problems = self._read(staged, baseline)
        manifest_new, manifest_problem = self._manifest(new, self.new_store)
        manifest_old, old_manifest_problem = self._manifest(old, self.old_store)
        if old_manifest_problem:
            old_problems += (Problem("manifest", MANIFEST, old_manifest_problem),)
        changes = Changes(Risk(manifest_new), (self.old_store, self.new_store), self.limits)
        pairs, renames, unchanged = _pair(old, new)
        if baseline is not None and old is not None:
            self._fetch_missing((baseline, staged), pairs, _second_copies(new))
        similar, is_whole = similar_renames(
            [old for old, new in pairs if old and not new],
            [new for old, new in pairs if new and not old],
            (
                lambda info: self.old_store.get(info.index),
                lambda info: self.new_store.get(info.index),
            ),
            self.limits,
        )
        looked_at = self._files(changes, pairs, [*renames, *similar], _second_copies(new))
        installing = problems_of_installing(
            old,
            new,
            (self.old_store.get_or_none, self.new_store.get_or_none),
            (manifest_old, manifest_new),
            self.limits,
        )
        readme, readme_note = self._readme(new)
        changelog, changelog_path, changelog_note = self._changelog(old, new, manifest_new)
        manifest_changes = (
            ()
            if manifest_new is None or (manifest_old is None and old is not None)
            else compare_manifests(manifest_old or {}, manifest_new)
        )
        problems = (
            *installing,
            *changes.unseen.problems(),
            *(() if is_whole else (_RENAMES_LIMITED,)),
            *_more_copies(new),
            *new.problems,
        )
        look = Look(
            old=old,
            new=new,
            files=looked_at,
            contents=(self.old_store.get_or_none, self.new_store.get_or_none),
            manifests=(manifest_old, manifest_new),
            manifest_problem=manifest_problem,
            manifest_changes=manifest_changes,
            problems=problems,
            problems_left_out=new.problems_left_out,
            old_problems=old_problems,
            limits=self.limits,
            searcher=searcher_of_rules(),
            stage_id=stage_id,
        )
        findings = findings_in_tarball(look, partial(self.on_progress, SEARCHING))
        self.on_progress(SEARCHING, 1, 1)
        files = [change for change, _, _ in looked_at]
        files.sort(key=lambda change: (change.path, change.status == "left_out"))
        return Comparison(
            files=tuple(files),
            unchanged_count=len(unchanged),
            old=None if old is None else old.totals,
            new=new.totals,
            manifest_old=manifest_old,
            manifest_new=manifest_new,
            manifest_problem=manifest_problem,
            manifest_changes=manifest_changes,
            readme=readme,
            readme_note=readme_note,
            problems=problems,
            old_problems=old_problems,
            problems_left_out=new.problems_left_out,
            unchanged=tuple(_unchanged(info, changes.risk) for info in unchanged),
            changelog=changelog,
            changelog_path=changelog_path,
            changelog_note=changelog_note,
            findings=tuple(findings),
        )

    def _read(
        self, staged: Path, baseline: Path | None
    ) -> tuple[FileTree | None, FileTree, tuple[Problem, ...]]:
        new = (staged, self.new_store)
        problems: tuple[Problem, ...] = ()
        if baseline is not None:
            try:
                old_tree, new_tree = self._read_both((baseline, self.old_store), new)
            except BaselineError as error:
                sentence = f"The baseline could not be read, so every file counts as added: {error}"
                problems = (Problem("baseline-unreadable", "", sentence),)
            else:
                return old_tree, new_tree, old_tree.problems if old_tree else ()
        _, new_tree = self._read_both(None, new)
        return None, new_tree, problems

    def _read_both(
        self, old: tuple[Path, ContentStore] | None, new: tuple[Path, ContentStore]
    ) -> tuple[FileTree | None, FileTree]:
        return read_side_by_side(
            old,
            new,
            self.limits,
            keep=_is_needed,
            on_bytes=lambda done, total: self.on_progress(READING, done, total),
        )

    def _fetch_missing(
        self,
        sources: tuple[Path, Path],
        pairs: list[Sides],
        copies: list[tuple[FileInfo, FileInfo]],
    ) -> None:
        """Read again what was taken for unchanged, until its tarball had it a second time."""
        for side, (source, store) in enumerate(
            zip(sources, (self.old_store, self.new_store), strict=True)
        ):
            infos = [pair[side] for pair in pairs]
            if side:
                infos += [info for both in copies for info in both]
            wanted = {
                info.index: info
                for info in infos
                if info and info.size <= self.limits.file_size and info.index not in store
            }
            total = source.stat().st_size
            progress = partial(self._reading_again, total)
            fetch_contents(source, self.limits.tarball, wanted, store, progress)

    def _reading_again(self, total: int, done: int) -> None:
        self.on_progress(READING_AGAIN, min(done, total), total)

    def _files(
        self,
        changes: Changes,
        pairs: list[Sides],
        renames: list[Rename],
        copies: list[tuple[FileInfo, FileInfo]],
    ) -> list[tuple[FileChange, FileInfo | None, FileInfo | None]]:
        """Each file that differs with its sides, the riskiest first; what is removed comes last."""
        gone = {pair.old.index for pair in renames}
        come = {pair.new.index for pair in renames}
        work: list[tuple[FileInfo | None, FileInfo | None, int | None, bool]] = [
            *(
                (old, new, None, False)
                for old, new in pairs
                if (old and new)
                or (old and old.index not in gone)
                or (new and new.index not in come)
            ),
            *((pair.old, pair.new, pair.similarity, False) for pair in renames),
            *((copy, installed, None, True) for copy, installed in copies),
        ]
        # The riskiest first, so that no heap of other files can use up their share of the bounds;
        # what is only removed comes last.
        work.sort(
            key=lambda item: (
                item[1] is None,
                changes.risk.rank(shown_side(item[:2])),
                shown_side(item[:2]).size,
                shown_side(item[:2]).path,
            )
        )
        files = []
        for number, (old, new, similarity, is_left_out) in enumerate(work):
            self.on_progress(COMPARING, number, len(work))
            change = changes.change(old, new, similarity, is_left_out=is_left_out)
            files.append((change, old, new))
        self.on_progress(COMPARING, len(work), len(work))
        return files

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

    def _changelog(
        self, old: FileTree | None, new: FileTree, manifest: dict[str, Any] | None
    ) -> tuple[str, str, str]:
        """What is new in the changelog, its path, and a note if that is not all."""
        names = sorted(filter(is_changelog, new.files))
        if not names:
            return "", "", ""
        # More than one is rare; the one that changed is the one that tells of this release.
        names.sort(key=lambda path: old is not None and _is_same(old.files.get(path), new, path))
        info = new.files[names[0]]
        path = info.path
        limit = self.limits.changelog_size
        if info.binary:
            return "", path, f"{path} is not text."
        if info.size > limit or info.index not in self.new_store:
            return "", path, f"{path} is too large to read: {info.size:,} bytes."
        text = display_text(self.new_store.get(info.index))
        before = old.files.get(path) if old else None
        earlier = None
        if before and not before.binary and before.size <= limit:
            if before.digest == info.digest:
                return "", path, ""
            earlier = self.old_store.get_or_none(before)
        version = str((manifest or {}).get("version", ""))
        part = new_part(None if earlier is None else display_text(earlier), text, version)
        note = "Only the beginning of what is new is shown." if part.endswith(_CUT) else ""
        return part, path, note


# The end of a text that new_part has cut.
_CUT = "characters left out]"
_RENAMES_LIMITED = Problem(
    "limit-renames",
    "",
    "So many files were added and removed that not all were searched for renames.",
)


def _second_copies(tree: FileTree) -> list[tuple[FileInfo, FileInfo]]:
    """Copies that npm leaves out, each with the one that it installs."""
    return [(info, tree.files[info.path]) for info in tree.shadowed]


def _more_copies(tree: FileTree) -> tuple[Problem, ...]:
    if not tree.more_shadowed:
        return ()
    copies = "copy" if tree.more_shadowed == 1 else "copies"
    sentence = f"{tree.more_shadowed:,} more {copies} that npm leaves out cannot be shown here."
    return (Problem(SECOND_COPY, "", sentence),)


def _pair(old: FileTree | None, new: FileTree) -> tuple[list[Sides], list[Rename], list[FileInfo]]:
    """Files that differ or stand on one side only, files that only moved, and unchanged ones.

    The last are sorted by path.
    """
    before = {} if old is None else old.files
    pairs: list[Sides] = []
    unchanged: list[FileInfo] = []
    added: list[FileInfo] = []
    for path, info in new.files.items():
        earlier = before.get(path)
        if earlier is None:
            added.append(info)
        elif earlier.digest != info.digest or earlier.mode_that_counts != info.mode_that_counts:
            pairs.append((earlier, info))
        else:
            unchanged.append(info)
    removed = [info for path, info in before.items() if path not in new.files]
    renames = identical_renames(removed, added)
    gone = {pair.old.index for pair in renames}
    come = {pair.new.index for pair in renames}
    pairs += [(info, None) for info in removed if info.index not in gone]
    pairs += [(None, info) for info in added if info.index not in come]
    unchanged.sort(key=lambda info: info.path)
    return pairs, renames, unchanged


def _unchanged(info: FileInfo, risk: Risk) -> UnchangedFile:
    traits = classify(
        info.path,
        binary=is_binary(risk, (info, info)),
        size=info.size,
        lines=info.lines,
        head=b"",
        runs=runs(risk.rank(info)),
    )
    return UnchangedFile(info.path, info.size, traits.kind)


def _is_same(before: FileInfo | None, new: FileTree, path: str) -> bool:
    return before is not None and before.digest == new.files[path].digest


def _is_needed(path: str) -> bool:
    """Whether a file's content is needed even if it did not change."""
    if path == MANIFEST or _is_readme(path) or is_changelog(path) or is_nested_manifest(path):
        return True
    # What it runs may change where it does not.
    return is_recipe(path)


def _is_readme(path: str) -> bool:
    return "/" not in path and path.lower().partition(".")[0] == "readme"


def _silent(stage: str, done: int, total: int) -> None:
    pass
