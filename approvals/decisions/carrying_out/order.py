"""In which order the versions of one decision are carried out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from approvals.decisions.models import Action
from approvals.decisions.releases.dependencies import Edge, edges_among
from approvals.decisions.releases.graph import Need, levels, without_rings
from approvals.queue.models import StagedVersion


@dataclass(frozen=True)
class Order:
    """`levels` by key, counted from 0; `needs` are (key, key of what it needs, whether it holds).

    What needs something has a higher level than that. Approving begins with what others depend on,
    rejecting with what depends on others.
    """

    levels: dict[int, int] = field(default_factory=dict)
    needs: tuple[tuple[int, int, bool], ...] = ()


def order_of(staged_versions: Sequence[StagedVersion], action: str) -> Order:
    """The order in which these go."""
    return order_by(edges_among(staged_versions), staged_versions, action)


def order_by(edges: Iterable[Edge], staged_versions: Sequence[StagedVersion], action: str) -> Order:
    """The same for whoever has the edges among them.

    Versions that need each other in a ring cannot all wait for each other: what is optional gives
    way first, then peers, then what leads back to the package that comes first by name.
    """
    versions = {row.pk: row for row in staged_versions}
    needs = without_rings(
        (
            Need(edge.dependent, edge.needed, edge.weight, not edge.is_optional)
            for edge in edges
            if edge.needed in versions and edge.dependent in versions
        ),
        lambda key: (versions[key].package.name, versions[key].version),
    )
    if action == Action.REJECT:
        needs = [Need(need.other, need.one, need.weight, need.holds) for need in needs]
    return Order(
        levels(versions, needs),
        tuple(sorted((need.one, need.other, need.holds) for need in needs)),
    )
