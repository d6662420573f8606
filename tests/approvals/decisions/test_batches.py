"""Several versions in one decision: one code where the registry allows it, one after another where
it does not, and no failure burnt at the registry."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.utils import timezone

from approvals.audit import chain
from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.decisions.carrying_out import execute, outcomes, questions, settle, steering
from approvals.decisions.deciding.decide import DecisionRefused, answer_registry, ask_again
from approvals.decisions.models import (
    Action,
    Decision,
    DecisionItem,
    ItemState,
    RegistryProof,
)
from approvals.people.accounts import token_of
from approvals.people.models import CodeUse, RegistryAccount, SecondFactor, User
from approvals.queue.models import Registry, StagedVersion, State
from registry_client import answers
from registry_client.answers import Answer
from registry_client.errors import SecondFactorRefused
from registry_client.sandbox.second_factor import FAILURES_UNTIL_LOCKED
from tests.approvals.conftest import House
from tests.approvals.factories import make_decision, make_staged_version

TWELVE = 12


@pytest.fixture
def ada(house: House) -> User:
    return house.person("ada")


@pytest.fixture(autouse=True)
def _no_code_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the clock stands, a code's 30 seconds do not end in the middle of a test."""
    monkeypatch.setattr(execute, "STEP_OF_CODES", 10**9)


def fleet(house: House, number: int = TWELVE) -> list[StagedVersion]:
    """So many staged versions of one package, found and inspected; the calls so far forgotten."""
    for patch in range(number):
        house.stage("left-pad", f"1.5.{patch}")
    for user in User.objects.all():
        house.sandbox.grant("left-pad", user.username)
    house.poll()
    house.inspect()
    house.sandbox.control.reset()
    return list(StagedVersion.objects.with_package().order_by("pk"))


def asks_for(house: House, mode: str) -> None:
    house.sandbox.control.ask_otherwise(mode)  # type: ignore[arg-type]  # one of its modes


def statuses(house: House) -> list[int]:
    """How the registry answered each call that decides, in order."""
    return [call.status for call in house.sandbox.control.calls(method="POST", prefix="/-/stage/")]


def account() -> RegistryAccount:
    return RegistryAccount.objects.get()


def states(decision: Decision) -> list[str]:
    return [item.state for item in decision.items.order_by("pk")]


def step(house: House) -> None:
    """What a worker does with the next item that is due."""
    item = execute.claim_due()
    assert item
    execute.carry_out(item)


def next_code(house: House) -> str:
    """The code that the person's authenticator shows once they have waited for the next one."""
    house.sandbox.control.move_clock(30)
    return house.sandbox.code("ada")


def answer(house: House, user: User, decision: Decision, code: str) -> None:
    item = questions.asking_item(decision)
    assert item
    answer_registry(user=user, item=item, registry_code=code)
    house.work()


def touch(decision: Decision) -> None:
    """The person opens the registry's own page and touches their passkey there."""
    item = questions.asking_item(decision)
    assert item
    assert questions.wanted(item) == "touch"
    requests.post(questions.link_of(item), timeout=10).raise_for_status()


def work_on(house: House) -> None:
    house.work(until_due=timedelta(seconds=5))


def assert_all_done(decision: Decision) -> None:
    assert set(states(decision)) == {ItemState.DONE}
    assert not RegistryProof.objects.exists()
    assert set(StagedVersion.objects.values_list("state", flat=True)) == {State.LIVE}
    assert chain.verify().problem == ""


# ---------- reusable codes


def test_one_code_serves_twelve_where_the_registry_takes_it_again(house: House, ada: User) -> None:
    rows = fleet(house)
    asks_for(house, "classic")
    decision = house.decide_all(ada, rows, registry_code=house.sandbox.code("ada"))
    house.work()
    assert statuses(house) == [201] * TWELVE
    assert_all_done(decision)
    assert (account().second_factor, account().codes) == (SecondFactor.CODE, CodeUse.AGAIN)
    assert account().last_worked_at is not None
    assert not account().bypasses_second_factor


def test_one_answer_serves_twelve_and_the_others_wait_for_it(house: House, ada: User) -> None:
    rows = fleet(house)
    asks_for(house, "classic")
    decision = house.decide_all(ada, rows)
    house.work()
    work_on(house)
    assert states(decision) == [ItemState.ASKING] + [ItemState.WAITING] * (TWELVE - 1)
    assert statuses(house) == [401], "nobody else asks meanwhile"
    # Whichever of its versions the person answers at.
    item = decision.items.last()
    assert item
    answer_registry(user=ada, item=item, registry_code=house.sandbox.code("ada"))
    house.work()
    assert statuses(house) == [401] + [201] * TWELVE
    assert_all_done(decision)


