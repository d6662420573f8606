"""A version that somebody wants changed is held until they, or who answers for it, let it go."""

import pytest
from django.utils import timezone

from approvals.audit import chain
from approvals.audit.models import OutboxEvent
from approvals.decisions.deciding.decide import InTheWay
from approvals.decisions.models import Action, ChangeRequest
from approvals.decisions.talking import change_requests
from approvals.decisions.talking.change_requests import (
    ChangeRequestRefused,
    lift,
    may_lift,
    open_requests,
    request_changes,
)
from approvals.people.models import Role, Scope
from approvals.queue.models import StagedVersion, State
from tests.approvals.at_once import at_once
from tests.approvals.decisions.conftest import Desk
from tests.approvals.events import kinds
from tests.approvals.factories import make_user
from tests.approvals.seen import in_the_way


def test_a_held_version_is_not_approved_and_can_be_rejected(desk: Desk) -> None:
    grace = desk.person("grace")
    made = request_changes(desk.row, user=grace, reason="  The licence is missing. ")
    assert made.reason == "The licence is missing."
    with pytest.raises(InTheWay, match="The licence is missing"):
        desk.decide()
    # Not by who asked, either, as long as they have not let it go.
    with pytest.raises(InTheWay):
        desk.decide(user=grace)
    assert desk.decide(action=Action.REJECT) is not None


def test_who_asked_lets_it_go(desk: Desk) -> None:
    grace = desk.person("grace")
    made = request_changes(desk.row, user=grace, reason="No.")
    lift(made, user=grace)
    assert in_the_way(desk.row) == []
    assert kinds("changes") == ["changes.requested", "changes.lifted"]
    assert chain.verify().problem == ""
    with pytest.raises(ChangeRequestRefused, match="let go"):
        lift(made, user=grace)


def test_nobody_holds_it_again_and_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_requests, "MOST_OF_ONE_PERSON", 2)
    for _ in range(2):
        lift(request_changes(desk.row, user=desk.ada, reason="No."), user=desk.ada)
    with pytest.raises(ChangeRequestRefused, match="2 times"):
        request_changes(desk.row, user=desk.ada, reason="No.")
    assert OutboxEvent.objects.filter(topic="changes.requested").count() == 2
    request_changes(desk.row, user=desk.person("grace"), reason="I say so, too.")


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (Role.VIEWER, False),
        (Role.APPROVER, False),
        (Role.RELEASE_MANAGER, True),
        (Role.ADMINISTRATOR, True),
    ],
)
def test_others_let_it_go_only_if_they_answer_for_the_package(
    desk: Desk, role: Role, may: bool
) -> None:
    made = request_changes(desk.row, user=desk.ada, reason="No.")
    other = make_user("other", role=role)
    assert may_lift(made, other) is may
    if may:
        lift(made, user=other)
    else:
        with pytest.raises(ChangeRequestRefused, match="Only who asked"):
            lift(made, user=other)
    assert (in_the_way(desk.row) == []) is may


def test_a_release_manager_of_other_packages_does_not(desk: Desk) -> None:
    made = request_changes(desk.row, user=desk.ada, reason="No.")
    other = make_user("other", role=Role.RELEASE_MANAGER)
    Scope.objects.create(user=other, packages="@other/*")
    with pytest.raises(ChangeRequestRefused, match="Only who asked"):
        lift(made, user=other)


def test_a_viewer_holds_nothing(desk: Desk) -> None:
    with pytest.raises(ChangeRequestRefused, match="comment"):
        request_changes(desk.row, user=make_user(role=Role.VIEWER), reason="No.")
    assert not ChangeRequest.objects.exists()


@pytest.mark.parametrize(
    ("reason", "words"),
    [("  ", "Say what"), ("a\x00b", "cannot be stored"), ("a" * 2001, "too long")],
)
def test_a_reason_is_wanted_that_can_be_kept(desk: Desk, reason: str, words: str) -> None:
    with pytest.raises(ChangeRequestRefused, match=words):
        request_changes(desk.row, user=desk.ada, reason=reason)


def test_nobody_holds_twice_and_nobody_holds_what_is_gone(desk: Desk) -> None:
    request_changes(desk.row, user=desk.ada, reason="No.")
    with pytest.raises(ChangeRequestRefused, match="already"):
        request_changes(desk.row, user=desk.ada, reason="No, really.")
    StagedVersion.objects.update(state=State.APPROVING)
    with pytest.raises(ChangeRequestRefused, match="nothing to hold"):
        request_changes(desk.row, user=desk.person("grace"), reason="No.")


def test_what_was_only_let_go_in_the_database_is_held(desk: Desk) -> None:
    request_changes(desk.row, user=desk.ada, reason="No.")
    ChangeRequest.objects.update(lifted_at=timezone.now(), lifted_by=desk.ada)
    assert len(open_requests([desk.row])[desk.row.pk]) == 1
    assert in_the_way(desk.row)


def test_deciders_are_told_with_the_reason(desk: Desk) -> None:
    request_changes(desk.row, user=desk.ada, reason="The licence is missing.")
    (event,) = OutboxEvent.objects.filter(topic="changes.requested")
    assert event.payload["reason"] == "The licence is missing."
    assert event.payload["not_to"] == desk.ada.pk


@pytest.mark.django_db(transaction=True)
def test_of_two_who_let_it_go_at_once_one_did(desk: Desk) -> None:
    made = request_changes(desk.row, user=desk.ada, reason="No.")
    manager = make_user(role=Role.RELEASE_MANAGER)
    results = at_once(lambda: lift(made, user=desk.ada), lambda: lift(made, user=manager))
    assert sorted(type(one).__name__ for one in results) == ["ChangeRequestRefused", "NoneType"]
    assert kinds("changes") == ["changes.requested", "changes.lifted"]
    assert chain.verify().problem == ""
