"""Holding off whoever else decides about the same staged versions."""

from __future__ import annotations

from collections.abc import Collection

from approvals.queue.models import StagedVersion


def lock_versions(keys: Collection[int]) -> list[StagedVersion]:
    """Locks these for the rest of the transaction, and reads them as they are then, by key.

    Always in the same order, and in a statement of its own: what is read after the wait is what
    whoever was waited for has left. Rows that refer to these can still be written.
    """
    chosen = StagedVersion.objects.filter(pk__in=keys).order_by("pk")
    list(chosen.select_for_update(no_key=True).values_list("pk"))
    return list(chosen.with_package())
