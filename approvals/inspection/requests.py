"""Getting staged versions inspected: who asked, whose turn it is, how far it has come."""

import contextlib
import logging
import shutil
import tempfile
import time
import uuid
import zlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import OperationalError, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.record import record
from approvals.inspection.compare import ENGINE, compare_tarballs
from approvals.inspection.keep import compressed_diffs, keep
from approvals.inspection.models import (
    FileChange,
    FileDiff,
    Inspection,
    InspectionRequest,
    InspectionWork,
)
from approvals.inspection.unusual import unusual_of
from approvals.queue.differences import stage_id_difference
from approvals.queue.models import AT_REGISTRY_STATES, AlarmKind, StagedVersion
from approvals.queue.models import State as StagedState
from approvals.queue.registries import client_for
from approvals.queue.sync import LONGEST_WAIT_ASKED_FOR, packument_or_none
from approvals.queue.transitions import answer_alarm, news_of, raise_alarm
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

# Longer than one call of the registry client can take, retries and all: only a worker that died
# stays silent for so long.
LEASE = timedelta(minutes=4)
# How many workers in a row may take the work and never report back.
MOST_TRIES = 5
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=5)
GIVE_UP_AFTER = timedelta(days=1)
PROGRESS_EVERY_SECONDS = 0.5
LEFTOVER_AFTER_SECONDS = 24 * 3600
State = InspectionWork.State


class LeaseLost(Exception):
    """Somebody else has this work now; whatever was found is theirs to find."""


class InspectionFailed(Exception):
    """The inspection cannot be made; the text says why and what to do."""


def request_missing() -> int:
    """Asks for every staged version that still waits and that nobody asked for yet; how many."""
    rows = StagedVersion.objects.filter(
        state__in=AT_REGISTRY_STATES, inspection_request__isnull=True
    ).order_by("created_at")[:1000]
    requests = [InspectionRequest(staged_version=row) for row in rows]
    InspectionRequest.objects.bulk_create(requests, ignore_conflicts=True)
    return len(requests) + _ask_again_for_returned() + _ask_again_for_outdated()


def _ask_again_for_returned() -> int:
    """What was gone when its turn came, and is back at the registry since."""
    returned = InspectionRequest.objects.filter(
        state=State.FAILED,
        staged_version__state=StagedState.STAGED,
        staged_version__state_changed_at__gt=F("requested_at"),
    )
    return _again(returned, from_states=[State.FAILED])


def _ask_again_for_outdated() -> int:
    """What was compared with a baseline that users may no longer have: another version of the
    package went live since."""
    newer = StagedVersion.objects.filter(
        package=OuterRef("staged_version__package"),
        state__in=[StagedState.LIVE, StagedState.PUBLISHED_ELSEWHERE],
        state_changed_at__gt=OuterRef("requested_at"),
    )
    outdated = InspectionRequest.objects.filter(
        Exists(newer), state=State.DONE, staged_version__state=StagedState.STAGED
    )
    return _again(outdated, from_states=[State.DONE])


def _again(requests: QuerySet[InspectionRequest], *, from_states: list[State]) -> int:
    # The keys first: a guard on another table's columns is none on PostgreSQL, where an update
    # that waited for a lock looks again only at its own.
    keys = list(requests.values_list("pk", flat=True)[:1000])
    return InspectionRequest.objects.filter(pk__in=keys, state__in=from_states).update(
        **_anew(timezone.now())
    )


def _anew(now: datetime) -> dict[str, Any]:
    return {
        "state": State.WAITING,
        "requested_at": now,
        "due_at": now,
        "tries": 0,
        "failure": "",
        "step": "",
        "progress_done": 0,
        "progress_total": 0,
    }


def ask_again(staged_version: StagedVersion, *, actor: AbstractBaseUser | None = None) -> bool:
    """Puts a finished or failed inspection back in the line.

    False where one is under way, or where the registry has no tarball any more.
    """
    with transaction.atomic():
        asked = _again(
            InspectionRequest.objects.filter(
                staged_version=staged_version, staged_version__state__in=AT_REGISTRY_STATES
            ),
            from_states=[State.FAILED, State.DONE],
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
                f"The worker died {MOST_TRIES} times in a row while inspecting this tarball. It "
                "may be made to exhaust memory or time: look at it by hand, in a sandbox."
            )
        _inspect(request)
    except LeaseLost:
        logger.warning("stage=%s inspection taken over by another worker", staged_version.stage_id)
    except DigestMismatch as error:
        raise_alarm(
            staged_version,
            AlarmKind.DOWNLOAD_DIFFERS,
            f"The tarball at the registry is not the one that was announced: {error}",
        )
        _failed(request, str(error))
    except RateLimited as error:
        _try_later(request, str(error), asked_for=error.retry_after)
    except RegistryUnavailable as error:
        _try_later(request, str(error))
    except NotFound as error:
        _failed(request, f"It is no longer at the registry: {error}")
    except (RegistryError, TarballError, SealBroken, InspectionFailed) as error:
        _failed(request, str(error))
    except OperationalError as error:
        _try_later(request, f"The database did not answer: {error}")
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            # The disk is full or the like: that is the machine's fault, not the tarball's.
            _try_later(request, f"The worker's machine could not do it: {error.strerror}.")
            return
        # A tarball that breaks the engine must be seen by a person, not retried for ever.
        logger.exception("stage=%s inspection broke", staged_version.stage_id)
        _failed(
            request,
            f"Countersign failed on this tarball ({type(error).__name__}). It was not compared: "
            "look at it by hand, and report this.",
        )


