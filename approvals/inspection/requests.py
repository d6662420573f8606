"""Getting staged versions inspected: who asked, whose turn it is, how far it has come."""

import logging
import shutil
import tempfile
import time
import uuid
import zlib
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.record import record
from approvals.inspection.compare import ENGINE, compare_tarballs
from approvals.inspection.models import FileChange, FileDiff, Inspection, InspectionRequest
from approvals.inspection.results import Comparison
from approvals.queue.models import AT_REGISTRY_STATES, StagedVersion
from approvals.queue.registries import client_for
from approvals.queue.sync import packument_or_none
from approvals.queue.transitions import raise_alarm
from approvals.sealing import SealBroken
from registry_client.client import Download, RegistryClient, StagedItem
from registry_client.errors import (
    DigestMismatch,
    NotFound,
    RateLimited,
    RegistryError,
    RegistryUnavailable,
)
from registry_client.tarball import TarballError
from registry_client.versions import Baseline, baseline_for

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
MOST_TRIES = 5
PROGRESS_EVERY_SECONDS = 0.5
FILES_PER_INSERT = 500
State = InspectionRequest.State


class LeaseLost(Exception):
    """Somebody else has this work now; whatever was found is theirs to find."""


class InspectionFailed(Exception):
    """The inspection cannot be made; the text says why and what to do."""


def request_missing() -> int:
    """Asks for every staged version that still waits and that nobody asked for yet."""
    rows = StagedVersion.objects.filter(
        state__in=AT_REGISTRY_STATES, inspection_request__isnull=True
    ).order_by("created_at")[:1000]
    requests = [InspectionRequest(staged_version=row) for row in rows]
    InspectionRequest.objects.bulk_create(requests, ignore_conflicts=True)
    return len(requests)


def ask_again(staged_version: StagedVersion, *, actor: AbstractBaseUser | None = None) -> bool:
    """Puts a finished or failed inspection back in the line; False where one is under way."""
    now = timezone.now()
    with transaction.atomic():
        asked = InspectionRequest.objects.filter(
            staged_version=staged_version, state__in=[State.FAILED, State.DONE]
        ).update(
            state=State.WAITING,
            requested_at=now,
            due_at=now,
            tries=0,
            failure="",
            step="",
            progress_done=0,
            progress_total=0,
        )
        if asked:
            outbox.publish("inspection.requested", stage_id=staged_version.stage_id)
            record(
                "inspection.requested",
                actor=actor,
                subject=staged_version,
                stage_id=staged_version.stage_id,
            )
    return bool(asked)


def claim_due() -> InspectionRequest | None:
    """Takes the oldest due request for this process, or one whose worker died."""
    now = timezone.now()
    due = Q(state=State.WAITING, due_at__lte=now) | Q(state=State.RUNNING, lease_until__lt=now)
    while True:
        candidate = (
            InspectionRequest.objects.filter(due).order_by("due_at", "pk").values("pk", "tries")
        ).first()
        if candidate is None:
            return None
        holder = uuid.uuid4().hex
        claimed = InspectionRequest.objects.filter(due, **candidate).update(
            state=State.RUNNING,
            lease_holder=holder,
            lease_until=now + LEASE,
            tries=F("tries") + 1,
            step="Asking the registry",
            progress_done=0,
            progress_total=0,
        )
        if claimed:
            return InspectionRequest.objects.select_related(
                "staged_version__package", "staged_version__registry"
            ).get(pk=candidate["pk"])


def inspect(request: InspectionRequest) -> None:
    """Makes the inspection that `claim_due` handed out, and records how it ended."""
    staged_version = request.staged_version
    try:
        if request.tries > MOST_TRIES:
            raise InspectionFailed(
                f"The worker died {MOST_TRIES} times while inspecting this tarball. It may be "
                "made to exhaust memory or time: look at it by hand, in a sandbox."
            )
        _inspect(request)
    except LeaseLost:
        logger.warning("stage=%s inspection taken over by another worker", staged_version.stage_id)
    except DigestMismatch as error:
        raise_alarm(
            staged_version,
            f"The tarball at the registry is not the one that was announced: {error}",
        )
        _failed(request, str(error), again=False)
    except (RegistryUnavailable, RateLimited) as error:
        _failed(request, str(error), again=True)
    except NotFound as error:
        _failed(request, f"It is no longer at the registry: {error}", again=False)
    except (RegistryError, TarballError, SealBroken, InspectionFailed) as error:
        _failed(request, str(error), again=False)
    except Exception as error:
        # A tarball that breaks the engine must be seen by a person, not retried for ever.
        logger.exception("stage=%s inspection broke", staged_version.stage_id)
        _failed(
            request,
            f"Countersign failed on this tarball ({type(error).__name__}). It was not compared: "
            "look at it by hand, and report this.",
            again=False,
        )


def diff_text(change: FileChange) -> str:
    """The stored unified diff of one file, "" where there is none."""
    diff = FileDiff.objects.filter(change=change).first()
    return zlib.decompress(diff.compressed).decode() if diff else ""


