"""A step-up is worth nothing for anybody or anything else, later, or twice."""

import ast
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from approvals.audit.models import AuditEvent
from approvals.decisions.deciding import stepup
from approvals.decisions.deciding.decide import (
    DecisionRefused,
    PresenceNotProved,
    SawSomethingElse,
    open_intent,
)
from approvals.decisions.models import Action, Decision, DecisionItem, StepUp
from approvals.inspection.models import Inspection
from approvals.people import factors, recovery_codes
from approvals.people.accounts import link_account
from approvals.people.models import RegistryAccount, Scope, SealedTOTPDevice, User
from approvals.queue.models import Registry, StagedVersion, State
from approvals.sealing import reseal
from tests.approvals.codes import code_now, wrong_code
from tests.approvals.conftest import SESSION
from tests.approvals.decisions.conftest import Desk
from tests.approvals.seen import seen, sight


def assert_nothing_was_decided(desk: Desk) -> None:
    desk.row.refresh_from_db()
    assert desk.row.state == State.STAGED
    assert not Decision.objects.exists()
    assert not StepUp.objects.filter(consumed_at__isnull=False).exists()
    assert not AuditEvent.objects.filter(kind__startswith="staged_version").exists()


PROVE = {
    "code": lambda desk, step_up: stepup.prove_with_code(step_up, desk.code(step_up.user)),
    "passkey": lambda desk, step_up: stepup.prove_with_passkey(step_up, desk.touch(step_up)),
}


@pytest.mark.parametrize("method", ["totp", "passkey"])
def test_it_is_consumed_by_the_decision_it_was_opened_for(desk: Desk, method: str) -> None:
    decision = desk.by_passkey(desk.open()) if method == "passkey" else desk.decide()
    step_up = decision.step_up
    assert step_up.method == method
    assert step_up.proved_at is not None
    assert step_up.consumed_at is not None
    assert step_up.opened_at <= step_up.proved_at <= step_up.consumed_at == decision.made_at
    assert StepUp.objects.count() == 1


def test_it_says_what_was_decided_why_and_what_held(desk: Desk) -> None:
    row = desk.row
    step_up = desk.decide(action=Action.REJECT, reason="wrong tag").step_up
    subject = [row.registry.url, str(row.stage_id), row.shasum, row.sha512]
    assert (step_up.subjects, step_up.reason) == ([subject], "wrong tag")
    # Whoever rejects keeps it from going out: nothing that is new speaks against that.
    assert step_up.sight == []
    assert (step_up.session, len(step_up.challenge)) == (SESSION, 64)


def test_it_says_what_whoever_approves_had_before_their_eyes(desk: Desk) -> None:
    expected = sight(desk.row)
    decision = desk.decide()
    assert decision.step_up.sight == expected


def test_each_intent_asks_for_another_signature(desk: Desk) -> None:
    assert desk.open().challenge != desk.open().challenge


# ---------- swapped: a proof for one thing is worth nothing for another


def test_it_is_nobody_elses(desk: Desk) -> None:
    grace = desk.person("grace")
    step_up = desk.open()
    touch = desk.touch(step_up)
    with pytest.raises(PresenceNotProved, match="not yours"):
        desk.decide(user=grace, intent=step_up.pk, assertion=touch)
    assert_nothing_was_decided(desk)


def test_somebody_elses_touch_proves_nothing(desk: Desk) -> None:
    grace = desk.person("grace")
    desk.passkey(desk.ada)
    step_up = desk.open()
    with pytest.raises(PresenceNotProved):
        desk.decide(intent=step_up.pk, assertion=desk.touch(step_up, by=grace))
    assert_nothing_was_decided(desk)


def test_it_is_for_no_other_session(desk: Desk) -> None:
    step_up = desk.open()
    touch = desk.touch(step_up)
    with pytest.raises(PresenceNotProved, match="not yours"):
        desk.decide(intent=step_up.pk, assertion=touch, session="6" * 64)
    assert_nothing_was_decided(desk)
    assert desk.decide(intent=step_up.pk, assertion=touch)


@pytest.mark.parametrize("proof", ["code", "assertion"])
def test_without_a_session_nothing_is_proved(desk: Desk, proof: str) -> None:
    with pytest.raises(PresenceNotProved, match="Sign in again"):
        desk.decide(session="", **{proof: "123456"})
    with pytest.raises(PresenceNotProved, match="Sign in again"):
        desk.open(session="")
    assert not StepUp.objects.exists()


