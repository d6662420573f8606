"""Policies in words: for the Policies page, its history, and the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from approvals.people.scopes import EVERYTHING
from approvals.policy.book import Policy
from approvals.policy.requirement import Requirement
from approvals.policy.requirements import kinds


@dataclass(frozen=True)
class PolicyChange:
    """What one policy said, and what it says instead: nothing where it was not there or is not."""

    name: str
    before: tuple[str, ...]
    after: tuple[str, ...]


def configured(policy: Policy) -> list[Requirement]:
    """What this policy demands beside what is demanded everywhere."""
    return [one for one in policy.in_force if one.key in policy.requirements]


def always() -> list[Requirement]:
    """What every policy demands, without anybody having said so."""
    return [kind() for kind in kinds().values() if kind.is_always_in_force]


def covered(policy: Policy) -> str:
    """For which packages it is: "@acme/* at every registry"."""
    packages = "every package" if policy.packages == EVERYTHING else policy.packages
    return f"{packages} at {policy.registry_url or 'every registry'}"


def in_words(policy: Policy) -> tuple[str, ...]:
    """What it covers, and then each requirement in a sentence."""
    demands = [one.in_words() for one in configured(policy)]
    return (f"For {covered(policy)}.", *(demands or ["Nothing beside what always holds."]))


def changes_between(before: Sequence[Policy], after: Sequence[Policy]) -> list[PolicyChange]:
    """Each policy that is not what it was, and the order where that is another one."""
    old, new = {one.key: one for one in before}, {one.key: one for one in after}
    found = []
    for key in dict.fromkeys([*new, *old]):
        first, second = old.get(key), new.get(key)
        if first != second:
            name = second.name if second else first.name if first else ""
            found.append(PolicyChange(name, _with_name(first, second), _with_name(second, first)))
    order_before = [one.name for one in before if one.key in new]
    order_after = [old[one.key].name for one in after if one.key in old]
    if order_before != order_after:
        moved = [one.name for one in after if one.key in old]
        found.append(PolicyChange("Order", tuple(order_before), tuple(moved)))
    return found


def _with_name(policy: Policy | None, other: Policy | None) -> tuple[str, ...]:
    if policy is None:
        return ()
    words = in_words(policy)
    renamed = other is not None and other.name != policy.name
    return (f"Called “{policy.name}”.", *words) if renamed else words


def hidden_by(policies: Sequence[Policy], policy: Policy) -> Policy | None:
    """The earlier policy that covers all that this one covers, so that this one never holds."""
    for one in policies:
        if one == policy:
            return None
        # A pattern within another is matched by it: no star covers more than a star does.
        if one.covers(policy.registry_url, policy.packages):
            return one
    return None