def _inspect(request: InspectionRequest) -> None:
    row = request.staged_version
    folder_for_tarballs = settings.VAR_DIR / "inspecting"
    folder_for_tarballs.mkdir(mode=0o700, exist_ok=True)
    _remove_leftovers(folder_for_tarballs)
    with (
        tempfile.TemporaryDirectory(dir=folder_for_tarballs) as folder,
        client_for(row.registry) as client,
    ):
        packument = packument_or_none(client, row.package.name)
        baseline = baseline_for(packument, row.version, row.tag)
        progress = _Progress(request)
        item = client.staged_version(str(row.stage_id))
        _check_unchanged(row, item)
        staged = client.download_staged(
            item,
            Path(folder) / "staged.tgz",
            on_progress=progress.downloading("Downloading the staged tarball"),
        )
        baseline_tarball = _download_baseline(client, baseline, Path(folder), progress)
        inspection = Inspection.objects.filter(
            staged_sha512=staged.sha512,
            baseline_sha512=baseline_tarball.sha512 if baseline_tarball else "",
            engine_version=ENGINE,
        ).first()
        comparison = None
        if inspection is None:
            comparison = compare_tarballs(
                staged.path,
                baseline_tarball.path if baseline_tarball else None,
                on_progress=progress,
            )
    with transaction.atomic():
        _done(
            request,
            inspection or _store(comparison, staged, baseline_tarball),
            baseline=baseline,
            maintainers=list(packument.maintainers) if packument else [],
        )


def _check_unchanged(row: StagedVersion, item: StagedItem) -> None:
    if (item.package_name, item.version, item.shasum) != (
        row.package.name,
        row.version,
        row.shasum,
    ):
        raise InspectionFailed(
            "The registry now tells another package, version or digest for this stage id than "
            "when it was found. A stage id never changes: do not approve it."
        )


def _download_baseline(
    client: RegistryClient, baseline: Baseline, folder: Path, progress: "_Progress"
) -> Download | None:
    if baseline.version is None:
        return None
    try:
        return client.download_published(
            baseline.version,
            folder / "baseline.tgz",
            on_progress=progress.downloading(f"Downloading {baseline.version.version}"),
        )
    except DigestMismatch as error:
        # Not the staged tarball's fault, so it raises no alarm on it; but nothing to compare with.
        raise InspectionFailed(
            f"The published tarball of {baseline.version.version} is not the one the registry "
            f"announces: {error}"
        ) from error


def _store(
    comparison: Comparison | None, staged: Download, baseline: Download | None
) -> Inspection:
    assert comparison is not None  # noqa: S101 - made wherever no stored inspection was found
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


def _done(
    request: InspectionRequest,
    inspection: Inspection,
    *,
    baseline: Baseline,
    maintainers: list[str],
) -> None:
    row = request.staged_version
    held = InspectionRequest.objects.filter(
        pk=request.pk, lease_holder=request.lease_holder, state=State.RUNNING
    ).update(
        state=State.DONE,
        inspection=inspection,
        lease_holder="",
        lease_until=None,
        step="",
        failure="",
        baseline_version=baseline.version.version if baseline.version else "",
        baseline_reason=baseline.reason[:400],
        maintainers=maintainers,
    )
    if not held:
        raise LeaseLost
    StagedVersion.objects.filter(pk=row.pk).update(sha512=inspection.staged_sha512)
    record(
        "inspection.done",
        subject=row,
        stage_id=row.stage_id,
        sha512=inspection.staged_sha512,
        baseline=baseline.version.version if baseline.version else None,
        files_changed=inspection.files_changed,
    )


def _failed(request: InspectionRequest, reason: str, *, again: bool) -> None:
    row = request.staged_version
    again = again and request.tries < MOST_TRIES
    pause = timedelta(seconds=min(5 * 2**request.tries, 300))
    with transaction.atomic():
        held = InspectionRequest.objects.filter(
            pk=request.pk, lease_holder=request.lease_holder, state=State.RUNNING
        ).update(
            state=State.WAITING if again else State.FAILED,
            due_at=timezone.now() + pause,
            lease_holder="",
            lease_until=None,
            step="",
            failure=reason[:600],
        )
        if held and not again:
            record(
                "inspection.failed",
                subject=row,
                stage_id=row.stage_id,
                reason=reason[:600],
            )
    logger.warning("stage=%s inspection failed: %s", row.stage_id, reason)


class _Progress:
    """Writes how far the work has come, at most twice a second, and keeps the lease."""

    def __init__(self, request: InspectionRequest) -> None:
        self.request = request
        self.written_at = 0.0
        self.step = ""

    def __call__(self, step: str, done: int, total: int) -> None:
        now = time.monotonic()
        if step == self.step and now - self.written_at < PROGRESS_EVERY_SECONDS:
            return
        self.step, self.written_at = step, now
        held = InspectionRequest.objects.filter(
            pk=self.request.pk, lease_holder=self.request.lease_holder
        ).update(
            step=step[:200],
            progress_done=done,
            progress_total=total,
            lease_until=timezone.now() + LEASE,
        )
        if not held:
            raise LeaseLost

    def downloading(self, step: str) -> Any:
        return lambda done, total: self(step, done, total or 0)


def _remove_leftovers(folder: Path) -> None:
    # Of processes that were killed; nothing is inspected for anywhere near this long.
    for leftover in folder.iterdir():
        if time.time() - leftover.stat().st_mtime > 24 * 3600:
            shutil.rmtree(leftover, ignore_errors=True)