@pytest.mark.parametrize(
    ("opened", "decided"), [(Action.APPROVE, Action.REJECT), (Action.REJECT, Action.APPROVE)]
)
def test_it_is_for_no_other_action(desk: Desk, opened: Action, decided: Action) -> None:
    step_up = desk.open(opened, reason="because")
    with pytest.raises(PresenceNotProved, match="not what would be decided"):
        desk.by_passkey(step_up, action=decided, reason="because")
    assert_nothing_was_decided(desk)


def test_it_is_for_no_other_reason(desk: Desk) -> None:
    step_up = desk.open(Action.REJECT, reason="wrong dist-tag")
    with pytest.raises(PresenceNotProved, match="not what would be decided"):
        desk.by_passkey(step_up, action=Action.REJECT, reason="it is malware")
    assert_nothing_was_decided(desk)


def test_it_is_for_no_other_staged_version(desk: Desk) -> None:
    other = desk.version("right-pad")
    for opened, decided in (
        ([desk.row], [other]),
        ([desk.row], [desk.row, other]),
        ([desk.row, other], [desk.row]),
    ):
        with pytest.raises(PresenceNotProved, match="not what would be decided"):
            desk.by_passkey(desk.open(Action.APPROVE, *opened), staged_versions=decided)
    assert_nothing_was_decided(desk)


def test_one_intents_signature_is_worth_nothing_for_another(desk: Desk) -> None:
    """Two tabs: each has its own."""
    first, second = desk.open(), desk.open()
    with pytest.raises(PresenceNotProved):
        desk.decide(intent=second.pk, assertion=desk.touch(first))
    assert_nothing_was_decided(desk)
    assert desk.by_passkey(second).step_up_id == second.pk


@pytest.mark.parametrize("proof", ["code", "touch"])
@pytest.mark.parametrize("field", ["shasum", "sha512"])
def test_it_is_for_no_other_digest(desk: Desk, field: str, proof: str) -> None:
    shown, step_up = seen(Action.APPROVE, [desk.row], desk.ada), desk.open()
    given = (
        {"code": desk.code(desk.ada)}
        if proof == "code"
        else {"intent": step_up.pk, "assertion": desk.touch(step_up)}
    )
    # As if another tarball had been compared meanwhile, and matched.
    digest = "0" * {"shasum": 40, "sha512": 128}[field]
    Inspection.objects.update(**{"staged_sha1" if field == "shasum" else "staged_sha512": digest})
    StagedVersion.objects.update(**{field: digest})
    rows = list(StagedVersion.objects.with_package())
    with pytest.raises(SawSomethingElse, match="something changed since"):
        desk.decide(staged_versions=rows, seen=shown, **given)
    # A page that says it saw the new one does not help what was opened for the old one.
    if proof == "touch":
        with pytest.raises(PresenceNotProved, match="not what would be decided"):
            desk.decide(staged_versions=rows, **given)
    # The row as a page still has it in hand does not help either.
    with pytest.raises(DecisionRefused):
        desk.decide(**given)
    assert_nothing_was_decided(desk)


def test_it_is_for_no_other_registry(desk: Desk) -> None:
    step_up = desk.open()
    PROVE["code"](desk, step_up)
    Registry.objects.update(url="https://elsewhere.registry.example.org/")
    row = StagedVersion.objects.with_package().get()
    with pytest.raises(stepup.StepUpRefused):
        consume(desk, step_up, row)


def test_it_does_not_matter_in_which_order_the_versions_are_named(desk: Desk) -> None:
    other = desk.version("right-pad")
    step_up = desk.open(Action.APPROVE, other, desk.row)
    decision = desk.by_passkey(step_up, staged_versions=[desk.row, other])
    assert decision.items.count() == 2


# ---------- seen


@pytest.mark.parametrize("seen", ["", "0" * 64, "ä"])
def test_who_saw_something_else_decides_nothing_and_keeps_the_code(desk: Desk, seen: str) -> None:
    code = desk.code(desk.ada)
    with pytest.raises(SawSomethingElse, match="Your code was not used"):
        desk.decide(seen=seen, code=code)
    with pytest.raises(SawSomethingElse):
        open_intent(
            user=desk.ada,
            session=SESSION,
            action=Action.APPROVE,
            staged_versions=[desk.row],
            seen=seen,
        )
    assert not StepUp.objects.exists()
    assert desk.decide(code=code)