def test_the_versions_are_called_for_in_their_order(house: House, ada: User) -> None:
    rows = fleet(house, 4)
    asks_for(house, "classic")
    house.decide_all(ada, rows[::-1], registry_code=house.sandbox.code("ada"))
    house.work()
    sent = [call.path for call in house.sandbox.control.calls(method="POST", prefix="/-/stage/")]
    assert sent == [f"/-/stage/{row.stage_id}/approve" for row in rows]


def test_a_code_that_expires_on_the_way_is_asked_for_once_more(house: House, ada: User) -> None:
    rows = fleet(house)
    asks_for(house, "classic")
    decision = house.decide_all(ada, rows, registry_code=house.sandbox.code("ada"))
    for _ in range(5):
        step(house)
    house.sandbox.control.move_clock(120)
    house.work()
    item = questions.asking_item(decision)
    assert item
    assert item.question == "5 of 12 done; sandbox wants a new code."
    answer(house, ada, decision, house.sandbox.code("ada"))
    assert statuses(house) == [201] * 5 + [401] + [201] * 7
    assert_all_done(decision)
    decision.refresh_from_db()
    assert not decision.one_code_a_call
    assert account().codes == CodeUse.AGAIN


# ---------- codes that serve once


def test_where_codes_serve_once_one_is_tried_again_and_never_another(
    house: House, ada: User
) -> None:
    rows = fleet(house)
    decision = house.decide_all(ada, rows, registry_code=house.sandbox.code("ada"))
    house.work()
    assert statuses(house) == [201, 401]
    for done in range(1, TWELVE):
        item = questions.asking_item(decision)
        assert item
        assert item.question == f"{done} of 12 done; sandbox wants a new code."
        assert questions.wanted(item) == "code"
        answer(house, ada, decision, next_code(house))
    assert statuses(house) == [201, 401] + [201] * (TWELVE - 1)
    assert_all_done(decision)
    assert account().codes == CodeUse.ONCE


def test_where_that_is_known_the_next_code_is_asked_for_without_a_call(
    house: House, ada: User
) -> None:
    rows = fleet(house)
    RegistryAccount.objects.update(codes=CodeUse.ONCE, second_factor=SecondFactor.CODE)
    decision = house.decide_all(ada, rows, registry_code=house.sandbox.code("ada"))
    house.work()
    for done in range(1, TWELVE):
        assert statuses(house) == [201] * done, "no code and no call is wasted"
        assert not RegistryProof.objects.exists(), "a code is wiped with its one use"
        answer(house, ada, decision, next_code(house))
    assert statuses(house) == [201] * TWELVE
    assert_all_done(decision)
    assert AuditEvent.objects.filter(kind="decision.asked").count() == TWELVE - 1


def test_a_code_that_may_just_have_expired_says_nothing_about_how_often_they_serve(
    house: House, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "STEP_OF_CODES", 30)
    rows = fleet(house, 3)
    decision = house.decide_all(ada, rows, registry_code=house.sandbox.code("ada"))
    step(house)
    # Typed late in its 30 seconds, and refused early in the next.
    RegistryProof.objects.update(kept_at=timezone.now() - timedelta(seconds=30))
    step(house)
    assert statuses(house) == [201, 401]
    decision.refresh_from_db()
    assert not decision.one_code_a_call
    assert account().codes == CodeUse.UNKNOWN


def test_a_worker_that_lost_its_lease_learns_nothing_from_a_refusal(
    house: House, ada: User
) -> None:
    rows = fleet(house, 3)
    decision = house.decide_all(ada, rows, registry_code=house.sandbox.code("ada"))
    step(house)
    late = execute.claim_due()
    assert late
    DecisionItem.objects.filter(pk=late.pk).update(lease_holder="another worker")
    kept = RegistryProof.objects.get()
    proof = execute.GivenProof("123456", kept.kind, 2, kept.kept_at)
    with pytest.raises(outcomes.LeaseLost):
        execute._proof_was_refused(late, proof, SecondFactorRefused("no"))
    decision.refresh_from_db()
    assert not decision.one_code_a_call
    assert account().codes == CodeUse.UNKNOWN
    assert RegistryProof.objects.exists()


