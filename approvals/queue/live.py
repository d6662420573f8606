"""Watching what was accepted: it is not live until everyone can install it, with the same digest.

The packument has to show the reviewed digest, and the tarball that it leads to has to have it: as
whoever installs it sees both, which for a public package is somebody who does not sign in.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.record import record
from approvals.queue.differences import (
    digest_difference,
    tarball_difference,
    too_large_difference,
)
from approvals.queue.models import AlarmKind, StagedVersion, State
from approvals.queue.registries import client_for
from approvals.queue.sync import packument_or_none, settle_vanished
from approvals.queue.transitions import answer_alarm, move, news_of, raise_alarm
from approvals.sealing import SealBroken
from registry_client.client import RegistryClient
from registry_client.errors import (
    NotAuthorised,
    RateLimited,
    RegistryError,
    RegistryUnavailable,
    TooLarge,
)
from registry_client.versions import PublishedVersion

logger = logging.getLogger(__name__)

FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(seconds=60)
PAUSE_AFTER_ALARM = timedelta(minutes=15)
# Beside the download itself: connecting, and being led elsewhere.
AROUND_A_DOWNLOAD = timedelta(minutes=1)
NOT_VISIBLE_YET = "staged_version.not_visible_yet"
# What registries call a package that only those see who were let in.
PRIVATE = ("private", "restricted")
NOBODY = ""


class RegistryAway(Exception):
    """It did not answer for one version, and so would not for the next."""


class _Closed(Exception):
    """Without signing in, nobody is shown this package."""


def watch_due() -> int:
    """Looks once for every version whose look is due; returns how many it looked for."""
    due = StagedVersion.objects.with_package().filter(live_check_at__lte=timezone.now())
    looked = 0
    away: set[int] = set()
    for row in due.order_by("live_check_at")[:200]:
        if row.registry_id in away:
            continue
        try:
            looked += watch(row)
        except RegistryAway:
            away.add(row.registry_id)
        except Exception:
            # One package that breaks us must not keep the others from being seen to be live.
            logger.exception("stage=%s looking whether it is live broke", row.stage_id)
    return looked


def watch(row: StagedVersion) -> bool:
    """Looks once whether one version can be installed; False where another worker just did.

    Raises RegistryAway.
    """
    pause = min(FIRST_PAUSE * 2 ** min(row.live_checks, 10), LONGEST_PAUSE)
    if row.alarm:
        pause = PAUSE_AFTER_ALARM
    next_at = timezone.now() + pause
    claimed = StagedVersion.objects.filter(
        pk=row.pk, live_checks=row.live_checks, live_check_at=row.live_check_at
    ).update(live_checks=row.live_checks + 1, live_check_at=next_at)
    if not claimed:
        return False
    row.live_checks, row.live_check_at = row.live_checks + 1, next_at
    try:
        if row.state == State.WITHDRAWN:
            _look_for_withdrawn(row)
        else:
            _look_for_accepted(row)
    except (RegistryError, SealBroken) as error:
        logger.warning("stage=%s cannot see whether it is live: %s", row.stage_id, error)
        _not_visible(row, f"the registry could not be asked: {error}")
        if isinstance(error, RegistryUnavailable | RateLimited):
            raise RegistryAway from error
    return True


def _look_for_withdrawn(row: StagedVersion) -> None:
    with client_for(row.registry) as client:
        packument = packument_or_none(client, row.package.name)
    if packument and packument.versions.get(row.version):
        settle_vanished(row, packument, from_states=[State.WITHDRAWN])
    elif _overdue(row):
        StagedVersion.objects.filter(pk=row.pk, state=State.WITHDRAWN).update(live_check_at=None)


def _look_for_accepted(row: StagedVersion) -> None:
    if row.access not in PRIVATE:
        try:
            with client_for(row.registry, token=NOBODY) as client:
                _look(row, client, signed_in=False)
                return
        except _Closed:
            logger.info("stage=%s the registry shows it to nobody who is a stranger", row.stage_id)
    with client_for(row.registry) as client:
        _look(row, client, signed_in=True)


def _look(row: StagedVersion, client: RegistryClient, *, signed_in: bool) -> None:
    try:
        packument = packument_or_none(client, row.package.name)
    except NotAuthorised:
        if signed_in:
            raise
        # Where everybody has to sign in, that is how it is installed.
        raise _Closed from None
    if packument is None and not row.access and not signed_in:
        # The registry did not say whether it is public: to strangers, what is private is not there.
        raise _Closed
    published = packument.versions.get(row.version) if packument else None
    if published is None:
        _not_visible(row, "it is not in the packument yet")
    elif difference := digest_difference(row, published):
        raise_alarm(row, AlarmKind.LIVE_DIFFERS, difference)
    else:
        _fetch(row, client, published, signed_in=signed_in)


def _fetch(
    row: StagedVersion, client: RegistryClient, published: PublishedVersion, *, signed_in: bool
) -> None:
    next_at = row.live_check_at
    seconds = settings.LIVE_DOWNLOAD_SECONDS
    if not _next_look(row, timezone.now() + timedelta(seconds=seconds) + AROUND_A_DOWNLOAD):
        return
    try:
        fetched = client.digests_of_published(published, seconds=seconds)
    except TooLarge as error:
        _next_look(row, next_at)
        raise_alarm(row, AlarmKind.LIVE_DIFFERS, too_large_difference(row, error.limit))
        return
    except RegistryError as error:
        _next_look(row, next_at)
        logger.warning("stage=%s its tarball cannot be fetched: %s", row.stage_id, error)
        how = "" if signed_in else " without signing in"
        _not_visible(
            row, f"it is in the packument, but its tarball cannot be fetched{how}: {error}"
        )
        if isinstance(error, RegistryUnavailable | RateLimited):
            raise RegistryAway from error
        return
    if difference := tarball_difference(row, fetched):
        _next_look(row, next_at)
        raise_alarm(row, AlarmKind.LIVE_DIFFERS, difference)
        return
    with transaction.atomic():
        answer_alarm(row, AlarmKind.NOT_LIVE)
        move(
            row,
            from_states=[State.ACCEPTED],
            to=State.LIVE,
            fields={"live_check_at": None},
            published_by=published.npm_user,
            shasum=fetched.sha1,
            sha512=fetched.sha512,
            fetched="with the read token" if signed_in else "without signing in",
        )


def _next_look(row: StagedVersion, at: datetime | None) -> bool:
    """Sets when it is looked for next; False where another worker has taken that over."""
    held = StagedVersion.objects.filter(
        pk=row.pk, live_checks=row.live_checks, live_check_at=row.live_check_at
    ).update(live_check_at=at)
    if held:
        row.live_check_at = at
    return bool(held)


def _overdue(row: StagedVersion) -> bool:
    return _waited(row) > timedelta(seconds=settings.LIVE_WATCH_SECONDS)


def _waited(row: StagedVersion) -> timedelta:
    return timezone.now() - row.state_changed_at


def _not_visible(row: StagedVersion, why: str) -> None:
    """Nobody can install it yet: after a while that is said once, and long after it is an alarm."""
    if row.state != State.ACCEPTED or row.alarm:
        return
    if _overdue(row):
        minutes = settings.LIVE_WATCH_SECONDS // 60
        raise_alarm(
            row,
            AlarmKind.NOT_LIVE,
            f"{row} was accepted more than {minutes} minutes ago, and nobody can install it. Ask "
            "the registry's support, and do not stage it again before you know. When it was looked "
            f"for last: {why}",
        )
    elif _waited(row) > timedelta(seconds=settings.NOT_VISIBLE_SECONDS):
        _say_once(row, why)


def _say_once(row: StagedVersion, why: str) -> None:
    now = timezone.now()
    with transaction.atomic():
        first = StagedVersion.objects.filter(
            pk=row.pk, state=State.ACCEPTED, not_visible_told_at__isnull=True
        ).update(not_visible_told_at=now)
        if not first:
            return
        row.not_visible_told_at = now
        reason = f"When it was looked for last: {why}"
        outbox.publish(NOT_VISIBLE_YET, stage_id=row.stage_id, **news_of(row), reason=reason)
        record(NOT_VISIBLE_YET, subject=row, stage_id=row.stage_id, reason=reason)
