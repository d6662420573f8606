"""A worker's hold on a check: kept while it makes progress, lost when it stays silent."""

import time
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from approvals.provenance.models import ProvenanceCheck

# Longer than one call of the registry client can take, retries and all: only a worker that died
# stays silent for so long.
LEASE = timedelta(minutes=4)
# A registry that takes its time with every call must not hold a worker for an hour.
LOOK_SECONDS = 300.0


class LeaseLost(Exception):
    """Somebody else has this check now; whatever was found is theirs to find."""


class TookTooLong(Exception):
    """The look has lasted for long enough: what is left waits for the next one."""

    def __str__(self) -> str:
        return "The look has lasted for too long."


def held(check: ProvenanceCheck) -> QuerySet[ProvenanceCheck]:
    """The check's row, for updates: empty where this worker does not hold it any more."""
    return ProvenanceCheck.objects.filter(
        pk=check.pk, lease_holder=check.lease_holder, state=ProvenanceCheck.State.RUNNING
    )


def give_back(check: ProvenanceCheck, state: ProvenanceCheck.State, **fields: Any) -> None:
    """Ends this worker's hold. Raises LeaseLost where it had none any more."""
    if not held(check).update(state=state, lease_holder="", lease_until=None, step="", **fields):
        raise LeaseLost


class Progress:
    """Says what comes next, and keeps the lease."""

    def __init__(self, check: ProvenanceCheck) -> None:
        self._check = check
        self._until = time.monotonic() + LOOK_SECONDS

    def __call__(self, step: str) -> None:
        """Raises LeaseLost and TookTooLong."""
        if time.monotonic() > self._until:
            raise TookTooLong
        if not held(self._check).update(step=step[:200], lease_until=timezone.now() + LEASE):
            raise LeaseLost
