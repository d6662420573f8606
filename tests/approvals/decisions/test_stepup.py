"""A step-up is worth nothing for anybody or anything else, later, or twice."""

import ast
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from approvals.audit.models import AuditEvent
from approvals.decisions import stepup
from approvals.decisions.decide import DecisionRefused, PresenceNotProved
from approvals.decisions.models import Action, Decision, DecisionItem, StepUp
from approvals.inspection.models import Inspection
from approvals.people.models import SealedTOTPDevice
from approvals.queue.models import Registry, StagedVersion, State
from tests.approvals.codes import code_now, wrong_code
from tests.approvals.decisions.conftest import Desk


def assert_nothing_was_decided(desk: Desk) -> None:
    desk.row.refresh_from_db()
    assert desk.row.state == State.STAGED
    assert not Decision.objects.exists()
    assert not StepUp.objects.filter(consumed_at__isnull=False).exists()
    assert not AuditEvent.objects.filter(kind__startswith="staged_version").exists()


def test_it_is_consumed_by_the_decision_it_was_opened_for(desk: Desk) -> None:
    step_up = desk.open()
    decision = desk.decide(step_up_id=step_up.pk)
    step_up.refresh_from_db()
    assert decision.step_up_id == step_up.pk
    assert step_up.method == "totp"
    assert step_up.proved_at is not None
    assert step_up.consumed_at is not None
    assert step_up.proved_at <= step_up.consumed_at <= decision.made_at


def test_it_is_nobody_elses(desk: Desk) -> None:
    grace = desk.person("grace")
    step_up = desk.open()
    with pytest.raises(PresenceNotProved, match="not yours"):
        desk.decide(user=grace, step_up_id=step_up.pk)
    assert_nothing_was_decided(desk)


@pytest.mark.parametrize(
    ("opened", "decided"), [(Action.APPROVE, Action.REJECT), (Action.REJECT, Action.APPROVE)]
)
def test_it_is_for_no_other_action(desk: Desk, opened: Action, decided: Action) -> None:
    step_up = desk.open(opened)
    with pytest.raises(PresenceNotProved, match="not what would be decided"):
        desk.decide(action=decided, step_up_id=step_up.pk)
    assert_nothing_was_decided(desk)


def test_it_is_for_no_other_staged_version(desk: Desk) -> None:
    other = desk.version("right-pad")
    with pytest.raises(PresenceNotProved):
        desk.decide(staged_versions=[other], step_up_id=desk.open().pk)
    with pytest.raises(PresenceNotProved):
        desk.decide(staged_versions=[desk.row, other], step_up_id=desk.open().pk)
    both = desk.open(Action.APPROVE, desk.row, other)
    with pytest.raises(PresenceNotProved):
        desk.decide(staged_versions=[desk.row], step_up_id=both.pk)
    assert_nothing_was_decided(desk)


@pytest.mark.parametrize("field", ["shasum", "sha512"])
def test_it_is_for_no_other_digest(desk: Desk, field: str) -> None:
    step_up = desk.open()
    # As if another tarball had been compared meanwhile, and matched.
    digest = "0" * {"shasum": 40, "sha512": 128}[field]
    Inspection.objects.update(**{"staged_sha1" if field == "shasum" else "staged_sha512": digest})
    StagedVersion.objects.update(**{field: digest})
    with pytest.raises(PresenceNotProved, match="something changed"):
        desk.decide(
            staged_versions=list(StagedVersion.objects.with_package()), step_up_id=step_up.pk
        )
    # The row as a page still has it in hand does not help either.
    with pytest.raises(DecisionRefused):
        desk.decide(step_up_id=step_up.pk)
    assert_nothing_was_decided(desk)


def test_it_is_for_no_other_registry(desk: Desk) -> None:
    step_up = desk.open()
    Registry.objects.update(url="https://elsewhere.registry.example.org/")
    row = StagedVersion.objects.with_package().get()
    with pytest.raises(stepup.StepUpRefused):
        consume(desk, prove(desk, step_up), row)


def test_it_does_not_matter_in_which_order_the_versions_are_named(desk: Desk) -> None:
    other = desk.version("right-pad")
    step_up = desk.open(Action.APPROVE, other, desk.row)
    decision = desk.decide(staged_versions=[desk.row, other], step_up_id=step_up.pk)
    assert decision.items.count() == 2


def test_the_confirmation_expires_and_does_not_cost_the_code(desk: Desk) -> None:
    step_up = desk.open()
    expired = timezone.now() - timedelta(seconds=settings.CONFIRMATION_SECONDS + 1)
    StepUp.objects.filter(pk=step_up.pk).update(opened_at=expired)
    code = desk.code(desk.ada)
    with pytest.raises(PresenceNotProved, match="10 minutes ago"):
        desk.decide(step_up_id=step_up.pk, code=code)
    assert_nothing_was_decided(desk)
    assert desk.decide(code=code)


def test_the_proof_expires(desk: Desk) -> None:
    step_up = prove(desk, desk.open())
    expired = timezone.now() - timedelta(seconds=settings.STEP_UP_SECONDS + 1)
    StepUp.objects.filter(pk=step_up.pk).update(proved_at=expired)
    with pytest.raises(stepup.StepUpRefused, match="too old"):
        consume(desk, step_up, desk.row)


