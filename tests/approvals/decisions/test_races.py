"""Two of everything at once: people, workers, polls, inspections. One wins, the other is told."""

import contextlib
import hashlib
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from approvals.audit import chain
from approvals.audit.models import AuditEvent
from approvals.decisions.carrying_out import execute, outcomes, questions, steering
from approvals.decisions.deciding import decide, stepup
from approvals.decisions.deciding.decide import (
    DecisionRefused,
    PresenceNotProved,
    SomebodyElseWasFaster,
    answer_registry,
)
from approvals.decisions.models import (
    Action,
    Attempt,
    Decision,
    DecisionItem,
    ItemState,
    RegistryProof,
    StepUp,
)
from approvals.inspection import inspecting
from approvals.inspection import requests as inspection_requests
from approvals.inspection.models import Inspection, InspectionRequest, PairClaim
from approvals.inspection.standing import Source, write_findings
from approvals.people import membership
from approvals.people.accounts import unlink_account
from approvals.people.models import User
from approvals.queue import live, sync
from approvals.queue.models import Registry, StagedVersion, State
from registry_client.client import RegistryClient, StagedItem
from registry_client.sandbox.server import SandboxRegistry
from tests.approvals.at_once import PATIENCE_SECONDS, at_once
from tests.approvals.conftest import SESSION, House
from tests.approvals.decisions.conftest import Desk
from tests.approvals.events import topics
from tests.approvals.factories import make_decision, make_finding, make_user
from tests.approvals.seen import sight
from tests.packages import tarball

# Each thread has a connection of its own, and sees what others have committed.
pytestmark = pytest.mark.django_db(transaction=True)

SAME = tarball({"package.json": "{}", "index.js": "exports.a = 1;\n"})
SAME_SHA1 = hashlib.sha1(SAME, usedforsecurity=False).hexdigest()


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[SandboxRegistry]:
    """A registry that asks nobody for a code: only Countersign stands in the way."""
    with SandboxRegistry(tmp_path / "sandbox", otp="none") as registry:
        yield registry


