"""Polling a registry: what is new enters the queue, what vanished is accounted for."""

import logging
import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.record import Happening, record, record_all
from approvals.queue.models import Package, Registry, StagedVersion, State
from approvals.queue.registries import client_for
from approvals.queue.transitions import move, news_of, raise_alarm
from approvals.sealing import SealBroken
from registry_client.client import RegistryClient, StagedItem
from registry_client.errors import NotFound, RateLimited, RegistryError
from registry_client.versions import Packument

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)
LONGEST_PAUSE = timedelta(minutes=15)
BATCH = 100


@dataclass
class PollResult:
    """What one poll changed; `failure` is empty where the registry answered."""

    registry: Registry
    found: list[StagedVersion] = field(default_factory=list)
    returned: list[StagedVersion] = field(default_factory=list)
    published_elsewhere: list[StagedVersion] = field(default_factory=list)
    withdrawn: list[StagedVersion] = field(default_factory=list)
    waiting: int = 0
    failure: str = ""


def poll(registry: Registry, *, only_if_due: bool = False) -> PollResult | None:
    """Polls once and returns what changed; None where another worker holds the lease or no poll
    is due.

    Nothing is half-done if the process dies: each batch commits whole, and the next poll finds
    the rest. A registry that fails is not an error here: it is recorded and shown.
    """
    holder = _take_lease(registry, only_if_due=only_if_due)
    if holder is None:
        return None
    began = timezone.now()
    result = PollResult(registry)
    try:
        with client_for(registry) as client:
            items = client.staged_versions()
            result.waiting = len(items)
            _enter(registry, items, result)
            _account_for_vanished(registry, client, items, began, result)
    except (RegistryError, SealBroken) as error:
        result.failure = str(error)
        _failed(registry, holder, error)
    else:
        _answered(registry, holder, began)
    return result


def due_registries() -> Iterator[Registry]:
    """Those whose next poll is due and that nobody is polling."""
    now = timezone.now()
    yield from Registry.objects.filter(_free(now), enabled=True, next_poll_at__lte=now)


def _free(now: datetime) -> Q:
    return Q(lease_until__isnull=True) | Q(lease_until__lt=now)


def _take_lease(registry: Registry, *, only_if_due: bool) -> str | None:
    now = timezone.now()
    holder = uuid.uuid4().hex
    candidates = Registry.objects.filter(_free(now), pk=registry.pk)
    if only_if_due:
        candidates = candidates.filter(enabled=True, next_poll_at__lte=now)
    taken = candidates.update(lease_holder=holder, lease_until=now + LEASE)
    return holder if taken else None


def _enter(registry: Registry, items: Sequence[StagedItem], result: PollResult) -> None:
    # Oldest first, so that the queue fills in the order in which things were staged.
    oldest_first = items[::-1]
    for start in range(0, len(items), BATCH):
        batch = oldest_first[start : start + BATCH]
        while True:
            try:
                with transaction.atomic():
                    result.found += _enter_batch(registry, batch)
                break
            except IntegrityError:
                # Another process entered one of these since we looked; now we shall see it.
                logger.info("registry=%s another poll was entering the same versions", registry)
        _look_again_at_known(registry, batch, result)


def _enter_batch(registry: Registry, items: Sequence[StagedItem]) -> list[StagedVersion]:
    known = set(
        StagedVersion.objects.filter(
            registry=registry, stage_id__in=[item.id for item in items]
        ).values_list("stage_id", flat=True)
    )
    StagedVersion.objects.filter(registry=registry, stage_id__in=known).update(
        seen_at=timezone.now()
    )
    new = [item for item in items if uuid.UUID(item.id) not in known]
    if not new:
        return []

    names = {item.package_name for item in new}
    Package.objects.bulk_create(
        [Package(registry=registry, name=name) for name in sorted(names)], ignore_conflicts=True
    )
    packages = {
        package.name: package
        for package in Package.objects.filter(registry=registry, name__in=names)
    }
    found = StagedVersion.objects.bulk_create(
        StagedVersion(
            registry=registry,
            package=packages[item.package_name],
            stage_id=uuid.UUID(item.id),
            version=item.version,
            tag=item.tag,
            access=item.access,
            shasum=item.shasum,
            actor=item.actor,
            actor_type=item.actor_type,
            created_at=item.created_at,
            extra=dict(item.extra),
        )
        for item in new
    )
    outbox.publish_all(
        [
            ("staged_version.found", row.stage_id, {**news_of(row), "actor": row.actor})
            for row in found
        ]
    )
    record_all(
        [
            Happening(
                "staged_version.found",
                subject=row,
                stage_id=row.stage_id,
                detail={
                    "tag": row.tag,
                    "shasum": row.shasum,
                    "actor": row.actor,
                    "actor_type": row.actor_type,
                    "created_at": row.created_at.isoformat(),
                },
            )
            for row in found
        ]
    )
    return found


