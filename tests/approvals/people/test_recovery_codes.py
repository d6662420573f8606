"""Recovery codes: ten, each good once, and each use is told to its person."""

import re

import pytest
from django.db import connection, transaction
from pytest_django import Settings

from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.people import recovery_codes
from approvals.people.models import RecoveryCode, User
from approvals.people.recovery_codes import RecoveryCodeRefused
from tests.approvals.at_once import at_once
from tests.approvals.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana() -> User:
    return make_user("ana")


@pytest.fixture
def codes(ana: User) -> list[str]:
    return make(ana)


def make(user: User) -> list[str]:
    with transaction.atomic():
        return recovery_codes.make(user)


def test_there_are_ten_and_no_two_alike(ana: User, codes: list[str]) -> None:
    assert len(set(codes)) == 10
    assert all(re.fullmatch(r"[2-9a-hjkmnp-z]{5}-[2-9a-hjkmnp-z]{5}", code) for code in codes)
    assert recovery_codes.codes_left(ana) == 10
    assert not set(codes) & set(make(make_user("ben")))


def test_each_is_good_once(ana: User, codes: list[str]) -> None:
    for left, code in zip(range(9, -1, -1), codes, strict=True):
        recovery_codes.use(ana, code)
        assert recovery_codes.codes_left(ana) == left
        with pytest.raises(RecoveryCodeRefused, match="wrong, was used before"):
            recovery_codes.use(ana, code)


def test_a_code_may_be_typed_in_any_way(ana: User, codes: list[str]) -> None:
    recovery_codes.use(ana, f"  {codes[0].upper()} \n")
    recovery_codes.use(ana, codes[1].replace("-", " "))
    assert all(map(recovery_codes.looks_like_one, codes))
    for other in ("", "123456", "2345678", "abcde-fghij", "1" * 5000, "é" * 10):
        assert not recovery_codes.looks_like_one(other)


def test_each_use_is_told_and_recorded_without_the_code(ana: User, codes: list[str]) -> None:
    recovery_codes.use(ana, codes[0])
    (news,) = OutboxEvent.objects.filter(topic="recovery_code.used")
    assert (news.payload["person"], news.payload["codes_left"]) == (ana.pk, 9)
    with pytest.raises(RecoveryCodeRefused):
        recovery_codes.use(ana, codes[0])
    assert OutboxEvent.objects.count() == 1
    used, refused = AuditEvent.objects.order_by("sequence")
    assert (used.kind, refused.kind) == ("recovery_code.used", "recovery_code.refused")
    written = str([*AuditEvent.objects.values(), *OutboxEvent.objects.values()])
    assert codes[0] not in written
    assert codes[0].replace("-", "") not in written


def test_new_codes_replace_the_earlier_ones(ana: User, codes: list[str]) -> None:
    newer = make(ana)
    with pytest.raises(RecoveryCodeRefused):
        recovery_codes.use(ana, codes[0])
    recovery_codes.use(ana, newer[0])


def test_somebody_elses_code_is_wrong(ana: User, codes: list[str]) -> None:
    with pytest.raises(RecoveryCodeRefused):
        recovery_codes.use(make_user("ben"), codes[0])
    recovery_codes.use(ana, codes[0])


def test_a_row_moved_to_another_person_is_worth_nothing(ana: User, codes: list[str]) -> None:
    ben = make_user("ben")
    RecoveryCode.objects.update(user=ben)
    with pytest.raises(RecoveryCodeRefused):
        recovery_codes.use(ben, codes[0])


def test_a_deactivated_person_gets_nothing(ana: User, codes: list[str]) -> None:
    User.objects.filter(pk=ana.pk).update(is_active=False)
    with pytest.raises(RecoveryCodeRefused, match="deactivated"):
        recovery_codes.use(ana, codes[0])


@pytest.mark.django_db(transaction=True)
def test_of_four_browsers_with_the_same_code_one_gets_in(ana: User, codes: list[str]) -> None:
    outcomes = at_once(*[lambda: recovery_codes.use(ana, codes[0])] * 4)
    assert outcomes.count(None) == 1
    assert recovery_codes.codes_left(ana) == 9


def test_a_copy_of_the_database_does_not_hold_the_codes(ana: User, codes: list[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT mac FROM people_recoverycode")
        stored = " ".join(row[0] for row in cursor.fetchall())
    for code in codes:
        assert code not in stored
        assert code.replace("-", "") not in stored


def test_codes_outlive_a_new_sealing_key_but_not_the_loss_of_theirs(
    ana: User, codes: list[str], settings: Settings
) -> None:
    settings.SEALING_KEYS = ["a new sealing key that is long enough", *settings.SEALING_KEYS]
    recovery_codes.use(ana, codes[0])
    settings.SEALING_KEYS = settings.SEALING_KEYS[:1]
    with pytest.raises(RecoveryCodeRefused):
        recovery_codes.use(ana, codes[1])
