"""One look for the provenance of one staged version, and what becomes of it."""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import OperationalError, transaction
from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.record import record
from approvals.provenance.bundles import MOST_BUNDLES
from approvals.provenance.case import case_of
from approvals.provenance.examine import RegistryKeys, Tarball, examine
from approvals.provenance.history import ASK_AGAIN_AFTER, History
from approvals.provenance.keep import Found, keep, missing, proven, refused
from approvals.provenance.leases import LeaseLost, Progress, TookTooLong, give_back, held
from approvals.provenance.models import Provenance, ProvenanceCheck
from approvals.provenance.sources import SOURCES
from approvals.provenance.sources.source import BundleSource, Look, SourceFailed
from approvals.provenance.trust import TrustUnusable, trust_for
from approvals.provenance.verdict import verdict_of
from approvals.queue.registries import client_for
from approvals.queue.sync import LONGEST_WAIT_ASKED_FOR, packument_or_none
from approvals.queue.transitions import news_of
from approvals.sealing import SealBroken
from registry_client.client import RegistryClient
from registry_client.errors import RateLimited, RegistryError, RegistryUnavailable
from registry_client.provenance import PublishVerification, Trust
from registry_client.versions import baseline_for

logger = logging.getLogger(__name__)

# How many workers in a row may take the check and never report back.
MOST_TRIES = 5
FIRST_PAUSE = timedelta(seconds=15)
LONGEST_PAUSE = timedelta(minutes=15)
State, Outcome = ProvenanceCheck.State, Provenance.Outcome
_MISSING = "The registry has no provenance of this version, and nobody has handed any in."


class WorkersDied(Exception):
    """The check ends whoever takes it; the text says so."""


@dataclass(frozen=True)
class _Comparison:
    """What the version is compared with; `at` is None where that is not complete."""

    baseline_version: str
    baseline: Provenance | None
    history: list[Provenance]
    at: datetime | None


@dataclass
class _Seen:
    """What one look gave. `known` is proven already; `found` is None where it is not known.

    `notes` say what could not be asked without any hope that it can be later, `failure` why the
    look is not complete.
    """

    known: Provenance | None = None
    found: Found | None = None
    comparison: _Comparison | None = None
    notes: list[str] = field(default_factory=list)
    failure: Exception | None = None


def check(work: ProvenanceCheck) -> None:
    """Makes the look that `claim_due` handed out, and records how it ended."""
    stage_id = work.staged_version.stage_id
    try:
        try:
            seen = _look(work)
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001 - `_words_for` tells them apart, and logs bugs
            seen = _Seen(failure=error)
        try:
            _end(work, seen)
        except (LeaseLost, OperationalError):
            raise
        except Exception as error:  # noqa: BLE001 - as above; nothing found is recorded now
            _end(work, _Seen(failure=error))
    except LeaseLost:
        logger.warning("stage=%s provenance taken over by another worker", stage_id)


def _look(work: ProvenanceCheck) -> _Seen:
    if work.tries > MOST_TRIES:
        raise WorkersDied(
            f"The worker died {MOST_TRIES} times in a row while looking for the provenance of this "
            "version. Its bundles may be made to exhaust memory or time: look at them by hand."
        )
    row = work.staged_version
    trust = trust_for(row.registry)
    progress = Progress(work)
    with client_for(row.registry) as client:
        keys = RegistryKeys(client, progress)
        seen = _Seen(known=_known(work))
        if seen.known is None:
            seen = _search(Look(row, client, row.sha512, progress), trust, keys)
        if seen.failure is None and _is_comparison_due(work):
            try:
                _compare(seen, work, client, History(row, client, trust, keys, progress), progress)
            except (RegistryError, TookTooLong) as error:
                seen.failure = error
    return seen


def _known(work: ProvenanceCheck) -> Provenance | None:
    """What is proven about this tarball already, perhaps when it was staged before."""
    row = work.staged_version
    return (
        Provenance.objects.defer("compressed")
        .filter(package=row.package, version=row.version, sha512=row.sha512)
        .filter(outcome=Outcome.VERIFIED)
        .first()
    )


def _search(look: Look, trust: Trust, keys: RegistryKeys) -> _Seen:
    """Asks the sources in their order up to the first that has a bundle which proves something."""
    seen = _Seen()
    about = Tarball(look.row.package.name, look.row.version, look.sha512)
    publish: PublishVerification | None = None
    for source in SOURCES:
        if seen.failure is not None and source.asks_registry:
            continue
        look.tell(source.step)
        bundles = _bundles_of(source, look, seen)
        examined = examine(bundles, about, trust, keys, stage_id=look.row.stage_id)
        publish = examined.publish = publish or examined.publish
        for bundle, verification in examined.refused:
            logger.info(
                "stage=%s a bundle (%s) proves nothing: %s",
                look.row.stage_id,
                source.source.label,
                verification.reason,
            )
            source.refused(look, bundle, verification.reason)
        if examined.verified:
            seen.found = proven(examined, source.source, is_public=trust.is_public)
            return seen
        if examined.refused and source.vouches and seen.found is None:
            seen.found = refused(examined, source.source)
    if seen.found is None and seen.failure is None:
        seen.found = missing(_MISSING, publish)
    return seen


def _bundles_of(source: BundleSource, look: Look, seen: _Seen) -> list[str]:
    bundles: list[str] = []
    try:
        # One by one: what came before a source failed is examined all the same.
        for bundle in islice(source.find(look), MOST_BUNDLES):
            bundles.append(bundle)
    except SourceFailed as error:
        logger.info("stage=%s %s", look.row.stage_id, error)
        seen.notes.append(str(error))
    except (RegistryError, TookTooLong) as error:
        seen.failure = error
    return bundles


