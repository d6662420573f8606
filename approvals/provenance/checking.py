"""One look for the provenance of one staged version, and what becomes of it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice, takewhile

from celery.exceptions import SoftTimeLimitExceeded
from django.db import OperationalError, transaction
from django.utils import timezone

from approvals.provenance.bundles import MOST_BUNDLES
from approvals.provenance.examine import RegistryKeys, Tarball, examine
from approvals.provenance.history import ASK_AGAIN_AFTER, History
from approvals.provenance.keep import (
    Found,
    is_outdated,
    keep,
    missing,
    proven,
    refused,
    verify_again,
)
from approvals.provenance.leases import LeaseLost, Progress, TookTooLong, give_back, held
from approvals.provenance.models import Provenance, ProvenanceCheck
from approvals.provenance.requests import pause as pause_registry
from approvals.provenance.settle import settle
from approvals.provenance.sources import SOURCES
from approvals.provenance.sources.source import BundleSource, Look, SourceFailed
from approvals.provenance.trust import TrustUnusable, trust_for
from approvals.queue.models import StagedVersion
from approvals.queue.registries import client_for
from approvals.queue.sync import LONGEST_WAIT_ASKED_FOR, packument_or_none
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
# Where no release of the package is known to have had provenance: it would be a surprise here.
LONGEST_PAUSE_WITHOUT = timedelta(hours=6)
# For how long at most a registry that cannot answer one check is not asked for the others: what is
# broken for one package alone must not keep the rest waiting.
LONGEST_PAUSE_OF_OTHERS = timedelta(minutes=1)
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
    gap: str
    at: datetime | None


@dataclass
class _Seen:
    """What one look gave. `known` is proven already; `found` is what was found now, or None where
    that is not known.

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
    seen = _Seen()
    try:
        try:
            _look(work, seen)
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001 - `_words_for` tells them apart, and logs bugs
            seen.failure = error
        try:
            _end(work, seen)
        except (LeaseLost, OperationalError):
            raise
        except Exception as error:  # noqa: BLE001 - as above; nothing found is recorded now
            _end(work, _Seen(failure=error), is_judged=False)
    except LeaseLost:
        logger.warning("stage=%s provenance taken over by another worker", stage_id)


def _look(work: ProvenanceCheck, seen: _Seen) -> None:
    """Writes into `seen` what it finds as soon as it has it: whatever ends it, that is not lost."""
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
        seen.known = _known(row, trust)
        if sources := _still_to_ask(seen.known):
            _search(sources, Look(row, client, progress), trust, keys, seen)
        if seen.failure is None and _is_comparison_due(work, trust):
            _compare(seen, work, client, History(row, client, trust, keys, progress), progress)


def _known(row: StagedVersion, trust: Trust) -> Provenance | None:
    """What is proven about this tarball already, perhaps when it was staged before."""
    known = (
        Provenance.objects.defer("compressed")
        .filter(package=row.package, version=row.version, sha512=row.sha512)
        .first()
    )
    if known is not None:
        known = verify_again(known, row.package.name, trust, stage_id=row.stage_id)
    return known if known is not None and known.is_verified else None


def _still_to_ask(known: Provenance | None) -> Sequence[BundleSource]:
    """The sources that may have better than what is known."""
    if known is None:
        return SOURCES
    if known.is_from_registry:
        return ()
    return list(takewhile(lambda one: one.source != known.source, SOURCES))


def _search(
    sources: Sequence[BundleSource], look: Look, trust: Trust, keys: RegistryKeys, seen: _Seen
) -> None:
    """Asks the sources in their order up to the first that has a bundle which proves something."""
    about = Tarball(look.row.package.name, look.row.version, look.row.sha512)
    publish: PublishVerification | None = None
    for source in sources:
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
            seen.found = proven(
                examined.verified, examined.bundle, source.source, trust, examined.publish
            )
            return
        if examined.refused and source.vouches and seen.found is None:
            seen.found = refused(examined, source.source, trust)
    if seen.found is None and seen.failure is None:
        seen.found = missing(_MISSING, publish)


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