def test_looking_for_a_touch_is_no_try(house: House, ada: User) -> None:
    rows = fleet(house, 1)
    asks_for(house, "web")
    decision = house.decide_all(ada, rows)
    house.work()
    for _ in range(5):
        work_on(house)
    touch(decision)
    DecisionItem.objects.update(due_at=timezone.now())
    step(house)
    item = decision.items.get()
    assert (item.state, item.tries) == (ItemState.WAITING, 0)


def test_many_batches_lock_nobody_out(house: House, ada: User) -> None:
    """As often as a locked account would take: a refused reuse is followed by a right code."""
    for round_ in range(FAILURES_UNTIL_LOCKED):
        for patch in range(2):
            house.stage("left-pad", f"2.{round_}.{patch}")
        house.sandbox.grant("left-pad", "ada")
        house.poll()
        house.inspect()
        # As if nothing had been learned before.
        RegistryAccount.objects.update(codes=CodeUse.UNKNOWN)
        rows = list(StagedVersion.objects.with_package().filter(state=State.STAGED))
        decision = house.decide_all(ada, rows, registry_code=next_code(house))
        house.work()
        answer(house, ada, decision, next_code(house))
        assert set(states(decision)) == {ItemState.DONE}


# ---------- the registry's own page


def test_twelve_versions_are_twelve_touches_and_no_typing(house: House, ada: User) -> None:
    rows = fleet(house)
    asks_for(house, "web")
    decision = house.decide_all(ada, rows)
    house.work()
    for done in range(TWELVE):
        item = questions.asking_item(decision)
        assert item
        assert item.question.startswith(f"{done} of 12 done; " if done else "sandbox wants")
        touch(decision)
        work_on(house)
    # A challenge and a call each; one reuse is tried, and never again.
    assert statuses(house) == [401, 201, 401] + [401, 201] * (TWELVE - 1)
    assert_all_done(decision)
    assert (account().second_factor, account().codes) == (SecondFactor.WEB, CodeUse.ONCE)


def test_where_that_is_known_no_proof_is_tried_twice(house: House, ada: User) -> None:
    rows = fleet(house)
    asks_for(house, "web")
    RegistryAccount.objects.update(codes=CodeUse.ONCE, second_factor=SecondFactor.WEB)
    decision = house.decide_all(ada, rows)
    house.work()
    for _ in range(TWELVE):
        touch(decision)
        work_on(house)
    assert statuses(house) == [401, 201] * TWELVE
    assert_all_done(decision)


def test_a_link_that_expired_is_offered_anew(house: House, ada: User) -> None:
    rows = fleet(house, 2)
    asks_for(house, "web")
    decision = house.decide_all(ada, rows)
    house.work()
    house.sandbox.control.move_clock(301)
    work_on(house)
    item = questions.asking_item(decision)
    assert item
    assert (questions.wanted(item), questions.link_of(item)) == ("new link", "")
    assert "Start again" in item.question
    ask_again(user=ada, item=item)
    house.work()
    touch(decision)
    work_on(house)
    touch(decision)
    work_on(house)
    assert_all_done(decision)


def test_a_link_that_nobody_uses_is_not_polled_for_more_than_five_minutes(
    house: House, ada: User
) -> None:
    decision = house.decide_all(ada, fleet(house, 1))
    asks_for(house, "web")
    house.work()
    DecisionItem.objects.update(state_changed_at=timezone.now() - timedelta(seconds=300))
    work_on(house)
    item = questions.asking_item(decision)
    assert item
    assert questions.wanted(item) == "new link"
    house.sandbox.control.reset()
    work_on(house)
    assert house.sandbox.control.calls() == []


def test_a_new_link_is_for_who_decided_and_while_one_is_asked_for(house: House, ada: User) -> None:
    decision = house.decide_all(ada, fleet(house, 1))
    house.work()
    item = questions.asking_item(decision)
    assert item
    with pytest.raises(DecisionRefused, match="not asking for a confirmation"):
        ask_again(user=ada, item=item)
    with pytest.raises(DecisionRefused, match="Only the person who decided"):
        ask_again(user=house.person("grace"), item=item)
    item.refresh_from_db()
    assert item.state == ItemState.ASKING


