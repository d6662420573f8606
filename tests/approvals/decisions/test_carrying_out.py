"""From a decision to the registry and back, against a real (sandbox) registry."""

from datetime import timedelta

import pytest
from django.conf import settings as the_settings
from django.utils import timezone
from pytest_django import Settings

from approvals.audit.models import AuditEvent
from approvals.decisions.carrying_out import execute, outcomes, settle
from approvals.decisions.deciding.decide import answer_registry
from approvals.decisions.models import (
    Action,
    Decision,
    DecisionItem,
    ItemState,
    RegistryProof,
    StepUp,
)
from approvals.people.accounts import token_of, unlink_account
from approvals.queue.models import StagedVersion, State
from registry_client.client import RegistryClient
from tests.approvals.conftest import House
from tests.approvals.events import topics


def test_an_approval_with_the_registrys_code_goes_live(house: House) -> None:
    ada = house.person("ada")
    row = house.ready()
    item = house.decide(ada, row, registry_code=house.sandbox.code("ada"))
    house.work()
    row.refresh_from_db()
    item.refresh_from_db()
    assert row.state == State.LIVE
    assert item.state == ItemState.DONE
    assert house.published("left-pad") == {"1.5.0"}
    assert house.approvals_sent() == 1
    assert [topic for topic in topics() if topic.startswith("staged_version")] == [
        "staged_version.found",
        "staged_version.approving",
        "staged_version.accepted",
        "staged_version.live",
    ]


def test_a_missing_code_comes_back_as_a_question_and_its_answer_goes_on(house: House) -> None:
    ada = house.person("ada")
    row = house.ready()
    item = house.decide(ada, row)
    house.work()
    item.refresh_from_db()
    assert item.state == ItemState.ASKING
    assert "one-time code" in item.question
    row.refresh_from_db()
    assert row.state == State.APPROVING

    answer_registry(user=ada, item=item, registry_code=house.sandbox.code("ada"))
    house.work()
    row.refresh_from_db()
    assert row.state == State.LIVE


def test_a_refused_code_is_asked_for_again_with_the_registrys_words(house: House) -> None:
    ada = house.person("ada")
    row = house.ready()
    wrong = str((int(house.sandbox.code("ada")) + 1) % 10**6).zfill(6)
    item = house.decide(ada, row, registry_code=wrong)
    house.work()
    item.refresh_from_db()
    assert item.state == ItemState.ASKING
    assert "refused the code" in item.question
    assert not RegistryProof.objects.exists()


def test_a_registry_code_is_sealed_and_wiped_when_it_is_used(house: House) -> None:
    ada = house.person("ada")
    code = house.sandbox.code("ada")
    item = house.decide(ada, house.ready(), registry_code=code)
    proof = RegistryProof.objects.get(decision=item.decision)
    assert code not in proof.sealed_code
    house.work()
    assert not RegistryProof.objects.exists()
    assert not any(code in str(event.detail) for event in AuditEvent.objects.all())


def test_an_unused_registry_code_is_wiped_when_it_expires(house: House) -> None:
    ada = house.person("ada")
    item = house.decide(ada, house.ready(), registry_code="123456")
    RegistryProof.objects.filter(decision=item.decision).update(expires_at="2020-01-01T00:00Z")
    execute.wipe_expired_proofs()
    assert not RegistryProof.objects.exists()


def test_nobody_else_answers_the_registrys_question(house: House) -> None:
    ada, grace = house.person("ada"), house.person("grace")
    item = house.decide(ada, house.ready())
    house.work()
    item.refresh_from_db()
    with pytest.raises(Exception, match="Only the person who decided"):
        answer_registry(user=grace, item=item, registry_code="123456")
    item.refresh_from_db()
    assert item.state == ItemState.ASKING


def test_a_question_that_nobody_answers_ends_with_the_version_back_in_the_queue(
    house: House,
) -> None:
    ada = house.person("ada")
    row = house.ready()
    item = house.decide(ada, row)
    house.work()
    DecisionItem.objects.filter(pk=item.pk).update(
        asked_until="2020-01-01T00:00Z", due_at="2020-01-01T00:00Z"
    )
    house.work()
    item.refresh_from_db()
    row.refresh_from_db()
    assert (item.state, row.state) == (ItemState.FAILED, State.STAGED)
    assert "in time" in item.outcome
    assert "staged_version.failed" in topics()


def test_rejecting_deletes_it_at_the_registry(house: House) -> None:
    ada = house.person("ada")
    row = house.ready()
    house.decide(
        ada, row, Action.REJECT, reason="wrong tag", registry_code=house.sandbox.code("ada")
    )
    house.work()
    row.refresh_from_db()
    assert row.state == State.REJECTED
    assert house.poll().waiting == 0
    event = AuditEvent.objects.get(kind="staged_version.rejected")
    assert event.detail["reason"] == "wrong tag"


