"""Rings, how they are broken, and levels: for any arrows."""

from hypothesis import given, settings
from hypothesis import strategies as st

from approvals.decisions.releases.graph import Need, levels, rings, without_rings

NEEDS = st.lists(
    st.builds(
        Need,
        one=st.integers(0, 12),
        other=st.integers(0, 12),
        weight=st.integers(0, 2),
        holds=st.booleans(),
    ),
    max_size=60,
)


def name(key: int) -> str:
    return f"p{key:03}"


def is_without_rings(needs: list[Need]) -> bool:
    level = levels(range(13), needs)
    return all(level[need.one] > level[need.other] for need in needs)


@settings(max_examples=300, deadline=None)
@given(NEEDS)
def test_whatever_needs_what_it_comes_above_it(needs: list[Need]) -> None:
    kept = without_rings(needs, name)

    assert is_without_rings(kept)
    # Nothing is made up, and only what is in a ring gives way.
    pairs = {(need.one, need.other) for need in needs if need.one != need.other}
    assert {(need.one, need.other) for need in kept} <= pairs
    in_a_ring = _in_rings(pairs)
    assert pairs - {(need.one, need.other) for need in kept} <= in_a_ring


@settings(max_examples=200, deadline=None)
@given(NEEDS, st.randoms())
def test_the_order_of_the_needs_says_nothing(needs: list[Need], random: st.DataObject) -> None:
    kept = without_rings(needs, name)
    mixed = list(needs)
    random.shuffle(mixed)  # type: ignore[attr-defined]  # a random.Random

    assert without_rings(mixed, name) == kept


@settings(max_examples=200, deadline=None)
@given(NEEDS)
def test_a_ring_that_is_named_is_one(needs: list[Need]) -> None:
    arrows: dict[int, set[int]] = {}
    for need in needs:
        if need.one != need.other:
            arrows.setdefault(need.one, set()).add(need.other)

    found = rings(arrows)

    for ring in found:
        assert len(ring) == len(set(ring)) >= 2
        assert ring[0] == min(ring)
        for one, other in zip(ring, [*ring[1:], ring[0]], strict=True):
            assert other in arrows[one]
    pairs = {(one, other) for one, others in arrows.items() for other in others}
    assert bool(found) == bool(_in_rings(pairs))


def _in_rings(pairs: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of which the other leads back to the one, found in the slowest way."""
    reach = set(pairs)
    while True:
        further = {(a, d) for a, b in reach for c, d in reach if b == c} - reach
        if not further:
            return {(one, other) for one, other in pairs if (other, one) in reach}
        reach |= further


def test_the_weakest_give_way_first() -> None:
    kept = without_rings([Need(1, 2, 2), Need(2, 3, 2), Need(3, 1, 0)], name)
    assert [(need.one, need.other) for need in kept] == [(1, 2), (2, 3)]

    kept = without_rings([Need(1, 2, 1), Need(2, 1, 2)], name)
    assert [(need.one, need.other) for need in kept] == [(2, 1)]


def test_of_equals_what_leads_back_to_the_first_by_name_gives_way() -> None:
    ring = [Need(7, 8, 2), Need(8, 9, 2), Need(9, 7, 2)]

    kept = without_rings(ring, lambda key: {7: "c", 8: "a", 9: "b"}[key])

    # a needs b, b needs c, and that c needs a gives way.
    assert [(need.one, need.other) for need in kept] == [(8, 9), (9, 7)]


def test_a_ring_by_itself_does_not_take_from_another() -> None:
    needs = [Need(1, 2, 0), Need(2, 1, 0), Need(3, 4, 2), Need(4, 3, 0)]

    kept = without_rings(needs, name)

    assert [(need.one, need.other) for need in kept] == [(1, 2), (3, 4)]


def test_a_long_chain_needs_no_deep_stack() -> None:
    needs = [Need(key, key + 1, 2) for key in range(20_000)]

    kept = without_rings([*needs, Need(20_000, 0, 0)], name)

    assert len(kept) == 20_000
    assert levels(range(20_001), kept)[0] == 20_000
