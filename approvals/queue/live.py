"""Watching the packument: accepted is not live until everyone can see it, with the same digest."""

import base64
import logging
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from approvals.queue.models import StagedVersion, State
from approvals.queue.registries import client_for
from approvals.queue.sync import packument_or_none, settle_vanished
from approvals.queue.transitions import move, raise_alarm
from approvals.sealing import SealBroken
from registry_client.errors import RegistryError
from registry_client.versions import PublishedVersion

logger = logging.getLogger(__name__)

FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(seconds=60)
PAUSE_AFTER_ALARM = timedelta(minutes=15)


def watch_due() -> int:
    """Looks once for every version whose look is due; returns how many it looked for."""
    due = StagedVersion.objects.with_package().filter(live_check_at__lte=timezone.now())
    looked = 0
    for row in due.order_by("live_check_at")[:200]:
        looked += watch(row)
    return looked


def watch(row: StagedVersion) -> bool:
    """Looks into the packument for one version; False where another worker just did."""
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
        raise_alarm(row, difference)
        return
    move(
        row,
        from_states=[State.ACCEPTED],
        to=State.LIVE,
        fields={"live_check_at": None, "alarm": ""},
        published_by=published.npm_user,
        shasum=published.shasum,
    )


def digest_difference(row: StagedVersion, published: PublishedVersion) -> str:
    """A sentence about how the live tarball's digests differ from the reviewed ones, or ""."""
    live, reviewed = published.shasum, row.shasum
    if live == reviewed and row.sha512 and published.integrity:
        sha512s = [
            base64.b64decode(part.removeprefix("sha512-").split("?")[0]).hex()
            for part in published.integrity.split()
            if part.startswith("sha512-")
        ]
        if sha512s and row.sha512 not in sha512s:
            live, reviewed = sha512s[0], row.sha512
    if live == reviewed:
        return ""
    return (
        f"{row} is live, but not with the tarball that was reviewed: the digest of the live one "
        f"is {live or 'unknown'}, of the reviewed one {reviewed}. Treat it as compromised: "
        "deprecate it, move the dist-tag back, and find out how it got there."
    )


def _overdue(row: StagedVersion) -> bool:
    waited: timedelta = timezone.now() - row.state_changed_at
    return waited > timedelta(seconds=settings.LIVE_WATCH_SECONDS)


def _alarm_if_overdue(row: StagedVersion, *, why: str = "") -> None:
    if row.state == State.ACCEPTED and _overdue(row) and not row.alarm:
        minutes = settings.LIVE_WATCH_SECONDS // 60
        raise_alarm(
            row,
            f"{row} was accepted more than {minutes} minutes ago and is still not in the "
            f"packument: nobody can install it.{why} Ask the registry's support, and do not "
            "stage it again before you know.",
        )
