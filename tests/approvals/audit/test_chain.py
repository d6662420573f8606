"""The chained log: whatever somebody does to it by hand is found, and named."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from pytest_django import Settings

from approvals.audit import chain
from approvals.audit.models import AuditEvent, AuditHead
from approvals.audit.record import event_hash, record
from approvals.people.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def ten_events() -> list[AuditEvent]:
    user = User.objects.create_user("ada", "ada@example.org")
    with transaction.atomic():
        return [
            record("test.happened", actor=user, subject=user, number=number, half=number / 2)
            for number in range(1, 11)
        ]


def test_an_untouched_chain_holds(ten_events: list[AuditEvent]) -> None:
    found = chain.verify()
    assert found.ok
    assert found.events == 10
    assert str(found.head) == f"10:{ten_events[-1].hash}"


def test_an_empty_chain_holds() -> None:
    assert chain.verify() == chain.Verification(0, chain.Head(0, ""))


def test_pages_join_without_a_seam(
    ten_events: list[AuditEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    for page in (1, 3, 5, 10, 11):
        monkeypatch.setattr(chain, "PAGE", page)
        assert chain.verify().events == 10
        assert chain.verify().ok


def _change(**values: object) -> Callable[[], None]:
    return lambda: (AuditEvent.objects.filter(sequence=4).update(**values), None)[1]


def _swap() -> None:
    rows = AuditEvent.objects.filter(sequence__in=[4, 5]).order_by("sequence")
    fourth, fifth = rows
    rows.delete()
    fourth.sequence, fifth.sequence = 5, 4
    AuditEvent.objects.bulk_create([fourth, fifth])


def _insert_by_hand() -> None:
    """What somebody can do who may write to the database but does not have the key."""
    last = AuditEvent.objects.get(sequence=10)
    forged = AuditEvent(sequence=11, at=last.at, kind="x", previous_hash=last.hash)
    forged.hash = event_hash(forged, "a guessed key")
    forged.save(force_insert=True)
    AuditHead.objects.update(sequence=11, hash=forged.hash)


@pytest.mark.parametrize(
    ("break_it", "broken_at"),
    [
        (_change(kind="test.nothing"), 4),
        (_change(detail={"number": 40, "half": "2.0"}), 4),
        (_change(detail={}), 4),
        (_change(actor_name="eve"), 4),
        (_change(actor_id=None), 4),
        (_change(subject="people.User:2"), 4),
        (_change(subject_name="Eve"), 4),
        (_change(stage_id="11111111-1111-4111-8111-111111111111"), 4),
        (_change(at="2001-01-01T00:00:00Z"), 4),
        (_change(hash="0" * 64), 4),
        (_change(previous_hash="0" * 64), 4),
        (lambda: AuditEvent.objects.filter(sequence=4).delete(), 4),
        (lambda: AuditEvent.objects.filter(sequence=1).delete(), 1),
        (lambda: AuditEvent.objects.filter(sequence__gte=9).delete(), 9),
        (lambda: AuditEvent.objects.all().delete(), 1),
        (_swap, 4),
        (_insert_by_hand, 11),
        (lambda: AuditHead.objects.all().delete(), 10),
        (lambda: AuditHead.objects.update(sequence=9), 10),
        (lambda: AuditHead.objects.update(hash="f" * 64), 10),
        (lambda: AuditHead.objects.update(sequence=12), 11),
    ],
)
def test_whatever_is_done_by_hand_is_found(
    ten_events: list[AuditEvent], break_it: Callable[[], None], broken_at: int
) -> None:
    break_it()
    found = chain.verify()
    assert not found.ok
    assert found.broken_at == broken_at
    assert f"vent {broken_at}" in found.problem


def test_a_chain_cut_off_with_its_head_shows_against_a_head_written_down(
    ten_events: list[AuditEvent],
) -> None:
    written_down = chain.verify().head
    AuditEvent.objects.filter(sequence__gte=9).delete()
    AuditHead.objects.update(sequence=8, hash=ten_events[7].hash)
    assert chain.verify().ok
    found = chain.verify(written_down)
    assert "cut off" in found.problem
    assert found.broken_at == 9


def test_a_head_written_down_stays_part_of_a_growing_chain(ten_events: list[AuditEvent]) -> None:
    assert chain.verify(chain.Head(6, ten_events[5].hash)).ok
    found = chain.verify(chain.Head(6, "a" * 64))
    assert "rewritten" in found.problem
    assert found.broken_at == 6


def test_events_of_an_earlier_key_still_verify(
    ten_events: list[AuditEvent], settings: Settings
) -> None:
    old_key = settings.SECRET_KEY
    settings.SECRET_KEY = "the key that came after it, long enough for anybody at all to like"
    assert chain.verify().broken_at == 1
    settings.SECRET_KEY_FALLBACKS = ["never used", old_key]
    with transaction.atomic():
        record("test.after")
    assert chain.verify().ok

    # Whoever has the key that was replaced can no longer write with it.
    new_key, settings.SECRET_KEY = settings.SECRET_KEY, old_key
    with transaction.atomic():
        record("test.forged")
    settings.SECRET_KEY = new_key
    assert chain.verify().broken_at == 12


def test_recording_outside_a_transaction_is_refused(transactional_db: None) -> None:
    with pytest.raises(transaction.TransactionManagementError):
        record("test.alone")
    assert not AuditEvent.objects.exists()


def test_what_is_rolled_back_leaves_no_event(ten_events: list[AuditEvent]) -> None:
    with transaction.atomic():
        record("test.undone")
        transaction.set_rollback(True)
    assert chain.verify().events == 10


def test_many_recording_at_once_make_one_chain(transactional_db: None) -> None:
    def record_some(writer: int) -> None:
        try:
            for number in range(15):
                with transaction.atomic():
                    record("test.at_once", writer=writer, number=number)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(record_some, range(8)))
    found = chain.verify()
    assert found.problem == ""
    assert found.events == 120


def test_verifying_while_others_record_is_no_false_alarm(transactional_db: None) -> None:
    def record_some(writer: int) -> None:
        try:
            for number in range(30):
                with transaction.atomic():
                    record("test.at_once", writer=writer, number=number)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        writing = [pool.submit(record_some, writer) for writer in range(2)]
        problems = {chain.verify().problem}
        while not all(future.done() for future in writing):
            problems.add(chain.verify().problem)
    [future.result() for future in writing]
    assert problems == {""}
    assert chain.verify().events == 60


def test_the_very_first_event_is_no_false_alarm_while_it_is_written(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    there_are_none = AuditEvent.objects.exists

    def exists_by_now() -> bool:
        if not there_are_none():
            record("registry.added")
        return there_are_none()

    monkeypatch.setattr(AuditEvent.objects, "exists", exists_by_now)
    assert chain.is_whole_since(1)
    AuditHead.objects.all().delete()
    assert not chain.is_whole_since(1)


def test_the_command_prints_the_head_and_takes_it_back(ten_events: list[AuditEvent]) -> None:
    out = StringIO()
    call_command("verify_audit", stdout=out)
    head = f"10:{ten_events[-1].hash}"
    assert f"Head: {head}" in out.getvalue()
    call_command("verify_audit", f"--expect={head}", stdout=out)


def test_the_command_names_the_first_broken_event(ten_events: list[AuditEvent]) -> None:
    AuditEvent.objects.filter(sequence__in=[4, 7]).update(detail={"number": 0})
    with pytest.raises(CommandError) as refused:
        call_command("verify_audit", stdout=StringIO())
    assert "Event 4 (test.happened" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.returncode == 1


@pytest.mark.parametrize("text", ["", "10", "10:", "x:y", "-1:" + "a" * 64, "1:" + "A" * 64])
def test_a_head_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="SEQ:HASH"):
        call_command("verify_audit", f"--expect={text}")
