"""What a comparison finds: plain immutable data that can go to JSON."""

from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any, Literal

from approvals.inspection.finding import Finding
from approvals.inspection.search.operator_rules import OperatorRules
from registry_client.tar_paths import Problem
from registry_client.tarball import MIB, Limits

# "left_out": an earlier copy under one path, against the copy that npm installs.
Status = Literal["added", "removed", "modified", "renamed", "mode_changed", "left_out"]
Kind = Literal["source", "types", "docs", "data", "generated", "binary"]


@dataclass(frozen=True, slots=True)
class CompareLimits:
    """How much work and text a comparison may cost. Sizes are bytes.

    `file_size` and `file_lines` are the most that either side of a file may have for a diff,
    `all_sizes` and `all_lines` the most that all files may have together. `file_diff`,
    `all_diffs` and `line` bound the text that is kept. The `rename_` limits are for the search
    for similar files, on each side; `rename_chunks` bounds its memory and `rename_steps` its time.
    `nested_manifests` and their size together bound the search for install scripts of packages
    inside the package. Rules search at most `search_size` bytes and parse `parse_size` of them, and
    begin nothing long after `search_seconds` of the worker's time. `changelog_size` is
    the most that is read of one. `yara_rules` are the operator's own.
    """

    tarball: Limits = field(default_factory=Limits)
    file_size: int = 16 * MIB
    file_lines: int = 310_000
    all_sizes: int = 512 * MIB
    all_lines: int = 6_000_000
    file_diff: int = 2 * MIB
    all_diffs: int = 32 * MIB
    line: int = 8 * 1024
    rename_size: int = 16 * MIB
    rename_all_sizes: int = 64 * MIB
    rename_all_lines: int = 2_000_000
    rename_files: int = 1_000
    rename_chunks: int = 400_000
    rename_steps: int = 10_000_000
    manifest_size: int = 2 * MIB
    manifest_depth: int = 50
    nested_manifests: int = 1_000
    nested_manifests_size: int = 8 * MIB
    search_size: int = 256 * MIB
    parse_size: int = 3 * MIB
    search_seconds: float = 7.0
    readme_size: int = 512 * 1024
    changelog_size: int = 4 * MIB
    yara_rules: OperatorRules = field(default_factory=OperatorRules)


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file that differs. `similarity` (0 to 100) is set for renames; `old_path` is empty
    unless renamed.

    A side that does not exist has size and mode None. Line counts are None where they were not
    counted (binary, or too large). `diff` is hunks of a unified diff, or None; `diff_note` says
    in a plain sentence why it is not there or not whole, and is empty otherwise. `encoding` is of
    the newest side ("UTF-8", "UTF-8 with BOM", …) and `file_type` in words ("PNG image"): the
    one for text, the other for binary files. `rank` is risk.py's: the lower, the riskier.
    """

    path: str
    old_path: str
    status: Status
    similarity: int | None
    old_size: int | None
    new_size: int | None
    old_mode: int | None
    new_mode: int | None
    added_lines: int | None
    removed_lines: int | None
    is_binary: bool
    diff: str | None
    diff_note: str
    problems: tuple[Problem, ...] = ()
    kind: Kind = "source"
    is_minified: bool = False
    is_vendored: bool = False
    encoding: str = ""
    file_type: str = ""
    old_sha256: str = ""
    new_sha256: str = ""
    rank: int = 5


@dataclass(frozen=True, slots=True)
class UnchangedFile:
    """A file that is the same on both sides. `size` is in bytes."""

    path: str
    size: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Totals:
    """A whole tarball: files npm would install, sizes in bytes, lines of text in those files."""

    files: int
    packed_size: int
    unpacked_size: int
    lines: int


@dataclass(frozen=True, slots=True)
class ManifestChange:
    """One difference in package.json. `key` is the name within the field (a script, a
    dependency), or empty.

    `old` and `new` are texts: strings as they are, anything else as JSON; None on the side where
    it is missing.
    """

    field: str
    key: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is in the staged tarball, against the baseline.

    `files` has only what differs, sorted by path, and behind each file the copies of it that npm
    leaves out; `unchanged` the rest, sorted too. `changelog` is
    the part of the tarball's changelog that is new, in the release's own words. `problems` are the
    staged tarball's, `old_problems` the baseline's; `problems_left_out` counts those beyond the
    limit.
    If the baseline could not be read, `old` is None, everything counts as added, and
    `old_problems` says why.
    """

    files: tuple[FileChange, ...]
    unchanged_count: int
    old: Totals | None
    new: Totals
    manifest_old: dict[str, Any] | None
    manifest_new: dict[str, Any] | None
    manifest_problem: str
    manifest_changes: tuple[ManifestChange, ...]
    readme: str
    readme_note: str
    problems: tuple[Problem, ...]
    old_problems: tuple[Problem, ...]
    problems_left_out: int
    unchanged: tuple[UnchangedFile, ...] = ()
    changelog: str = ""
    changelog_path: str = ""
    changelog_note: str = ""
    findings: tuple[Finding, ...] = ()

    @property
    def added_lines(self) -> int:
        """Added lines of all files that npm installs, where they were counted."""
        return sum(file.added_lines or 0 for file in self.files if file.status != "left_out")

    @property
    def removed_lines(self) -> int:
        """Removed lines of all files that npm installs, where they were counted."""
        return sum(file.removed_lines or 0 for file in self.files if file.status != "left_out")

    def summary(self) -> dict[str, Any]:
        """All but the files and the findings, as dicts, lists, strings and numbers."""
        # Copied one by one: with thousands of files, asdict would take longer than comparing.
        return {
            name: _plain(getattr(self, name))
            for name in self.__dataclass_fields__
            if name not in ("files", "unchanged", "findings")
        }

    def as_json(self) -> dict[str, Any]:
        """The same as dicts, lists, strings and numbers."""
        unchanged = [
            {"path": file.path, "size": file.size, "kind": file.kind} for file in self.unchanged
        ]
        findings = [finding.as_json() for finding in self.findings]
        return self.summary() | {
            "files": _plain(self.files),
            "unchanged": unchanged,
            "findings": findings,
        }


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
