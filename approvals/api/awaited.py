"""What a call waits for: marks that differ as soon as its answer may.

A view leaves what it would wait for in its request's ASGI scope; whoever holds the request (see
`approvals.api.waiting`) waits there, and no view does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpRequest

from approvals.queue.models import StagedVersion

AWAITED, HELD = "countersign.awaited", "countersign.held"
MOST_SECONDS = 55
# A stage id, or the name and version of a package.
Key = UUID | tuple[str, str]
Mark = frozenset[tuple[Any, ...]]


@dataclass(frozen=True)
class Awaited:
    """What is waited for, as it was before the answer was made, for at most so many seconds."""

    key: Key
    mark: Mark
    state: str
    seconds: int


def marks_of(keys: Collection[Key]) -> dict[Key, Mark]:
    """How each stands: in one query for any number."""
    stages = {key for key in keys if isinstance(key, UUID)}
    named = {key for key in keys if not isinstance(key, UUID)}
    rows = StagedVersion.objects.filter(
        Q(stage_id__in=stages)
        | Q(package__name__in={name for name, _ in named}, version__in={one for _, one in named})
    ).values_list(
        "stage_id",
        "package__name",
        "version",
        "pk",
        "state",
        "alarm",
        "policy_state__outcome",
        "policy_state__sentence",
        "expiry_notice__told_at",
    )
    found: dict[Key, set[tuple[Any, ...]]] = defaultdict(set)
    for stage_id, name, version, *mark in rows:
        for key in (stage_id, (name, version)):
            if key in stages or key in named:
                found[key].add(tuple(mark))
    return {key: frozenset(found[key]) for key in keys}


def mark_of(key: Key) -> Mark:
    """How one stands."""
    return marks_of([key])[key]


def leave(request: HttpRequest, awaited: Awaited) -> None:
    """Tells whoever holds this request what it waits for; nobody does under a plain WSGI server."""
    scope = request.META.get("asgi.scope")
    if scope is not None:
        scope[AWAITED] = awaited


def is_held(request: HttpRequest) -> bool:
    """Whether this call was held already, and was counted when it came."""
    return HELD in (request.META.get("asgi.scope") or {})