def diff_text(change: FileChange) -> str:
    """The stored unified diff of one file, "" where there is none."""
    diff = FileDiff.objects.filter(change=change).first()
    return zlib.decompress(diff.compressed).decode() if diff else ""


def _inspect(request: InspectionRequest) -> None:
    row = request.staged_version
    folder_for_tarballs = settings.VAR_DIR / "inspecting"
    folder_for_tarballs.mkdir(mode=0o700, parents=True, exist_ok=True)
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
        comparison, diffs = None, []
        if inspection is None:
            comparison = compare_tarballs(
                staged.path,
                baseline_tarball.path if baseline_tarball else None,
                on_progress=progress,
            )
            diffs = compressed_diffs(comparison)
    with transaction.atomic():
        if comparison is not None:
            inspection = keep(comparison, diffs, staged, baseline_tarball)
        assert inspection is not None  # noqa: S101 - found above, or kept just now
        _done(
            request,
            inspection,
            baseline=baseline,
            maintainers=list(packument.maintainers) if packument else [],
        )


def _check_unchanged(row: StagedVersion, item: StagedItem) -> None:
    if difference := stage_id_difference(row, item):
        raise_alarm(row, AlarmKind.STAGE_CHANGED, difference)
        raise InspectionFailed(difference)


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
    except NotFound as error:
        raise InspectionFailed(
            f"The published tarball of {baseline.version.version}, which this version would be "
            f"compared with, cannot be had: {error}"
        ) from error
    except DigestMismatch as error:
        # Not the staged tarball's fault, so it raises no alarm on it; but nothing to compare with.
        raise InspectionFailed(
            f"The published tarball of {baseline.version.version} is not the one the registry "
            f"announces: {error}"
        ) from error


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
        dangers=sum(point.is_bad for point in unusual_of(row, inspection)),
    )
    if not held:
        raise LeaseLost
    StagedVersion.objects.filter(pk=row.pk).update(sha512=inspection.staged_sha512)
    answer_alarm(row, AlarmKind.DOWNLOAD_DIFFERS)
    record(
        "inspection.done",
        subject=row,
        stage_id=row.stage_id,
        sha512=inspection.staged_sha512,
        baseline=baseline.version.version if baseline.version else None,
        files_changed=inspection.files_changed,
    )


def _failed(request: InspectionRequest, reason: str) -> None:
    """For good: a person has to look at it, or to ask for it again."""
    row = request.staged_version
    with transaction.atomic():
        if _give_back(request, State.FAILED, reason):
            outbox.publish(
                "inspection.failed", stage_id=row.stage_id, **news_of(row), reason=reason[:600]
            )
            record(
                "inspection.failed",
                subject=row,
                stage_id=row.stage_id,
                reason=reason[:600],
            )
    logger.warning("stage=%s inspection failed: %s", row.stage_id, reason)


def _try_later(request: InspectionRequest, reason: str, *, asked_for: float = 0.0) -> None:
    """What failed may pass by itself; the pauses grow with the time that it takes."""
    waited = timezone.now() - request.requested_at
    if waited > GIVE_UP_AFTER:
        _failed(request, reason)
        return
    pause = min(max(waited / 2, FIRST_PAUSE), LONGEST_PAUSE)
    pause = max(pause, min(timedelta(seconds=asked_for), LONGEST_WAIT_ASKED_FOR))
    # It did report back: whatever went before, this worker did not die.
    _give_back(request, State.WAITING, reason, due_at=timezone.now() + pause, tries=0)
    logger.warning("stage=%s inspection put off: %s", request.staged_version.stage_id, reason)


def _give_back(request: InspectionRequest, state: State, reason: str, **fields: Any) -> bool:
    return bool(
        InspectionRequest.objects.filter(
            pk=request.pk, lease_holder=request.lease_holder, state=State.RUNNING
        ).update(
            state=state,
            lease_holder="",
            lease_until=None,
            step="",
            failure=reason[:600],
            **fields,
        )
    )


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
        # Another worker may be done with its own folder at this very moment.
        with contextlib.suppress(FileNotFoundError):
            if time.time() - leftover.stat().st_mtime > LEFTOVER_AFTER_SECONDS:
                shutil.rmtree(leftover, ignore_errors=True)