def test_a_link_is_not_shown_once_its_host_is_not_allowed_any_more(ada: User) -> None:
    address = "https://login.example.net/auth"
    item = make_decision(
        make_staged_version(),
        ada,
        item_state=ItemState.ASKING,
        auth_url=address,
        done_url="https://login.example.net/done",
    )

    def link() -> tuple[str, str]:
        again = questions.asking_item(item.decision)
        assert again
        return questions.link_of(again), questions.wanted(again)

    Registry.objects.update(proof_hosts="other.example.net\nLogin.example.net\n")
    assert link() == (address, "touch")
    Registry.objects.update(proof_hosts="")
    assert link() == ("", "new link")


def test_a_link_that_was_written_into_the_database_is_not_shown(house: House, ada: User) -> None:
    decision = house.decide_all(ada, fleet(house, 1))
    asks_for(house, "web")
    house.work()
    DecisionItem.objects.update(auth_url=f"{house.sandbox.url}/somewhere-else")
    item = questions.asking_item(decision)
    assert item
    assert (questions.link_of(item), questions.wanted(item)) == ("", "new link")
    house.sandbox.control.reset()
    work_on(house)
    assert house.sandbox.control.calls() == []
    assert states(decision) == [ItemState.FAILED]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("https://login.example.net/auth", "It is at login.example.net, which is not"),
        ("http://127.0.0.1:1/" + "x" * 2000, "too long to be kept"),
        ("javascript:alert(1)", "nobody should open"),
    ],
    ids=["another site", "too long", "a script"],
)
def test_a_page_that_nobody_should_open_ends_the_decision_in_words(
    house: House, ada: User, monkeypatch: pytest.MonkeyPatch, address: str, words: str
) -> None:
    rows = fleet(house, 2)
    asks_for(house, "web")
    challenge = answers._challenge

    def elsewhere(answer: Answer, registry: object, document: Any, *rest: Any, **named: Any) -> Any:
        return challenge(answer, registry, {**document, "authUrl": address}, *rest, **named)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(answers, "_challenge", elsewhere)
    decision = house.decide_all(ada, rows)
    house.work()
    assert states(decision) == [ItemState.FAILED, ItemState.FAILED]
    assert all(words in item.outcome for item in decision.items.all())
    assert set(StagedVersion.objects.values_list("state", flat=True)) == {State.STAGED}


# ---------- what goes wrong on the way


def test_a_wrong_code_is_asked_for_again_and_tried_for_nothing_else(
    house: House, ada: User
) -> None:
    rows = fleet(house, 3)
    wrong = str((int(house.sandbox.code("ada")) + 1) % 10**6).zfill(6)
    decision = house.decide_all(ada, rows, registry_code=wrong)
    house.work()
    work_on(house)
    assert statuses(house) == [401]
    assert states(decision) == [ItemState.ASKING, ItemState.WAITING, ItemState.WAITING]
    item = questions.asking_item(decision)
    assert item
    assert "refused the code" in item.question
    assert wrong not in item.question
    assert not RegistryProof.objects.exists()
    asks_for(house, "classic")
    answer(house, ada, decision, house.sandbox.code("ada"))
    assert_all_done(decision)
    decision.refresh_from_db()
    assert not decision.one_code_a_call


def test_a_lost_answer_is_settled_while_the_others_go_on(house: House, ada: User) -> None:
    rows = fleet(house, 4)
    asks_for(house, "classic")
    decision = house.decide_all(ada, rows, registry_code=house.sandbox.code("ada"))
    step(house)
    house.sandbox.control.lose_answers(1)
    house.work()
    assert states(decision) == ["done", "checking", "done", "done"]
    house.work(until_due=outcomes.LONGEST_CHECK_PAUSE)
    house.work()
    assert len(statuses(house)) == 4
    assert_all_done(decision)


def test_a_worker_that_dies_takes_nothing_with_it(house: House, ada: User) -> None:
    rows = fleet(house, 4)
    asks_for(house, "classic")
    decision = house.decide_all(ada, rows, registry_code=house.sandbox.code("ada"))
    step(house)
    dying = execute.claim_due()
    assert dying
    execute._begin_attempt(dying, token_of(account()))
    house.work()
    assert states(decision) == ["done", "sent", "waiting", "waiting"], "nobody overtakes it"
    DecisionItem.objects.filter(pk=dying.pk).update(lease_until="2020-01-01T00:00Z")
    house.work()
    assert states(decision) == ["done", "checking", "done", "done"]
    dying.attempts.update(started_at=timezone.now() - settle.LONGEST_CALL)
    for _ in range(settle.LOOKS_BEFORE_CALLING_AGAIN + 1):
        house.work(until_due=outcomes.LONGEST_CHECK_PAUSE)
    # Its code was wiped with the others' last call.
    answer(house, ada, decision, house.sandbox.code("ada"))
    assert house.approvals_sent() == 5
    assert statuses(house).count(201) == 4
    assert_all_done(decision)


