"""A worker's hold on its work: kept while it makes progress, lost when it stays silent."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeAlias

from django.db.models import QuerySet
from django.utils import timezone

from approvals.inspection import claims
from approvals.inspection.models import InspectionRequest, InspectionWork, OtherBaselineRequest

Work: TypeAlias = InspectionRequest | OtherBaselineRequest

# Longer than one call of the registry client can take, retries and all: only a worker that died
# stays silent for so long.
LEASE = timedelta(minutes=4)
# The slowest storage that is worth waiting for, in bytes a second.
SLOWEST_STORAGE = 256 * 1024
PROGRESS_EVERY_SECONDS = 0.5


class LeaseLost(Exception):
    """Somebody else has this work now; whatever was found is theirs to find."""


def held(work: Work) -> QuerySet[Any]:
    """The work's row, for updates: empty where this worker does not hold it any more."""
    return type(work)._default_manager.filter(
        pk=work.pk, lease_holder=work.lease_holder, state=InspectionWork.State.RUNNING
    )


def give_back(
    work: Work, state: InspectionWork.State, failure: str = "", *, step: str = "", **fields: Any
) -> bool:
    """Ends this worker's hold; False where it had none any more, and nothing was changed."""
    return bool(
        held(work).update(
            state=state,
            lease_holder="",
            lease_until=None,
            step=step[:200],
            failure=failure[:600],
            **fields,
        )
    )


class Progress:
    """Writes how far the work has come, at most twice a second, and keeps the lease."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self._pair: claims.Pair | None = None
        self.written_at = 0.0
        self.step = ""

    def __call__(self, step: str, done: int, total: int) -> None:
        """Raises LeaseLost, and PairTaken where this worker was believed dead."""
        now = time.monotonic()
        if step == self.step and now - self.written_at < PROGRESS_EVERY_SECONDS:
            return
        self._write(step, done, total, LEASE)
        self.written_at = now

    def storing(self, step: str, size: int) -> None:
        """Before a storage is waited for, which tells nothing until it is done."""
        self._write(step, 0, 0, LEASE + timedelta(seconds=size / SLOWEST_STORAGE))

    def downloading(self, step: str) -> Callable[[int, int | None], None]:
        """What the registry client calls."""
        return lambda done, total: self(step, done, total or 0)

    @contextmanager
    def claiming(self, pair: claims.Pair) -> Iterator[None]:
        """Nobody else compares this pair meanwhile: its claim lives as long as the lease.

        Raises PairTaken.
        """
        holder = self.work.lease_holder
        claims.take(pair, holder, until=timezone.now() + LEASE)
        self._pair = pair
        try:
            yield
        finally:
            self._pair = None
            claims.let_go(pair, holder)

    def _write(self, step: str, done: int, total: int, lease: timedelta) -> None:
        self.step = step
        until = timezone.now() + lease
        if not held(self.work).update(
            step=step[:200], progress_done=done, progress_total=total, lease_until=until
        ):
            raise LeaseLost
        if self._pair is not None:
            claims.renew(self._pair, self.work.lease_holder, until=until)
