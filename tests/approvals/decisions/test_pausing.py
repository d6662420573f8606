"""Pausing, resuming and calling off: nothing more begins, and nothing goes out against a rule that
came meanwhile."""

import contextlib
from datetime import timedelta

import pytest
from django.utils import timezone

from approvals.audit import chain
from approvals.audit.models import AuditEvent
from approvals.decisions.carrying_out import execute, outcomes, steering
from approvals.decisions.deciding.decide import answer_registry
from approvals.decisions.models import (
    ChangeRequest,
    Decision,
    DecisionItem,
    ItemState,
    RegistryProof,
)
from approvals.inspection.finding import Severity
from approvals.inspection.models import StagedFinding
from approvals.inspection.standing import write_findings
from approvals.people.models import Role, Scope, User
from approvals.queue.models import AlarmKind, StagedVersion, State
from approvals.queue.transitions import raise_alarm
from tests.approvals.at_once import at_once
from tests.approvals.conftest import House
from tests.approvals.decisions.test_order_of_carrying_out import (
    approve,
    assert_whole,
    ends,
    item_of,
    monorepo,
    sent,
)
from tests.approvals.demands import also, wanting
from tests.approvals.events import topics
from tests.approvals.factories import make_finding, make_policies, make_user


@pytest.fixture
def ada(house: House) -> User:
    return house.person("ada")


@pytest.fixture(autouse=True)
def _no_code_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the clock stands, a code's 30 seconds do not end in the middle of a test."""
    monkeypatch.setattr(execute, "STEP_OF_CODES", 10**9)


def step() -> None:
    item = execute.claim_due()
    assert item
    execute.carry_out(item)


def too_old(decision: Decision) -> None:
    Decision.objects.filter(pk=decision.pk).update(
        made_at=timezone.now() - execute.GIVE_UP_AFTER - timedelta(seconds=1)
    )


def test_a_paused_decision_begins_nothing_and_goes_on_when_it_is_resumed(
    house: House, ada: User
) -> None:
    decision = approve(house, ada)
    step()
    assert steering.pause(decision, user=ada)
    house.work()
    assert len(sent(house)) == 1
    assert sorted(ends(decision).values()) == ["done"] + ["waiting"] * 4
    assert not steering.pause(decision, user=ada), "it is paused already"
    resumed = steering.resume(decision, user=ada)
    assert (resumed.going_on, resumed.given_back) == (4, ())
    house.work()
    assert set(ends(decision).values()) == {ItemState.DONE}
    events = AuditEvent.objects.filter(kind__startswith="decision.").order_by("sequence")
    kinds = list(events.values_list("kind", "actor_name"))
    assert kinds == [("decision.paused", "ada"), ("decision.resumed", "ada")]
    assert {"decision.paused", "decision.resumed"} <= set(topics())
    assert_whole()


def test_what_was_sent_is_brought_to_its_end_while_the_rest_pauses(house: House, ada: User) -> None:
    decision = approve(house, ada)
    house.sandbox.control.lose_answers(1)
    step()
    steering.pause(decision, user=ada)
    house.work(until_due=timedelta(seconds=5))
    assert sorted(ends(decision).values()) == ["done"] + ["waiting"] * 4
    assert len(sent(house)) == 1


def test_who_may_pause_and_who_may_resume(house: House, ada: User) -> None:
    decision = approve(house, ada)
    narrow = make_user("eve")
    Scope.objects.create(user=narrow, packages="@acme/core")
    for person in (make_user("vic", role=Role.VIEWER), narrow):
        with pytest.raises(steering.NotTheirs):
            steering.pause(decision, user=person)
    grace = make_user("grace")
    steering.pause(decision, user=grace)
    for person in (ada, make_user("root", role=Role.ADMINISTRATOR)):
        with pytest.raises(steering.NotTheirs, match="Only grace, who paused it"):
            steering.resume(decision, user=person)
    house.work()
    assert sent(house) == []
    steering.resume(decision, user=grace)
    house.work()
    assert len(sent(house)) == 5


def test_what_who_decided_has_never_seen_does_not_go_out(house: House, ada: User) -> None:
    decision = approve(house, ada)
    steering.pause(decision, user=ada)
    icons, cli = item_of(decision, "@acme/icons"), item_of(decision, "@acme/cli")
    finding = make_finding(path="", severity=Severity.CRITICAL)
    write_findings(icons.staged_version, StagedFinding.Source.PROVENANCE, [finding])
    resumed = steering.resume(decision, user=ada)
    assert {row.package.name for row, _ in resumed.given_back} >= {"@acme/icons"}
    assert (
        "What was confirmed is not what stands there now"
        in item_of(decision, "@acme/icons").outcome
    )
    house.work()
    assert "@acme/icons" not in sent(house)
    assert cli.pk
    assert_whole()


def test_a_policy_that_was_changed_during_the_pause_stops_it(house: House, ada: User) -> None:
    decision = approve(house, ada)
    steering.pause(decision, user=ada)
    make_policies({**wanting("1 of anyone"), **also("dist_tags")})
    assert steering.resume(decision, user=ada).going_on == 0
    house.work()
    assert sent(house) == []


def test_a_question_is_answered_while_paused_and_leads_to_no_call(house: House, ada: User) -> None:
    decision = house.decide_all(ada, monorepo(house))
    house.work()
    item = decision.items.get(state=ItemState.ASKING)
    steering.pause(decision, user=ada)
    answer_registry(user=ada, item=item, registry_code=house.sandbox.code("ada"))
    house.work()
    assert sent(house) == []
    steering.resume(decision, user=ada)
    house.work()
    assert set(ends(decision).values()) == {ItemState.DONE}