def _is_comparison_due(work: ProvenanceCheck) -> bool:
    return work.compared_at is None or work.compared_at < timezone.now() - ASK_AGAIN_AFTER


def _compare(
    seen: _Seen, work: ProvenanceCheck, client: RegistryClient, history: History, progress: Progress
) -> None:
    row = work.staged_version
    progress("Reading what is published")
    at = timezone.now()
    packument = packument_or_none(client, row.package.name)
    chosen = baseline_for(packument, row.version, row.tag).version
    version = chosen.version if chosen else ""
    found, seen.failure = history.of(packument, version)
    baseline = next((one for one in found if one.version == version), None)
    if seen.failure is None or baseline is not None:
        seen.comparison = _Comparison(version, baseline, found, None if seen.failure else at)


def _end(work: ProvenanceCheck, seen: _Seen) -> None:
    """Records what the look gave, and when the next one is due. Raises LeaseLost."""
    row, now = work.staged_version, timezone.now()
    failure, pause, tries = _words_for(work, seen.failure)
    with transaction.atomic():
        provenance = seen.known
        if seen.found is not None:
            provenance = keep(row.package, row.version, row.sha512, seen.found)
        current = held(work).select_for_update().first()
        if current is None:
            raise LeaseLost
        provenance = provenance or current.provenance
        fields: dict[str, Any] = {"provenance": provenance}
        if seen.comparison:
            fields |= {
                "baseline_version": seen.comparison.baseline_version,
                "baseline": seen.comparison.baseline,
                "compared_at": seen.comparison.at,
            }
        is_proven = provenance is not None and provenance.is_verified
        is_done = is_proven and not failure
        give_back(
            work,
            State.DONE if is_done else State.WAITING,
            due_at=now + pause,
            looks=work.looks + 1,
            tries=tries,
            failure=failure or ("" if is_proven else " ".join(seen.notes)[:600]),
            **fields,
        )
        if seen.comparison:
            current.history.set(seen.comparison.history)
        if provenance is not None and (seen.found or seen.known or seen.comparison):
            _tell_if_new(work, _with_verdict(work))
    logger.info(
        "stage=%s provenance %s%s",
        row.stage_id,
        provenance.outcome if provenance else "not known",
        f": {failure}" if failure else "",
    )


def _with_verdict(work: ProvenanceCheck) -> ProvenanceCheck:
    """The check as it is now, its verdict with it.

    Without a baseline looked for, only what was refused has one.
    """
    fresh = (
        ProvenanceCheck.objects.select_related("provenance", "baseline")
        .defer("provenance__compressed", "baseline__compressed")
        .get(pk=work.pk)
    )
    was_refused = fresh.provenance is not None and fresh.provenance.outcome == Outcome.REFUSED
    if fresh.compared_at or fresh.baseline_version or fresh.verdict or was_refused:
        fresh.verdict = verdict_of(case_of(fresh, work.staged_version))
        ProvenanceCheck.objects.filter(pk=fresh.pk).update(verdict=fresh.verdict)
    return fresh


def _tell_if_new(before: ProvenanceCheck, now: ProvenanceCheck) -> None:
    found, row = now.provenance, before.staged_version
    assert found is not None  # noqa: S101 - who calls this has looked
    outcome_before = before.provenance.outcome if before.provenance else ""
    if (outcome_before, before.verdict) == (found.outcome, now.verdict):
        return
    outbox.publish("provenance.found", stage_id=row.stage_id, **news_of(row), outcome=found.outcome)
    record(
        "provenance.found",
        subject=row,
        stage_id=row.stage_id,
        outcome=found.outcome,
        reason=found.reason,
        source=found.source,
        sha512=row.sha512,
        repository=found.build.get("repository", ""),
        commit=found.build.get("commit", ""),
        baseline=now.baseline_version or None,
        verdict=now.verdict,
    )


def _words_for(work: ProvenanceCheck, error: Exception | None) -> tuple[str, timedelta, int]:
    """What is said of the failure, the pause until the next look, and the tries to begin with."""
    growing = min(FIRST_PAUSE * 2 ** min(work.looks, 10), LONGEST_PAUSE)
    words, pause, tries = str(error or ""), LONGEST_PAUSE, 0
    match error:
        case None | RegistryUnavailable():
            pause = growing
        case RateLimited():
            pause = max(growing, min(timedelta(seconds=error.retry_after), LONGEST_WAIT_ASKED_FOR))
        case TookTooLong():
            words, pause = "The registry takes its time: what is left is asked for later.", growing
        case OperationalError():
            words, pause = f"The database did not answer: {error}", growing
        case RegistryError() | SealBroken() | TrustUnusable():
            pass
        case SoftTimeLimitExceeded():
            words = "The look took too long."
        case WorkersDied():
            # One worker more after each pause: it may not have been the bundle's fault.
            tries = MOST_TRIES - 1
        case _:
            logger.error(
                "stage=%s looking for provenance broke",
                work.staged_version.stage_id,
                exc_info=error,
            )
            words = (
                f"Countersign itself failed ({type(error).__name__}). The log of the worker says "
                "more: please report it."
            )
    if words:
        logger.warning("stage=%s provenance put off: %s", work.staged_version.stage_id, words)
    return words[:600], pause, tries
