"""Who may decide what, and what the database refuses whoever asks."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.decisions.carrying_out import steering
from approvals.decisions.deciding import decide as rules
from approvals.decisions.deciding import stepup
from approvals.decisions.deciding.decide import (
    MOST_AT_ONCE,
    DecisionRefused,
    InTheWay,
    Malformed,
    NotAllowed,
    SomebodyElseWasFaster,
    answer_registry,
    obstacles,
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
from approvals.inspection.models import Inspection, InspectionRequest
from approvals.people.models import RegistryAccount, Role, SealedTOTPDevice, User
from approvals.queue.models import AlarmKind, StagedVersion, State
from approvals.queue.transitions import raise_alarm
from tests.approvals.decisions.conftest import Desk
from tests.approvals.events import topics
from tests.approvals.factories import (
    make_decision,
    make_inspection,
    make_inspection_request,
    make_registry,
    make_staged_version,
)

BOTH = [Action.APPROVE, Action.REJECT]


def refuse(desk: Desk, kind: type[DecisionRefused], match: str, **changes: object) -> None:
    """Asserts that it is refused with this sentence, changes nothing and costs no code."""
    user = changes.get("user", desk.ada)
    code = desk.code(user) if SealedTOTPDevice.objects.filter(user=user).exists() else "000000"  # type: ignore[arg-type, misc]  # a user, as given
    before = list(StagedVersion.objects.order_by("pk").values())
    with pytest.raises(kind, match=match):
        desk.decide(code=code, **changes)
    assert list(StagedVersion.objects.order_by("pk").values()) == before
    assert not Decision.objects.exists()
    assert not StepUp.objects.filter(proved_at__isnull=False).exists()
    assert not SealedTOTPDevice.objects.filter(last_t__gte=0).exists()
    assert topics() == []


def test_a_decision_says_who_decided_what_on_which_digests(desk: Desk) -> None:
    decision = desk.decide(registry_code="123 456")
    item = decision.items.get()
    row = desk.row
    row.refresh_from_db()
    assert row.state == State.APPROVING
    assert (item.stage_id, item.sha1, item.sha512) == (row.stage_id, row.shasum, row.sha512)
    assert (item.state, decision.user) == (ItemState.WAITING, desk.ada)
    assert decision.account == RegistryAccount.objects.get(user=desk.ada)
    event = AuditEvent.objects.get(kind="staged_version.approving")
    assert (event.actor_id, event.stage_id) == (desk.ada.pk, row.stage_id)
    assert event.detail["sha512"] == row.sha512
    assert topics() == ["staged_version.approving", "decision.made"]
    assert "123456" not in RegistryProof.objects.get().sealed_code
    recorded = [*AuditEvent.objects.values("detail"), *OutboxEvent.objects.values("payload")]
    assert "123456" not in str(recorded)


def test_rejecting_keeps_the_reason(desk: Desk) -> None:
    decision = desk.decide(action=Action.REJECT, reason="  wrong dist-tag \n")
    assert decision.reason == "wrong dist-tag"
    desk.row.refresh_from_db()
    assert desk.row.state == State.REJECTING


@pytest.mark.parametrize("reason", ["", "   ", "\n\t"])
def test_rejecting_without_a_reason_is_refused(desk: Desk, reason: str) -> None:
    refuse(desk, Malformed, "Say why", action=Action.REJECT, reason=reason)


@pytest.mark.parametrize("action", BOTH)
def test_a_reason_has_bounds(desk: Desk, action: Action) -> None:
    refuse(desk, Malformed, "too long", action=action, reason="x" * (rules.LONGEST_REASON + 1))
    refuse(desk, Malformed, "cannot be stored", action=action, reason="a\x00b")


@pytest.mark.parametrize(
    "code", ["12345", "1" * 65, "123456\r\nnpm-otp: 1", "abc def ghi!", "١٢٣٤٥٦", "<script>"]
)
def test_a_malformed_registry_code_is_refused(desk: Desk, code: str) -> None:
    refuse(desk, Malformed, "registry's code", registry_code=code)
    assert not RegistryProof.objects.exists()


@pytest.mark.parametrize("action", BOTH)
def test_a_viewer_decides_nothing(desk: Desk, action: Action) -> None:
    desk.ada.role = Role.VIEWER
    desk.ada.save()
    refuse(desk, NotAllowed, "only lets you look", action=action)


def test_somebody_who_was_shut_out_decides_nothing(desk: Desk) -> None:
    desk.ada.is_active = False
    desk.ada.save()
    refuse(desk, NotAllowed, "only lets you look")


@pytest.mark.parametrize("change", [{"role": Role.VIEWER}, {"is_active": False}])
def test_the_role_counts_as_it_is_now_and_not_as_the_request_read_it(
    desk: Desk, change: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, lambda: User.objects.update(**change))
    with pytest.raises(NotAllowed):
        desk.decide()
    assert_still_waiting(desk)


def test_without_an_authenticator_app_nothing_is_decided(desk: Desk) -> None:
    SealedTOTPDevice.objects.all().delete()
    refuse(desk, InTheWay, "TOTP|authenticator")


def test_without_a_linked_account_nothing_is_decided(desk: Desk) -> None:
    RegistryAccount.objects.update(registry_url="https://elsewhere.registry.example.org/")
    refuse(desk, InTheWay, "Link your own account at npm")


def test_with_a_refused_account_nothing_is_decided(desk: Desk) -> None:
    RegistryAccount.objects.update(refused_at=timezone.now())
    refuse(desk, InTheWay, "refused its token")


@pytest.mark.parametrize("action", BOTH)
@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("", "not been compared"),
        ("waiting", "not been compared"),
        ("running", "not been compared"),
        ("failed", "could not be compared: It is cut short"),
    ],
)
def test_what_was_not_compared_is_not_decided(
    desk: Desk, action: Action, state: str, sentence: str
) -> None:
    if state:
        make_inspection_request(desk.row, state, failure="It is cut short.")
    else:
        InspectionRequest.objects.all().delete()
    refuse(desk, InTheWay, sentence, action=action)


@pytest.mark.parametrize("action", BOTH)
@pytest.mark.parametrize("field", ["staged_sha1", "staged_sha512"])
def test_another_tarball_than_the_compared_one_is_not_decided(
    desk: Desk, action: Action, field: str
) -> None:
    Inspection.objects.update(**{field: "0" * 40})
    refuse(desk, InTheWay, "not the one the registry announces", action=action)


def test_an_alarm_stops_the_approval_and_not_the_rejection(desk: Desk) -> None:
    StagedVersion.objects.update(alarm="The dist-tag changed behind this stage id.")
    desk.row.refresh_from_db()
    refuse(desk, InTheWay, "dist-tag changed")
    desk.decide(action=Action.REJECT)
    desk.row.refresh_from_db()
    assert desk.row.state == State.REJECTING


@pytest.mark.parametrize("state", [state for state in State if state != State.STAGED])
def test_only_what_waits_is_decided(desk: Desk, state: State) -> None:
    StagedVersion.objects.update(state=state)
    desk.row.refresh_from_db()
    refuse(desk, SomebodyElseWasFaster, r"^It (is|was) .*\.$")


def test_nothing_is_not_a_decision(desk: Desk) -> None:
    refuse(desk, Malformed, "at least one", staged_versions=[])


def test_versions_at_several_registries_are_not_one_decision(desk: Desk) -> None:
    other = make_staged_version("x", registry=make_registry("elsewhere"))
    make_inspection(other)
    refuse(desk, Malformed, "several registries", staged_versions=[desk.row, other])


def test_one_that_stands_in_the_way_stops_the_whole_batch(desk: Desk) -> None:
    other = desk.version("right-pad")
    StagedVersion.objects.filter(pk=other.pk).update(alarm="Something is wrong.")
    other.refresh_from_db()
    refuse(desk, InTheWay, "Something is wrong", staged_versions=[desk.row, other])


def test_a_code_of_the_registry_is_kept_for_the_whole_decision(desk: Desk) -> None:
    other = desk.version("right-pad")
    decision = desk.decide(staged_versions=[desk.row, other], registry_code="123456")
    proof = RegistryProof.objects.get()
    assert (proof.decision, proof.kind) == (decision, RegistryProof.Kind.CODE)
    assert "123456" not in proof.sealed_code
    assert proof.expires_at - proof.kept_at == timedelta(minutes=5)


def test_a_version_that_is_gone_meanwhile_takes_the_batch_with_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = desk.version("right-pad")
    meanwhile(monkeypatch, other.delete)
    with pytest.raises(DecisionRefused, match="something changed"):
        desk.decide(staged_versions=[desk.row, other])
    assert_still_waiting(desk)


def test_what_gets_in_the_way_while_the_code_is_checked_stops_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(
        monkeypatch, lambda: raise_alarm(desk.row, AlarmKind.STAGE_CHANGED, "The digest changed.")
    )
    with pytest.raises(InTheWay, match="digest changed"):
        desk.decide()
    assert_still_waiting(desk)


def test_a_decision_in_between_wins(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    grace = desk.person("grace")
    meanwhile(monkeypatch, lambda: desk.decide(user=grace, action=Action.REJECT))
    with pytest.raises(SomebodyElseWasFaster, match="being rejected"):
        desk.decide()
    assert Decision.objects.get().user == grace
    assert StepUp.objects.get(user=desk.ada).consumed_at is None


def test_the_obstacles_that_a_page_shows_are_those_that_refuse(desk: Desk) -> None:
    assert obstacles(desk.ada, desk.row, Action.APPROVE) == []
    SealedTOTPDevice.objects.all().delete()
    RegistryAccount.objects.all().delete()
    InspectionRequest.objects.all().delete()
    assert len(obstacles(desk.ada, desk.row, Action.APPROVE)) == 3


class TestAnsweringTheRegistry:
    @pytest.fixture
    def item(self, desk: Desk) -> DecisionItem:
        return make_decision(
            desk.row,
            desk.ada,
            item_state=ItemState.ASKING,
            question="npm asks for the one-time code of your account there.",
            asked_until=timezone.now() + timedelta(minutes=5),
        )

    def test_it_goes_on_with_the_code_sealed(self, desk: Desk, item: DecisionItem) -> None:
        answer_registry(user=desk.ada, item=item, registry_code=" 123 456 ")
        item.refresh_from_db()
        assert (item.state, item.question) == (ItemState.WAITING, "")
        assert RegistryProof.objects.get().sealed_code
        assert topics() == ["decision.answered"]

    def test_nobody_elses_code_is_taken(self, desk: Desk, item: DecisionItem) -> None:
        with pytest.raises(NotAllowed):
            answer_registry(user=desk.person("grace"), item=item, registry_code="123456")
        self.assert_still_asking(item)

    def test_nor_that_of_a_decider_who_lost_the_role(self, desk: Desk, item: DecisionItem) -> None:
        desk.ada.role = Role.VIEWER
        desk.ada.save()
        with pytest.raises(NotAllowed):
            answer_registry(user=desk.ada, item=item, registry_code="123456")
        self.assert_still_asking(item)

    @pytest.mark.parametrize("code", ["", "  ", "12", "123456\nx", "x" * 65])
    def test_nor_what_is_no_code(self, desk: Desk, item: DecisionItem, code: str) -> None:
        with pytest.raises(Malformed):
            answer_registry(user=desk.ada, item=item, registry_code=code)
        self.assert_still_asking(item)

    def test_nor_one_that_comes_too_late(self, desk: Desk, item: DecisionItem) -> None:
        DecisionItem.objects.update(asked_until=timezone.now() - timedelta(seconds=1))
        with pytest.raises(DecisionRefused, match="not asking"):
            answer_registry(user=desk.ada, item=item, registry_code="123456")
        self.assert_still_asking(item)

    @pytest.mark.parametrize("state", [s for s in ItemState if s != ItemState.ASKING])
    def test_nor_one_that_nobody_asked_for(
        self, desk: Desk, item: DecisionItem, state: ItemState
    ) -> None:
        DecisionItem.objects.update(state=state)
        with pytest.raises(DecisionRefused, match="not asking"):
            answer_registry(user=desk.ada, item=item, registry_code="123456")
        assert not RegistryProof.objects.exists()

    def test_the_decider_alone_calls_it_off(self, desk: Desk, item: DecisionItem) -> None:
        with pytest.raises(steering.SteeringRefused):
            steering.call_off(item.decision, user=desk.person("grace"))
        self.assert_still_asking(item)
        assert steering.call_off(item.decision, user=desk.ada)
        desk.row.refresh_from_db()
        item.refresh_from_db()
        assert (desk.row.state, item.state) == (State.STAGED, ItemState.FAILED)
        assert not steering.call_off(item.decision, user=desk.ada)

    def assert_still_asking(self, item: DecisionItem) -> None:
        item.refresh_from_db()
        assert item.state == ItemState.ASKING
        assert item.question
        assert not RegistryProof.objects.exists()


class TestTheDatabaseRefuses:
    """What no code may write, however wrong it is."""

    def test_two_open_decisions_on_one_staged_version(self, desk: Desk) -> None:
        make_decision(desk.row, desk.ada)
        with pytest.raises(DatabaseError), transaction.atomic():
            make_decision(desk.row, desk.ada, Action.REJECT)

    @pytest.mark.parametrize("state", [ItemState.ASKING, ItemState.SENT, ItemState.CHECKING])
    def test_whatever_state_the_open_one_is_in(self, desk: Desk, state: ItemState) -> None:
        make_decision(desk.row, desk.ada, item_state=state)
        with pytest.raises(DatabaseError), transaction.atomic():
            make_decision(desk.row, desk.ada)

    def test_but_a_new_one_after_the_first_is_over(self, desk: Desk) -> None:
        make_decision(desk.row, desk.ada, item_state=ItemState.FAILED)
        assert make_decision(desk.row, desk.ada)

    def test_a_step_up_used_for_two_decisions(self, desk: Desk) -> None:
        decision = make_decision(desk.row, desk.ada).decision
        with pytest.raises(DatabaseError), transaction.atomic():
            Decision.objects.create(user=desk.ada, action=Action.APPROVE, step_up=decision.step_up)

    def test_two_calls_in_flight_for_one_item(self, desk: Desk) -> None:
        item = make_decision(desk.row, desk.ada, item_state=ItemState.SENT)
        Attempt.objects.create(item=item)
        with pytest.raises(DatabaseError), transaction.atomic():
            Attempt.objects.create(item=item)

    @pytest.mark.parametrize(
        "answer", [{"answered_at": timezone.now()}, {"result": Attempt.Result.CARRIED_OUT}]
    )
    def test_half_an_answer(self, desk: Desk, answer: dict[str, object]) -> None:
        item = make_decision(desk.row, desk.ada, item_state=ItemState.SENT)
        with pytest.raises(DatabaseError), transaction.atomic():
            Attempt.objects.create(item=item, **answer)

    @pytest.mark.parametrize(
        "wrong",
        [
            lambda: Decision.objects.update(action=Action.REJECT, reason=""),
            lambda: Decision.objects.update(action="publish"),
            lambda: StepUp.objects.update(action="publish"),
            lambda: StepUp.objects.update(proved_at=None),
            lambda: DecisionItem.objects.update(state="approved"),
            lambda: InspectionRequest.objects.update(inspection=None),
        ],
        ids=["no reason", "action", "step-up's action", "no proof", "state", "no inspection"],
    )
    def test_what_makes_no_sense(self, desk: Desk, wrong: Callable[[], object]) -> None:
        make_decision(desk.row, desk.ada)
        with pytest.raises(DatabaseError), transaction.atomic():
            wrong()


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Lets something happen after the code was checked and before the decision is recorded."""
    prove = stepup.prove_with_code

    def proved(step_up: StepUp, code: str, *, address: str = "") -> None:
        prove(step_up, code, address=address)
        # Only once: what happens may be another decision.
        monkeypatch.setattr(stepup, "prove_with_code", prove)
        happens()

    monkeypatch.setattr(stepup, "prove_with_code", proved)


def assert_still_waiting(desk: Desk) -> None:
    desk.row.refresh_from_db()
    assert desk.row.state == State.STAGED
    assert not Decision.objects.exists()
    assert not StepUp.objects.filter(consumed_at__isnull=False).exists()


def test_no_more_are_decided_at_once_than_the_page_offers(desk: Desk) -> None:
    rows = [desk.row] * (MOST_AT_ONCE + 1)
    with pytest.raises(DecisionRefused, match="at most 100"):
        desk.decide(staged_versions=rows)
    assert not StepUp.objects.exists()


def test_what_the_database_refuses_for_another_reason_is_not_said_to_be_somebody_elses_doing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*args: object, **named: object) -> None:
        raise IntegrityError("FOREIGN KEY constraint failed")

    monkeypatch.setattr("approvals.decisions.deciding.decide.move_all", breaks)
    with pytest.raises(IntegrityError, match="FOREIGN KEY"):
        desk.decide()
