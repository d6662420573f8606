"""Getting staged versions looked at: which ones, since when, and whose turn it is."""

import uuid
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.record import record
from approvals.provenance.leases import LEASE
from approvals.provenance.models import HandedInBundle, ProvenanceCheck
from approvals.provenance.settle import settle_all
from approvals.queue.models import AT_REGISTRY_STATES, Registry, StagedVersion
from approvals.queue.models import State as StagedState

State = ProvenanceCheck.State
_AT_REST = (State.WAITING, State.DONE)
_ANEW: dict[str, Any] = {"looks": 0, "tries": 0, "compared_at": None, "state": State.WAITING}


def request_missing() -> int:
    """Asks for every staged version that still waits and that nobody asked for yet; how many.

    Asks again where the baseline may be another one since.
    """
    rows = StagedVersion.objects.filter(
        state__in=AT_REGISTRY_STATES, provenance_check__isnull=True
    ).order_by("created_at")[:1000]
    checks = [ProvenanceCheck(staged_version=row) for row in rows]
    ProvenanceCheck.objects.bulk_create(checks, ignore_conflicts=True)
    _end_what_was_decided_meanwhile()
    return len(checks) + _forget_other_tarballs() + _compare_with_newer()


def _end_what_was_decided_meanwhile() -> None:
    """A worker died over a version that was decided since: nobody takes that up again."""
    dead = ProvenanceCheck.objects.filter(state=State.RUNNING, lease_until__lt=timezone.now())
    with transaction.atomic():
        rows = _locked(dead.exclude(staged_version__state__in=AT_REGISTRY_STATES))
        rows.update(state=State.WAITING, lease_holder="", lease_until=None, step="")


def _forget_other_tarballs() -> int:
    """The inspection has seen another tarball since: what was found says nothing of this one."""
    other = ProvenanceCheck.objects.filter(
        ~Q(provenance__sha512=F("staged_version__sha512")),
        provenance__isnull=False,
        state__in=_AT_REST,
        staged_version__state__in=AT_REGISTRY_STATES,
    )
    with transaction.atomic():
        rows = _locked(other)
        now = timezone.now()
        changed = list(rows)
        rows.update(**_ANEW, requested_at=now, due_at=now, provenance=None)
        # One that was refused may be about this tarball.
        HandedInBundle.objects.filter(
            staged_version__in=[check.staged_version_id for check in changed]
        ).update(refusal="")
        settle_all(changed)
    return len(changed)


def _compare_with_newer() -> int:
    """Another version of the package went live since: it may be the baseline now."""
    newer = StagedVersion.objects.filter(
        package=OuterRef("staged_version__package"),
        state__in=[StagedState.LIVE, StagedState.PUBLISHED_ELSEWHERE],
        state_changed_at__gt=OuterRef("compared_at"),
    )
    return compare_anew(Exists(newer), compared_at__isnull=False)


def compare_anew(*conditions: Any, **filters: Any) -> int:
    """Has these looked at at once, with their baselines and histories; how many.

    Only those that are still to be decided and that no worker has.
    """
    return _again(
        ProvenanceCheck.objects.filter(
            *conditions, **filters, staged_version__state__in=AT_REGISTRY_STATES
        )
    )


def _again(checks: QuerySet[ProvenanceCheck]) -> int:
    with transaction.atomic():
        rows = _locked(checks.filter(state__in=_AT_REST))
        now = timezone.now()
        return rows.update(**_ANEW, requested_at=now, due_at=now)


def _locked(checks: QuerySet[ProvenanceCheck]) -> QuerySet[ProvenanceCheck]:
    """These, or the first thousand of them, locked until the transaction ends.

    Always in the order of their keys: whoever locks several waits for another, never both for each
    other.
    """
    rows = checks.select_for_update(no_key=True, of=("self",)).order_by("pk").only("pk")[:1000]
    return ProvenanceCheck.objects.filter(pk__in=[row.pk for row in rows])


def pause(registry: Registry, until: datetime) -> None:
    """Has all checks of a registry wait until then at least, which are not with a worker."""
    waiting = ProvenanceCheck.objects.filter(
        state=State.WAITING, staged_version__registry=registry, due_at__lt=until
    )
    with transaction.atomic():
        _locked(waiting).update(due_at=until)


def look_again(staged_version: StagedVersion, actor: AbstractBaseUser | None = None) -> bool:
    """Has a version looked at now instead of after the pause.

    False where a look is under way, or where nothing is to be decided any more.
    """
    with transaction.atomic():
        asked = compare_anew(staged_version=staged_version)
        if asked:
            outbox.publish("provenance.requested", stage_id=staged_version.stage_id)
            record(
                "provenance.requested",
                actor=actor,
                subject=staged_version,
                stage_id=staged_version.stage_id,
            )
    return bool(asked)


def claim_due() -> ProvenanceCheck | None:
    """Takes the oldest due check for this process, or one whose worker died.

    Due is only what can be verified: a version whose tarball the inspection has seen.
    """
    now = timezone.now()
    free = Q(state=State.WAITING, due_at__lte=now) | Q(state=State.RUNNING, lease_until__lt=now)
    checks = ProvenanceCheck.objects.filter(free)
    due = checks.filter(staged_version__state__in=AT_REGISTRY_STATES).exclude(
        staged_version__sha512=""
    )
    while True:
        candidate = due.order_by("due_at", "pk").values("pk", "tries", "due_at").first()
        if candidate is None:
            return None
        holder = uuid.uuid4().hex
        claimed = checks.filter(**candidate).update(
            state=State.RUNNING,
            lease_holder=holder,
            lease_until=now + LEASE,
            tries=F("tries") + 1,
            step="Asking the registry",
        )
        if claimed:
            return (
                ProvenanceCheck.objects.select_related(
                    "staged_version__package",
                    "staged_version__registry",
                    "provenance",
                    "baseline",
                )
                .defer("provenance__compressed", "baseline__compressed")
                .get(pk=candidate["pk"])
            )
