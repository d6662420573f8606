"""What registries have published of packages that staged versions depend on.

Looked up with the registry's read token, a bounded number at a time, and kept; what a look failed
for is tried again after a pause that grows.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Min, Q
from django.utils import timezone

from approvals.audit import outbox
from approvals.queue.models import PublishedPackage, Registry
from approvals.queue.registries import client_for
from approvals.queue.sync import packument_or_none
from approvals.sealing import SealBroken
from registry_client.client import RegistryClient
from registry_client.errors import RateLimited, RegistryError, RegistryUnavailable
from registry_client.versions import PLACEHOLDER_VERSION, Packument, sort_key

logger = logging.getLogger(__name__)

TOPIC = "packages.wanted"
FRESH_FOR = timedelta(minutes=5)
"""What was looked up so lately is not looked up again."""
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=15)
LONGEST_WAIT_ASKED_FOR = timedelta(hours=1)
MOST_TRIES = 12
"""In a row that fail; then somebody must want it again."""
MOST_WANTED = 1_000
"""Names that one call may want."""
MOST_VERSIONS = 5_000
"""That are kept of a package, the highest."""
MOST_AT_ONCE = 100
SECONDS_AT_ONCE = 60.0
LONGEST_NAME = 214
KEPT_FOR = timedelta(days=30)
"""So long after anybody wanted to know."""


def want(registry: Registry, names: Iterable[str]) -> int:
    """Has these packages looked up, but for those that were lately; returns how many.

    What was given up is tried again. A name that is no name is passed over.
    """
    wanted = sorted({name for name in names if 0 < len(name) <= LONGEST_NAME and "\0" not in name})
    wanted = wanted[:MOST_WANTED]
    now = timezone.now()
    with transaction.atomic():
        known = set(
            PublishedPackage.objects.filter(registry=registry, name__in=wanted).values_list(
                "name", flat=True
            )
        )
        new = [
            PublishedPackage(registry=registry, name=name, due_at=now)
            for name in wanted
            if name not in known
        ]
        PublishedPackage.objects.bulk_create(new, ignore_conflicts=True)
        stale = PublishedPackage.objects.filter(
            Q(looked_at__isnull=True) | Q(looked_at__lt=now - FRESH_FOR),
            registry=registry,
            name__in=known,
            due_at__isnull=True,
        )
        # In the order of their keys, so that two who want the same do not wait in a ring.
        keys = list(
            stale.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True)
        )
        PublishedPackage.objects.filter(pk__in=keys, due_at__isnull=True).update(
            due_at=now, tries=0
        )
        if new or keys:
            outbox.publish(TOPIC, registry=registry.name, packages=len(new) + len(keys))
    return len(new) + len(keys)


def look_up_due() -> int:
    """Looks up every package that is due, some of them at a time; returns how many were tried.

    Each registry has its share of the time and of the packages: one that takes long over its
    answers keeps no other waiting for longer than that.
    """
    due = PublishedPackage.objects.filter(due_at__lte=timezone.now(), registry__enabled=True)
    waiting = due.order_by().values("registry").annotate(since=Min("due_at"))
    registries = [row["registry"] for row in waiting.order_by("since", "registry")]
    ends = time.monotonic() + SECONDS_AT_ONCE
    tried, is_more = 0, False
    for done, registry in enumerate(registries):
        share = max(1, MOST_AT_ONCE // len(registries))
        of_one = due.filter(registry=registry).select_related("registry").defer("versions")
        rows = list(of_one.order_by("due_at", "pk")[: share + 1])
        is_more = is_more or len(rows) > share
        if rows:
            now = time.monotonic()
            until = now + (ends - now) / (len(registries) - done)
            tried += _look_up_at(rows[0].registry, rows[:share], until)
    if tried and is_more:
        with transaction.atomic():
            outbox.publish(TOPIC, packages=0)
    return tried


def forget_unwanted() -> int:
    """Forgets what nobody has wanted for long, and what was given up; returns how many.

    Whatever somebody wants is looked up again and again, so that its last look is not old.
    """
    long_ago = timezone.now() - KEPT_FOR
    unwanted = PublishedPackage.objects.filter(
        Q(looked_at__isnull=True) | Q(looked_at__lt=long_ago), due_at__isnull=True
    )
    return unwanted.delete()[0]


def _look_up_at(registry: Registry, rows: Sequence[PublishedPackage], ends: float) -> int:
    tried = 0
    try:
        with client_for(registry) as client:
            for row in rows:
                if time.monotonic() > ends:
                    break
                if not _claim(row):
                    continue
                tried += 1
                if not _look_up(client, row):
                    break
    except (SealBroken, ValueError) as error:
        for row in rows:
            if _claim(row):
                _failed(row, str(error))
    return tried


def _claim(row: PublishedPackage) -> bool:
    """Takes the row for this look; a worker that dies over it leaves it due after the pause."""
    pause = min(FIRST_PAUSE * 2 ** min(row.tries, 10), LONGEST_PAUSE)
    until = timezone.now() + pause
    claimed = PublishedPackage.objects.filter(pk=row.pk, due_at=row.due_at, tries=row.tries).update(
        due_at=until, tries=F("tries") + 1
    )
    row.due_at, row.tries = until, row.tries + 1
    return bool(claimed)


def _look_up(client: RegistryClient, row: PublishedPackage) -> bool:
    """Asks for one package; False where the registry would not answer for the next, either."""
    try:
        packument = packument_or_none(client, row.name)
    except (RegistryUnavailable, RateLimited) as error:
        _failed(row, str(error))
        asked_for = error.retry_after if isinstance(error, RateLimited) else 0.0
        _pause(row, asked_for)
        return False
    except RegistryError as error:
        _failed(row, str(error))
        return True
    except Exception as error:
        # One package that breaks us must not keep the others from being looked up.
        logger.exception("registry=%s looking up %r broke", row.registry.name, row.name)
        _failed(row, f"Countersign itself failed ({type(error).__name__}): see the worker's log.")
        return True
    _found(row, packument)
    return True


def _found(row: PublishedPackage, packument: Packument | None) -> None:
    versions = set(packument.versions) - {PLACEHOLDER_VERSION} if packument else set()
    highest = sorted(versions, key=sort_key)[-MOST_VERSIONS:]
    latest = packument.dist_tags.get("latest", "") if packument else ""
    PublishedPackage.objects.filter(pk=row.pk).update(
        versions=highest,
        latest=latest if latest in versions else "",
        looked_at=timezone.now(),
        due_at=None,
        tries=0,
        failure="",
    )


def _failed(row: PublishedPackage, reason: str) -> None:
    logger.warning("registry=%s %r was not looked up: %s", row.registry.name, row.name, reason)
    failed = PublishedPackage.objects.filter(pk=row.pk)
    failed.update(failure=reason[:400])
    failed.filter(tries__gte=MOST_TRIES).update(due_at=None)


def _pause(row: PublishedPackage, asked_for: float) -> None:
    """Leaves the registry alone for a while: all that is due there waits as long as this."""
    wait = min(timedelta(seconds=asked_for), LONGEST_WAIT_ASKED_FOR)
    until: datetime = max(row.due_at or timezone.now(), timezone.now() + wait)
    PublishedPackage.objects.filter(registry=row.registry_id, due_at__lt=until).update(due_at=until)