def test_a_worker_that_dies_before_it_calls_holds_the_others_for_its_lease_only(
    house: House, ada: User
) -> None:
    rows = fleet(house, 3)
    asks_for(house, "classic")
    decision = house.decide_all(ada, rows, registry_code=house.sandbox.code("ada"))
    assert execute.claim_due()
    house.work()
    assert statuses(house) == []
    DecisionItem.objects.filter(lease_until__isnull=False).update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )
    house.work()
    assert statuses(house) == [201] * 3
    assert_all_done(decision)


@pytest.mark.parametrize("how", ["wiped", "not wiped yet", "given a later date"])
def test_a_code_lives_five_minutes_at_most(
    house: House, ada: User, how: str, settings: object
) -> None:
    rows = fleet(house, 3)
    asks_for(house, "classic")
    decision = house.decide_all(ada, rows, registry_code=house.sandbox.code("ada"))
    step(house)
    if how == "given a later date":
        settings.REGISTRY_PROOF_SECONDS = -1  # type: ignore[attr-defined]  # pytest-django's
        RegistryProof.objects.update(expires_at=timezone.now() + timedelta(days=1))
    else:
        RegistryProof.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    if how == "wiped":
        assert execute.wipe_expired_proofs() == 1
    house.work()
    assert statuses(house) == [201, 401]
    assert not RegistryProof.objects.exists()
    assert states(decision) == ["done", "asking", "waiting"]


def test_a_proof_opens_for_its_own_decision_only(house: House, ada: User) -> None:
    rows = fleet(house, 2)
    asks_for(house, "classic")
    first = house.decide_all(ada, rows[:1], registry_code=house.sandbox.code("ada"))
    second = house.decide_all(ada, rows[1:])
    RegistryProof.objects.filter(decision=first).update(decision=second)
    house.work()
    assert statuses(house) == [401, 401]
    assert states(first) == states(second) == [ItemState.ASKING]


def test_who_decided_calls_off_what_has_not_begun(house: House, ada: User) -> None:
    rows = fleet(house, 4)
    decision = house.decide_all(ada, rows, registry_code=house.sandbox.code("ada"))
    house.work()
    item = questions.asking_item(decision)
    assert item
    with pytest.raises(steering.SteeringRefused, match="Only ada, who decided"):
        steering.call_off(item.decision, user=house.person("grace"))
    assert steering.call_off(item.decision, user=ada) == 3
    assert states(decision) == ["done", "failed", "failed", "failed"]
    waiting = StagedVersion.objects.filter(state=State.STAGED)
    assert set(waiting) == set(rows[1:])
    assert str(questions.progress_of(decision)) == "1 of 4 done, 3 failed"
    assert steering.call_off(item.decision, user=ada) == 0
    house.work()
    assert statuses(house) == [201, 401]
    assert house.decide_all(ada, list(waiting.select_related("registry", "package")))


def test_what_no_worker_has_taken_up_is_called_off_too(house: House, ada: User) -> None:
    decision = house.decide_all(ada, fleet(house, 2))
    assert steering.call_off(decision, user=ada) == 2
    assert states(decision) == ["failed", "failed"]
    house.work()
    assert statuses(house) == []


def test_a_worker_that_holds_what_is_called_off_sends_nothing(house: House, ada: User) -> None:
    rows = fleet(house, 2)
    decision = house.decide_all(ada, rows)
    late = execute.claim_due()
    assert late
    DecisionItem.objects.exclude(pk=late.pk).update(
        state=ItemState.ASKING, asked_until=timezone.now() + timedelta(minutes=5)
    )
    assert steering.call_off(late.decision, user=ada) == 2
    with pytest.raises(outcomes.LeaseLost):
        execute.carry_out(late)
    assert statuses(house) == []
    assert states(decision) == ["failed", "failed"]