def test_a_lost_answer_is_settled_by_asking_and_never_sent_twice(house: House) -> None:
    ada = house.person("ada")
    row = house.ready()
    house.sandbox.control.lose_answers(1)
    item = house.decide(ada, row, registry_code=house.sandbox.code("ada"))
    house.work()
    item.refresh_from_db()
    assert item.state == ItemState.CHECKING
    house.work(until_due=outcomes.LONGEST_CHECK_PAUSE)
    house.work()
    item.refresh_from_db()
    row.refresh_from_db()
    assert (item.state, row.state) == (ItemState.DONE, State.LIVE)
    assert house.approvals_sent() == 1
    assert AuditEvent.objects.filter(kind="staged_version.accepted").count() == 1


def test_a_lost_answer_with_delayed_visibility_waits_for_the_packument(house: House) -> None:
    ada = house.person("ada")
    row = house.ready()
    house.sandbox.control.delay_visibility(3600)
    house.sandbox.control.lose_answers(1)
    item = house.decide(ada, row, registry_code=house.sandbox.code("ada"))
    for _ in range(3):
        house.work(until_due=outcomes.LONGEST_CHECK_PAUSE)
    item.refresh_from_db()
    assert item.state == ItemState.CHECKING
    house.sandbox.control.move_clock(3601)
    house.work(until_due=outcomes.LONGEST_CHECK_PAUSE)
    house.work()
    row.refresh_from_db()
    assert row.state == State.LIVE
    assert house.approvals_sent() == 1


def test_a_lost_request_is_sent_again_only_after_several_looks(house: House) -> None:
    ada = house.person("ada")
    row = house.ready()
    item = house.decide(ada, row, registry_code=house.sandbox.code("ada"))
    # The worker died after it had committed that a request leaves, and before it left.
    claimed = execute.claim_due()
    assert claimed is not None
    execute._begin_attempt(claimed, token_of(ada.registry_accounts.get()))
    DecisionItem.objects.filter(pk=item.pk).update(lease_until="2020-01-01T00:00Z")
    house.work()
    for _ in range(3):
        item.refresh_from_db()
        assert item.state == ItemState.CHECKING
        assert house.approvals_sent() == 0
        house.work(until_due=outcomes.LONGEST_CHECK_PAUSE)
    # However often it looked: a request may be at work for as long as its connection stays open.
    house.work(until_due=outcomes.LONGEST_CHECK_PAUSE)
    item.refresh_from_db()
    assert item.state == ItemState.CHECKING
    item.attempts.update(started_at=timezone.now() - settle.LONGEST_CALL)
    house.work(until_due=outcomes.LONGEST_CHECK_PAUSE)
    item.refresh_from_db()
    # The code went down with the worker, so the registry asks for a new one.
    assert item.state == ItemState.ASKING
    assert house.published("left-pad") == set()
    answer_registry(user=ada, item=item, registry_code=house.sandbox.code("ada"))
    house.work()
    row.refresh_from_db()
    assert row.state == State.LIVE


def test_a_decision_that_no_worker_took_up_for_too_long_is_not_carried_out(house: House) -> None:
    ada = house.person("ada")
    row = house.ready()
    item = house.decide(ada, row, registry_code=house.sandbox.code("ada"))
    long_ago = timezone.now() - execute.GIVE_UP_AFTER - timedelta(seconds=1)
    StepUp.objects.update(proved_at=long_ago, consumed_at=long_ago)
    Decision.objects.update(made_at=long_ago)
    house.work()
    item.refresh_from_db()
    row.refresh_from_db()
    assert (item.state, row.state) == (ItemState.FAILED, State.STAGED)
    assert "decide anew" in item.outcome
    assert house.approvals_sent() == 0


def test_a_registry_code_is_not_revived_by_changing_its_expiry(
    house: House, settings: Settings
) -> None:
    ada = house.person("ada")
    item = house.decide(ada, house.ready(), registry_code=house.sandbox.code("ada"))
    settings.REGISTRY_PROOF_SECONDS = -1
    RegistryProof.objects.update(expires_at=timezone.now() + timedelta(days=1))
    house.work()
    item.refresh_from_db()
    assert item.state == ItemState.ASKING
    assert not RegistryProof.objects.exists()


def test_a_worker_that_was_given_up_for_dead_changes_nothing(house: House) -> None:
    ada = house.person("ada")
    row = house.ready()
    item = house.decide(ada, row, registry_code=house.sandbox.code("ada"))
    late = execute.claim_due()
    assert late is not None
    DecisionItem.objects.filter(pk=item.pk).update(lease_until="2020-01-01T00:00Z")
    house.work()
    with pytest.raises(outcomes.LeaseLost):
        execute._begin_attempt(late, "a token")
    row.refresh_from_db()
    assert row.state == State.LIVE
    assert house.approvals_sent() == 1


def test_what_changed_at_the_registry_is_not_approved(house: House) -> None:
    ada = house.person("ada")
    row = house.ready()
    house.sandbox.replace_tarball(str(row.stage_id), b"something else", announce=True)
    item = house.decide(ada, row, registry_code=house.sandbox.code("ada"))
    house.work()
    item.refresh_from_db()
    row.refresh_from_db()
    assert (item.state, row.state) == (ItemState.FAILED, State.STAGED)
    assert "no longer what was reviewed" in row.alarm
    assert house.approvals_sent() == 0
    assert "staged_version.alarm" in topics()


