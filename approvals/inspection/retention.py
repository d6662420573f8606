"""Removing kept tarballs that nobody needs any more. What was found in them stays."""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from approvals.inspection import claims
from approvals.inspection.models import Inspection, KeptTarball
from approvals.inspection.tarballs import storage
from approvals.queue.models import OPEN_STATES, StagedVersion

logger = logging.getLogger(__name__)

# Longer than any work takes, from wanting a tarball to the row that refers to it; and than writing
# a file takes, until its row is there.
GRACE = timedelta(days=2)
BATCH = 500


def forget_expired() -> int:
    """Removes every tarball whose last staged version was decided so many days ago; how many.

    Nothing that a staged version still open refers to, as its own or as its baseline, is touched,
    nor what was asked for lately. Files that no row names, which dead workers left, go too.
    """
    now = timezone.now()
    not_since = now - GRACE
    needed = _needed(decided_since=now - timedelta(days=settings.TARBALL_DAYS))
    candidates = KeptTarball.objects.filter(kept_at__lt=not_since)
    forgotten = 0
    for pk, sha512, name in list(candidates.values_list("pk", "sha512", "name")):
        if sha512 in needed:
            continue
        # Guarded: somebody may have wanted it again since.
        deleted, _ = candidates.filter(pk=pk, name=name).delete()
        if deleted:
            forgotten += 1
            _delete(name)
    _remove_nameless(not_since)
    claims.forget_dead(until=not_since)
    if forgotten:
        logger.info("Removed %d kept tarballs that nobody needs any more", forgotten)
    return forgotten


def _needed(*, decided_since: datetime) -> set[str]:
    """The digests of all that staged versions refer to which are open or were decided lately."""
    rows = StagedVersion.objects.filter(
        Q(state__in=OPEN_STATES) | Q(state_changed_at__gte=decided_since)
    )
    pairs = Inspection.objects.filter(
        Q(requests__staged_version__in=rows) | Q(other_requests__staged_version__in=rows)
    ).values_list("staged_sha512", "baseline_sha512")
    own = rows.values_list("sha512", flat=True)
    return {digest for pair in pairs.iterator() for digest in pair} | set(own.iterator())


def _remove_nameless(not_since: datetime) -> None:
    try:
        for names in _listed():
            named = set(KeptTarball.objects.filter(name__in=names).values_list("name", flat=True))
            for name in names:
                if name not in named and storage().get_modified_time(name) < not_since:
                    _delete(name)
    except NotImplementedError:
        # A storage that cannot be listed has tools of its own for this.
        return
    except Exception as error:  # noqa: BLE001 - storages raise what their libraries raise
        logger.warning("The storage of tarballs could not be swept: %s", error)


def _listed() -> Iterator[list[str]]:
    """The names in the storage as `tarballs.keep_tarball` makes them, some at a time."""
    try:
        folders, _ = storage().listdir("")
    except FileNotFoundError:
        return
    for folder in folders:
        _, files = storage().listdir(folder)
        names = [f"{folder}/{file}" for file in files if file.endswith(".tgz")]
        for start in range(0, len(names), BATCH):
            yield names[start : start + BATCH]


def _delete(name: str) -> None:
    try:
        storage().delete(name)
    except Exception as error:  # noqa: BLE001 - storages raise what their libraries raise
        logger.warning("The file %s could not be deleted yet: %s", name, error)
