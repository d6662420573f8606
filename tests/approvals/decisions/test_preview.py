"""What policies would have said of the last versions."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.decisions.judging.preview import Difference, Told, would_have_said
from approvals.decisions.models import Action, Decision, DecisionItem, ItemState
from approvals.people.membership import deactivate
from approvals.people.models import Role, Scope, User
from approvals.policy.book import DEFAULT, Policy
from approvals.policy.requirements.approvals import Approvals
from approvals.queue.models import StagedVersion, State
from tests.approvals.decisions.conftest import Desk
from tests.approvals.factories import (
    make_decision,
    make_inspection,
    make_policies,
    make_staged_version,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def chief() -> User:
    return make_user("chief", role=Role.ADMINISTRATOR)


def default(wanted: str) -> Policy:
    settings = Approvals.checked({"wanted": wanted, "void_on_policy": "yes"})
    return Policy("default", "Default", "", "*", {"approvals": settings})


def nothing() -> Policy:
    return Policy("default", "Default", "", "*", {})


def made(package: str = "left-pad", state: State = State.STAGED, **fields: Any) -> StagedVersion:
    number = StagedVersion.objects.count()
    row = make_staged_version(package, f"1.5.{number}", state=state, **fields)
    make_inspection(row)
    return row


def went_out(by: User, package: str = "left-pad") -> StagedVersion:
    row = made(package)
    make_decision(row, by, item_state=ItemState.DONE)
    StagedVersion.objects.filter(pk=row.pk).update(state=State.LIVE)
    return row


def told(user: User, before: list[Policy], after: list[Policy]) -> list[Told]:
    return list(would_have_said(user, before, after).told)


def test_what_went_out_with_one_approval_would_have_been_stopped_by_two(chief: User) -> None:
    row = went_out(chief)
    [one] = told(chief, [DEFAULT], [default("2 of anyone")])
    assert (one.version, one.went_out) == (row, True)
    assert (one.difference, one.before) == (Difference.STOPPED, ())
    assert [answer.requirement for answer in one.after] == ["approvals"]
    assert "1 of 2" in one.after[0].sentence
    assert one.at == Decision.objects.get().made_at


def test_a_laxer_policy_lets_more_through(chief: User) -> None:
    went_out(chief)
    [one] = told(chief, [default("2 of anyone")], [default("1 of anyone")])
    assert one.difference is Difference.LET_THROUGH
    assert [answer.requirement for answer in one.before] == ["approvals"]


def test_the_same_demand_under_another_name_changes_nothing(chief: User) -> None:
    went_out(chief)
    preview = would_have_said(
        chief, [DEFAULT], [Policy("p1", "Pads", "", "left-*", DEFAULT.requirements), DEFAULT]
    )
    [one] = preview.told
    assert (one.policy_before.name, one.policy_after.name) == ("Default", "Pads")
    assert (preview.same, preview.stopped, preview.let_through, preview.otherwise) == (1, 0, 0, 0)


def test_only_versions_that_a_changed_policy_covers_are_asked_about(chief: User) -> None:
    went_out(chief, "left-pad")
    acme = went_out(chief, "@acme/ui")
    new = Policy("p1", "Acme", "", "@acme/*", default("2 of anyone").requirements)
    assert [one.version for one in told(chief, [DEFAULT], [new, DEFAULT])] == [acme]
    # Also where it is removed, and where only the order is another one.
    assert [one.version for one in told(chief, [new, DEFAULT], [DEFAULT])] == [acme]
    every = Policy("p2", "Every", "", "@acme/*", DEFAULT.requirements)
    [moved] = told(chief, [new, every, DEFAULT], [every, new, DEFAULT])
    assert (moved.version, moved.difference) == (acme, Difference.LET_THROUGH)


def test_the_last_are_asked_about_and_no_more(chief: User) -> None:
    now = timezone.now()
    rows = [made(created_at=now - timedelta(hours=number)) for number in range(5)]
    preview = would_have_said(chief, [DEFAULT], [nothing()], limit=3)
    assert [one.version for one in preview.told] == rows[:3]


def test_nobody_reads_of_packages_that_they_do_not_see(chief: User) -> None:
    made("left-pad")
    inside = made("@acme/ui")
    somebody = make_user()
    Scope.objects.create(user=somebody, packages="@acme/*")
    somebody = User.objects.get(pk=somebody.pk)
    assert [one.version for one in told(somebody, [DEFAULT], [nothing()])] == [inside]


def test_what_waits_is_judged_as_it_is_now(desk: Desk, chief: User) -> None:
    make_policies({"approvals": default("2 of anyone").requirements["approvals"]})
    desk.decide()
    assert not DecisionItem.objects.exists()
    two = default("2 of anyone")
    [one] = told(chief, [two], [default("3 of anyone")])
    assert (one.waits, one.difference) == (True, Difference.OTHERWISE)
    assert one.at > timezone.now() - timedelta(minutes=1)
    # A vote that was given under the policy of now is void under another, where that says so.
    assert "0 of 3" in one.after[0].sentence
    assert "1 of 2" in one.before[0].sentence


def test_votes_of_what_went_out_counted_under_the_policy_of_then(desk: Desk, chief: User) -> None:
    make_policies({"approvals": default("2 of anyone").requirements["approvals"]})
    desk.decide()
    desk.decide(user=desk.person("grace"))
    assert DecisionItem.objects.get().decision.user.username == "grace"
    StagedVersion.objects.update(state=State.LIVE)
    two = default("2 of anyone")
    [one] = told(chief, [two], [default("3 of anyone")])
    assert (one.before, one.difference) == ((), Difference.STOPPED)
    assert "2 of 3" in one.after[0].sentence
    # Somebody who has left since had approved all the same.
    deactivate(desk.ada, actor=chief)
    [one] = told(chief, [two], [nothing()])
    assert one.difference is Difference.NONE
    assert one.before == one.after == ()


def test_what_was_rejected_could_not_have_gone_out_for_want_of_approvals(chief: User) -> None:
    row = made()
    make_decision(row, chief, Action.REJECT, item_state=ItemState.DONE)
    StagedVersion.objects.update(state=State.REJECTED)
    [one] = told(chief, [DEFAULT], [default("2 of anyone")])
    assert not one.went_out
    assert one.difference is Difference.OTHERWISE


def test_it_takes_as_many_queries_for_many_as_for_few(chief: User) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            would_have_said(chief, [DEFAULT], [default("2 of anyone")])
        return len(captured)

    went_out(chief)
    made()
    few = queries()
    for _ in range(4):
        went_out(make_user())
        made("other")
    assert queries() == few


def test_nothing_is_written(chief: User) -> None:
    row = went_out(chief)
    told(chief, [DEFAULT], [default("2 of anyone")])
    row.refresh_from_db()
    assert row.state == State.LIVE
