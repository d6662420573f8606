"""Which way a staged version may go, and that each step is guarded, recorded and told."""

import itertools

import pytest
from django.db import DatabaseError, transaction

from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.queue import transitions
from approvals.queue.models import AlarmKind, StagedVersion, State
from approvals.queue.transitions import ALLOWED, answer_alarm, move, news_of, raise_alarm
from tests.approvals.events import kinds, topics
from tests.approvals.factories import make_staged_version, make_user

pytestmark = pytest.mark.django_db

# As DESIGN.md draws them, with the ways back that a refusing registry makes necessary.
DESIGNED = {
    (State.STAGED, State.APPROVING),
    (State.APPROVING, State.ACCEPTED),
    (State.ACCEPTED, State.LIVE),
    (State.STAGED, State.REJECTING),
    (State.REJECTING, State.REJECTED),
    (State.STAGED, State.PUBLISHED_ELSEWHERE),
    (State.STAGED, State.WITHDRAWN),
    (State.APPROVING, State.STAGED),
    (State.APPROVING, State.PUBLISHED_ELSEWHERE),
    (State.APPROVING, State.WITHDRAWN),
    (State.REJECTING, State.STAGED),
    (State.REJECTING, State.PUBLISHED_ELSEWHERE),
    (State.REJECTING, State.WITHDRAWN),
    (State.WITHDRAWN, State.STAGED),
    (State.WITHDRAWN, State.PUBLISHED_ELSEWHERE),
}


def test_every_state_says_where_it_leads() -> None:
    assert set(ALLOWED) == set(State)


@pytest.mark.parametrize(("before", "after"), list(itertools.product(State, State)))
def test_only_the_designed_steps_are_taken(before: State, after: State) -> None:
    row = make_staged_version(state=before)
    if (before, after) in DESIGNED:
        assert move(row, from_states=[before], to=after)
        expected = after
    else:
        with pytest.raises(ValueError, match="cannot go"):
            move(row, from_states=[before], to=after)
        expected = before
        assert not OutboxEvent.objects.exists()
        assert not AuditEvent.objects.exists()
    row.refresh_from_db()
    assert row.state == expected


def test_an_illegal_step_among_legal_ones_is_refused_whatever_the_row_is() -> None:
    row = make_staged_version(state=State.APPROVING)
    with pytest.raises(ValueError, match="cannot go"):
        move(row, from_states=[State.APPROVING, State.STAGED], to=State.ACCEPTED)


def test_a_row_that_moved_on_meanwhile_is_left_alone() -> None:
    row = make_staged_version()
    stale = StagedVersion.objects.get(pk=row.pk)
    assert move(row, from_states=[State.STAGED], to=State.REJECTING)
    assert not move(stale, from_states=[State.STAGED], to=State.APPROVING)
    assert stale.state == State.STAGED
    row.refresh_from_db()
    assert row.state == State.REJECTING
    assert topics() == kinds() == ["staged_version.rejecting"]


def test_a_step_sets_its_fields_and_tells_who_and_why() -> None:
    ada = make_user("ada")
    row = make_staged_version(state=State.REJECTING)
    before = row.state_changed_at
    move(row, from_states=[State.REJECTING], to=State.REJECTED, actor=ada, reason="wrong tag")
    row.refresh_from_db()
    assert row.state_changed_at > before
    event, news = AuditEvent.objects.get(), OutboxEvent.objects.get()
    assert (event.actor_id, event.stage_id) == (ada.pk, row.stage_id)
    assert event.detail == {"reason": "wrong tag"}
    assert news.stage_id == row.stage_id
    assert news.payload == {
        "registry": row.registry.name,
        "package": "left-pad",
        "version": "1.5.0",
        "tag": "latest",
        "state": "rejected",
        "url_path": f"/versions/{row.pk}/",
        "gather": news_of(row)["gather"],
        "actor": "ada",
        "reason": "wrong tag",
    }


def test_without_its_audit_event_nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    row = make_staged_version()

    def breaks(*args: object, **detail: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(transitions, "record_all", breaks)
    with pytest.raises(OSError, match="disk full"):
        move(row, from_states=[State.STAGED], to=State.APPROVING)
    row.refresh_from_db()
    assert row.state == State.STAGED
    assert not OutboxEvent.objects.exists()


def test_an_alarm_is_told_once() -> None:
    row = make_staged_version()
    raise_alarm(row, AlarmKind.STAGE_CHANGED, "Another digest.")
    raise_alarm(StagedVersion.objects.get(pk=row.pk), AlarmKind.STAGE_CHANGED, "Another digest.")
    assert topics() == kinds() == ["staged_version.alarm"]
    raise_alarm(row, AlarmKind.STAGE_CHANGED, "Yet another digest.")
    assert topics() == kinds() == ["staged_version.alarm"] * 2
    row.refresh_from_db()
    assert row.alarm == "Yet another digest."


def test_the_answer_to_one_alarm_ends_no_other() -> None:
    row = make_staged_version()
    raise_alarm(row, AlarmKind.STAGE_CHANGED, "Another dist-tag.")
    raise_alarm(row, AlarmKind.DOWNLOAD_DIFFERS, "Another download.")
    answer_alarm(row, AlarmKind.DOWNLOAD_DIFFERS)
    row.refresh_from_db()
    assert (row.alarm, row.alarm_kind) == ("Another dist-tag.", AlarmKind.STAGE_CHANGED)


def test_an_alarm_that_stays_takes_the_place_of_one_that_may_be_answered() -> None:
    row = make_staged_version()
    raise_alarm(row, AlarmKind.DOWNLOAD_DIFFERS, "Another download.")
    raise_alarm(row, AlarmKind.STAGE_CHANGED, "Another dist-tag.")
    answer_alarm(row, AlarmKind.DOWNLOAD_DIFFERS)
    row.refresh_from_db()
    assert row.alarm == "Another dist-tag."


def test_an_answered_alarm_is_gone_and_written_down() -> None:
    row = make_staged_version()
    raise_alarm(row, AlarmKind.DOWNLOAD_DIFFERS, "Another download.")
    answer_alarm(row, AlarmKind.DOWNLOAD_DIFFERS)
    answer_alarm(row, AlarmKind.DOWNLOAD_DIFFERS)
    row.refresh_from_db()
    assert (row.alarm, row.alarm_kind) == ("", "")
    assert kinds() == ["staged_version.alarm", "staged_version.alarm_answered"]


def test_a_long_alarm_fits_and_is_told_once_and_whole() -> None:
    row = make_staged_version()
    sentence = "different " * 100
    raise_alarm(row, AlarmKind.STAGE_CHANGED, sentence)
    raise_alarm(row, AlarmKind.STAGE_CHANGED, sentence)
    assert topics() == ["staged_version.alarm"]
    assert OutboxEvent.objects.get().payload["reason"] == sentence


def test_the_database_knows_the_states() -> None:
    row = make_staged_version()
    with pytest.raises(DatabaseError), transaction.atomic():
        StagedVersion.objects.filter(pk=row.pk).update(state="approved")


def test_the_database_refuses_a_stage_id_twice_at_one_registry() -> None:
    row = make_staged_version()
    with pytest.raises(DatabaseError), transaction.atomic():
        make_staged_version("right-pad", stage_id=row.stage_id)