# ---------- expired


def aged(step_up: StepUp, seconds: int) -> StepUp:
    """As it would be, had it been opened so many seconds earlier."""
    step_up.opened_at -= timedelta(seconds=seconds)
    step_up.sealed_proof = stepup.sealed_proof(step_up)
    step_up.save()
    return step_up


def test_120_seconds_are_the_most(desk: Desk) -> None:
    assert settings.STEP_UP_SECONDS == 120


def test_an_expired_intent_is_refused_before_its_touch_counts(desk: Desk) -> None:
    step_up = aged(desk.open(), settings.STEP_UP_SECONDS + 1)
    with pytest.raises(PresenceNotProved, match="120 seconds ago"):
        desk.by_passkey(step_up)
    assert_nothing_was_decided(desk)
    assert not StepUp.objects.filter(proved_at__isnull=False).exists()


def test_what_is_not_made_young_again(desk: Desk) -> None:
    step_up = aged(desk.open(), settings.STEP_UP_SECONDS + 1)
    StepUp.objects.update(opened_at=timezone.now())
    with pytest.raises(PresenceNotProved, match="not yours"):
        desk.by_passkey(step_up)
    assert_nothing_was_decided(desk)


@pytest.mark.parametrize("method", PROVE)
def test_the_seconds_count_from_the_intent_and_not_from_the_proof(desk: Desk, method: str) -> None:
    step_up = aged(desk.open(), settings.STEP_UP_SECONDS - 60)
    PROVE[method](desk, step_up)
    aged(StepUp.objects.get(), 61)
    with pytest.raises(stepup.StepUpRefused, match="too old"):
        consume(desk, step_up, desk.row)
    assert_nothing_was_decided(desk)


# ---------- changed in between


MEANWHILE: dict[str, Callable[[User], object]] = {
    "demoted": lambda ada: User.objects.update(role="viewer"),
    "removed": lambda ada: User.objects.update(is_active=False),
    "let at other packages only": lambda ada: Scope.objects.create(user=ada, packages="right-*"),
    "account unlinked": lambda ada: RegistryAccount.objects.all().delete(),
    "passkeys taken away": lambda ada: Authenticator.objects.all().delete(),
}


@pytest.mark.parametrize("meanwhile", MEANWHILE.values(), ids=MEANWHILE)
def test_what_happens_to_the_person_after_the_touch_counts(
    desk: Desk, meanwhile: Callable[[User], object]
) -> None:
    step_up = desk.open()
    touch = desk.touch(step_up)
    meanwhile(desk.ada)
    # The request has read its person before.
    with pytest.raises(DecisionRefused):
        desk.decide(intent=step_up.pk, assertion=touch)
    ada = User.objects.get(pk=desk.ada.pk)
    with pytest.raises(DecisionRefused):
        desk.decide(user=ada, intent=step_up.pk, assertion=touch)
    assert_nothing_was_decided(desk)


def relink(user: User, *, username: str = "ada") -> None:
    """As the page of registry accounts does it, in whichever browser."""
    account = RegistryAccount.objects.get(user=user)
    with patch("approvals.people.accounts._whose", return_value=(username, False)):
        link_account(user, registry_url=account.registry_url, token="another-token")


def test_another_registry_account_than_the_one_confirmed_decides_nothing(
    desk: Desk,
) -> None:
    step_up = desk.open()
    touch = desk.touch(step_up)
    relink(desk.ada, username="mallory")
    with pytest.raises(PresenceNotProved, match=r"linked anew since.*confirm once more"):
        desk.decide(intent=step_up.pk, assertion=touch)
    assert_nothing_was_decided(desk)
    assert desk.by_passkey(desk.open())


def test_another_token_of_the_same_account_decides_nothing_either(desk: Desk) -> None:
    step_up = desk.open()
    touch = desk.touch(step_up)
    relink(desk.ada)
    with pytest.raises(PresenceNotProved, match="linked anew"):
        desk.decide(intent=step_up.pk, assertion=touch)
    assert_nothing_was_decided(desk)


