"""Which broken glass counts: what people have really broken, and not too long ago."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils import timezone

from approvals.decisions.models import BrokenGlass
from approvals.queue.models import StagedVersion
from approvals.sealing import SealBroken, seal, unseal

LASTS = timedelta(hours=24)
"""How long after the first person has asked it lets the version out: it is about one emergency."""


def genuine_glass(staged_versions: Sequence[StagedVersion]) -> dict[int, BrokenGlass]:
    """The newest glass of each version, by key, that people really broke, or asked to.

    Whoever can write to the database breaks none: each row is sealed, to the version's digests and
    to both people. Whether these may still decide is for the caller to ask.
    """
    found: dict[int, BrokenGlass] = {}
    for one in _genuine(staged_versions, at__gt=oldest()):
        before = found.get(one.staged_version_id)
        # What two people have agreed on is not undone by somebody who asks again.
        if not (before and before.seconded_at and not one.seconded_at):
            found[one.staged_version_id] = one
    return found


def glass_of(staged_version: StagedVersion) -> list[BrokenGlass]:
    """All that people have ever really broken, or asked to, for a version; oldest first."""
    return _genuine([staged_version])


def _genuine(staged_versions: Sequence[StagedVersion], **only: datetime) -> list[BrokenGlass]:
    versions = {row.pk: row for row in staged_versions}
    rows = BrokenGlass.objects.filter(staged_version__in=list(versions), **only)
    found = list(rows.select_related("user", "seconded_by").order_by("at", "pk"))
    for one in found:
        # As the caller has read it: with its registry.
        one.staged_version = versions[one.staged_version_id]
    return [one for one in found if _is_genuine(one)]


def oldest() -> datetime:
    """What was asked for before this lets nothing out any more."""
    return timezone.now() - LASTS


def seal_glass(glass: BrokenGlass) -> None:
    """Makes the row, as it is now, one that counts."""
    glass.sealed = seal(_content(glass), bound_to=_binding(glass))


def _is_genuine(glass: BrokenGlass) -> bool:
    if glass.seconded_by_id == glass.user_id:
        return False
    try:
        return unseal(glass.sealed, bound_to=_binding(glass)) == _content(glass)
    except SealBroken:
        return False


def _binding(glass: BrokenGlass) -> str:
    row = glass.staged_version
    return f"broken glass for {row.registry.url} {row.stage_id}"


def _content(glass: BrokenGlass) -> str:
    row = glass.staged_version
    moments = (glass.at, glass.seconded_at)
    return json.dumps(
        [
            row.shasum,
            row.sha512,
            glass.user_id,
            glass.reason,
            glass.seconded_by_id,
            *(moment.isoformat() if moment else None for moment in moments),
        ]
    )
