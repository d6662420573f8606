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
from approvals.queue.differences import digest_difference, stage_id_difference
from approvals.queue.models import AlarmKind, Package, Registry, StagedVersion, State
from approvals.queue.registries import client_for
from approvals.queue.transitions import move, news_of, raise_alarm
from approvals.sealing import SealBroken
from registry_client.client import RegistryClient, StagedItem
from registry_client.errors import (
    NotAuthorised,
    NotFound,
    RateLimited,
    RegistryError,
    RegistryUnavailable,
)
from registry_client.versions import Packument

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)
LONGEST_PAUSE = timedelta(minutes=15)
# However long a registry asks to be left alone: nobody should be blind for longer.
LONGEST_WAIT_ASKED_FOR = timedelta(hours=1)
BATCH = 100
TRIES_AT_A_BATCH = 3


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
            _enter(registry, holder, items, result)
            _account_for_vanished(registry, holder, client, items, began, result)
    except (RegistryError, SealBroken) as error:
        asked_for = error.retry_after if isinstance(error, RateLimited) else 0.0
        result.failure = str(error)
        _failed(registry, holder, result.failure, asked_for=asked_for)
    except Exception as error:
        logger.exception("registry=%s polling broke", registry.name)
        result.failure = (
            f"Countersign itself failed while polling ({type(error).__name__}). The log of the "
            "worker says more: please report it."
        )
        _failed(registry, holder, result.failure)
    except BaseException:
        _let_go(registry, holder)
        raise
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


def _keep_lease(registry: Registry, holder: str) -> None:
    """A long poll keeps its lease; one that was given up for dead does not get it back."""
    Registry.objects.filter(pk=registry.pk, lease_holder=holder).update(
        lease_until=timezone.now() + LEASE
    )


def _enter(
    registry: Registry, holder: str, items: Sequence[StagedItem], result: PollResult
) -> None:
    # Oldest first, so that the queue fills in the order in which things were staged.
    oldest_first = items[::-1]
    for start in range(0, len(items), BATCH):
        _keep_lease(registry, holder)
        batch = oldest_first[start : start + BATCH]
        for tries_left in reversed(range(TRIES_AT_A_BATCH)):
            try:
                with transaction.atomic():
                    found = _enter_batch(registry, batch)
                break
            except IntegrityError:
                if not tries_left:
                    raise
                # Another process entered one of these since we looked; now we shall see it.
                logger.info("registry=%s another poll was entering the same versions", registry)
        result.found += found
        just_found = {str(row.stage_id) for row in found}
        known = [item for item in batch if item.id not in just_found]
        _look_again_at_known(registry, known, result)


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
    changed = []
    for item in items:
        row = rows[item.id]
        if difference := stage_id_difference(row, item):
            raise_alarm(row, AlarmKind.STAGE_CHANGED, difference)
        if row.extra != item.extra:
            row.extra = dict(item.extra)
            changed.append(row)
        if row.state == State.WITHDRAWN and move(
            row,
            from_states=[State.WITHDRAWN],
            to=State.STAGED,
            fields={"live_check_at": None},
            topic="staged_version.found",
            reason="The registry lists it again.",
        ):
            result.returned.append(row)
    StagedVersion.objects.bulk_update(changed, ["extra"])


def _account_for_vanished(  # noqa: PLR0917 - what one poll knows
    registry: Registry,
    holder: str,
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
    failure: RegistryError | None = None
    for row in missing:
        _keep_lease(registry, holder)
        name = row.package.name
        try:
            if _is_there(client, row):
                continue
            if name not in packuments:
                packuments[name] = packument_or_none(client, name)
        except (RegistryUnavailable, RateLimited, NotAuthorised):
            raise
        except RegistryError as error:
            # One package that cannot be asked about must not hide what became of the others.
            failure = failure or error
            continue
        if settle_vanished(row, packuments[name], from_states=[State.STAGED]):
            outcome = {
                State.PUBLISHED_ELSEWHERE: result.published_elsewhere,
                State.WITHDRAWN: result.withdrawn,
            }
            outcome[State(row.state)].append(row)
    if failure:
        raise failure


def _is_there(client: RegistryClient, row: StagedVersion) -> bool:
    try:
        client.staged_version(str(row.stage_id))
    except NotFound:
        return False
    return True


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
        if moved and (difference := digest_difference(row, published)):
            raise_alarm(row, AlarmKind.LIVE_DIFFERS, difference)
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


def _failed(registry: Registry, holder: str, reason: str, *, asked_for: float = 0.0) -> None:
    reason = reason[:600]
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
        pause = max(pause, min(timedelta(seconds=asked_for), LONGEST_WAIT_ASKED_FOR))
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


def _let_go(registry: Registry, holder: str) -> None:
    # A poll that was interrupted: whoever comes next need not wait for the lease to run out.
    Registry.objects.filter(pk=registry.pk, lease_holder=holder).update(
        lease_holder="", lease_until=None
    )