@pytest.fixture
def neck_and_neck(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets two deciders both prove their presence before either decision is recorded."""
    both = threading.Barrier(2)
    prove = stepup.prove_with_code

    def proved(*args: object, **named: object) -> None:
        try:
            prove(*args, **named)  # type: ignore[arg-type]  # passed on as it came
        finally:
            both.wait(PATIENCE_SECONDS)

    monkeypatch.setattr(stepup, "prove_with_code", proved)


@pytest.mark.usefixtures("neck_and_neck")
@pytest.mark.parametrize(
    ("adas", "graces"),
    [(Action.APPROVE, Action.APPROVE), (Action.APPROVE, Action.REJECT)],
)
def test_of_two_people_who_decide_at_once_one_wins_and_the_other_is_told(
    desk: Desk, adas: Action, graces: Action
) -> None:
    def decider(user: User, action: Action) -> Callable[[], Decision]:
        code = desk.code(user)
        row = StagedVersion.objects.with_package().get()
        return lambda: desk.decide(
            user=user,
            action=action,
            staged_versions=[row],
            code=code,
            registry_code="123456",
        )

    results = at_once(decider(desk.ada, adas), decider(desk.person("grace"), graces))
    (won,) = [result for result in results if isinstance(result, Decision)]
    (lost,) = [result for result in results if result is not won]
    assert isinstance(lost, SomebodyElseWasFaster), lost
    assert str(lost)
    assert Decision.objects.get() == won
    assert DecisionItem.objects.get().decision == won
    assert RegistryProof.objects.count() == 1
    assert StepUp.objects.filter(consumed_at__isnull=False).count() == 1
    desk.row.refresh_from_db()
    expected = State.APPROVING if won.action == Action.APPROVE else State.REJECTING
    assert desk.row.state == expected
    assert topics() == [f"staged_version.{expected.value}", "decision.made"]
    assert chain.verify().problem == ""


@pytest.mark.skipif(settings.ON_SQLITE, reason="SQLite locks the whole database")
def test_who_decides_keeps_nobody_from_writing_findings_of_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    check, written = decide._check_way_is_free, []

    def meanwhile(*args: Any) -> Any:
        found = check(*args)
        # Before, they would be something that the page did not show.
        if transaction.get_connection().in_atomic_block:
            # Whoever writes them holds the audit log's head, which a decision needs next.
            written.extend(
                at_once(lambda: write_findings(desk.row, Source.PROVENANCE, [make_finding()]))
            )
        return found

    monkeypatch.setattr(decide, "_check_way_is_free", meanwhile)
    desk.decide()
    assert set(written) == {None}
    assert desk.row.findings.exists()


@pytest.mark.parametrize("proof", ["code", "touch"])
def test_a_form_sent_twice_decides_once(desk: Desk, proof: str) -> None:
    step_up = desk.open()
    given: dict[str, object] = {"code": desk.code(desk.ada)}
    if proof == "touch":
        given = {"intent": step_up.pk, "assertion": desk.touch(step_up)}

    def send() -> Decision:
        row = StagedVersion.objects.with_package().get()
        return desk.decide(staged_versions=[row], **given)

    results = at_once(send, send, send)
    lost = [result for result in results if not isinstance(result, Decision)]
    assert len(lost) == 2
    assert all(isinstance(one, PresenceNotProved | SomebodyElseWasFaster) for one in lost), lost
    assert Decision.objects.count() == 1
    assert StepUp.objects.filter(consumed_at__isnull=False).count() == 1


def test_one_code_does_not_decide_two_versions_at_once(desk: Desk) -> None:
    other = desk.version("right-pad")
    code = desk.code(desk.ada)

    def send(row: StagedVersion) -> Callable[[], Decision]:
        return lambda: desk.decide(staged_versions=[row], code=code)

    results = at_once(send(desk.row), send(other))
    assert sum(isinstance(result, Decision) for result in results) == 1
    assert sum(isinstance(result, PresenceNotProved) for result in results) == 1
    assert Decision.objects.count() == 1


def test_one_proof_is_consumed_once_however_many_try(desk: Desk) -> None:
    step_up = desk.open()
    stepup.prove_with_code(step_up, desk.code(desk.ada))

    def consume() -> None:
        with transaction.atomic():
            row = StagedVersion.objects.with_package().get()
            stepup.consume(
                step_up.pk,
                desk.ada,
                Action.APPROVE,
                [row],
                session=SESSION,
                sight=sight(row),
            )

    results = at_once(consume, consume, consume)
    assert sum(result is None for result in results) == 1
    assert sum(isinstance(result, stepup.StepUpRefused) for result in results) == 2


def test_two_overlapping_batches_do_not_wait_in_a_ring(desk: Desk) -> None:
    other = desk.version("right-pad")
    grace = desk.person("grace")

    def decider(user: User, rows: list[StagedVersion]) -> Callable[[], Decision]:
        code = desk.code(user)
        return lambda: desk.decide(user=user, staged_versions=rows, code=code)

    results = at_once(decider(desk.ada, [desk.row, other]), decider(grace, [other, desk.row]))
    assert sum(isinstance(result, Decision) for result in results) == 1
    assert sum(isinstance(result, SomebodyElseWasFaster) for result in results) == 1
    assert DecisionItem.objects.count() == 2


def test_of_two_answers_to_the_registrys_question_one_is_taken(desk: Desk) -> None:
    item = make_decision(
        desk.row,
        desk.ada,
        item_state=ItemState.ASKING,
        asked_until=timezone.now() + timedelta(minutes=5),
    )

    def answer(code: str) -> Callable[[], None]:
        return lambda: answer_registry(
            user=desk.ada, item=DecisionItem.objects.get(pk=item.pk), registry_code=code
        )

    results = at_once(answer("111111"), answer("222222"))
    assert sum(result is None for result in results) == 1
    assert topics() == ["decision.answered"]


def test_workers_that_claim_at_once_send_each_call_once(house: House) -> None:
    ada = house.person("ada")
    rows = [house.ready("left-pad", f"1.5.{patch}") for patch in range(6)]
    for row in rows:
        house.decide(ada, row)
    house.sandbox.control.reset()

    def work() -> None:
        while item := execute.claim_due():
            execute.carry_out(item)

    results = at_once(work, work, work)
    assert results == [None] * 3
    sent = [call.path for call in house.sandbox.control.calls(method="POST")]
    assert sorted(sent) == sorted(f"/-/stage/{row.stage_id}/approve" for row in rows)
    assert house.published("left-pad") == {row.version for row in rows}
    assert Attempt.objects.count() == len(rows)
    assert AuditEvent.objects.filter(kind="staged_version.accepted").count() == len(rows)
    assert chain.verify().problem == ""


def test_of_two_workers_that_saw_the_same_work_the_second_gets_none_of_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = make_decision(desk.row, desk.ada)
    InspectionRequest.objects.update(state="waiting")
    request = InspectionRequest.objects.get()
    claims: tuple[tuple[Callable[[], object], object], ...] = (
        (execute.claim_due, item),
        (inspection_requests.claim_due, request),
    )
    for claim_due, work in claims:
        first: list[object] = []
        between_look_and_claim(monkeypatch, partial(grab, claim_due, first))
        assert claim_due() is None
        assert first == [work]


def test_workers_on_one_decision_call_one_after_the_other(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = house.person("ada")
    rows = [house.ready("left-pad", f"1.5.{patch}") for patch in range(6)]
    decision = house.decide_all(ada, rows)
    house.sandbox.control.reset()
    under_way, most = threading.Semaphore(1), []
    send = RegistryClient.approve

    def approve(client: RegistryClient, stage_id: str, proof: str | None = None) -> str:
        most.append(under_way.acquire(blocking=False))
        try:
            return send(client, stage_id, proof)
        finally:
            under_way.release()

    monkeypatch.setattr(RegistryClient, "approve", approve)

    def work() -> None:
        while item := execute.claim_due():
            execute.carry_out(item)

    assert at_once(work, work, work) == [None] * 3
    work()
    assert most == [True] * len(rows), "never two at once"
    sent = [call.path for call in house.sandbox.control.calls(method="POST")]
    assert sorted(sent) == sorted(f"/-/stage/{row.stage_id}/approve" for row in rows)
    assert set(decision.items.values_list("state", flat=True)) == {ItemState.DONE}
    assert Attempt.objects.count() == len(rows)
    assert chain.verify().problem == ""


def test_of_two_workers_that_hold_two_items_of_one_decision_one_gives_its_own_back(
    house: House,
) -> None:
    ada = house.person("ada")
    rows = [house.ready("left-pad", f"1.5.{patch}") for patch in range(2)]
    decision = house.decide_all(ada, rows)
    house.sandbox.control.reset()
    # Both claimed at the same moment, before either saw the other.
    claims = []
    for _ in rows:
        claims.append(execute.claim_due())
        DecisionItem.objects.filter(lease_holder__gt="").update(state=ItemState.CHECKING)
    DecisionItem.objects.update(state=ItemState.WAITING)
    first, second = claims
    assert first
    assert second
    house.sandbox.control.hold("before")

    def other() -> None:
        house.sandbox.control.wait_until_held()
        try:
            execute.carry_out(second)
        finally:
            house.sandbox.control.release()

    assert at_once(lambda: execute.carry_out(first), other) == [None, None]
    given_back = decision.items.get(pk=second.pk)
    assert (given_back.state, given_back.lease_holder) == (ItemState.WAITING, "")
    assert given_back.attempts.count() == 0
    house.work()
    assert set(decision.items.values_list("state", flat=True)) == {ItemState.DONE}
    assert house.approvals_sent() == 2


@pytest.mark.parametrize("turn", range(3))
def test_calling_off_answering_and_working_at_once_end_in_one_story(
    house: House, turn: int
) -> None:
    house.sandbox.control.ask_otherwise("classic")
    ada = house.person("ada")
    rows = [house.ready("left-pad", f"1.5.{patch}") for patch in range(4)]
    house.sandbox.control.ask_otherwise("classic")
    decision = house.decide_all(ada, rows)
    house.work()
    item = questions.asking_item(decision)
    assert item
    code = house.sandbox.code("ada")

    def work() -> None:
        while claimed := execute.claim_due():
            with contextlib.suppress(outcomes.LeaseLost):
                execute.carry_out(claimed)

    results = at_once(
        lambda: steering.call_off(item.decision, user=ada),
        lambda: answer_registry(user=ada, item=item, registry_code=code),
        work,
        work,
    )
    called_off, answered, *_ = results
    assert answered is None or called_off == 4, results
    work()
    house.work()
    ends = Counter(decision.items.values_list("state", "staged_version__state"))
    assert ends == Counter(
        {
            key: number
            for key, number in {
                (ItemState.FAILED, State.STAGED): called_off,
                (ItemState.DONE, State.LIVE): 4 - called_off,
            }.items()
            if number
        }
    )
    assert len(house.published("left-pad")) == house.approvals_sent() - 1 == 4 - called_off
    assert not RegistryProof.objects.exists()
    assert chain.verify().problem == ""


def grab(claim_due: Callable[[], object], into: list[object]) -> None:
    into.append(claim_due())


def between_look_and_claim(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Lets something happen when a worker has seen due work and is about to claim it."""
    new = uuid.uuid4

    def name() -> uuid.UUID:
        monkeypatch.setattr(uuid, "uuid4", new)
        happens()
        return new()

    monkeypatch.setattr(uuid, "uuid4", name)


def test_a_worker_that_comes_back_while_another_has_its_work_sends_nothing(house: House) -> None:
    ada = house.person("ada")
    item = house.decide(ada, house.ready())
    first = execute.claim_due()
    DecisionItem.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    second = execute.claim_due()
    assert first
    assert second
    results = at_once(lambda: execute.carry_out(first), lambda: execute.carry_out(second))
    assert isinstance(results[0], outcomes.LeaseLost)
    assert results[1] is None
    assert house.approvals_sent() == 1
    assert item.attempts.count() == 1


def test_while_one_call_is_at_work_nobody_sends_another(house: House) -> None:
    ada = house.person("ada")
    row = house.ready()
    item = house.decide(ada, row)
    house.sandbox.control.reset()
    house.sandbox.control.hold("before")

    def others() -> None:
        house.sandbox.control.wait_until_held()
        try:
            for _ in range(6):
                # Everybody believes the first worker dead, and looks as often as it likes.
                DecisionItem.objects.update(
                    lease_until=timezone.now() - timedelta(seconds=1),
                    due_at=timezone.now(),
                )
                house.work()
        finally:
            house.sandbox.control.release()

    claimed = execute.claim_due()
    assert claimed
    results = at_once(lambda: execute.carry_out(claimed), others)
    assert isinstance(results[0], outcomes.LeaseLost)
    assert results[1] is None
    house.work(until_due=outcomes.LONGEST_CHECK_PAUSE)
    house.work()
    row.refresh_from_db()
    item.refresh_from_db()
    assert (item.state, row.state) == (ItemState.DONE, State.LIVE)
    assert house.approvals_sent() == 1
    assert topics().count("staged_version.accepted") == 1


def test_one_poll_at_a_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.stage("left-pad", "1.5.0")
    listing, finished = threading.Event(), threading.Event()
    staged_versions = RegistryClient.staged_versions

    def slow(client: RegistryClient) -> list[StagedItem]:
        listing.set()
        assert finished.wait(PATIENCE_SECONDS)
        return staged_versions(client)

    monkeypatch.setattr(RegistryClient, "staged_versions", slow)

    def second() -> object:
        assert listing.wait(PATIENCE_SECONDS)
        try:
            return sync.poll(Registry.objects.get())
        finally:
            finished.set()

    first_result, second_result = at_once(lambda: sync.poll(house.registry), second)
    assert isinstance(first_result, sync.PollResult)
    assert len(first_result.found) == 1
    assert second_result is None


def test_two_polls_that_enter_the_same_versions_enter_each_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = {house.stage("left-pad", f"1.5.{patch}") for patch in range(20)}
    both = threading.Barrier(2)
    staged_versions = RegistryClient.staged_versions

    def together(client: RegistryClient) -> list[StagedItem]:
        # The first one's lease ran out meanwhile.
        Registry.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        items = staged_versions(client)
        both.wait(PATIENCE_SECONDS)
        return items

    monkeypatch.setattr(RegistryClient, "staged_versions", together)

    def patient() -> object:
        while (result := sync.poll(Registry.objects.get())) is None:
            pass
        return result

    for result in at_once(patient, patient):
        assert isinstance(result, sync.PollResult)
        assert result.failure == ""
    assert {str(row.stage_id) for row in StagedVersion.objects.all()} == ids
    assert topics() == ["staged_version.found"] * 20
    assert chain.verify().problem == ""


def test_of_workers_that_claim_an_inspection_at_once_one_has_it(house: House) -> None:
    house.stage("left-pad", "1.5.0")
    house.poll()
    results = at_once(
        *[inspection_requests.request_missing] * 2, *[inspection_requests.claim_due] * 2
    )
    assert not any(isinstance(result, BaseException) for result in results)
    assert InspectionRequest.objects.count() == 1
    InspectionRequest.objects.update(state="waiting", lease_until=None, tries=0)
    claims = at_once(*[inspection_requests.claim_due] * 4)
    assert sum(claim is not None for claim in claims) == 1
    assert InspectionRequest.objects.get().tries == 1


def test_the_same_pair_given_to_two_workers_is_compared_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.stage("left-pad", "1.5.0")
    house.stage("right-pad", "1.5.0")
    # One tarball under two names.
    for row in house.poll().found:
        house.sandbox.replace_tarball(str(row.stage_id), SAME, announce=True)
    StagedVersion.objects.update(shasum=SAME_SHA1)
    inspection_requests.request_missing()
    the_other_gave_up = threading.Event()
    compare, compared = inspecting.compare_tarballs, []

    def slow(*args: object, **named: object) -> object:
        compared.append(args)
        assert the_other_gave_up.wait(PATIENCE_SECONDS)
        return compare(*args, **named)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(inspecting, "compare_tarballs", slow)

    def work() -> None:
        request = inspection_requests.claim_due()
        assert request
        inspecting.inspect(request)
        the_other_gave_up.set()

    assert at_once(work, work) == [None, None]
    assert len(compared) == 1
    waits = InspectionRequest.objects.get(state="waiting")
    assert waits.step == "Another worker is comparing the same tarballs"
    assert (waits.failure, waits.tries) == ("", 0)
    assert waits.due_at > timezone.now()
    InspectionRequest.objects.filter(pk=waits.pk).update(due_at=timezone.now())
    work()
    assert len(compared) == 1
    assert set(InspectionRequest.objects.values_list("state", flat=True)) == {"done"}
    inspection = Inspection.objects.get()
    assert inspection.files.count() == inspection.files_changed > 0
    assert not PairClaim.objects.exists()


def test_it_goes_live_once_however_many_look(house: House) -> None:
    ada = house.person("ada")
    house.sandbox.control.delay_visibility(60)
    house.decide(ada, house.ready())
    house.work()
    house.sandbox.control.move_clock(61)
    StagedVersion.objects.update(live_check_at=timezone.now())
    at_once(live.watch_due, live.watch_due, live.watch_due)
    assert topics().count("staged_version.live") == 1


TAKEN_AWAY: dict[str, Callable[[User, User], object]] = {
    "removed": lambda ada, grace: membership.deactivate(ada, actor=grace),
    "unlinked": lambda ada, grace: unlink_account(ada.registry_accounts.get(), actor=ada),
}


@pytest.mark.parametrize("takes_away", TAKEN_AWAY.values(), ids=TAKEN_AWAY)
def test_who_is_removed_as_a_worker_calls_either_decided_before_or_not_at_all(
    house: House, takes_away: Callable[[User, User], object]
) -> None:
    ada = house.person("ada")
    item = house.decide(ada, house.ready())
    grace = make_user("grace", role="administrator")
    results = at_once(house.work, lambda: takes_away(ada, grace))
    assert not [result for result in results if isinstance(result, BaseException)], results
    item.refresh_from_db()
    expected = ItemState.DONE if house.approvals_sent() else ItemState.FAILED
    assert item.state == expected


@pytest.mark.parametrize("takes_away", TAKEN_AWAY.values(), ids=TAKEN_AWAY)
def test_who_is_removed_as_they_decide_has_either_decided_before_or_not_at_all(
    desk: Desk, takes_away: Callable[[User, User], object]
) -> None:
    grace = make_user("grace", role="administrator")
    code = desk.code(desk.ada)
    decided, taken = at_once(lambda: desk.decide(code=code), lambda: takes_away(desk.ada, grace))
    assert not isinstance(taken, BaseException), taken
    assert isinstance(decided, Decision | DecisionRefused), decided
    assert Decision.objects.count() == isinstance(decided, Decision)
