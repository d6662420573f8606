"""Whoever changes a decision in the database gets no call to the registry for it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch
from uuid import uuid4

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone
from pytest_django import Settings

from approvals.audit.models import AuditEvent
from approvals.audit.record import record
from approvals.decisions.carrying_out import execute, outcomes, steering
from approvals.decisions.deciding.decide import decide
from approvals.decisions.deciding.stepup import open_step_up, sealed_proof
from approvals.decisions.models import (
    Action,
    Attempt,
    Decision,
    DecisionItem,
    ItemState,
    RegistryProof,
    StepUp,
    Vote,
)
from approvals.decisions.voting.withdraw import withdraw
from approvals.people.accounts import link_account, unlink_account
from approvals.people.models import RegistryAccount, Scope, User
from approvals.queue.models import Registry, StagedVersion, State
from approvals.sealing import reseal, seal
from registry_client.client import RegistryClient
from registry_client.sandbox.server import SandboxRegistry
from tests.approvals.conftest import SESSION, House
from tests.approvals.demands import wanting
from tests.approvals.factories import make_policies, make_registry
from tests.approvals.seen import seen, sight

pytestmark = pytest.mark.usefixtures("no_pauses")


@dataclass
class Scene:
    """Ada decided, no worker has looked yet; grace and another version are there to be abused."""

    house: House
    item: DecisionItem
    other: StagedVersion
    grace: User

    @property
    def decision(self) -> Decision:
        return self.item.decision

    @property
    def step_up(self) -> StepUp:
        return self.item.decision.step_up


@pytest.fixture
def scene(house: House) -> Scene:
    ada, grace = house.person("ada"), house.person("grace")
    other = house.ready("right-pad", "2.0.0")
    row = house.ready("left-pad", "1.5.0")
    item = house.decide(ada, row, registry_code=house.sandbox.code("ada"))
    house.sandbox.control.reset()
    return Scene(house, item, other, grace)


def change(what: type[StepUp | Decision | DecisionItem], **values: object) -> None:
    assert what._default_manager.update(**values) == 1
    if what is StepUp:
        # As if whoever did it had the sealing keys too: the other checks must hold without them.
        StepUp.objects.update(sealed_proof=sealed_proof(StepUp.objects.get()))


def forge(**values: object) -> None:
    """What somebody can do who writes to the database and has no key."""
    assert StepUp.objects.update(**values) == 1


def lend_seal(scene: Scene) -> None:
    """The seal of a step-up that the same person really proved, for something else."""
    other = open_step_up(
        scene.decision.user,
        Action.APPROVE,
        [scene.other],
        session=SESSION,
        sight=sight(scene.other),
    )
    other.proved_at, other.method = scene.step_up.proved_at, "totp"
    seal = sealed_proof(other)
    StepUp.objects.filter(pk=scene.step_up.pk).update(sealed_proof=seal)


def decided_earlier(scene: Scene, seconds: int) -> None:
    proved_at = scene.decision.made_at - timedelta(seconds=seconds)
    change(StepUp, proved_at=proved_at, consumed_at=proved_at)


def grow(scene: Scene) -> None:
    DecisionItem.objects.create(
        decision=scene.decision,
        staged_version=scene.other,
        stage_id=scene.other.stage_id,
        sha1=scene.other.shasum,
        sha512=scene.other.sha512,
    )
    StagedVersion.objects.filter(pk=scene.other.pk).update(state=State.APPROVING)


def fresh_step_up(scene: Scene, **values: object) -> StepUp:
    step_up = open_step_up(
        scene.decision.user,
        Action.APPROVE,
        [scene.other],
        session=SESSION,
        sight=sight(scene.other),
    )
    return StepUp.objects.filter(pk=step_up.pk).update(**values) and step_up  # type: ignore[return-value]  # one row


def account_of(user: User) -> RegistryAccount:
    return RegistryAccount.objects.get(user=user)


TAMPERING: dict[str, Callable[[Scene], object]] = {
    "step-up without a seal": lambda s: forge(sealed_proof=""),
    "step-up with a seal of nonsense": lambda s: forge(sealed_proof="nonsense"),
    "step-up proved a second earlier": lambda s: forge(
        proved_at=s.step_up.proved_at - timedelta(seconds=1)  # type: ignore[operator]  # it was proved
    ),
    "step-up by another method": lambda s: forge(method="passkey"),
    "step-up with another one's seal": lend_seal,
    "step-up not consumed": lambda s: change(StepUp, consumed_at=None),
    "step-up never proved": lambda s: change(StepUp, consumed_at=None, proved_at=None),
    "step-up proved too early": lambda s: decided_earlier(s, 121),
    "step-up proved long ago, consumed now": lambda s: change(
        StepUp, proved_at=s.decision.made_at - timedelta(hours=1)
    ),
    "step-up proved after the decision": lambda s: decided_earlier(s, -1),
    "step-up consumed much later": lambda s: change(
        StepUp, consumed_at=s.decision.made_at + timedelta(hours=1)
    ),
    "step-up of somebody else": lambda s: change(StepUp, user=s.grace),
    "step-up for the other action": lambda s: change(StepUp, action=Action.REJECT),
    "step-up of another decision": lambda s: change(StepUp, consumed_for=str(uuid4())),
    "step-up of a vote": lambda s: change(StepUp, consumed_for="vote"),
    "step-up said to be of another decision": lambda s: forge(consumed_for=str(uuid4())),
    "step-up for something else": lambda s: change(StepUp, binding="0" * 64),
    "decision of somebody else": lambda s: change(Decision, user=s.grace),
    "decision and step-up of somebody else": lambda s: (
        change(Decision, user=s.grace),
        change(StepUp, user=s.grace),
    ),
    "wholly somebody else's, by one who has no key": lambda s: (
        change(Decision, user=s.grace, account=account_of(s.grace)),
        forge(user=s.grace),
    ),
    "decision to do the opposite": lambda s: change(
        Decision, action=Action.REJECT, reason="for no good reason"
    ),
    "decision and step-up to do the opposite": lambda s: (
        change(Decision, action=Action.REJECT, reason="for no good reason"),
        change(StepUp, action=Action.REJECT),
    ),
    "decision made much later": lambda s: change(
        Decision, made_at=s.decision.made_at + timedelta(hours=1)
    ),
    "decision with somebody else's account": lambda s: change(
        Decision, account=account_of(s.grace)
    ),
    "decision on another step-up": lambda s: Decision.objects.update(
        step_up=fresh_step_up(
            s, proved_at=s.decision.made_at, consumed_at=s.decision.made_at, method="totp"
        )
    ),
    "item for another stage id": lambda s: change(DecisionItem, stage_id=s.other.stage_id),
    "item for another staged version": lambda s: change(DecisionItem, staged_version=s.other),
    "item wholly for another staged version": lambda s: change(
        DecisionItem,
        staged_version=s.other,
        stage_id=s.other.stage_id,
        sha1=s.other.shasum,
        sha512=s.other.sha512,
    ),
    "item for another SHA-1": lambda s: change(DecisionItem, sha1="0" * 40),
    "item for another SHA-512": lambda s: change(DecisionItem, sha512="0" * 128),
    "one more item": grow,
    "another SHA-512 was inspected since": lambda s: StagedVersion.objects.update(sha512="0" * 128),
    "another SHA-1 was found": lambda s: StagedVersion.objects.update(shasum="0" * 40),
    "another dist-tag was found": lambda s: StagedVersion.objects.update(tag="next"),
    "another version was found": lambda s: StagedVersion.objects.update(version="9.9.9"),
    "the role was taken away": lambda s: User.objects.update(role="viewer"),
    "the person was shut out": lambda s: User.objects.update(is_active=False),
}


@pytest.mark.parametrize("tampering", TAMPERING.values(), ids=TAMPERING)
def test_no_call_leaves_for_a_decision_that_was_tampered_with(
    scene: Scene, tampering: Callable[[Scene], object]
) -> None:
    tampering(scene)
    scene.house.work()
    assert calls_that_decide(scene.house.sandbox) == []
    assert scene.house.published("left-pad") == scene.house.published("right-pad") == set()
    assert scene.house.poll().waiting == 2
    scene.item.refresh_from_db()
    assert scene.item.state == ItemState.FAILED
    assert scene.item.outcome


def test_untouched_it_goes_out(scene: Scene) -> None:
    """Or else the test above would prove nothing."""
    scene.house.work()
    assert len(calls_that_decide(scene.house.sandbox)) == 1
    assert scene.house.published("left-pad") == {"1.5.0"}


def test_the_database_refuses_a_consumed_step_up_that_was_never_proved(scene: Scene) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        StepUp.objects.update(proved_at=None)


class TestChangedAddress:
    @pytest.fixture
    def elsewhere(self, tmp_path: Path) -> Iterator[SandboxRegistry]:
        """A registry that belongs to whoever changed the database."""
        with SandboxRegistry(tmp_path / "elsewhere", otp="none") as registry:
            yield registry

    def test_the_persons_token_is_not_sent_there(
        self, scene: Scene, elsewhere: SandboxRegistry
    ) -> None:
        Registry.objects.update(url=f"{elsewhere.url}/")
        scene.house.work()
        assert elsewhere.control.calls() == []
        scene.item.refresh_from_db()
        assert "not the one that your account was linked at" in scene.item.outcome

    def test_not_even_if_the_account_names_it_too(
        self, scene: Scene, elsewhere: SandboxRegistry
    ) -> None:
        Registry.objects.update(url=f"{elsewhere.url}/")
        RegistryAccount.objects.update(registry_url=f"{elsewhere.url}/")
        scene.house.work()
        assert elsewhere.control.calls() == []
        assert calls_that_decide(scene.house.sandbox) == []

    def test_nor_if_the_version_is_said_to_be_at_another_registry(
        self, scene: Scene, elsewhere: SandboxRegistry
    ) -> None:
        other = make_registry("elsewhere", url=f"{elsewhere.url}/")
        StagedVersion.objects.update(registry=other)
        scene.house.work()
        assert elsewhere.control.calls() == []
        assert calls_that_decide(scene.house.sandbox) == []

    def test_the_read_token_is_not_sent_there_to_find_out_about_a_lost_answer(
        self, scene: Scene, elsewhere: SandboxRegistry
    ) -> None:
        scene.house.sandbox.control.lose_answers(1)
        scene.house.work()
        Registry.objects.update(url=f"{elsewhere.url}/")
        scene.house.work(until_due=timedelta(minutes=5))
        assert elsewhere.control.calls() == []
        scene.item.refresh_from_db()
        assert scene.item.state == ItemState.CHECKING


# ---------- while the registry is asked, before it is called


def relink(scene: Scene, token: str, username: str = "ada") -> None:
    url = scene.item.staged_version.registry.url
    with patch("approvals.people.accounts._whose", return_value=(username, False)):
        link_account(scene.decision.user, registry_url=url, token=token)


MEANWHILE: dict[str, Callable[[Scene], object]] = {
    "demoted": lambda s: User.objects.filter(pk=s.decision.user_id).update(role="viewer"),
    "removed": lambda s: User.objects.filter(pk=s.decision.user_id).update(is_active=False),
    "let at other packages only": lambda s: Scope.objects.create(
        user=s.decision.user, packages="right-*"
    ),
    "unlinked": lambda s: unlink_account(account_of(s.decision.user), actor=None),
    "linked to another token": lambda s: relink(s, "another-token"),
    "linked to another account": lambda s: relink(s, "another-token", "mallory"),
    "the decision ended": lambda s: DecisionItem.objects.filter(pk=s.item.pk).update(
        state=ItemState.FAILED
    ),
}


@pytest.mark.parametrize("meanwhile", MEANWHILE.values(), ids=MEANWHILE)
def test_no_call_leaves_for_what_changed_while_the_registry_was_asked(
    scene: Scene, meanwhile: Callable[[Scene], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = RegistryClient.staged_version

    def slow(client: RegistryClient, stage_id: str) -> object:
        staged = asked(client, stage_id)
        meanwhile(scene)
        return staged

    monkeypatch.setattr(RegistryClient, "staged_version", slow)
    scene.house.work()
    assert calls_that_decide(scene.house.sandbox) == []
    scene.item.refresh_from_db()
    assert scene.item.state == ItemState.FAILED
    assert not Attempt.objects.exists()


@pytest.mark.parametrize("username", ["ada", "mallory"])
def test_an_account_that_was_linked_anew_after_the_decision_does_not_carry_it_out(
    scene: Scene, username: str
) -> None:
    token = scene.house.sandbox.token("ada")
    relink(scene, token, username)
    scene.house.work()
    assert calls_that_decide(scene.house.sandbox) == []
    scene.item.refresh_from_db()
    assert "linked anew after you confirmed" in scene.item.outcome
    assert "decide again" in scene.item.outcome


def test_rotating_the_sealing_keys_stops_no_decision(scene: Scene, settings: Settings) -> None:
    settings.SEALING_KEYS = ["b" * 43 + "=", *settings.SEALING_KEYS]
    for account in RegistryAccount.objects.all():
        RegistryAccount.objects.filter(pk=account.pk).update(
            sealed_token=reseal(account.sealed_token)
        )
    scene.house.work()
    assert len(calls_that_decide(scene.house.sandbox)) == 1


def ended_by_calling_off(scene: Scene) -> None:
    RegistryProof.objects.all().delete()
    scene.house.work()
    scene.item.refresh_from_db()
    assert steering.call_off(scene.item.decision, user=scene.decision.user) == 1


def ended_by_failing(scene: Scene) -> None:
    claimed = execute.claim_due()
    assert claimed
    outcomes.refused(claimed, "The registry refused.")


@pytest.mark.parametrize("end", [ended_by_calling_off, ended_by_failing])
def test_nobody_revives_a_decision_that_ended(scene: Scene, end: Callable[[Scene], None]) -> None:
    end(scene)
    scene.house.sandbox.control.reset()
    DecisionItem.objects.update(state=ItemState.WAITING, due_at=scene.decision.made_at)
    Decision.objects.update(called_off_at=None, called_off_by=None)
    StagedVersion.objects.filter(pk=scene.item.staged_version_id).update(state=State.APPROVING)
    scene.house.work()
    assert calls_that_decide(scene.house.sandbox) == []
    scene.item.refresh_from_db()
    assert scene.item.state == ItemState.FAILED
    assert "had ended before" in scene.item.outcome


def test_what_was_decided_before_an_update_says_so(scene: Scene) -> None:
    step_up = scene.step_up
    before = seal('[1, "approve", "0000"]', bound_to=f"step-up {step_up.pk}")
    StepUp.objects.filter(pk=step_up.pk).update(sealed_proof=before)
    scene.house.work()
    assert calls_that_decide(scene.house.sandbox) == []
    scene.item.refresh_from_db()
    assert "decided before Countersign was updated" in scene.item.outcome


def calls_that_decide(sandbox: SandboxRegistry) -> list[str]:
    return [
        f"{call.method} {call.path}"
        for call in sandbox.control.calls(prefix="/-/stage/")
        if call.method in {"POST", "DELETE"}
    ]


# ---------- decisions that nobody made


def forge_decision(step_up: StepUp, row: StagedVersion) -> DecisionItem:
    """What somebody writes who has no key: a decision that rests on a proof for something else."""
    decision = Decision.objects.create(
        user=step_up.user,
        action=step_up.action,
        reason=step_up.reason,
        made_at=step_up.consumed_at,
        step_up=step_up,
        account=account_of(step_up.user),
    )
    StagedVersion.objects.filter(pk=row.pk).update(state=State.APPROVING)
    return DecisionItem.objects.create(
        decision=decision,
        staged_version=row,
        stage_id=row.stage_id,
        sha1=row.shasum,
        sha512=row.sha512,
        due_at=timezone.now(),
    )


def begin_in_the_log(item: DecisionItem) -> None:
    with transaction.atomic():
        record(
            "staged_version.approving",
            actor=item.decision.user,
            stage_id=item.stage_id,
            decision=str(item.decision_id),
            step_up=str(item.decision.step_up_id),
        )


@pytest.mark.parametrize("even_in_the_log", [False, True])
@pytest.mark.parametrize("taken_back", [False, True])
def test_a_vote_is_made_no_decision_by_who_writes_to_the_database(
    house: House, taken_back: bool, even_in_the_log: bool
) -> None:
    ada = house.person("ada")
    house.person("grace")
    row = StagedVersion.objects.with_package().get(pk=house.ready().pk)
    make_policies(wanting("2 of anyone"))
    voted = decide(
        user=ada,
        session=SESSION,
        action=Action.APPROVE,
        staged_versions=[row],
        seen=seen(Action.APPROVE, [row], ada),
        code=house.code(ada),
    )
    assert voted is None
    if taken_back:
        withdraw(ada, [row])
    item = forge_decision(Vote.objects.get().step_up, row)
    if even_in_the_log:
        begin_in_the_log(item)
    house.work()
    assert calls_that_decide(house.sandbox) == []
    item.refresh_from_db()
    assert item.state == ItemState.FAILED
    assert "does not rest on a proof of presence" in item.outcome


def test_a_decision_that_is_over_does_not_come_back_under_another_name(scene: Scene) -> None:
    row, step_up = scene.item.staged_version, scene.step_up
    steering.call_off(scene.decision, user=scene.decision.user)
    DecisionItem.objects.all().delete()
    Vote.objects.update(decision=None)
    Decision.objects.all().delete()
    item = forge_decision(step_up, row)
    # As if whoever did it could write into the audit log, too.
    begin_in_the_log(item)
    scene.house.work()
    assert calls_that_decide(scene.house.sandbox) == []
    item.refresh_from_db()
    assert item.state == ItemState.FAILED
    assert "does not rest on a proof of presence" in item.outcome


def test_an_event_that_was_only_written_into_the_log_begins_nothing(scene: Scene) -> None:
    AuditEvent.objects.filter(kind="staged_version.approving").update(hash="0" * 64)
    scene.house.work()
    assert calls_that_decide(scene.house.sandbox) == []
