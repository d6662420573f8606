"""Keeping what a comparison found, so that the same pair is never compared again."""

import zlib
from dataclasses import asdict

from approvals.inspection.compare import ENGINE
from approvals.inspection.models import FileChange, FileDiff, Inspection
from approvals.inspection.results import Comparison
from registry_client.client import Download

FILES_PER_INSERT = 500


def keep(comparison: Comparison, staged: Download, baseline: Download | None) -> Inspection:
    """Writes down what was found, inside the caller's transaction.

    Where another worker has compared the same pair meanwhile, that inspection is the one.
    """
    summary = comparison.as_json()
    del summary["files"]
    inspection, created = Inspection.objects.get_or_create(
        staged_sha512=staged.sha512,
        baseline_sha512=baseline.sha512 if baseline else "",
        engine_version=ENGINE,
        defaults={
            "staged_sha1": staged.sha1,
            "summary": summary,
            "files_changed": len(comparison.files),
            "lines_added": comparison.added_lines,
            "lines_removed": comparison.removed_lines,
        },
    )
    if not created:
        return inspection
    for start in range(0, len(comparison.files), FILES_PER_INSERT):
        files = comparison.files[start : start + FILES_PER_INSERT]
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
            )
            for offset, file in enumerate(files)
        )
        FileDiff.objects.bulk_create(
            FileDiff(change=change, compressed=zlib.compress(file.diff.encode(), 6))
            for change, file in zip(changes, files, strict=True)
            if file.diff
        )
    return inspection