def _look_again_at_known(
    registry: Registry, items: Sequence[StagedItem], result: PollResult
) -> None:
    rows = {
        str(row.stage_id): row
        for row in StagedVersion.objects.with_package().filter(
            registry=registry, stage_id__in=[item.id for item in items]
        )
    }
    for item in items:
        row = rows[item.id]
        _compare_with_known(row, item)
        if row.state == State.WITHDRAWN and move(
            row,
            from_states=[State.WITHDRAWN],
            to=State.STAGED,
            fields={"live_check_at": None},
            topic="staged_version.found",
            reason="The registry lists it again.",
        ):
            result.returned.append(row)


def _compare_with_known(row: StagedVersion, item: StagedItem) -> None:
    # A stage id is immutable: whatever of it changes is either a fault or an attack.
    changed = [
        name
        for name, ours, theirs in (
            ("package", row.package.name, item.package_name),
            ("version", row.version, item.version),
            ("dist-tag", row.tag, item.tag),
            ("SHA-1", row.shasum, item.shasum),
        )
        if ours != theirs
    ]
    if changed:
        raise_alarm(
            row,
            f"The registry now tells another {' and '.join(changed)} for this stage id than when "
            "it was found. A stage id never changes: do not approve it, ask who staged it.",
        )


def _account_for_vanished(
    registry: Registry,
    client: RegistryClient,
    items: Sequence[StagedItem],
    began: datetime,
    result: PollResult,
) -> None:
    listed = {item.id for item in items}
    missing = [
        row
        for row in StagedVersion.objects.with_package().filter(
            registry=registry, state=State.STAGED, found_at__lt=began
        )
        if str(row.stage_id) not in listed
    ]
    packuments: dict[str, Packument | None] = {}
    for row in missing:
        try:
            client.staged_version(str(row.stage_id))
        except NotFound:
            pass
        else:
            continue
        name = row.package.name
        if name not in packuments:
            packuments[name] = packument_or_none(client, name)
        if settle_vanished(row, packuments[name], from_states=[State.STAGED]):
            outcome = {
                State.PUBLISHED_ELSEWHERE: result.published_elsewhere,
                State.WITHDRAWN: result.withdrawn,
            }
            outcome[State(row.state)].append(row)


def packument_or_none(client: RegistryClient, name: str) -> Packument | None:
    """The packument; None where the registry knows no such package."""
    try:
        return client.packument(name)
    except NotFound:
        return None


def settle_vanished(
    row: StagedVersion, packument: Packument | None, *, from_states: Sequence[State]
) -> bool:
    """Moves a staged version that the registry no longer has to where the packument says it went.

    Returns whether it moved. Whoever approved it elsewhere may have done so a moment ago, and
    minutes can pass until the packument shows it: what looks withdrawn is watched for an hour.
    """
    published = packument.versions.get(row.version) if packument else None
    if published is None:
        return move(
            row,
            from_states=from_states,
            to=State.WITHDRAWN,
            fields={"live_check_at": timezone.now(), "live_checks": 0},
            reason="The registry no longer has it and has not published it.",
        )
    with transaction.atomic():
        moved = move(
            row,
            from_states=from_states,
            to=State.PUBLISHED_ELSEWHERE,
            fields={"live_check_at": None},
            reason="It was approved at the registry itself, without Countersign.",
            published_by=published.npm_user,
        )
        if moved and published.shasum != row.shasum:
            raise_alarm(
                row,
                f"{row} is live with SHA-1 {published.shasum or 'unknown'}, but {row.shasum} was "
                "staged here. Find out who published it, and from where.",
            )
    return moved


def _answered(registry: Registry, holder: str, began: datetime) -> None:
    with transaction.atomic():
        held = Registry.objects.select_for_update().filter(pk=registry.pk, lease_holder=holder)
        current = held.first()
        if current is None:
            return
        failing_since = current.failing_since
        held.update(
            lease_holder="",
            lease_until=None,
            last_polled_at=timezone.now(),
            next_poll_at=began + timedelta(seconds=current.poll_seconds),
            failing_since=None,
            failure_reason="",
            failure_count=0,
        )
        if failing_since:
            outbox.publish(
                "registry.recovered", registry=registry.name, since=failing_since.isoformat()
            )
            record("registry.recovered", subject=registry, failing_since=failing_since)


def _failed(registry: Registry, holder: str, error: Exception) -> None:
    reason = str(error)[:600]
    logger.warning("registry=%s polling failed: %s", registry.name, reason)
    now = timezone.now()
    with transaction.atomic():
        held = Registry.objects.select_for_update().filter(pk=registry.pk, lease_holder=holder)
        current = held.first()
        if current is None:
            return
        count = current.failure_count + 1
        pause = min(
            timedelta(seconds=current.poll_seconds) * 2 ** min(count - 1, 10), LONGEST_PAUSE
        )
        # Jitter, so that several registries behind one proxy do not come back in step.
        pause *= random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, guards nothing
        if isinstance(error, RateLimited) and error.retry_after:
            pause = max(pause, timedelta(seconds=error.retry_after))
        held.update(
            lease_holder="",
            lease_until=None,
            next_poll_at=now + pause,
            failing_since=current.failing_since or now,
            failure_reason=reason,
            failure_count=count,
        )
        if current.failing_since is None:
            outbox.publish("registry.failing", registry=registry.name, reason=reason)
            record("registry.failing", subject=registry, reason=reason)