def test_rotating_the_sealing_keys_takes_no_confirmation_away(
    desk: Desk, settings: Settings
) -> None:
    step_up = desk.open()
    touch = desk.touch(step_up)
    settings.SEALING_KEYS = ["b" * 43 + "=", *settings.SEALING_KEYS]
    account = RegistryAccount.objects.get()
    account.sealed_token = reseal(account.sealed_token)
    account.save()
    assert desk.decide(intent=step_up.pk, assertion=touch)


def test_a_token_that_cannot_be_opened_decides_nothing_and_says_what_to_do(desk: Desk) -> None:
    RegistryAccount.objects.update(sealed_token="nonsense")
    with pytest.raises(PresenceNotProved, match="Link the account again"):
        desk.open()
    assert_nothing_was_decided(desk)


def test_nobody_fills_the_table_with_intents_nor_keeps_the_person_from_deciding(
    desk: Desk,
) -> None:
    """As whoever holds a stolen cookie would, in the person's own session."""
    for _ in range(stepup.MOST_OPEN + 5):
        desk.open()
    assert StepUp.objects.count() == stepup.MOST_OPEN
    assert desk.by_passkey(desk.open())
    assert StepUp.objects.count() == stepup.MOST_OPEN


def test_another_session_takes_no_intent_away(desk: Desk) -> None:
    step_up = desk.open()
    for _ in range(stepup.MOST_OPEN + 5):
        desk.open(session="6" * 64)
    assert desk.by_passkey(step_up)


# ---------- replayed


@pytest.mark.parametrize("again", ["touch", "new touch"])
def test_it_counts_once(desk: Desk, again: str) -> None:
    step_up = desk.open()
    touch = desk.touch(step_up)
    desk.decide(intent=step_up.pk, assertion=touch)
    # The registry refused, and the version waits again.
    DecisionItem.objects.update(state="failed")
    StagedVersion.objects.update(state=State.STAGED)
    second = touch if again == "touch" else desk.touch(step_up)
    with pytest.raises(PresenceNotProved, match="used already"):
        desk.decide(intent=step_up.pk, assertion=second)
    with pytest.raises(stepup.StepUpRefused):
        consume(desk, step_up, desk.row)
    assert Decision.objects.count() == 1


def test_a_proof_without_a_decision_is_not_left_for_the_next_one(desk: Desk) -> None:
    step_up = desk.open()
    PROVE["passkey"](desk, step_up)
    with pytest.raises(PresenceNotProved, match="used already"):
        desk.by_passkey(step_up)
    assert_nothing_was_decided(desk)


def test_an_unproved_one_is_worth_nothing(desk: Desk) -> None:
    with pytest.raises(stepup.StepUpRefused):
        consume(desk, desk.open(), desk.row)


@pytest.mark.parametrize(
    "intent", ["", "1", "not-a-uuid", "' OR 1=1 --", "\x00", str(uuid.UUID(int=7))]
)
def test_an_invented_one_is_a_sentence(desk: Desk, intent: str) -> None:
    touch = desk.touch(desk.open())
    with pytest.raises(PresenceNotProved, match="is gone"):
        desk.decide(intent=intent, assertion=touch)
    assert_nothing_was_decided(desk)


@pytest.mark.parametrize("assertion", ["{}", "[]", "nonsense", "\x00", '{"id": 1}', "{" * 5000])
def test_what_is_no_signature_is_refused(desk: Desk, assertion: str) -> None:
    desk.passkey(desk.ada)
    with pytest.raises(PresenceNotProved):
        desk.decide(intent=desk.open().pk, assertion=assertion)
    assert_nothing_was_decided(desk)


# ---------- written into the database

