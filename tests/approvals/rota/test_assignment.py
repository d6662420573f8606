"""Whose turn it is to look at a version: taking, passing on and snoozing, and who may not."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.decisions.judging import policy_states
from approvals.decisions.judging.checklist import checklists_of
from approvals.decisions.models import Release, ReleaseMember
from approvals.decisions.talking.change_requests import lift, request_changes
from approvals.people.deciders import decider_of
from approvals.people.models import Role, Scope, User
from approvals.queue.models import AlarmKind, StagedVersion, State
from approvals.queue.transitions import raise_alarm
from approvals.rota import escalation, turning
from approvals.rota.assignment import (
    MOST_PASSES,
    MOST_SNOOZES,
    AssignmentRefused,
    pass_on,
    snooze,
    take,
)
from approvals.rota.models import Assignment, Taking
from approvals.rota.standing import assigned_to, how_it_stands
from tests.approvals.at_once import at_once
from tests.approvals.demands import also, wanting
from tests.approvals.factories import (
    make_account,
    make_finding,
    make_inspection,
    make_policies,
    make_registry,
    make_staged_version,
    make_team,
    make_user,
)
from tests.approvals.rota.factories import make_schedule

pytestmark = pytest.mark.django_db
# A Wednesday in the first person's week.
START = datetime(2026, 1, 7, 10, 0, tzinfo=UTC)
STEPS = ((0, "on_call"), (15, "next"), (30, "all_approvers"))


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def grace() -> User:
    return make_user("grace")


@pytest.fixture
def linus() -> User:
    return make_user("linus")


@pytest.fixture
def rota(ada: User, grace: User, linus: User) -> None:
    """Ada is on call, and Grace is next; Linus approves, and is in no rotation."""
    make_schedule(ada, grace, name="Frontend", steps=STEPS)


@pytest.fixture
def waiting(rota: None) -> StagedVersion:
    """A compared version that Ada is to look at."""
    row = staged()
    escalation.look_after()
    return row


def staged(package: str = "left-pad", *, is_compared: bool = True, **fields: Any) -> StagedVersion:
    row = make_staged_version(
        package,
        **{"found_at": timezone.now(), "state_changed_at": timezone.now()} | fields,
    )
    if is_compared:
        make_inspection(row, findings=[])
    policy_states.refresh_due()
    return row


def assignment_of(row: StagedVersion) -> Assignment:
    return Assignment.objects.get(staged_version=row)


def told(topic: str) -> list[tuple[list[int], str]]:
    """Who was told of it, and why, oldest first."""
    events = OutboxEvent.objects.filter(topic=topic).order_by("pk")
    return [(one.payload["people"], one.payload.get("reason", "")) for one in events]


def people_told(topic: str) -> list[list[int]]:
    return [people for people, _ in told(topic)]


def sweep() -> None:
    """What the workers do again and again."""
    policy_states.refresh_due()
    escalation.look_after()
    escalation.follow_duty()


def at(clock: time_machine.Traveller, **since: float) -> None:
    """Moves on to this long after the beginning, and lets the workers do what is due."""
    clock.move_to(START + timedelta(**since))
    sweep()


# Assigning


def test_who_is_on_call_is_to_look_at_it_and_is_told_once(
    waiting: StagedVersion, ada: User, grace: User
) -> None:
    sweep()
    found = assignment_of(waiting)
    assert (found.person, found.since, found.taken_at) == (ada, START, None)
    [event] = OutboxEvent.objects.filter(topic="assignment.assigned")
    assert event.stage_id == waiting.stage_id
    assert event.payload["people"] == [ada.pk]
    assert event.payload["who"] == "ada"
    assert event.payload["urgent"] is False
    assert (
        "You are on call for “Frontend” until Monday 12 January, 09:00" in event.payload["reason"]
    )
    assert AuditEvent.objects.filter(kind="assignment.assigned", stage_id=waiting.stage_id).exists()
    mine = StagedVersion.objects.filter(assigned_to(ada))
    assert list(mine) == [waiting]
    assert not StagedVersion.objects.filter(assigned_to(grace)).exists()


def test_no_schedule_for_it_means_no_assignment_and_no_noise(
    ada: User, clock: time_machine.Traveller
) -> None:
    make_schedule(ada, packages="@acme/*")
    row = staged()
    at(clock, days=3)
    assert not Assignment.objects.exists()
    assert not OutboxEvent.objects.filter(topic__startswith="assignment.").exists()
    assert how_it_stands(row, ada) is None
    with pytest.raises(AssignmentRefused, match="No schedule is for it"):
        take(row, user=ada)


def test_a_schedule_that_is_made_later_takes_up_what_waits(ada: User) -> None:
    row = staged()
    sweep()
    make_schedule(ada)
    sweep()
    assert assignment_of(row).person == ada


def test_twelve_versions_of_a_release_are_one_message(rota: None, ada: User) -> None:
    for number in range(12):
        staged(f"@acme/part-{number}", created_at=START - timedelta(minutes=1))
    escalation.look_after()
    events = OutboxEvent.objects.filter(topic="assignment.assigned")
    assert events.count() == 12
    assert len({one.payload["gather"] for one in events}) == 1
    assert {tuple(one.payload["people"]) for one in events} == {(ada.pk,)}


def test_who_cannot_approve_it_is_stood_in_for_by_the_next(
    rota: None, ada: User, grace: User
) -> None:
    make_policies(wanting("1 of anyone") | also("independent", stager="yes", triggerer=""))
    registry = make_registry()
    make_account(ada, registry, username="ada-npm")
    row = staged(registry=registry, actor="ada-npm")
    sweep()
    assert assignment_of(row).person == grace
    assert people_told("assignment.assigned") == [[grace.pk]]


def test_where_nobody_of_the_rota_is_wanted_who_is_on_call_looks_and_the_others_are_asked(
    rota: None, ada: User, grace: User, linus: User, clock: time_machine.Traveller
) -> None:
    make_team("security", linus)
    make_policies(wanting("1 of security"))
    row = staged()
    sweep()
    at(clock, minutes=1)
    assert assignment_of(row).person == ada
    assert people_told("assignment.assigned") == [[ada.pk]]
    # Taking it lets nobody off who has to approve it.
    assert take(row, user=ada) is False
    at(clock, minutes=15)
    assert people_told("assignment.escalated") == [[linus.pk]]


def test_whoever_has_approved_makes_room_for_the_next(
    rota: None, ada: User, grace: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_policies(wanting("2 of anyone"))
    row = staged()
    sweep()
    take(row, user=ada)
    voted = checklists_of([row])[row.pk].voted_by(decider_of(ada))
    monkeypatch.setattr(escalation, "checklists_of", lambda rows: {row.pk: voted})
    policy_states.refresh_all()
    sweep()
    found = assignment_of(row)
    assert (found.person, found.taken_at) == (grace, None)
    assert people_told("assignment.assigned") == [[ada.pk], [grace.pk]]


def test_whoever_has_no_such_package_is_not_asked(rota: None, ada: User, grace: User) -> None:
    Scope.objects.create(user=ada, packages="@acme/*")
    row = staged()
    sweep()
    assert assignment_of(row).person == grace


def test_nobody_on_call_asks_the_next_at_once(
    ada: User, grace: User, linus: User, clock: time_machine.Traveller
) -> None:
    # The rotation begins on Friday.
    make_schedule(ada, grace, steps=STEPS, start_date=(START + timedelta(days=2)).date())
    row = staged()
    sweep()
    assert assignment_of(row).person == ada
    [(people, why)] = told("assignment.escalated")
    assert people == [ada.pk]
    assert "Nobody is on call" in why
    at(clock, minutes=30)
    assert people_told("assignment.escalated")[1:] == [sorted([ada.pk, grace.pk, linus.pk])]


def test_a_schedule_without_people_asks_all_who_may_approve(ada: User, grace: User) -> None:
    make_user("viewer", role=Role.VIEWER)
    make_schedule(steps=((0, "on_call"), (15, "next")))
    row = staged()
    sweep()
    assert assignment_of(row).person is None
    assert people_told("assignment.escalated") == [sorted([ada.pk, grace.pk])]


def test_where_nobody_is_on_call_it_stays_whose_it_was_and_is_left_alone(
    ada: User, grace: User, clock: time_machine.Traveller
) -> None:
    make_schedule(ada, grace, weekdays=[0, 1, 2, 3, 4])
    row = staged()
    sweep()
    Assignment.objects.update(next_step_at=START + timedelta(days=30))
    # On Saturday.
    clock.move_to(START + timedelta(days=3))
    assert escalation.follow_duty() == 0
    assert assignment_of(row).person == ada


def test_it_follows_who_is_on_call_until_somebody_takes_it(
    waiting: StagedVersion, ada: User, grace: User, clock: time_machine.Traveller
) -> None:
    other = staged("ms")
    sweep()
    take(other, user=ada)
    Assignment.objects.update(next_step_at=START + timedelta(days=30))
    # On Monday at nine it is Grace's turn.
    at(clock, days=5)
    assert assignment_of(waiting).person == grace
    assert assignment_of(other).person == ada
    assert people_told("assignment.assigned")[-1] == [grace.pk]


def test_somebody_who_leaves_is_replaced(waiting: StagedVersion, ada: User, grace: User) -> None:
    take(waiting, user=ada)
    ada.is_active = False
    ada.save()
    policy_states.refresh_all()
    sweep()
    found = assignment_of(waiting)
    assert found.person == grace
    assert found.taken_at is None
    assert found.next_step_at == START + timedelta(minutes=15)
    assert not Taking.objects.filter(ended_at__isnull=True).exists()
    assert people_told("assignment.assigned") == [[ada.pk], [grace.pk]]


# Escalating


def test_one_after_the_other_is_asked_until_somebody_takes_it(
    waiting: StagedVersion, ada: User, grace: User, linus: User, clock: time_machine.Traveller
) -> None:
    at(clock, minutes=14, seconds=59)
    assert told("assignment.escalated") == []
    at(clock, minutes=15)
    assert told("assignment.escalated") == [([grace.pk], "ada was asked, and has not taken it.")]
    assert assignment_of(waiting).person == grace
    at(clock, minutes=44)
    assert len(told("assignment.escalated")) == 1
    at(clock, minutes=45)
    everybody = sorted([ada.pk, grace.pk, linus.pk])
    assert people_told("assignment.escalated")[1:] == [everybody]
    at(clock, hours=2)
    assert told("assignment.reminder") == []
    at(clock, hours=5)
    assert people_told("assignment.reminder") == [everybody]
    # Eight hours later again, and then ever more seldom.
    at(clock, hours=12)
    assert len(told("assignment.reminder")) == 1
    at(clock, hours=13)
    assert len(told("assignment.reminder")) == 2
    kinds = AuditEvent.objects.filter(kind__startswith="assignment.").order_by("sequence")
    assert list(kinds.values_list("kind", flat=True)) == [
        "assignment.assigned",
        "assignment.escalated",
        "assignment.escalated",
        "assignment.reminder",
        "assignment.reminder",
    ]


def test_taking_it_stops_that_others_are_asked_and_tells_them(
    waiting: StagedVersion, ada: User, grace: User, clock: time_machine.Traveller
) -> None:
    at(clock, minutes=15)
    assert take(waiting, user=ada) is True
    assert people_told("assignment.taken") == [[grace.pk]]
    found = assignment_of(waiting)
    assert (found.person, found.taken_at) == (ada, START + timedelta(minutes=15))
    at(clock, hours=4)
    assert len(told("assignment.escalated")) == 1


def test_taking_it_twice_tells_once(waiting: StagedVersion, ada: User) -> None:
    assert take(waiting, user=ada)
    assert take(waiting, user=ada)
    assert len(told("assignment.taken")) == 1


def test_whoever_took_it_is_reminded_and_after_a_day_others_are_asked_anew(
    waiting: StagedVersion, ada: User, grace: User, clock: time_machine.Traveller
) -> None:
    take(waiting, user=grace)
    at(clock, hours=4)
    assert people_told("assignment.reminder") == [[grace.pk]]
    for hours in (8, 12, 16, 20, 24):
        at(clock, hours=hours)
    found = assignment_of(waiting)
    assert (found.person, found.taken_at) == (ada, None)
    [*_, (people, why)] = told("assignment.assigned")
    assert people == [ada.pk]
    assert "grace took it a day ago" in why


def test_who_looks_at_what_only_waits_is_not_reminded(
    rota: None, ada: User, clock: time_machine.Traveller
) -> None:
    make_policies(wanting("1 of anyone") | also("minimum_wait", wait="7 days"))
    row = staged()
    sweep()
    take(row, user=ada)
    for hours in range(4, 120, 4):
        at(clock, hours=hours)
    assert told("assignment.reminder") == []
    assert assignment_of(row).person == ada


def test_a_version_that_is_decided_stops_everything(
    waiting: StagedVersion, ada: User, clock: time_machine.Traveller
) -> None:
    StagedVersion.objects.filter(pk=waiting.pk).update(state=State.APPROVING)
    waiting.refresh_from_db()
    at(clock, days=2)
    assert told("assignment.escalated") == []
    with pytest.raises(AssignmentRefused, match="does not wait for a decision any more"):
        take(waiting, user=ada)
    assert how_it_stands(waiting, ada) is None
    # The registry refused: everybody has their time again.
    returned = timezone.now()
    StagedVersion.objects.filter(pk=waiting.pk).update(
        state=State.STAGED, state_changed_at=returned
    )
    sweep()
    assert told("assignment.escalated") == []
    assert assignment_of(waiting).next_step_at == returned + timedelta(minutes=15)
    StagedVersion.objects.filter(pk=waiting.pk).update(state=State.REJECTED)
    at(clock, days=9)
    assert told("assignment.escalated") == []
    assert assignment_of(waiting).next_step_at is None


def test_what_is_held_for_changes_is_not_escalated(
    waiting: StagedVersion, grace: User, clock: time_machine.Traveller
) -> None:
    request = request_changes(waiting, user=grace, reason="The readme is empty.")
    at(clock, hours=3)
    assert told("assignment.escalated") == []
    lift(request, user=grace)
    at(clock, hours=3, minutes=6)
    assert len(told("assignment.escalated")) == 1


def test_a_schedule_that_is_removed_asks_nobody_any_more(
    waiting: StagedVersion, clock: time_machine.Traveller
) -> None:
    schedule = assignment_of(waiting).schedule
    assert schedule is not None
    schedule.delete()
    at(clock, days=2)
    assert told("assignment.escalated") == []


# Who cannot approve it alone cannot keep it from the others


def test_taking_does_not_stop_it_where_others_have_to_approve_too(
    rota: None, ada: User, grace: User, linus: User, clock: time_machine.Traveller
) -> None:
    make_policies(wanting("2 of anyone"))
    row = staged()
    sweep()
    assert take(row, user=ada) is False
    at(clock, minutes=15)
    [(people, why)] = told("assignment.escalated")
    assert people == [grace.pk]
    assert why == "ada is looking at it, and its policy wants the approval of others, too."
    # It stays with whoever looks at it.
    assert assignment_of(row).person == ada
    assert take(row, user=grace) is True
    at(clock, hours=3)
    assert len(told("assignment.escalated")) == 1


def test_who_is_not_wanted_cannot_silence_it_by_taking_it(
    rota: None, ada: User, grace: User, linus: User, clock: time_machine.Traveller
) -> None:
    make_team("security", ada, grace)
    make_policies(wanting("1 of security"))
    row = staged()
    sweep()
    assert take(row, user=linus) is False
    assert assignment_of(row).person == ada
    at(clock, minutes=15)
    assert people_told("assignment.escalated") == [[grace.pk]]
    with pytest.raises(AssignmentRefused, match="Your approval alone does not let it out"):
        snooze(row, until=timezone.now() + timedelta(hours=1), reason="Later.", user=linus)


def test_a_viewer_and_a_stranger_to_the_package_can_do_nothing(
    waiting: StagedVersion, ada: User
) -> None:
    viewer = make_user("viewer", role=Role.VIEWER)
    stranger = make_user("stranger")
    Scope.objects.create(user=stranger, packages="@acme/*")
    for user in (viewer, stranger):
        with pytest.raises(AssignmentRefused, match="Only who may approve this package"):
            take(waiting, user=user)
        with pytest.raises(AssignmentRefused, match="Only who may approve this package"):
            pass_on(waiting, to=ada, user=user)
        with pytest.raises(AssignmentRefused, match="Only who may approve this package"):
            snooze(waiting, until=START + timedelta(hours=1), reason="Later.", user=user)
        standing = how_it_stands(waiting, user)
        assert standing is not None
        assert [standing.may_take, standing.may_pass, standing.may_snooze] == [False] * 3
        assert standing.others == ()


def test_whoever_lost_the_role_meanwhile_takes_nothing(waiting: StagedVersion, ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(role=Role.VIEWER)
    # The session still has the person as they were.
    assert ada.role == Role.APPROVER
    with pytest.raises(AssignmentRefused):
        take(waiting, user=ada)


def test_a_taking_that_is_not_enough_any_more_stops_nothing(
    waiting: StagedVersion, ada: User, grace: User, clock: time_machine.Traveller
) -> None:
    assert take(waiting, user=ada) is True
    at(clock, hours=1)
    make_policies(wanting("2 of anyone"))
    at(clock, hours=1, minutes=1)
    assert assignment_of(waiting).is_covered is False
    at(clock, hours=1, minutes=16)
    assert people_told("assignment.escalated") == [[grace.pk]]


def test_who_is_not_wanted_ends_no_snooze_and_passes_nothing_on(
    rota: None, ada: User, grace: User, linus: User
) -> None:
    make_team("security", ada, grace)
    make_policies(wanting("1 of security"))
    row = staged()
    sweep()
    snooze(row, until=START + timedelta(hours=2), reason="Later.", user=ada)
    take(row, user=linus)
    assert assignment_of(row).snoozed_until == START + timedelta(hours=2)
    with pytest.raises(AssignmentRefused, match="It is not yours"):
        pass_on(row, to=grace, user=linus)


# Passing it on


def test_passing_it_on(
    waiting: StagedVersion, ada: User, grace: User, linus: User, clock: time_machine.Traveller
) -> None:
    at(clock, minutes=5)
    pass_on(waiting, to=linus, user=ada, reason="You know  it better.")
    found = assignment_of(waiting)
    assert (found.person, found.since) == (linus, START + timedelta(minutes=5))
    [event] = OutboxEvent.objects.filter(topic="assignment.passed")
    assert event.payload["people"] == [linus.pk]
    assert event.payload["actor"] == "ada"
    assert event.payload["reason"] == "You know it better."
    # The next is asked when they would have been: nobody wins time by it.
    at(clock, minutes=15)
    assert people_told("assignment.escalated") == [[grace.pk]]


def test_what_was_taken_and_is_passed_on_is_asked_about_again(
    waiting: StagedVersion, ada: User, grace: User, linus: User, clock: time_machine.Traveller
) -> None:
    take(waiting, user=ada)
    at(clock, hours=1)
    pass_on(waiting, to=linus, user=ada)
    found = assignment_of(waiting)
    assert (found.person, found.taken_at, found.is_covered) == (linus, None, False)
    at(clock, hours=1, minutes=15)
    assert people_told("assignment.escalated") == [[grace.pk]]


def test_it_does_not_follow_duty_away_from_whom_it_was_given_to(
    waiting: StagedVersion, ada: User, linus: User, clock: time_machine.Traveller
) -> None:
    pass_on(waiting, to=linus, user=ada)
    Assignment.objects.update(next_step_at=START + timedelta(days=30))
    at(clock, days=5)
    assert assignment_of(waiting).person == linus


def test_who_helps_passes_their_own_part_on(
    rota: None, ada: User, grace: User, linus: User
) -> None:
    make_policies(wanting("2 of anyone"))
    row = staged()
    sweep()
    take(row, user=ada)
    take(row, user=grace)
    pass_on(row, to=linus, user=grace)
    found = assignment_of(row)
    assert (found.person, found.is_covered) == (ada, False)
    assert [one.person for one in Taking.objects.filter(ended_at__isnull=True)] == [ada]
    assert people_told("assignment.passed") == [[linus.pk]]


@pytest.mark.parametrize("role", [Role.APPROVER, Role.RELEASE_MANAGER])
def test_only_whose_it_is_and_release_managers_pass_it_on(
    waiting: StagedVersion, grace: User, linus: User, role: Role
) -> None:
    User.objects.filter(pk=linus.pk).update(role=role)
    if role == Role.APPROVER:
        with pytest.raises(AssignmentRefused, match="It is not yours"):
            pass_on(waiting, to=grace, user=linus)
    else:
        pass_on(waiting, to=grace, user=linus)
        assert assignment_of(waiting).person == grace


def test_it_is_passed_to_nobody_who_could_not_approve_it(
    rota: None, ada: User, grace: User, linus: User
) -> None:
    make_team("security", ada, grace)
    make_policies(wanting("1 of security"))
    row = staged()
    sweep()
    viewer = make_user("viewer", role=Role.VIEWER)
    for to, words in (
        (linus, "cannot bring it on"),
        (viewer, "cannot bring it on"),
        (ada, "come back to you"),
    ):
        with pytest.raises(AssignmentRefused, match=words):
            pass_on(row, to=to, user=ada)
    standing = how_it_stands(row, ada)
    assert standing is not None
    assert standing.others == (grace,)
    assert len(told("assignment.passed")) == 0


def test_it_is_not_handed_round_for_ever(waiting: StagedVersion, ada: User, grace: User) -> None:
    for number in range(MOST_PASSES):
        by, to = (ada, grace) if number % 2 == 0 else (grace, ada)
        pass_on(waiting, to=to, user=by)
    with pytest.raises(AssignmentRefused, match="20 times already"):
        pass_on(waiting, to=grace, user=ada)


@pytest.mark.parametrize(
    ("reason", "words"), [("x" * 401, "at most 400"), ("a\u202eb", "nobody sees")]
)
def test_reasons_are_bounded(
    waiting: StagedVersion, ada: User, grace: User, reason: str, words: str
) -> None:
    with pytest.raises(AssignmentRefused, match=words):
        pass_on(waiting, to=grace, user=ada, reason=reason)
    with pytest.raises(AssignmentRefused, match=words):
        snooze(waiting, until=START + timedelta(hours=1), reason=reason, user=ada)


# Snoozing


def test_snoozing_asks_nobody_until_then_and_then_who_snoozed_it(
    waiting: StagedVersion, ada: User, grace: User, clock: time_machine.Traveller
) -> None:
    at(clock, minutes=15)
    take(waiting, user=ada)
    snooze(waiting, until=START + timedelta(hours=9), reason="After the freeze.", user=ada)
    [event] = OutboxEvent.objects.filter(topic="assignment.snoozed")
    # Whoever was asked hears that it was put off, and why.
    assert event.payload["people"] == [grace.pk]
    assert event.payload["reason"] == "After the freeze."
    assert event.payload["until"] == (START + timedelta(hours=9)).isoformat()
    assert not StagedVersion.objects.filter(assigned_to(ada)).exists()
    for hours in (1, 4, 8.9):
        at(clock, hours=hours)
    assert told("assignment.reminder") == []
    at(clock, hours=9)
    assert told("assignment.reminder") == [
        (sorted([ada.pk, grace.pk]), "It was snoozed until now: “After the freeze.”")
    ]
    assert StagedVersion.objects.filter(assigned_to(ada)).exists()
    at(clock, hours=9, minutes=30)
    assert len(told("assignment.escalated")) == 2


def test_snoozing_needs_a_reason_and_an_end_within_a_day(waiting: StagedVersion, ada: User) -> None:
    with pytest.raises(AssignmentRefused, match="Say why it can wait"):
        snooze(waiting, until=START + timedelta(hours=1), reason="  ", user=ada)
    for until in (
        START - timedelta(hours=1),
        START,
        START + timedelta(hours=24, seconds=1),
        START + timedelta(days=3650),
    ):
        with pytest.raises(AssignmentRefused, match="Choose a time"):
            snooze(waiting, until=until, reason="Later.", user=ada)
    assert assignment_of(waiting).snoozed_until is None
    snooze(waiting, until=START + timedelta(hours=24), reason="Later.", user=ada)


def test_snoozing_never_lasts_until_it_is_too_old(
    rota: None, ada: User, clock: time_machine.Traveller
) -> None:
    make_policies(wanting("1 of anyone") | also("expiry", days="1"))
    row = staged()
    sweep()
    with pytest.raises(AssignmentRefused, match="Choose a time"):
        snooze(row, until=START + timedelta(hours=23, seconds=1), reason="Later.", user=ada)
    standing = how_it_stands(row, ada)
    assert standing is not None
    assert standing.latest_snooze == START + timedelta(hours=23)
    at(clock, hours=22, minutes=58)
    take(row, user=ada)
    with pytest.raises(AssignmentRefused, match="too old to be approved"):
        snooze(row, until=START + timedelta(hours=23), reason="Later.", user=ada)


def test_a_snooze_ends_earlier_where_the_policy_becomes_stricter(
    waiting: StagedVersion, ada: User, clock: time_machine.Traveller
) -> None:
    at(clock, minutes=1)
    snooze(waiting, until=START + timedelta(hours=24), reason="Later.", user=ada)
    make_policies(wanting("1 of anyone") | also("expiry", days="1"))
    at(clock, minutes=2)
    assert assignment_of(waiting).snoozed_until == START + timedelta(hours=23)
    make_policies(wanting("2 of anyone"))
    at(clock, minutes=3)
    assert assignment_of(waiting).snoozed_until is None
    assert told("assignment.reminder") == [([ada.pk], "It cannot wait any longer.")]


def test_it_is_not_snoozed_for_ever(
    waiting: StagedVersion, ada: User, clock: time_machine.Traveller
) -> None:
    for number in range(MOST_SNOOZES):
        at(clock, hours=number)
        snooze(waiting, until=START + timedelta(hours=number + 1), reason="Later.", user=ada)
        with pytest.raises(AssignmentRefused, match="snoozed already"):
            snooze(waiting, until=START + timedelta(hours=20), reason="Later.", user=ada)
    at(clock, hours=MOST_SNOOZES)
    with pytest.raises(AssignmentRefused, match="3 times already"):
        snooze(waiting, until=START + timedelta(hours=9), reason="Later.", user=ada)


def test_whoever_it_is_not_does_not_snooze_it(
    waiting: StagedVersion, ada: User, linus: User
) -> None:
    with pytest.raises(AssignmentRefused, match="It is not yours"):
        snooze(waiting, until=START + timedelta(hours=1), reason="Later.", user=linus)
    take(waiting, user=linus)
    with pytest.raises(AssignmentRefused, match="It is not yours"):
        snooze(waiting, until=START + timedelta(hours=1), reason="Later.", user=ada)
    # Having taken it, they can: and it is theirs then.
    snooze(waiting, until=START + timedelta(hours=1), reason="Later.", user=linus)
    assert assignment_of(waiting).person == linus


def test_one_of_two_who_are_wanted_does_not_snooze_for_the_other(
    rota: None, ada: User, grace: User
) -> None:
    make_policies(wanting("2 of anyone"))
    row = staged()
    sweep()
    with pytest.raises(AssignmentRefused, match="Your approval alone does not let it out"):
        snooze(row, until=START + timedelta(hours=1), reason="Later.", user=ada)
    take(row, user=ada)
    take(row, user=grace)
    with pytest.raises(AssignmentRefused, match="Somebody else is looking at it"):
        snooze(row, until=START + timedelta(hours=1), reason="Later.", user=ada)


def test_an_alarm_ends_a_snooze(
    waiting: StagedVersion, ada: User, clock: time_machine.Traveller
) -> None:
    snooze(waiting, until=START + timedelta(hours=5), reason="Later.", user=ada)
    at(clock, minutes=10)
    raise_alarm(waiting, AlarmKind.STAGE_CHANGED, "Another tarball is behind it.")
    at(clock, minutes=11)
    assert people_told("assignment.reminder") == [[ada.pk]]
    with pytest.raises(AssignmentRefused, match="Look at the alarm"):
        snooze(waiting, until=START + timedelta(hours=5), reason="Later.", user=ada)


# A release of several versions


def monorepo(*rows: StagedVersion) -> None:
    release = Release.objects.create(registry=rows[0].registry)
    for row in rows:
        ReleaseMember.objects.create(release=release, staged_version=row, why="run")


def test_a_release_is_taken_passed_on_and_snoozed_at_once(
    rota: None, ada: User, grace: User, linus: User, clock: time_machine.Traveller
) -> None:
    rows = [staged(f"@acme/part-{number}") for number in range(4)]
    alone = staged("left-pad")
    monorepo(*rows)
    sweep()
    standing = how_it_stands(rows[0], ada)
    assert standing is not None
    assert standing.together == 3
    assert take(rows[0], user=ada) is True
    assert Assignment.objects.filter(taken_at__isnull=False).count() == 4
    assert assignment_of(alone).taken_at is None
    events = OutboxEvent.objects.filter(topic="assignment.taken")
    assert len({one.payload["gather"] for one in events}) == 1
    pass_on(rows[1], to=linus, user=ada)
    assert {assignment_of(row).person for row in rows} == {linus}
    snooze(rows[2], until=START + timedelta(hours=3), reason="Later.", user=linus)
    assert Assignment.objects.filter(snoozed_until__isnull=False).count() == 4


def test_the_rota_is_read_once_for_a_whole_release(rota: None, ada: User, linus: User) -> None:
    rows = [staged(f"@acme/part-{number}") for number in range(4)]
    monorepo(*rows)
    sweep()
    take(rows[0], user=ada)
    with CaptureQueriesContext(connection) as captured:
        pass_on(rows[0], to=linus, user=ada)
    assert sum('FROM "rota_escalationstep"' in one["sql"] for one in captured) == 1


def test_of_a_release_only_what_somebody_may_decide_is_taken_with_it(
    rota: None, ada: User, grace: User
) -> None:
    rows = [staged(name) for name in ("@acme/ui", "@secret/core", "@acme/gone")]
    monorepo(*rows)
    sweep()
    Scope.objects.create(user=grace, packages="@acme/*")
    StagedVersion.objects.filter(pk=rows[2].pk).update(state=State.REJECTED)
    grace = User.objects.get(pk=grace.pk)
    standing = how_it_stands(rows[0], grace)
    assert standing is not None
    assert standing.together == 0
    take(rows[0], user=grace)
    assert [one.assignment.staged_version for one in Taking.objects.all()] == [rows[0]]


def test_of_a_release_what_is_urgent_is_not_snoozed_with_the_rest(rota: None, ada: User) -> None:
    make_policies(
        wanting("1 of anyone") | also("urgent", lines="package @acme/core", wait="5 minutes")
    )
    calm, urgent = staged("@acme/ui"), staged("@acme/core")
    monorepo(calm, urgent)
    sweep()
    snooze(calm, until=START + timedelta(hours=3), reason="Later.", user=ada)
    assert assignment_of(calm).snoozed_until is not None
    assert assignment_of(urgent).snoozed_until is None


# What a policy calls urgent


URGENT = also("urgent", lines="finding critical", wait="5 minutes")


def test_what_is_urgent_is_asked_about_sooner_and_is_not_snoozed(
    rota: None, ada: User, grace: User, linus: User, clock: time_machine.Traveller
) -> None:
    make_policies(wanting("1 of anyone") | also("urgent", lines="*", wait="5 minutes"))
    row = staged()
    sweep()
    at(clock, minutes=5)
    at(clock, minutes=10)
    # Also the administrator who set the policy.
    everybody = sorted(User.objects.values_list("pk", flat=True))
    events = OutboxEvent.objects.filter(topic__startswith="assignment.").order_by("pk")
    assert [(one.topic, one.payload["people"], one.payload["urgent"]) for one in events] == [
        ("assignment.assigned", [ada.pk], True),
        ("assignment.escalated", [grace.pk], True),
        ("assignment.escalated", everybody, True),
    ]
    with pytest.raises(AssignmentRefused, match="cannot be snoozed"):
        snooze(row, until=START + timedelta(hours=1), reason="Later.", user=grace)
    standing = how_it_stands(row, grace)
    assert standing is not None
    assert not standing.may_snooze
    assert "cannot be snoozed" in standing.no_snooze
    # Everybody who was asked is asked again soon, and ever more seldom.
    at(clock, minutes=40)
    assert len(told("assignment.reminder")) == 1


def test_what_becomes_urgent_wakes_and_asks_at_any_hour(
    rota: None, ada: User, grace: User, clock: time_machine.Traveller
) -> None:
    make_policies(wanting("1 of anyone") | URGENT)
    row = staged(is_compared=False)
    sweep()
    snooze(row, until=START + timedelta(hours=20), reason="Later.", user=ada)
    at(clock, hours=1)
    make_inspection(row, findings=[make_finding(severity="critical")])
    policy_states.refresh_all()
    at(clock, hours=1, minutes=1)
    found = assignment_of(row)
    assert (found.is_urgent, found.snoozed_until) == (True, None)
    [event] = OutboxEvent.objects.filter(topic="assignment.reminder")
    assert event.payload["urgent"] is True
    assert event.payload["people"] == [ada.pk]
    assert "It is urgent (finding critical)" in event.payload["reason"]
    at(clock, hours=1, minutes=6)
    assert people_told("assignment.escalated") == [[grace.pk]]


def test_whoever_looks_at_what_becomes_urgent_is_told(
    rota: None, ada: User, grace: User, clock: time_machine.Traveller
) -> None:
    make_policies(wanting("1 of anyone") | URGENT)
    row = staged(is_compared=False)
    sweep()
    take(row, user=grace)
    at(clock, minutes=20)
    make_inspection(row, findings=[make_finding(severity="critical")])
    policy_states.refresh_all()
    at(clock, minutes=21)
    assert people_told("assignment.reminder") == [[grace.pk]]
    # Somebody is at it: nobody else is asked, and they are reminded sooner than usually.
    at(clock, minutes=81)
    assert people_told("assignment.reminder") == [[grace.pk], [grace.pk]]
    assert told("assignment.escalated") == []


# What pages show


def test_how_it_stands(
    waiting: StagedVersion, ada: User, grace: User, linus: User, clock: time_machine.Traveller
) -> None:
    standing = how_it_stands(waiting, ada)
    assert standing is not None
    assert (standing.person, standing.since, standing.is_mine) == (ada, START, True)
    assert standing.next_words == "who is next in the rotation"
    assert standing.next_at == START + timedelta(minutes=15)
    assert (standing.may_take, standing.may_pass, standing.may_snooze) == (True, True, True)
    assert standing.others == (grace, linus)
    assert standing.latest_snooze == START + timedelta(hours=24)
    take(waiting, user=ada)
    standing = how_it_stands(waiting, linus)
    assert standing is not None
    assert (standing.takers, standing.is_covered, standing.next_words) == ((ada,), True, "")
    assert (standing.may_take, standing.may_pass, standing.may_snooze) == (True, False, False)
    assert standing.no_snooze == ""


def test_one_that_breaks_us_keeps_no_other_from_being_assigned(
    rota: None, ada: User, monkeypatch: pytest.MonkeyPatch, clock: time_machine.Traveller
) -> None:
    bad, good = staged("bad"), staged("good")
    real = escalation.checklists_of

    def broken(rows: Any) -> Any:
        if any(row.pk == bad.pk for row in rows):
            raise RuntimeError("settings of the year 3000")
        return real(rows)

    monkeypatch.setattr(escalation, "checklists_of", broken)
    sweep()
    assert assignment_of(good).person == ada
    assert assignment_of(bad).person is None
    monkeypatch.undo()
    at(clock, minutes=5)
    assert people_told("assignment.escalated") or assignment_of(bad).person == ada


@pytest.mark.parametrize("where", ["publish_all", "record_all"])
def test_a_worker_that_is_killed_leaves_nothing_half_done(
    rota: None, ada: User, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = staged()

    def killed(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(turning.outbox if where == "publish_all" else turning, where, killed)
    with pytest.raises(SystemExit):
        escalation.look_after()
    assert not Assignment.objects.exists()
    monkeypatch.undo()
    escalation.look_after()
    assert assignment_of(row).person == ada
    assert people_told("assignment.assigned") == [[ada.pk]]


# At the same time


@pytest.mark.django_db(transaction=True)
def test_two_workers_assign_it_once(ada: User, grace: User) -> None:
    make_schedule(ada, grace, steps=STEPS)
    for number in range(5):
        staged(f"@acme/part-{number}")
    results = at_once(*[escalation.look_after] * 4)
    assert all(isinstance(one, int) for one in results), results
    assert Assignment.objects.count() == 5
    assert len(told("assignment.assigned")) == 5


@pytest.mark.django_db(transaction=True)
def test_two_workers_escalate_it_once(
    ada: User, grace: User, clock: time_machine.Traveller
) -> None:
    make_schedule(ada, grace, steps=STEPS)
    staged()
    sweep()
    clock.move_to(START + timedelta(minutes=15))
    results = at_once(*[escalation.ask_due] * 4)
    assert all(isinstance(one, int) for one in results), results
    assert people_told("assignment.escalated") == [[grace.pk]]


@pytest.mark.django_db(transaction=True)
def test_two_people_take_it_at_once_and_both_look_at_it(ada: User, grace: User) -> None:
    make_schedule(ada, grace, steps=STEPS)
    row = staged()
    sweep()
    results = at_once(
        lambda: take(row, user=ada), lambda: take(row, user=grace), lambda: take(row, user=ada)
    )
    assert results == [True, True, True]
    assert Taking.objects.filter(ended_at__isnull=True).count() == 2
    assert len(told("assignment.taken")) == 2
