"""Who may compare two tarballs, whatever becomes of the one who began."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from approvals.inspection import claims
from approvals.inspection.claims import Pair, PairTaken
from approvals.inspection.models import PairClaim

pytestmark = pytest.mark.django_db

PAIR = Pair("a" * 128, "b" * 128)


def soon() -> datetime:
    return timezone.now() + timedelta(minutes=4)


def the_holder_dies() -> None:
    PairClaim.objects.update(lease_until=timezone.now() - timedelta(seconds=1))


def test_one_has_it_and_the_other_does_not() -> None:
    claims.take(PAIR, "first", until=soon())
    with pytest.raises(PairTaken):
        claims.take(PAIR, "second", until=soon())
    claims.let_go(PAIR, "second")
    with pytest.raises(PairTaken):
        claims.take(PAIR, "second", until=soon())
    claims.let_go(PAIR, "first")
    claims.take(PAIR, "second", until=soon())
    assert PairClaim.objects.get().holder == "second"


@pytest.mark.parametrize(
    "other",
    [
        Pair("a" * 128, ""),
        Pair("b" * 128, "b" * 128),
        Pair("b" * 128, "a" * 128),
        Pair("a" * 128, "b" * 128, "another engine"),
    ],
    ids=["no baseline", "staged", "turned round", "engine"],
)
def test_another_pair_is_free(other: Pair) -> None:
    claims.take(PAIR, "first", until=soon())
    claims.take(other, "second", until=soon())
    assert PairClaim.objects.count() == 2


def test_what_a_dead_worker_had_is_free_and_never_comes_back_to_it() -> None:
    claims.take(PAIR, "dead", until=soon())
    the_holder_dies()
    claims.take(PAIR, "second", until=soon())
    with pytest.raises(PairTaken):
        claims.renew(PAIR, "dead", until=soon())
    claims.let_go(PAIR, "dead")
    with pytest.raises(PairTaken):
        claims.take(PAIR, "third", until=soon())


def test_who_renews_in_time_keeps_it() -> None:
    claims.take(PAIR, "slow", until=timezone.now() + timedelta(seconds=1))
    claims.renew(PAIR, "slow", until=soon())
    assert PairClaim.objects.get().lease_until > timezone.now() + timedelta(minutes=3)


def test_what_dead_workers_left_is_removed_and_nothing_else() -> None:
    claims.take(PAIR, "alive", until=soon())
    claims.take(Pair("c" * 128, ""), "dead", until=timezone.now() - timedelta(days=3))
    claims.forget_dead(until=timezone.now() - timedelta(days=2))
    assert PairClaim.objects.get().holder == "alive"