FORGERIES: dict[str, dict[str, object]] = {
    "another action": {"action": Action.REJECT},
    "another binding": {"binding": "0" * 64},
    "other subjects": {"subjects": []},
    "another reason": {"reason": "another one"},
    "another policy": {"sight": ["nothing"]},
    "another session": {"session": "6" * 64},
    "another account": {"account_mark": "0" * 64},
    "another challenge": {"challenge": "0" * 64},
    "opened later": {"opened_at": timezone.now() + timedelta(seconds=30)},
    "another method": {"method": "passkey"},
    "no seal": {"sealed_proof": ""},
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_an_intent_that_was_changed_in_the_database_cannot_be_proved(
    desk: Desk, forgery: dict[str, object]
) -> None:
    desk.open()
    StepUp.objects.update(**forgery)
    step_up = StepUp.objects.get()
    with pytest.raises(stepup.StepUpRefused):
        PROVE["passkey"](desk, step_up)
    assert StepUp.objects.get().proved_at is None


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_a_proof_that_was_changed_in_the_database_decides_nothing(
    desk: Desk, forgery: dict[str, object]
) -> None:
    PROVE["code"](desk, desk.open())
    StepUp.objects.update(**forgery)
    step_up = StepUp.objects.get()
    with pytest.raises(stepup.StepUpRefused):
        consume(desk, step_up, desk.row)


def test_writing_that_it_was_proved_proves_nothing(desk: Desk) -> None:
    step_up = desk.open()
    StepUp.objects.update(proved_at=timezone.now(), method="passkey")
    with pytest.raises(stepup.StepUpRefused):
        consume(desk, step_up, desk.row)


# ---------- codes


def test_a_code_that_was_used_before_is_refused(desk: Desk) -> None:
    other = desk.version("right-pad")
    code = desk.code(desk.ada)
    desk.decide(code=code)
    with pytest.raises(PresenceNotProved, match="used before"):
        desk.decide(staged_versions=[other], code=code)
    other.refresh_from_db()
    assert other.state == State.STAGED


def test_a_code_of_an_account_step_up_decides_nothing(desk: Desk) -> None:
    code = desk.code(desk.ada)
    factors.check_code(desk.ada, code)
    with pytest.raises(PresenceNotProved, match="used before"):
        desk.decide(code=code)
    assert_nothing_was_decided(desk)


def test_a_recovery_code_decides_nothing(desk: Desk) -> None:
    code = recovery_codes.make(desk.ada)[0]
    with pytest.raises(PresenceNotProved):
        desk.decide(code=code)
    assert_nothing_was_decided(desk)
    assert factors.check_code(desk.ada, code, recovery=True) == "recovery"


def test_somebody_elses_code_is_refused(desk: Desk) -> None:
    grace = desk.person("grace")
    with pytest.raises(PresenceNotProved):
        desk.decide(code=desk.code(grace))
    assert_nothing_was_decided(desk)


def test_a_wrong_code_changes_nothing_and_makes_the_next_one_wait(desk: Desk) -> None:
    with pytest.raises(PresenceNotProved, match="wrong"):
        desk.decide(code=wrong_code(desk.ada))
    assert SealedTOTPDevice.objects.get().throttling_failure_count == 1
    with pytest.raises(PresenceNotProved, match="try again in"):
        desk.decide(code=code_now(desk.ada))
    assert_nothing_was_decided(desk)
    assert AuditEvent.objects.filter(kind="totp.refused", actor=desk.ada).count() == 1
    # Once the pause is over, it goes on.
    assert desk.decide()


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "\x00" * 6])
def test_what_is_no_code_is_refused(desk: Desk, code: str) -> None:
    with pytest.raises(PresenceNotProved):
        desk.decide(code=code)
    assert_nothing_was_decided(desk)


def test_what_led_to_nothing_is_forgotten(desk: Desk) -> None:
    kept = desk.decide().step_up
    aged(desk.open(Action.APPROVE, desk.version("right-pad")), 3700)
    assert stepup.forget_stale() == 1
    assert StepUp.objects.get() == kept


def test_the_registry_is_called_in_one_place_and_never_before_the_step_up_was_checked() -> None:
    """Promise 1, read off the source: whoever adds a second way makes this fail."""
    calls = []
    for room in ("approvals", "config"):
        for path in (settings.BASE_DIR / room).rglob("*.py"):
            calls += [(path, function) for function in callers_of({"approve", "reject"}, path)]
    execute = settings.BASE_DIR / "approvals/decisions/carrying_out/execute.py"
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


def consume(desk: Desk, step_up: StepUp, row: StagedVersion) -> None:
    with transaction.atomic():
        stepup.consume(
            step_up.pk,
            desk.ada,
            Action.APPROVE,
            [row],
            session=SESSION,
            sight=sight(row),
        )