def test_a_version_that_somebody_rejected_with_the_cli_meanwhile(house: House) -> None:
    ada = house.person("ada")
    row = house.ready()
    item = house.decide(ada, row)
    reject_elsewhere(house, row)
    house.work()
    item.refresh_from_db()
    row.refresh_from_db()
    assert (item.state, row.state) == (ItemState.FAILED, State.WITHDRAWN)
    assert house.approvals_sent() == 0


def test_a_version_that_somebody_approved_with_the_cli_meanwhile(house: House) -> None:
    ada = house.person("ada")
    row = house.ready()
    item = house.decide(ada, row)
    approve_elsewhere(house, row)
    house.work()
    item.refresh_from_db()
    row.refresh_from_db()
    assert (item.state, row.state) == (ItemState.FAILED, State.PUBLISHED_ELSEWHERE)
    assert "without this decision" in item.outcome


def test_a_revoked_token_asks_the_person_to_link_again(house: House) -> None:
    ada = house.person("ada")
    row = house.ready()
    item = house.decide(ada, row, registry_code=house.sandbox.code("ada"))
    account = item.decision.account
    assert account is not None
    house.sandbox.revoke(token_of(account))
    house.work()
    item.refresh_from_db()
    row.refresh_from_db()
    account.refresh_from_db()
    assert (item.state, row.state) == (ItemState.FAILED, State.STAGED)
    assert "no longer accepts your token" in item.outcome
    assert account.refused_at is not None


def test_an_account_that_may_not_approve_is_told_so(house: House) -> None:
    ada = house.person("ada")
    row = house.ready()
    house.sandbox.grant("left-pad", "ada", "read-only")
    item = house.decide(ada, row, registry_code=house.sandbox.code("ada"))
    house.work()
    item.refresh_from_db()
    row.refresh_from_db()
    assert (item.state, row.state) == (ItemState.FAILED, State.STAGED)
    assert "may not" in item.outcome


def test_a_registry_that_is_away_is_tried_again_later(house: House) -> None:
    ada = house.person("ada")
    row = house.ready()
    house.sandbox.control.refuse(503, count=4, prefix="/-/stage/")
    item = house.decide(ada, row, registry_code=house.sandbox.code("ada"))
    house.work()
    item.refresh_from_db()
    assert item.state == ItemState.WAITING
    house.work(until_due=execute.LONGEST_PAUSE * 2)
    house.work()
    row.refresh_from_db()
    assert row.state == State.LIVE


def test_a_person_who_lost_the_role_meanwhile_approves_nothing(house: House) -> None:
    ada = house.person("ada")
    row = house.ready()
    item = house.decide(ada, row, registry_code=house.sandbox.code("ada"))
    ada.is_active = False
    ada.save()
    house.work()
    item.refresh_from_db()
    assert item.state == ItemState.FAILED
    assert house.approvals_sent() == 0


def test_an_unlinked_account_stops_what_was_decided_with_it(house: House) -> None:
    ada = house.person("ada")
    row = house.ready()
    item = house.decide(ada, row, registry_code=house.sandbox.code("ada"))
    assert item.decision.account is not None
    unlink_account(item.decision.account, actor=ada)
    house.work()
    item.refresh_from_db()
    row.refresh_from_db()
    assert (item.state, row.state) == (ItemState.FAILED, State.STAGED)
    assert house.approvals_sent() == 0


def test_accepted_is_not_live_until_the_packument_shows_it(house: House) -> None:
    ada = house.person("ada")
    row = house.ready()
    house.sandbox.control.delay_visibility(120)
    house.decide(ada, row, registry_code=house.sandbox.code("ada"))
    house.work()
    row.refresh_from_db()
    assert row.state == State.ACCEPTED
    assert "staged_version.live" not in topics()
    house.sandbox.control.move_clock(121)
    house.work(until_due=outcomes.LONGEST_CHECK_PAUSE)
    row.refresh_from_db()
    assert row.state == State.LIVE


def test_never_live_raises_an_alarm_after_the_watch(house: House) -> None:
    ada = house.person("ada")
    row = house.ready()
    house.sandbox.control.delay_visibility(10**6)
    house.decide(ada, row, registry_code=house.sandbox.code("ada"))
    house.work()
    type(row).objects.filter(pk=row.pk).update(
        state_changed_at="2020-01-01T00:00Z", live_check_at="2020-01-01T00:00Z"
    )
    house.work()
    row.refresh_from_db()
    assert row.state == State.ACCEPTED
    assert f"{the_settings.LIVE_WATCH_SECONDS // 60} minutes" in row.alarm
    assert topics().count("staged_version.alarm") == 1


def approve_elsewhere(house: House, row: StagedVersion) -> None:
    with RegistryClient(house.sandbox.url, house.sandbox.token("ada")) as client:
        client.approve(str(row.stage_id), proof=house.sandbox.code("ada"))


def reject_elsewhere(house: House, row: StagedVersion) -> None:
    with RegistryClient(house.sandbox.url, house.sandbox.token("ada")) as client:
        client.reject(str(row.stage_id), proof=house.sandbox.code("ada"))
