"""Making one inspection: from two tarballs to the rows that say what differs."""

import logging
from collections import Counter
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import OperationalError, transaction
from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.record import record
from approvals.inspection.asking import ask_about
from approvals.inspection.claims import Pair, PairTaken
from approvals.inspection.compare import compare_tarballs
from approvals.inspection.engine import engine_version
from approvals.inspection.finding import Finding, findings_from
from approvals.inspection.findings import findings_at_registry
from approvals.inspection.folders import temporary_folder
from approvals.inspection.keep import keep
from approvals.inspection.leases import LeaseLost, Progress, Work, give_back
from approvals.inspection.limits import compare_limits
from approvals.inspection.models import (
    Inspection,
    InspectionRequest,
    InspectionWork,
    OtherBaselineRequest,
)
from approvals.inspection.requests import MOST_PUBLISHED_VERSIONS
from approvals.inspection.search.operator_rules import operator_rules
from approvals.inspection.sources import InspectionFailed, Sources
from approvals.inspection.staged_as import staging_of
from approvals.inspection.standing import Source, write_findings
from approvals.inspection.viewed import carry_over
from approvals.queue.models import LONGEST_GIT_HEAD, AlarmKind, StagedVersion
from approvals.queue.registries import client_for
from approvals.queue.sync import LONGEST_WAIT_ASKED_FOR, packument_or_none
from approvals.queue.transitions import answer_alarm, news_of, raise_alarm
from approvals.sealing import SealBroken
from registry_client.client import Download
from registry_client.errors import (
    DigestMismatch,
    NotFound,
    RateLimited,
    RegistryError,
    RegistryUnavailable,
    clean_words,
)
from registry_client.tarball import TarballError
from registry_client.versions import (
    PLACEHOLDER_VERSION,
    Baseline,
    Packument,
    baseline_for,
    parse_version,
    sort_key,
)

logger = logging.getLogger(__name__)

# How many workers in a row may take the work and never report back.
MOST_TRIES = 5
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=5)
# The other worker is done in seconds, or dead for minutes.
LONGEST_PAUSE_FOR_A_PAIR = timedelta(minutes=1)
GIVE_UP_AFTER = timedelta(days=1)
State = InspectionWork.State


def inspect(work: Work) -> None:
    """Makes the inspection that `claim_due` handed out, and records how it ended."""
    staged_version = work.staged_version
    try:
        if work.tries > MOST_TRIES:
            raise InspectionFailed(
                f"The worker died {MOST_TRIES} times in a row while inspecting this tarball. It "
                "may be made to exhaust memory or time: look at it by hand, in a sandbox."
            )
        _inspect(work)
    except LeaseLost:
        logger.warning("stage=%s inspection taken over by another worker", staged_version.stage_id)
    except PairTaken:
        # Not a try: nothing failed, and whoever died meanwhile is still counted.
        give_back(
            work,
            State.WAITING,
            step="Another worker is comparing the same tarballs",
            due_at=timezone.now() + min(_pause(work), LONGEST_PAUSE_FOR_A_PAIR),
            tries=work.tries - 1,
        )
    except DigestMismatch as error:
        raise_alarm(
            staged_version,
            AlarmKind.DOWNLOAD_DIFFERS,
            f"The tarball at the registry is not the one that was announced: {error}",
        )
        _failed(work, str(error))
    except RateLimited as error:
        _try_later(work, str(error), asked_for=error.retry_after)
    except RegistryUnavailable as error:
        _try_later(work, str(error))
    except NotFound as error:
        _failed(work, f"It is no longer at the registry: {error}")
    except (RegistryError, TarballError, SealBroken, InspectionFailed) as error:
        _failed(work, str(error))
    except OperationalError as error:
        _try_later(work, f"The database did not answer: {error}")
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            # The disk is full or the like: that is the machine's fault, not the tarball's.
            _try_later(work, f"The worker's machine could not do it: {error.strerror}.")
            return
        # A tarball that breaks the engine must be seen by a person, not retried for ever.
        logger.exception("stage=%s inspection broke", staged_version.stage_id)
        _failed(
            work,
            f"Countersign failed on this tarball ({type(error).__name__}). It was not compared: "
            "look at it by hand, and report this.",
        )


def _inspect(work: Work) -> None:
    row = work.staged_version
    with temporary_folder() as folder, client_for(row.registry) as client:
        packument = packument_or_none(client, row.package.name)
        progress = Progress(work)
        sources = Sources(row, client, folder, progress)
        if isinstance(work, OtherBaselineRequest):
            baseline = _chosen(work, packument)
            staged = sources.staged_or_kept()
        else:
            baseline = baseline_for(packument, row.version, row.tag)
            # Even where it is kept: a decision stands on what the registry has now.
            staged = sources.staged()
        old = sources.published(baseline.version) if baseline.version else None
        inspection = _compared(staged, old, progress)
        at_registry = []
        if not isinstance(work, OtherBaselineRequest):
            summary = inspection.summary
            asked = ask_about(
                summary.get("manifest_old"), summary.get("manifest_new"), client, progress
            )
            at_registry = findings_at_registry(
                staging_of(row, inspection, baseline, packument, asked)
            )
        with transaction.atomic():
            _done(work, inspection, baseline, packument, at_registry)


