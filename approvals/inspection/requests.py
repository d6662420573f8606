"""Getting staged versions inspected: who asked, for what, and whose turn it is."""

import uuid
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.record import record
from approvals.inspection.compare import ENGINE
from approvals.inspection.engine import engine_number, engine_version
from approvals.inspection.leases import LEASE, Work
from approvals.inspection.models import (
    InspectionRequest,
    InspectionWork,
    OtherBaselineRequest,
)
from approvals.inspection.tarballs import wanted_again
from approvals.queue.models import AT_REGISTRY_STATES, StagedVersion
from approvals.queue.models import State as StagedState
from registry_client.versions import PLACEHOLDER_VERSION, parse_version

MOST_OTHER_BASELINES = 20
"""For each staged version, without those that failed: every one of them is work and rows."""
MOST_PUBLISHED_VERSIONS = 500
"""That are written down for each staged version, the newest."""
State = InspectionWork.State


class BaselineRefused(Exception):
    """The staged version cannot be compared with that version; the text says why."""


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
    """What was compared by an earlier engine, or with a baseline that users may no longer have:
    another version of the package went live since."""
    done = InspectionRequest.objects.filter(
        state=State.DONE, staged_version__state=StagedState.STAGED
    )
    engines = done.values_list("inspection__engine_version", flat=True).distinct()
    newer = StagedVersion.objects.filter(
        package=OuterRef("staged_version__package"),
        state__in=[StagedState.LIVE, StagedState.PUBLISHED_ELSEWHERE],
        state_changed_at__gt=OuterRef("requested_at"),
    )
    earlier = [engine for engine in engines if _is_earlier(engine)]
    outdated = done.filter(Exists(newer) | Q(inspection__engine_version__in=earlier))
    return _again(outdated, from_states=[State.DONE])


def _is_earlier(engine: str) -> bool:
    # Where a worker of the release before still runs, it must not undo what the new ones do.
    number = engine_number(engine)
    if number.isdecimal() and ENGINE.isdecimal():
        return int(number) < int(ENGINE)
    return number != ENGINE


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


def compare_with(
    staged_version: StagedVersion, version: str, *, actor: AbstractBaseUser | None = None
) -> OtherBaselineRequest:
    """Asks for a comparison with another published version, on which no decision stands.

    What was asked for already is not asked for twice, unless it failed or is of an earlier
    engine. Raises BaselineRefused.
    """
    if parse_version(version) is None:
        raise BaselineRefused(f"“{version[:60]}” is not a version like 1.4.2.")
    if version == PLACEHOLDER_VERSION:
        raise BaselineRefused(f"{version} is npm's placeholder: there is nothing in it.")
    with transaction.atomic():
        # Whoever else asks for the same staged version waits here.
        row = StagedVersion.objects.select_for_update(no_key=True).get(pk=staged_version.pk)
        compared = InspectionRequest.objects.filter(staged_version=row, state=State.DONE).first()
        if compared is not None and version == compared.baseline_version:
            raise BaselineRefused(f"{version} is what it is compared with already.")
        asked = OtherBaselineRequest.objects.filter(staged_version=row, baseline_version=version)
        request = asked.select_related("inspection").first()
        if request is not None and not _worth_asking_again(request):
            return request
        _check_published(row, version)
        _check_tarball(row)
        if request is None:
            _make_room(row)
            OtherBaselineRequest.objects.create(staged_version=row, baseline_version=version)
        else:
            asked.filter(state=request.state).update(**_anew(timezone.now()))
        outbox.publish("inspection.requested_against", stage_id=row.stage_id, baseline=version)
        record(
            "inspection.requested_against",
            actor=actor,
            subject=row,
            stage_id=row.stage_id,
            baseline=version,
        )
        return asked.get()


def _worth_asking_again(request: OtherBaselineRequest) -> bool:
    inspection = request.inspection
    outdated = inspection is not None and inspection.engine_version != engine_version()
    return request.state == State.FAILED or (request.state == State.DONE and outdated)


def _check_published(staged_version: StagedVersion, version: str) -> None:
    compared = InspectionRequest.objects.filter(
        staged_version=staged_version, inspection__isnull=False
    ).first()
    known = compared.published_versions if compared else []
    # Not compared yet, by an engine that wrote none down, or more than are written down: the
    # worker will see.
    if not known or len(known) >= MOST_PUBLISHED_VERSIONS:
        return
    if version not in known:
        raise BaselineRefused(
            f"{version} was not published when this version was compared last: choose another. "
            "Compare again to look anew."
        )


def _make_room(row: StagedVersion) -> None:
    """For one more comparison; the oldest that failed goes for it. Raises BaselineRefused."""
    asked = row.other_baselines.order_by("requested_at", "pk")
    if asked.exclude(state=State.FAILED).count() >= MOST_OTHER_BASELINES:
        raise BaselineRefused(
            f"It was compared with {MOST_OTHER_BASELINES} other versions already, which "
            "is as many as are kept."
        )
    too_many = asked.count() + 1 - MOST_OTHER_BASELINES
    if too_many > 0:
        failed = asked.filter(state=State.FAILED).values_list("pk", flat=True)
        row.other_baselines.filter(pk__in=list(failed[:too_many])).delete()


def _check_tarball(row: StagedVersion) -> None:
    # Asked for even where the registry has it: it must not be forgotten before the work is done.
    if not wanted_again(row.sha512) and row.state not in AT_REGISTRY_STATES:
        raise BaselineRefused(
            f"The tarball of {row} is kept neither at the registry nor here any more, so that "
            "it cannot be compared again."
        )


def claim_due() -> Work | None:
    """Takes the oldest due work for this process, or one whose worker died.

    What decisions stand on comes first.
    """
    return _claim_due(InspectionRequest) or _claim_due(OtherBaselineRequest)


def _claim_due(kind: "type[InspectionRequest] | type[OtherBaselineRequest]") -> Work | None:
    now = timezone.now()
    due = Q(state=State.WAITING, due_at__lte=now) | Q(state=State.RUNNING, lease_until__lt=now)
    rows = kind._default_manager
    while True:
        candidate = rows.filter(due).order_by("due_at", "pk").values("pk", "tries").first()
        if candidate is None:
            return None
        holder = uuid.uuid4().hex
        claimed = rows.filter(due, **candidate).update(
            state=State.RUNNING,
            lease_holder=holder,
            lease_until=now + LEASE,
            tries=F("tries") + 1,
            step="Asking the registry",
            progress_done=0,
            progress_total=0,
        )
        if claimed:
            return rows.select_related("staged_version__package", "staged_version__registry").get(
                pk=candidate["pk"]
            )