def test_what_is_paused_for_too_long_is_given_back_with_words(house: House, ada: User) -> None:
    decision = approve(house, ada)
    grace = house.person("grace")
    steering.pause(decision, user=grace)
    too_old(decision)
    with pytest.raises(steering.SteeringRefused, match="decide anew"):
        steering.resume(decision, user=grace)
    house.work()
    assert set(StagedVersion.objects.values_list("state", flat=True)) == {State.STAGED}
    assert "paused by grace" in item_of(decision, "@acme/core").outcome
    assert sent(house) == []
    assert_whole()


def test_nothing_goes_out_against_what_came_up_during_the_pause(house: House, ada: User) -> None:
    decision = approve(house, ada)
    steering.pause(decision, user=ada)
    ui = item_of(decision, "@acme/ui")
    ChangeRequest.objects.create(
        staged_version=ui.staged_version, user=house.person("grace"), reason="Wait for the fix."
    )
    icons = item_of(decision, "@acme/icons")
    raise_alarm(icons.staged_version, AlarmKind.STAGE_CHANGED, "It is another one.")
    resumed = steering.resume(decision, user=ada)
    assert resumed.going_on == 1
    assert {row.package.name for row, _ in resumed.given_back} == {
        "@acme/ui",
        "@acme/app",
        "@acme/icons",
        "@acme/cli",
    }
    house.work()
    assert sent(house) == ["@acme/core"]
    ui.refresh_from_db()
    assert "Wait for the fix." in ui.outcome
    assert "while it was paused" in ui.outcome
    assert_whole()


def test_calling_off_takes_back_what_has_not_begun(house: House, ada: User) -> None:
    decision = approve(house, ada)
    step()
    assert steering.call_off(decision, user=ada) == 4
    assert steering.call_off(decision, user=ada) == 0
    house.work()
    assert sorted(ends(decision).values()) == ["done"] + ["failed"] * 4
    assert len(sent(house)) == 1
    called_off = AuditEvent.objects.filter(detail__reason="Called off by ada.")
    assert called_off.count() == 4
    assert_whole()


def test_who_may_call_off(house: House, ada: User) -> None:
    decision = approve(house, ada)
    narrow = make_user("eve", role=Role.RELEASE_MANAGER)
    Scope.objects.create(user=narrow, packages="@acme/core")
    for person in (make_user("grace"), narrow, make_user("vic", role=Role.VIEWER)):
        with pytest.raises(steering.NotTheirs):
            steering.call_off(decision, user=person)
    manager = make_user("mona", role=Role.RELEASE_MANAGER)
    assert steering.call_off(decision, user=manager) == 5
    assert item_of(decision, "@acme/ui").outcome == "Called off by mona."


def test_what_comes_back_undone_after_calling_off_is_not_sent_again(
    house: House, ada: User
) -> None:
    decision = approve(house, ada)
    house.sandbox.control.lose_answers(1)
    step()
    assert steering.call_off(decision, user=ada) == 4
    checking = decision.items.get(state=ItemState.CHECKING)
    claimed = DecisionItem.objects.select_related("decision__user", "staged_version").get(
        pk=checking.pk
    )
    outcomes.call_again(claimed, "It is still staged: the request was not carried out.")
    before = len(sent(house))
    house.work()
    checking.refresh_from_db()
    assert (checking.state, checking.outcome) == (ItemState.FAILED, "Called off by ada.")
    assert len(sent(house)) == before
    assert_whole()


def test_what_is_only_being_checked_is_called_off_too(house: House, ada: User) -> None:
    item = house.decide(ada, house.ready(), registry_code=house.sandbox.code("ada"))
    DecisionItem.objects.filter(pk=item.pk).update(state=ItemState.CHECKING, lease_holder="one")
    assert steering.call_off(item.decision, user=ada) == 0
    assert Decision.objects.get().called_off_by == ada
    assert AuditEvent.objects.filter(kind="decision.called_off").count() == 1
    claimed = DecisionItem.objects.select_related("decision__user", "staged_version").get()
    outcomes.call_again(claimed, "It is still staged: the request was not carried out.")
    house.work()
    item.refresh_from_db()
    assert (item.state, item.outcome) == (ItemState.FAILED, "Called off by ada.")
    assert house.approvals_sent() == 0
    assert_whole()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(3))
def test_pausing_and_claiming_at_once(house: House, turn: int) -> None:
    ada = house.person("ada")
    decision = approve(house, ada)

    def work() -> None:
        for _ in range(5):
            item = execute.claim_due()
            if item is None:
                return
            with contextlib.suppress(outcomes.LeaseLost):
                execute.carry_out(item)

    paused, *_ = at_once(lambda: steering.pause(decision, user=ada), work, work)
    left = DecisionItem.objects.filter(state=ItemState.WAITING).count()
    if isinstance(paused, steering.SteeringRefused):
        assert left == 0
    else:
        assert paused is True, paused
        went = len(sent(house))
        house.work()
        assert len(sent(house)) == went == 5 - left
        if left:
            steering.resume(decision, user=ada)
    house.work()
    assert set(ends(decision).values()) == {ItemState.DONE}
    assert len(sent(house)) == 5
    assert chain.verify().problem == ""
    assert not RegistryProof.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_resuming_and_calling_off_at_once(house: House) -> None:
    ada, mona = house.person("ada"), make_user("mona", role=Role.RELEASE_MANAGER)
    decision = approve(house, ada)
    steering.pause(decision, user=ada)
    at_once(
        lambda: steering.resume(decision, user=ada),
        lambda: steering.call_off(decision, user=mona),
        house.work,
    )
    house.work()
    found = set(ends(decision).values())
    assert found <= {ItemState.DONE, ItemState.FAILED}
    assert len(sent(house)) == list(ends(decision).values()).count(ItemState.DONE)
    assert_whole()
