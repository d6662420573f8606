"""Keeping what a comparison found, so that the same pair is never compared again."""

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict

from django.db import transaction

from approvals.inspection import results
from approvals.inspection.engine import engine_version
from approvals.inspection.models import FileChange, FileDiff, Inspection, UnchangedFiles
from approvals.inspection.results import Comparison
from registry_client.client import Download

FILES_PER_INSERT = 500


def keep(
    comparison: Comparison, staged: Download, baseline: Download | None, *, engine: str = ""
) -> Inspection:
    """Writes down what was found, in a transaction of its own: whatever becomes of the work that
    it was found for, nobody has to find it again.

    `engine` is the version that it was begun with: the operator may change rules meanwhile.
    Where another worker has compared the same pair meanwhile, that inspection is the one.
    """
    # They take a moment, which no transaction should.
    diffs = [zlib.compress(file.diff.encode()) if file.diff else None for file in comparison.files]
    unchanged = _compressed_unchanged(comparison)
    with transaction.atomic():
        inspection, created = Inspection.objects.get_or_create(
            staged_sha512=staged.sha512,
            baseline_sha512=baseline.sha512 if baseline else "",
            engine_version=engine or engine_version(),
            defaults={
                "staged_sha1": staged.sha1,
                "summary": comparison.summary(),
                "findings": [asdict(finding) for finding in comparison.findings],
                "files_changed": len(comparison.files),
                "lines_added": comparison.added_lines,
                "lines_removed": comparison.removed_lines,
            },
        )
        if created:
            _keep_files(inspection, comparison.files, diffs)
            UnchangedFiles.objects.create(inspection=inspection, compressed=unchanged)
    return inspection


def _compressed_unchanged(comparison: Comparison) -> bytes:
    files = [[file.path, file.size, file.kind] for file in comparison.unchanged]
    return zlib.compress(json.dumps(files).encode())


def _keep_files(
    inspection: Inspection, files: Sequence[results.FileChange], diffs: Sequence[bytes | None]
) -> None:
    for start in range(0, len(files), FILES_PER_INSERT):
        part = files[start : start + FILES_PER_INSERT]
        changes = FileChange.objects.bulk_create(
            FileChange(
                inspection=inspection,
                position=start + offset,
                path=file.path,
                old_path=file.old_path,
                status=file.status,
                similarity=file.similarity,
                old_size=file.old_size,
                new_size=file.new_size,
                old_mode=file.old_mode,
                new_mode=file.new_mode,
                added_lines=file.added_lines,
                removed_lines=file.removed_lines,
                is_binary=file.is_binary,
                problems=[asdict(problem) for problem in file.problems],
                diff_note=file.diff_note,
                kind=file.kind,
                is_minified=file.is_minified,
                is_vendored=file.is_vendored,
                encoding=file.encoding,
                file_type=file.file_type,
                old_sha256=file.old_sha256,
                new_sha256=file.new_sha256,
                rank=file.rank,
            )
            for offset, file in enumerate(part)
        )
        FileDiff.objects.bulk_create(
            FileDiff(change=change, compressed=diff)
            for change, diff in zip(changes, diffs[start:], strict=False)
            if diff is not None
        )


def diff_text(change: FileChange) -> str:
    """The stored unified diff of one file, "" where there is none."""
    diff = FileDiff.objects.filter(change=change).first()
    return zlib.decompress(diff.compressed).decode() if diff else ""
