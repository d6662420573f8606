"""What became of a call is found out by asking, also when the person is gone or sees nothing."""

from datetime import timedelta

import pytest
from django.utils import timezone

from approvals.audit.models import AuditEvent
from approvals.decisions.carrying_out import outcomes, settle
from approvals.decisions.models import (
    Action,
    Attempt,
    DecisionItem,
    ItemState,
    RegistryProof,
)
from approvals.people.accounts import token_of, unlink_account
from approvals.people.models import RegistryAccount, User
from approvals.queue.models import AlarmKind, Registry, StagedVersion, State
from approvals.queue.transitions import raise_alarm
from approvals.sealing import seal
from tests.approvals.conftest import House
from tests.approvals.decisions.test_carrying_out import reject_elsewhere
from tests.approvals.events import topics

pytestmark = pytest.mark.usefixtures("no_pauses")
LATER = outcomes.LONGEST_CHECK_PAUSE


def decided(house: House, action: Action = Action.APPROVE) -> tuple[DecisionItem, StagedVersion]:
    ada = house.person("ada")
    row = house.ready()
    item = house.decide(ada, row, action, registry_code=house.sandbox.code("ada"))
    house.sandbox.control.reset()
    return item, row


def seen(item: DecisionItem, row: StagedVersion) -> tuple[str, str]:
    item.refresh_from_db()
    row.refresh_from_db()
    return item.state, row.state


def long_ago(item: DecisionItem) -> None:
    """The lost request cannot be at work any more."""
    item.attempts.update(started_at=timezone.now() - settle.LONGEST_CALL)


def test_an_account_that_does_not_see_the_package_does_not_withdraw_it(house: House) -> None:
    ada = house.person("ada")
    stage_id = house.stage("left-pad", "1.5.0")
    house.poll()
    house.inspect()
    row = StagedVersion.objects.get(stage_id=stage_id)
    item = house.decide(ada, row, registry_code=house.sandbox.code("ada"))
    house.work()
    assert seen(item, row) == (ItemState.FAILED, State.STAGED)
    assert "does not show it to your account" in item.outcome
    assert house.approvals_sent() == 0
    assert "staged_version.withdrawn" not in topics()


@pytest.mark.parametrize("loss", ["unlinked", "deactivated", "revoked"])
def test_a_lost_answer_is_settled_without_the_person(house: House, loss: str) -> None:
    item, row = decided(house)
    house.sandbox.control.lose_answers(1)
    house.work()
    account = RegistryAccount.objects.get()
    if loss == "unlinked":
        unlink_account(account, actor=None)
    elif loss == "deactivated":
        User.objects.update(is_active=False)
    else:
        house.sandbox.revoke(token_of(account))
    house.work(until_due=LATER)
    house.work()
    assert seen(item, row) == (ItemState.DONE, State.LIVE)
    assert house.approvals_sent() == 1


def test_a_read_token_that_is_no_good_is_not_blamed_on_the_person(house: House) -> None:
    item, row = decided(house)
    house.sandbox.control.lose_answers(1)
    house.work()
    right = house.registry.sealed_read_token
    Registry.objects.update(sealed_read_token=seal("npm_wrong", bound_to=house.registry.url))
    house.work(until_due=LATER)
    assert seen(item, row) == (ItemState.CHECKING, State.APPROVING)
    assert RegistryAccount.objects.get().refused_at is None
    Registry.objects.update(sealed_read_token=right)
    house.work(until_due=LATER)
    assert seen(item, row)[0] == ItemState.DONE


def test_a_registry_that_is_away_while_it_is_asked_is_asked_again(house: House) -> None:
    item, row = decided(house)
    house.sandbox.control.lose_answers(1)
    house.work()
    house.sandbox.control.refuse(503, count=4)
    house.work(until_due=LATER)
    assert seen(item, row) == (ItemState.CHECKING, State.APPROVING)
    house.work(until_due=LATER)
    assert seen(item, row)[0] == ItemState.DONE
    assert house.approvals_sent() == 1


def test_a_lost_rejection_is_settled_and_sent_once(house: House) -> None:
    item, row = decided(house, Action.REJECT)
    house.sandbox.control.lose_answers(1)
    house.work()
    assert seen(item, row) == (ItemState.CHECKING, State.REJECTING)
    house.work(until_due=LATER)
    assert seen(item, row) == (ItemState.DONE, State.REJECTED)
    assert len(house.sandbox.control.calls(method="DELETE")) == 1
    assert AuditEvent.objects.filter(kind="staged_version.rejected").count() == 1


