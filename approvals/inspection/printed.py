"""A comparison as plain text for a terminal.

Nothing that a package says reaches the terminal as it is: control characters and those that turn
the direction of writing would otherwise rewrite what stands around them.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from approvals.inspection.finding import Finding, Severity
from approvals.inspection.results import Comparison, FileChange, ManifestChange, Totals
from registry_client.tar_paths import printable

MOST_LINES = 40
LONGEST_TEXT = 200
LEAST_SERIOUS = 10
"""Of low severity, or only good to know, are shown unless all is asked for."""
_MINOR = (Severity.LOW, Severity.INFO)
_NOT_HARMLESS = "Rules find what looks like known attacks and accidents, and nothing else."
_LETTERS = {
    "added": "A",
    "removed": "D",
    "modified": "M",
    "renamed": "R",
    "mode_changed": "T",
    "left_out": "2",
}


def printed(found: Comparison, digests: tuple[str | None, ...], *, is_whole: bool) -> str:
    """The summary, ending in a line break; `is_whole` prints long lists to their end.

    `digests` are the SHA-512 of the old (None without one) and the new tarball in hex.
    """
    printer = _Printer(is_whole=is_whole)
    return "\n".join(printer.lines(found, digests)) + "\n"


class _Printer:
    def __init__(self, *, is_whole: bool) -> None:
        self.is_whole = is_whole

    def lines(self, found: Comparison, digests: tuple[str | None, ...]) -> Iterator[str]:
        """All lines, each of them safe to show."""
        yield self._title(found)
        if found.old:
            yield f"  old  {_totals(found.old)}"
            yield f"       sha512 {digests[0]}"
        yield f"  new  {_totals(found.new)}"
        yield f"       sha512 {digests[1]}"
        yield from self._findings(found.findings)
        changes = [self._manifest(change) for change in found.manifest_changes]
        yield from self._section("package.json", changes)
        files = sorted(found.files, key=lambda change: (change.rank, change.path))
        yield from self._section(_counts(found), [self._file(change) for change in files])
        if found.changelog:
            title = f"New in {found.changelog_path}"
            lines = [printable(line) for line in found.changelog.split("\n")]
            yield from self._section(title, lines)

    def _title(self, found: Comparison) -> str:
        after = _named(found.manifest_new)
        if found.old is None:
            return f"{after}, without a baseline"
        return f"{_named(found.manifest_old)} -> {after}"

    def _findings(self, findings: Sequence[Finding]) -> Iterator[str]:
        if not findings:
            yield from ("", f"Findings: none. {_NOT_HARMLESS}")
            return
        groups = [(one, [f for f in findings if f.severity == one]) for one in Severity]
        counts = [f"{len(group):,} {one.label.lower()}" for one, group in groups if group]
        yield from ("", f"Findings: {', '.join(counts)}")
        for severity, group in groups:
            # What is serious is never cut off.
            most = LEAST_SERIOUS if severity in _MINOR and not self.is_whole else len(group)
            lines = [line for finding in group[:most] for line in self._finding(finding)]
            if more := len(group[most:]):
                lines.append(f"... {more:,} more; --verbosity 2 shows all, and why.")
            yield from self._section(severity.label, lines, most=len(lines))

    def _finding(self, finding: Finding) -> Iterator[str]:
        place = printable(finding.path)
        if finding.line is not None:
            place += f":{finding.line}"
        before = "" if finding.is_new else " (was there before)"
        yield f"{place and f'{place}: '}{printable(finding.title)}{before}"
        for text in (finding.excerpt, finding.detail):
            if text:
                yield f"    {self._text(text)}"
        if self.is_whole:
            yield f"    Why: {printable(finding.why)}"
            yield f"    What to check: {printable(finding.what_to_check)}"
            yield f"    Rule: {printable(finding.rule)}"

    def _section(
        self, title: str, lines: Iterable[str], *, most: int = MOST_LINES
    ) -> Iterator[str]:
        lines = list(lines)
        if not lines:
            return
        yield ""
        yield printable(title)
        most = len(lines) if self.is_whole else most
        for line in islice(lines, most):
            yield f"  {line}".rstrip()
        if len(lines) > most:
            yield f"  ... {len(lines) - most:,} more lines; --verbosity 2 shows all."

    def _manifest(self, change: ManifestChange) -> str:
        name = f"{change.field}: {change.key}" if change.key else change.field
        if change.old is None:
            words = f"added   {self._text(change.new)}"
        elif change.new is None:
            words = f"removed {self._text(change.old)}"
        else:
            words = f"{self._text(change.old)} -> {self._text(change.new)}"
        return f"{self._text(name)}  {words}"

    def _text(self, text: str | None) -> str:
        text = text or ""
        left = 0 if self.is_whole else max(len(text) - LONGEST_TEXT, 0)
        shown = printable(text[: len(text) - left])
        return f"{shown} [{left:,} characters left out]" if left else shown or '""'

    def _file(self, change: FileChange) -> str:
        path = printable(change.path)
        if change.old_path:
            path = f"{printable(change.old_path)} -> {path} ({change.similarity} % the same)"
        return f"{_LETTERS[change.status]}  {path}{_change_of(change)}"


def _change_of(change: FileChange) -> str:
    if change.status == "mode_changed":
        return f"  mode {change.old_mode:o} -> {change.new_mode:o}"
    counts = [
        f"{sign}{count:,}"
        for sign, count in (("+", change.added_lines), ("-", change.removed_lines))
        if count
    ]
    if counts:
        return f"  {' '.join(counts)}"
    if change.is_binary:
        return f"  {printable(change.file_type) or 'binary'}, {_sizes(change)}"
    return f"  {printable(change.diff_note)}" if change.diff_note else ""


def _sizes(change: FileChange) -> str:
    sizes = [size for size in (change.old_size, change.new_size) if size is not None]
    return f"{' -> '.join(f'{size:,}' for size in sizes)} bytes"


def _counts(found: Comparison) -> str:
    statuses = [change.status for change in found.files]
    counts = [
        f"{statuses.count(status)} {words}"
        for status, words in (
            ("added", "added"),
            ("removed", "removed"),
            ("modified", "modified"),
            ("renamed", "renamed"),
            ("mode_changed", "with another mode"),
            ("left_out", "left out by npm"),
        )
        if status in statuses
    ]
    lines = f"+{found.added_lines:,} -{found.removed_lines:,} lines"
    return f"Files: {', '.join(counts)}; {lines}; {found.unchanged_count:,} unchanged"


def _totals(totals: Totals) -> str:
    return (
        f"{totals.files:,} files, {totals.lines:,} lines, {totals.unpacked_size:,} bytes "
        f"({totals.packed_size:,} packed)"
    )


def _named(manifest: dict[str, Any] | None) -> str:
    if manifest is None:
        return "a tarball without a readable package.json"
    name, version = (str(manifest.get(key) or "?")[:LONGEST_TEXT] for key in ("name", "version"))
    return f"{printable(name)}@{printable(version)}"