def _compared(staged: Download, baseline: Download | None, progress: Progress) -> Inspection:
    """The comparison of these two, made by this worker only if nobody has made it or is at it.

    It is kept even where the work itself is somebody else's by then. Raises PairTaken.
    """
    # Read once: what is found with them is kept under their digest.
    rules = operator_rules(settings.YARA_RULES)
    pair = Pair(staged.sha512, baseline.sha512 if baseline else "", engine_version(rules))
    if (inspection := pair.inspection()) is not None:
        return inspection
    with progress.claiming(pair):
        # Looked for again: it may have been finished between the look and the claim.
        if (inspection := pair.inspection()) is not None:
            return inspection
        comparison = compare_tarballs(
            staged.path,
            baseline.path if baseline else None,
            limits=compare_limits(rules),
            on_progress=progress,
            stage_id=str(progress.work.staged_version.stage_id),
        )
        return keep(comparison, staged, baseline, engine=pair.engine_version)


def _chosen(work: OtherBaselineRequest, packument: Packument | None) -> Baseline:
    version = work.baseline_version
    published = packument.versions.get(version) if packument else None
    if published is None:
        raise InspectionFailed(f"{version} is not published, or not any more.")
    return Baseline(published, "")


def published_versions(packument: Packument | None) -> list[str]:
    """What else there is to compare with: the newest first, at most so many as are kept."""
    versions = packument.versions if packument else {}
    known = [
        version
        for version in versions
        if version != PLACEHOLDER_VERSION and parse_version(version) is not None
    ]
    return sorted(known, key=sort_key, reverse=True)[:MOST_PUBLISHED_VERSIONS]


def _done(
    work: Work,
    inspection: Inspection,
    baseline: Baseline,
    packument: Packument | None,
    at_registry: list[Finding],
) -> None:
    fields: dict[str, Any] = {"inspection": inspection}
    if work.inspection_id not in (None, inspection.pk):
        carry_over(work.inspection_id, inspection.pk)
    if isinstance(work, OtherBaselineRequest):
        if not give_back(work, State.DONE, **fields):
            raise LeaseLost
        return
    row = work.staged_version
    version = baseline.version.version if baseline.version else ""
    fields |= {
        "baseline_version": version,
        "baseline_reason": baseline.reason[:400],
        "maintainers": list(packument.maintainers) if packument else [],
        "published_versions": published_versions(packument),
    }
    if not give_back(work, State.DONE, **fields):
        raise LeaseLost
    in_tarball = findings_from(inspection.findings)
    write_findings(row, Source.TARBALL, in_tarball, inspection=inspection)
    write_findings(row, Source.REGISTRY, at_registry)
    # Together: whoever knows the digest may judge by what the tarball says of itself.
    StagedVersion.objects.filter(pk=row.pk).update(
        sha512=inspection.staged_sha512, git_head=git_head_of(inspection)
    )
    answer_alarm(row, AlarmKind.DOWNLOAD_DIFFERS)
    outbox.publish("inspection.done", stage_id=row.stage_id)
    record(
        "inspection.done",
        subject=row,
        stage_id=row.stage_id,
        sha512=inspection.staged_sha512,
        baseline=version or None,
        files_changed=inspection.files_changed,
        findings=dict(Counter(str(one.severity) for one in [*in_tarball, *at_registry])),
    )


def git_head_of(inspection: Inspection) -> str:
    """The commit that the staged package.json names, or "": bounded, and with nothing hidden."""
    head = (inspection.summary.get("manifest_new") or {}).get("gitHead")
    return clean_words(head, LONGEST_GIT_HEAD) if isinstance(head, str) else ""


def _failed(work: Work, reason: str) -> None:
    """For good: a person has to look at it, or to ask for it again."""
    row = work.staged_version
    with transaction.atomic():
        # Nothing stands on a comparison that a reader chose: only its page says that it failed.
        if give_back(work, State.FAILED, reason) and isinstance(work, InspectionRequest):
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


def _pause(work: Work) -> timedelta:
    waited = timezone.now() - work.requested_at
    return min(max(waited / 2, FIRST_PAUSE), LONGEST_PAUSE)


def _try_later(work: Work, reason: str, *, asked_for: float = 0.0) -> None:
    """What failed may pass by itself; the pauses grow with the time that it takes."""
    if timezone.now() - work.requested_at > GIVE_UP_AFTER:
        _failed(work, reason)
        return
    pause = max(_pause(work), min(timedelta(seconds=asked_for), LONGEST_WAIT_ASKED_FOR))
    # It did report back: whatever went before, this worker did not die.
    give_back(work, State.WAITING, reason, due_at=timezone.now() + pause, tries=0)
    logger.warning("stage=%s inspection put off: %s", work.staged_version.stage_id, reason)