def test_a_conflict_while_it_is_still_staged_is_the_registrys_answer(house: House) -> None:
    item, row = decided(house)
    house.sandbox.control.refuse(409, prefix="/-/stage/", method="POST")
    house.work()
    house.work(until_due=LATER)
    assert seen(item, row) == (ItemState.FAILED, State.STAGED)
    assert "state does not allow" in item.outcome
    assert house.approvals_sent() == 1


def test_a_conflict_after_a_lost_request_is_not_repeated_for_ever(house: House) -> None:
    item, row = decided(house)
    Attempt.objects.create(
        item=item,
        started_at=timezone.now() - timedelta(hours=1),
        answered_at=timezone.now(),
        result=Attempt.Result.UNKNOWN,
    )
    house.sandbox.control.refuse(409, count=100, prefix="/-/stage/", method="POST")
    for _ in range(8):
        house.work(until_due=LATER)
    assert seen(item, row) == (ItemState.FAILED, State.STAGED)
    assert house.approvals_sent() == 1


def test_a_gateway_that_answers_for_the_registry_is_no_answer(house: House) -> None:
    item, row = decided(house)
    house.sandbox.control.refuse(502, prefix="/-/stage/", method="POST")
    house.work()
    assert seen(item, row) == (ItemState.CHECKING, State.APPROVING)
    for _ in range(8):
        house.work(until_due=LATER)
    assert house.approvals_sent() == 1, "it may be at work behind the gateway still"
    long_ago(item)
    house.work(until_due=LATER)
    assert seen(item, row)[0] == ItemState.ASKING


def test_too_many_requests_means_not_sent_and_waits_as_long_as_asked(house: House) -> None:
    item, row = decided(house)
    house.sandbox.control.refuse(429, prefix="/-/stage/", method="POST", retry_after=600)
    house.work()
    assert seen(item, row) == (ItemState.WAITING, State.APPROVING)
    assert item.due_at > timezone.now() + timedelta(seconds=500)
    assert item.attempts.get().result == Attempt.Result.NOT_SENT


def test_a_registry_that_stays_away_gives_the_version_back(house: House) -> None:
    item, row = decided(house)
    # Nobody may move the decision away from its step-up: only the clock of the outage is old.
    house.sandbox.control.refuse(503, count=100, prefix="/-/stage/")
    long = timezone.now() - timedelta(hours=1)
    item.decision.step_up.proved_at = item.decision.step_up.consumed_at = long
    item.decision.step_up.save()
    item.decision.made_at = long
    item.decision.save()
    house.work()
    assert seen(item, row) == (ItemState.FAILED, State.STAGED)
    assert "could not be carried out within" in item.outcome


def test_an_alarm_raised_since_stops_the_approval_and_stays_what_it_was(house: House) -> None:
    item, row = decided(house)
    raise_alarm(row, AlarmKind.STAGE_CHANGED, "Somebody said that this is not theirs.")
    house.work()
    assert seen(item, row) == (ItemState.FAILED, State.STAGED)
    assert item.outcome == row.alarm == "Somebody said that this is not theirs."
    assert house.approvals_sent() == 0


def test_an_alarm_does_not_stop_a_rejection(house: House) -> None:
    item, row = decided(house, Action.REJECT)
    raise_alarm(row, AlarmKind.STAGE_CHANGED, "Somebody said that this is not theirs.")
    house.work()
    assert seen(item, row) == (ItemState.DONE, State.REJECTED)


def test_a_code_that_was_not_needed_is_wiped_too(house: House) -> None:
    _, row = decided(house)
    raise_alarm(row, AlarmKind.STAGE_CHANGED, "Stop.")
    assert RegistryProof.objects.exists()
    house.work()
    assert not RegistryProof.objects.exists()


def test_published_with_another_digest_after_a_lost_answer_is_not_ours(house: House) -> None:
    item, row = decided(house)
    house.sandbox.control.refuse(502, prefix="/-/stage/", method="POST")
    house.work()
    house.sandbox.control.move_clock(60)
    reject_elsewhere(house, row)
    house.publish("left-pad", "1.5.0", description="something else")
    house.work(until_due=LATER)
    assert seen(item, row) == (ItemState.FAILED, State.PUBLISHED_ELSEWHERE)
    assert "not with the tarball that was reviewed" in row.alarm


def test_gone_without_a_trace_after_a_lost_answer_is_an_alarm(house: House) -> None:
    item, row = decided(house)
    house.sandbox.control.delay_visibility(10**7)
    house.sandbox.control.lose_answers(1)
    house.work()
    house.work(until_due=LATER)
    assert seen(item, row) == (ItemState.CHECKING, State.APPROVING)
    type(item.decision).objects.update(made_at=timezone.now() - timedelta(hours=2))
    house.work(until_due=LATER)
    assert seen(item, row) == (ItemState.FAILED, State.WITHDRAWN)
    assert "its answer was lost" in row.alarm