def _is_comparison_due(work: ProvenanceCheck, trust: Trust) -> bool:
    if work.compared_at is None or work.compared_at < timezone.now() - ASK_AGAIN_AFTER:
        return True
    return work.baseline is not None and is_outdated(work.baseline, trust)


def _compare(
    seen: _Seen, work: ProvenanceCheck, client: RegistryClient, history: History, progress: Progress
) -> None:
    row = work.staged_version
    progress("Reading what is published")
    at = timezone.now()
    packument = packument_or_none(client, row.package.name)
    chosen = baseline_for(packument, row.version, row.tag).version
    version = chosen.version if chosen else ""
    told = history.of(packument, version)
    seen.failure = told.failure
    baseline = next((one for one in told.rows if one.version == version), None)
    # An earlier baseline says more than none.
    if seen.failure is None or baseline is not None or work.baseline is None:
        seen.comparison = _Comparison(
            version, baseline, told.rows, told.gap, None if seen.failure else at
        )


def _end(work: ProvenanceCheck, seen: _Seen, *, is_judged: bool = True) -> None:
    """Records what the look gave, and when the next one is due. Raises LeaseLost.

    Not `is_judged` leaves the verdict as it is: judging is what failed.
    """
    row, now = work.staged_version, timezone.now()
    failure, pause, tries = _words_for(work, seen.failure)
    with transaction.atomic():
        provenance = seen.known
        if seen.found is not None:
            provenance = keep(row.package, row.version, row.sha512, seen.found)
        current = held(work).select_for_update(no_key=True).first()
        if current is None:
            raise LeaseLost
        provenance = provenance or current.provenance
        is_proven = provenance is not None and provenance.is_verified
        is_best = provenance is not None and is_proven and provenance.is_from_registry
        is_done = is_best and not failure
        looks = work.looks + 1
        if not is_done and current.requested_at != work.requested_at:
            # Something was handed in while this look was under way: it may have come too late.
            looks, pause = 0, timedelta(0)
        elif provenance is not None and not is_done and not failure:
            pause = _pause_without(work, row, is_proven=is_proven)
        if seen.comparison:
            held(work).update(
                baseline_version=seen.comparison.baseline_version,
                baseline=seen.comparison.baseline,
                history_gap=seen.comparison.gap,
                compared_at=seen.comparison.at,
            )
            current.history.set(seen.comparison.history)
        if is_judged:
            settle(work, provenance=provenance)
        give_back(
            work,
            State.DONE if is_done else State.WAITING,
            due_at=now + pause,
            looks=looks,
            tries=tries,
            failure=failure or ("" if is_proven else " ".join(seen.notes)[:600]),
        )
    if isinstance(seen.failure, RateLimited):
        pause_registry(row.registry, now + pause)
    elif isinstance(seen.failure, RegistryUnavailable):
        pause_registry(row.registry, now + min(pause, LONGEST_PAUSE_OF_OTHERS))
    logger.info(
        "stage=%s provenance %s; %s",
        row.stage_id,
        provenance.outcome if provenance else "not known",
        "done" if is_done else f"looked at again in {pause.total_seconds():.0f} s",
    )


def _pause_without(work: ProvenanceCheck, row: StagedVersion, *, is_proven: bool) -> timedelta:
    """Until it is looked for again what was not found, or (`is_proven`) not at the registry."""
    with_bundles = Provenance.objects.filter(package=row.package).exclude(outcome=Outcome.MISSING)
    if is_proven:
        with_bundles = with_bundles.filter(source=Provenance.Source.REGISTRY)
    return _growing(work, LONGEST_PAUSE if with_bundles.exists() else LONGEST_PAUSE_WITHOUT)


def _growing(work: ProvenanceCheck, longest: timedelta) -> timedelta:
    return min(FIRST_PAUSE * (1 << min(work.looks, 16)), longest)


def _words_for(work: ProvenanceCheck, error: Exception | None) -> tuple[str, timedelta, int]:
    """What is said of the failure, the pause until the next look, and the tries to begin with."""
    growing = _growing(work, LONGEST_PAUSE)
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
