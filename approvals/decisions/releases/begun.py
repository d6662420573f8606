"""Whether the approval of a release has begun: nothing joins it then, and nothing leaves it.

It has while somebody's approval of one of its versions stands, is carried out, or was. What is
taken back, void, rejected, or not carried out begins nothing. Nothing keeps this but the approvals
themselves; whoever must be sure holds the release, as `decide` does.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, Min, OuterRef, Q, QuerySet

from approvals.decisions.models import (
    OPEN_ITEM_STATES,
    Action,
    DecisionItem,
    ItemState,
    Release,
    Vote,
)
from approvals.queue.models import State

_RELEASE = "staged_version__release_member__release"


def has_begun(key: str = "pk") -> Q:
    """For a filter; `key` leads to the release's key."""
    return Q(Exists(_votes().filter(**{_RELEASE: OuterRef(key)}))) | Q(
        Exists(_items().filter(**{_RELEASE: OuterRef(key)}))
    )


def begun_since(releases: Iterable[Release]) -> dict[UUID, datetime]:
    """When the first of the approvals was given that began them; without those that have not."""
    keys = [release.pk for release in releases]
    found: dict[UUID, datetime] = {}
    for approvals, at in ((_votes(), "cast_at"), (_items(), "decision__made_at")):
        of_these = approvals.filter(**{f"{_RELEASE}__in": keys}).order_by()
        for key, first in of_these.values_list(_RELEASE).annotate(first=Min(at)):
            found[key] = min(first, found.get(key, first))
    return found


def approved_among(staged_versions: Iterable[int]) -> set[int]:
    """The keys of those whose approval has begun, in a release or before they are in one."""
    keys = list(staged_versions)
    return {
        key
        for approvals in (_votes(), _items())
        for key in approvals.filter(staged_version__in=keys).values_list(
            "staged_version", flat=True
        )
    }


def _votes() -> QuerySet[Vote]:
    """Those that stand, of versions that wait: of others, the decision says what has begun."""
    return Vote.objects.filter(
        withdrawn_at__isnull=True,
        voided_at__isnull=True,
        decision__isnull=True,
        staged_version__state=State.STAGED,
    ).order_by()


def _items() -> QuerySet[DecisionItem]:
    """Approvals that are carried out, or were."""
    return DecisionItem.objects.filter(
        decision__action=Action.APPROVE, state__in=[*OPEN_ITEM_STATES, ItemState.DONE]
    ).order_by()
