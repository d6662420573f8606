"""Watching the packument: accepted is not live until everyone can see it, with the same digest."""

import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from approvals.queue.differences import digest_difference
from approvals.queue.models import AlarmKind, StagedVersion, State
from approvals.queue.registries import client_for
from approvals.queue.sync import packument_or_none, settle_vanished
from approvals.queue.transitions import answer_alarm, move, raise_alarm
from approvals.sealing import SealBroken
from registry_client.errors import RateLimited, RegistryError, RegistryUnavailable
from registry_client.versions import PublishedVersion

logger = logging.getLogger(__name__)

FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(seconds=60)
PAUSE_AFTER_ALARM = timedelta(minutes=15)


class RegistryAway(Exception):
    """It did not answer for one version, and so would not for the next."""


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
    """Looks into the packument for one version; False where another worker just did.

    Raises RegistryAway.
    """
    pause = min(FIRST_PAUSE * 2 ** min(row.live_checks, 10), LONGEST_PAUSE)
    if row.alarm:
        pause = PAUSE_AFTER_ALARM
    claimed = StagedVersion.objects.filter(
        pk=row.pk, live_checks=row.live_checks, live_check_at=row.live_check_at
    ).update(live_checks=row.live_checks + 1, live_check_at=timezone.now() + pause)
    if not claimed:
        return False
    try:
        with client_for(row.registry) as client:
            packument = packument_or_none(client, row.package.name)
    except (RegistryError, SealBroken) as error:
        logger.warning("stage=%s cannot see whether it is live: %s", row.stage_id, error)
        _alarm_if_overdue(row, why=f" The registry could not be asked: {error}")
        if isinstance(error, RegistryUnavailable | RateLimited):
            raise RegistryAway from error
        return True
    published = packument.versions.get(row.version) if packument else None
    if row.state == State.WITHDRAWN:
        if published:
            settle_vanished(row, packument, from_states=[State.WITHDRAWN])
        elif _overdue(row):
            StagedVersion.objects.filter(pk=row.pk, state=State.WITHDRAWN).update(
                live_check_at=None
            )
    elif published is None:
        _alarm_if_overdue(row)
    else:
        _published(row, published)
    return True


def _published(row: StagedVersion, published: PublishedVersion) -> None:
    difference = digest_difference(row, published)
    if difference:
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
            shasum=published.shasum,
        )


def _overdue(row: StagedVersion) -> bool:
    waited: timedelta = timezone.now() - row.state_changed_at
    return waited > timedelta(seconds=settings.LIVE_WATCH_SECONDS)


def _alarm_if_overdue(row: StagedVersion, *, why: str = "") -> None:
    if row.state == State.ACCEPTED and _overdue(row) and not row.alarm:
        minutes = settings.LIVE_WATCH_SECONDS // 60
        raise_alarm(
            row,
            AlarmKind.NOT_LIVE,
            f"{row} was accepted more than {minutes} minutes ago and is still not in the "
            f"packument: nobody can install it.{why} Ask the registry's support, and do not stage "
            "it again before you know.",
        )