def test_a_question_that_nobody_answers_ends_the_whole_decision(house: House, ada: User) -> None:
    rows = fleet(house, 4)
    decision = house.decide_all(ada, rows, registry_code=house.sandbox.code("ada"))
    house.work()
    DecisionItem.objects.filter(state=ItemState.ASKING).update(
        asked_until="2020-01-01T00:00Z", due_at="2020-01-01T00:00Z"
    )
    house.work()
    assert states(decision) == ["done", "failed", "failed", "failed"]
    assert set(StagedVersion.objects.filter(state=State.STAGED)) == set(rows[1:])
    assert "in time" in decision.items.last().outcome  # type: ignore[union-attr]  # it has some


@pytest.mark.parametrize(
    "change", [{"role": "viewer"}, {"is_active": False}], ids=["demoted", "removed"]
)
def test_who_may_no_longer_decide_has_no_further_call_made(
    house: House, ada: User, change: dict[str, object]
) -> None:
    rows = fleet(house, 3)
    asks_for(house, "classic")
    decision = house.decide_all(ada, rows, registry_code=house.sandbox.code("ada"))
    step(house)
    User.objects.update(**change)
    house.work()
    assert statuses(house) == [201]
    assert states(decision) == ["done", "failed", "failed"]
    assert not RegistryProof.objects.exists()


def test_rejecting_goes_the_same_way(house: House, ada: User) -> None:
    rows = fleet(house, 3)
    asks_for(house, "classic")
    code = house.sandbox.code("ada")
    decision = house.decide_all(ada, rows, Action.REJECT, registry_code=code)
    house.work()
    assert set(states(decision)) == {ItemState.DONE}
    assert set(StagedVersion.objects.values_list("state", flat=True)) == {State.REJECTED}
    assert not RegistryProof.objects.exists()


# ---------- what is learned of the account


def test_a_token_that_needs_no_second_factor_is_recognised(house: House, ada: User) -> None:
    rows = fleet(house, 1)
    asks_for(house, "none")
    house.decide_all(ada, rows)
    house.work()
    assert account().bypasses_second_factor
    assert account().second_factor == SecondFactor.NONE


def test_a_question_shows_that_it_needs_one_after_all(house: House, ada: User) -> None:
    RegistryAccount.objects.update(bypasses_second_factor=True)
    house.decide_all(ada, fleet(house, 1))
    house.work()
    assert not account().bypasses_second_factor
    assert account().second_factor == SecondFactor.CODE


def test_an_account_that_may_not_decide_is_remembered_until_it_does(
    house: House, ada: User
) -> None:
    rows = fleet(house, 2)
    asks_for(house, "classic")
    house.sandbox.grant("left-pad", "ada", "read-only")
    house.decide_all(ada, rows[:1], registry_code=house.sandbox.code("ada"))
    house.work()
    assert account().forbidden_at is not None
    assert account().forbidden_words
    assert account().refused_at is None
    assert AuditEvent.objects.filter(kind="account.forbidden").count() == 1
    house.sandbox.grant("left-pad", "ada")
    house.decide_all(ada, rows[1:], registry_code=house.sandbox.code("ada"))
    house.work()
    assert (account().forbidden_at, account().forbidden_words) == (None, "")


# ---------- secrets


def by_code(house: House, user: User, rows: list[StagedVersion]) -> list[str]:
    codes = [house.sandbox.code("ada")]
    decision = house.decide_all(user, rows, registry_code=codes[0])
    house.work()
    codes.append(next_code(house))
    answer(house, user, decision, codes[1])
    return codes


def by_touch(house: House, user: User, rows: list[StagedVersion]) -> list[str]:
    asks_for(house, "web")
    decision = house.decide_all(user, rows)
    house.work()
    item = questions.asking_item(decision)
    assert item
    secret = item.auth_url.rpartition("/")[2]
    touch(decision)
    work_on(house)
    return [secret]


@pytest.mark.parametrize("way", [by_code, by_touch])
def test_no_code_is_logged_recorded_or_told(
    house: House,
    ada: User,
    caplog: pytest.LogCaptureFixture,
    way: Callable[[House, User, list[StagedVersion]], list[str]],
) -> None:
    caplog.set_level(logging.DEBUG, logger="approvals")
    secrets = way(house, ada, fleet(house, 2))
    told = [
        caplog.text,
        *AuditEvent.objects.values_list("detail", flat=True),
        *OutboxEvent.objects.values_list("payload", flat=True),
        *DecisionItem.objects.values_list("outcome", "attempts__answer", "sealed_done_url"),
    ]
    for secret in secrets:
        assert secret not in str(told)
