"""Limits on tries: they stop whoever guesses, on every connection, and let go after a while."""

from datetime import timedelta

import pytest
from django.db import transaction
from pytest_django import Settings

from approvals.people import limits
from approvals.people.limits import TooManyTries, clear, forget_old_tries, give_back, take
from approvals.people.models import TryCount, User
from tests.approvals.at_once import at_once
from tests.approvals.factories import make_user
from tests.approvals.people.conftest import Clock

HERE, ELSEWHERE = "192.0.2.7", "198.51.100.9"


@pytest.fixture(autouse=True)
def _small_limits(settings: Settings) -> None:
    settings.TRY_LIMITS = {
        "code": {"person": (3, 60), "address": (5, 60)},
        "sign_in": {"person": (3, 60)},
        "invitation": {"address": (2, 60)},
    }


def taken(what: str = "code", *, times: int = 20, **who: object) -> int:
    """How many of so many tries were let through."""
    done = 0
    for _ in range(times):
        try:
            take(what, **who)  # type: ignore[arg-type] # passed on as it came
        except TooManyTries:
            continue
        done += 1
    return done


@pytest.mark.django_db
class TestOneAfterTheOther:
    def test_a_person_has_so_many_tries_from_wherever(self, clock: Clock) -> None:
        ana = make_user("ana")
        assert taken(person=ana, address=HERE, times=2) == 2
        assert taken(person=ana, address=ELSEWHERE) == 1

    def test_an_address_has_so_many_tries_at_whomever(self, clock: Clock) -> None:
        people = [make_user() for _ in range(8)]
        assert sum(taken(person=one, address=HERE, times=1) for one in people) == 5
        assert taken(person=people[-1], address=ELSEWHERE, times=1) == 1

    def test_one_person_does_not_use_up_anothers(self, clock: Clock) -> None:
        ana, ben = make_user("ana"), make_user("ben")
        taken(person=ana)
        assert taken(person=ben) == 3

    def test_one_kind_does_not_use_up_another(self, clock: Clock) -> None:
        ana = make_user("ana")
        taken("code", person=ana)
        assert taken("sign_in", person=ana) == 3

    def test_it_recovers_after_the_window_and_says_when(self, clock: Clock) -> None:
        ana = make_user("ana")
        taken(person=ana)
        clock.now += 20
        with pytest.raises(TooManyTries, match=r"Try again in 40 seconds\.") as refused:
            take("code", person=ana)
        assert refused.value.seconds == 40
        clock.now += refused.value.seconds
        assert taken(person=ana) == 3

    def test_going_on_against_the_limit_does_not_prolong_it(self, clock: Clock) -> None:
        ana = make_user("ana")
        for _ in range(6):
            taken(person=ana)
            clock.now += 10
        assert taken(person=ana) == 3

    def test_what_was_right_does_not_count(self, clock: Clock) -> None:
        ana = make_user("ana")
        for _ in range(10):
            take("code", person=ana, address=HERE)
            give_back("code", person=ana, address=HERE)
        assert taken(person=ana, address=HERE) == 3

    def test_a_success_does_not_give_a_guesser_more_tries(self, clock: Clock) -> None:
        ana = make_user("ana")
        taken(person=ana, times=2)
        take("code", person=ana)
        give_back("code", person=ana)
        assert taken(person=ana) == 1

    def test_giving_back_never_makes_more_of_it(self, clock: Clock) -> None:
        ana = make_user("ana")
        for _ in range(5):
            give_back("code", person=ana, address=HERE)
        assert taken(person=ana) == 3

    def test_a_name_that_nobody_has_is_limited_like_one_that_somebody_has(
        self, clock: Clock
    ) -> None:
        assert taken("sign_in", person="nobody") == taken("sign_in", person=make_user("ana")) == 3
        assert taken("sign_in", person=" NoBody ") == 0

    def test_a_network_of_addresses_counts_as_one(self, clock: Clock) -> None:
        assert taken("invitation", address="2001:db8:1:2::1") == 2
        assert taken("invitation", address="2001:db8:1:2:ffff::9") == 0
        assert taken("invitation", address="2001:db8:1:3::1") == 2
        assert taken("invitation", address=HERE) == 2
        assert taken("invitation", address=f"::ffff:{HERE}") == 0

    def test_whoever_has_no_address_is_limited_as_a_person_all_the_same(self, clock: Clock) -> None:
        assert taken(person=make_user("ana"), address="") == 3

    def test_the_table_tells_nobody_who_tried(self, clock: Clock) -> None:
        ana = make_user("ana")
        take("code", person=ana, address=HERE)
        take("sign_in", person="hunter2-in-the-wrong-field")
        written = str(list(TryCount.objects.values()))
        for secret in ("hunter2", HERE, "ana"):
            assert secret not in written
        assert {len(whose) for whose in TryCount.objects.values_list("whose", flat=True)} == {64}

    def test_clearing_is_for_one_person_only(self, clock: Clock) -> None:
        ana, ben = make_user("ana"), make_user("ben")
        taken(person=ana)
        taken(person=ben)
        clear("code", person=ana)
        assert taken(person=ana) == 3
        assert taken(person=ben) == 0

    def test_old_counts_are_forgotten_and_others_kept(self, clock: Clock) -> None:
        ana, ben = make_user("ana"), make_user("ben")
        taken(person=ana)
        clock.now += timedelta(seconds=61).total_seconds()
        taken(person=ben)
        forget_old_tries()
        assert TryCount.objects.count() == 1
        assert taken(person=ben) == 0


@pytest.mark.django_db(transaction=True)
class TestAtTheSameTime:
    def test_processes_share_one_count(self) -> None:
        ana = make_user("ana")
        results = at_once(*[lambda: take("code", person=ana, address=HERE)] * 8)
        refused = [one for one in results if isinstance(one, TooManyTries)]
        assert results.count(None) == 3
        assert len(refused) == 5

    def test_a_window_that_is_over_begins_once(self) -> None:
        ana = make_user("ana")
        take("code", person=ana)
        TryCount.objects.update(number=3, since=limits.timezone.now() - timedelta(seconds=61))
        assert at_once(*[lambda: take("code", person=ana)] * 8).count(None) == 3

    def test_a_try_is_not_undone_with_what_the_caller_undoes(self) -> None:
        ana = make_user("ana")

        def in_a_transaction() -> None:
            with transaction.atomic():
                User.objects.exists()
                take("code", person=ana)

        # It refuses to be counted where a rollback would uncount it.
        with pytest.raises(RuntimeError):
            in_a_transaction()
        assert taken(person=ana) == 3