def test_it_counts_once(desk: Desk) -> None:
    step_up = desk.open()
    desk.decide(step_up_id=step_up.pk)
    # The registry refused, and the version waits again.
    DecisionItem.objects.update(state="failed")
    StagedVersion.objects.update(state=State.STAGED)
    code = desk.code(desk.ada)
    with pytest.raises(PresenceNotProved, match="used already"):
        desk.decide(step_up_id=step_up.pk, code=code)
    with pytest.raises(stepup.StepUpRefused):
        consume(desk, step_up, desk.row)
    assert Decision.objects.count() == 1
    assert desk.decide(code=code), "a spent confirmation does not cost the code"


def test_a_proof_without_a_decision_is_not_left_for_the_next_one(desk: Desk) -> None:
    step_up = prove(desk, desk.open())
    with pytest.raises(PresenceNotProved, match="used already"):
        desk.decide(step_up_id=step_up.pk)
    assert_nothing_was_decided(desk)


def test_an_unproved_one_is_worth_nothing(desk: Desk) -> None:
    with pytest.raises(stepup.StepUpRefused):
        consume(desk, desk.open(), desk.row)


@pytest.mark.parametrize(
    "step_up_id", ["", "1", "not-a-uuid", "' OR 1=1 --", "\x00", str(uuid.UUID(int=7))]
)
def test_an_invented_one_is_a_sentence_and_does_not_cost_the_code(
    desk: Desk, step_up_id: str
) -> None:
    code = desk.code(desk.ada)
    with pytest.raises(PresenceNotProved, match="is gone"):
        desk.decide(step_up_id=step_up_id, code=code)
    assert_nothing_was_decided(desk)
    assert desk.decide(code=code)


def test_a_code_that_was_used_before_is_refused(desk: Desk) -> None:
    other = desk.version("right-pad")
    code = desk.code(desk.ada)
    desk.decide(code=code)
    with pytest.raises(PresenceNotProved, match="used before"):
        desk.decide(staged_versions=[other], code=code)
    other.refresh_from_db()
    assert other.state == State.STAGED


def test_somebody_elses_code_is_refused(desk: Desk) -> None:
    grace = desk.person("grace")
    with pytest.raises(PresenceNotProved):
        desk.decide(code=desk.code(grace))
    assert_nothing_was_decided(desk)


def test_a_wrong_code_changes_nothing_and_makes_the_next_one_wait(desk: Desk) -> None:
    step_up = desk.open()
    with pytest.raises(PresenceNotProved, match="wrong"):
        desk.decide(step_up_id=step_up.pk, code=wrong_code(desk.ada))
    assert SealedTOTPDevice.objects.get().throttling_failure_count == 1
    with pytest.raises(PresenceNotProved, match="try again in"):
        desk.decide(step_up_id=step_up.pk, code=code_now(desk.ada))
    assert_nothing_was_decided(desk)
    assert AuditEvent.objects.filter(kind="totp.refused", actor=desk.ada).count() == 1
    # The confirmation itself is still good, once the pause is over.
    assert desk.decide(step_up_id=step_up.pk)


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "\x00" * 6])
def test_what_is_no_code_is_refused(desk: Desk, code: str) -> None:
    with pytest.raises(PresenceNotProved):
        desk.decide(code=code)
    assert_nothing_was_decided(desk)


def test_the_registry_is_called_in_one_place_and_never_before_the_step_up_was_checked() -> None:
    """Promise 1, read off the source: whoever adds a second way makes this fail."""
    calls = []
    for room in ("approvals", "config"):
        for path in (settings.BASE_DIR / room).rglob("*.py"):
            calls += [(path, function) for function in callers_of({"approve", "reject"}, path)]
    execute = settings.BASE_DIR / "approvals/decisions/execute.py"
    assert {(path, function.name) for path, function in calls} == {(execute, "_call")}
    for _, function in calls:
        assert ast.unparse(function.body[0]) == "_insist_on_step_up(item)"
    senders = [
        path
        for room in ("approvals", "config")
        for path in (settings.BASE_DIR / room).rglob("*.py")
        if "/approve" in path.read_text() and "/-/stage" in path.read_text()
    ]
    assert senders == [], "the registry's addresses are known to registry_client alone"


def callers_of(methods: set[str], path: Path) -> list[ast.FunctionDef]:
    """The functions of a module that mention a method of one of these names."""
    tree = ast.parse(path.read_text())
    return [
        function
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        and any(
            isinstance(node, ast.Attribute) and node.attr in methods for node in ast.walk(function)
        )
    ]


def prove(desk: Desk, step_up: StepUp) -> StepUp:
    stepup.prove_with_totp(step_up.pk, desk.ada, desk.code(desk.ada))
    return step_up


def consume(desk: Desk, step_up: StepUp, row: StagedVersion) -> None:
    with transaction.atomic():
        stepup.consume(step_up.pk, desk.ada, Action.APPROVE, [row])
