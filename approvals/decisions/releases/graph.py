"""What needs what, as arrows between numbers: rings, how they are broken, and levels.

Nothing here recurses, and the same arrows give the same answer whatever their order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Arrows = Mapping[int, Collection[int]]
"""By who needs something, what it needs."""


@dataclass(frozen=True)
class Need:
    """`one` needs `other`. Where needs form a ring, those of the lowest `weight` give way first."""

    one: int
    other: int
    weight: int = 0
    holds: bool = True


def rings(arrows: Arrows) -> list[list[int]]:
    """A shortest ring of each group whose members all need each other, from its smallest on."""
    found = []
    for group in _groups(arrows):
        within = {one: sorted(set(arrows.get(one, ())) & group) for one in group}
        found.append(_ring(min(group), within))
    return sorted(found)


def without_rings(needs: Iterable[Need], place: Callable[[int], Any]) -> list[Need]:
    """The needs, without those that would close a ring.

    The weakest give way first, all of a weight within a ring; of the strongest, those that lead
    back to what comes first by `place`.
    """
    kept = _once(needs)
    while groups := _groups(_arrows(kept)):
        given_way: set[Need] = set()
        for group in groups:
            inside = [need for need in kept if need.one in group and need.other in group]
            weakest = min(need.weight for need in inside)
            weak = {need for need in inside if need.weight == weakest}
            given_way |= weak if len(weak) < len(inside) else _closing(inside, place)
        kept = [need for need in kept if need not in given_way]
    return kept


def levels(nodes: Iterable[int], needs: Iterable[Need]) -> dict[int, int]:
    """How far each is from what needs nothing: above everything that it needs. Without rings."""
    level = dict.fromkeys(nodes, 0)
    needed_by: dict[int, list[int]] = {}
    open_needs = dict.fromkeys(level, 0)
    for need in needs:
        needed_by.setdefault(need.other, []).append(need.one)
        open_needs[need.one] += 1
    ready = deque(one for one, number in open_needs.items() if not number)
    while ready:
        node = ready.popleft()
        for one in needed_by.get(node, ()):
            level[one] = max(level[one], level[node] + 1)
            open_needs[one] -= 1
            if not open_needs[one]:
                ready.append(one)
    return level


def _once(needs: Iterable[Need]) -> list[Need]:
    """One need for each two, the strongest of several; sorted."""
    found: dict[tuple[int, int], Need] = {}
    for need in needs:
        if need.one == need.other:
            continue
        before = found.get((need.one, need.other), need)
        found[need.one, need.other] = Need(
            need.one,
            need.other,
            max(before.weight, need.weight),
            before.holds or need.holds,
        )
    return [found[key] for key in sorted(found)]


def _arrows(needs: Iterable[Need]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for need in needs:
        found.setdefault(need.one, []).append(need.other)
    return found


def _closing(needs: Sequence[Need], place: Callable[[int], Any]) -> set[Need]:
    """Those that lead back to where a walk along the needs came from."""
    of: dict[int, list[Need]] = {}
    for need in sorted(needs, key=lambda need: (place(need.other), need.other)):
        of.setdefault(need.one, []).append(need)
    closing: set[Need] = set()
    done: set[int] = set()
    for start in sorted(of, key=lambda one: (place(one), one)):
        if start in done:
            continue
        path, on_path = [(start, iter(of[start]))], {start}
        while path:
            node, following = path[-1]
            for need in following:
                if need.other in on_path:
                    closing.add(need)
                elif need.other not in done:
                    path.append((need.other, iter(of.get(need.other, ()))))
                    on_path.add(need.other)
                    break
            else:
                path.pop()
                on_path.discard(node)
                done.add(node)
    return closing


def _groups(arrows: Arrows) -> list[set[int]]:
    """Those of two or more that all lead to each other: Tarjan's algorithm."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    found: list[set[int]] = []
    for start in sorted(arrows):
        if start in index:
            continue
        path = [(start, iter(sorted(set(arrows[start]))))]
        index[start] = low[start] = len(index)
        stack.append(start)
        on_stack.add(start)
        while path:
            node, following = path[-1]
            for other in following:
                if other not in index:
                    index[other] = low[other] = len(index)
                    stack.append(other)
                    on_stack.add(other)
                    path.append((other, iter(sorted(set(arrows.get(other, ()))))))
                    break
                if other in on_stack:
                    low[node] = min(low[node], index[other])
            else:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[node])
                if low[node] == index[node]:
                    group = set()
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        group.add(member)
                        if member == node:
                            break
                    if len(group) > 1:
                        found.append(group)
    return found


def _ring(start: int, arrows: Arrows) -> list[int]:
    """A shortest way from the start back to it; there is one."""
    came_from: dict[int, int] = {}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        for other in arrows[node]:
            if other == start:
                way = [node]
                while way[-1] != start:
                    way.append(came_from[way[-1]])
                return way[::-1]
            if other not in came_from:
                came_from[other] = node
                waiting.append(other)
    return [start]
