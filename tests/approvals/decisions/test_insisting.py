"""Whoever changes a decision in the database gets no call to the registry for it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from django.db import DatabaseError, transaction
from pytest_django import Settings

from approvals.decisions import execute, outcomes
from approvals.decisions.models import (
    Action,
    Attempt,
    Decision,
    DecisionItem,
    ItemState,
    RegistryProof,
    StepUp,
)
from approvals.decisions.stepup import open_step_up, sealed_proof
from approvals.people.accounts import link_account, unlink_account
from approvals.people.models import RegistryAccount, Scope, User
from approvals.queue.models import Registry, StagedVersion, State
from approvals.sealing import reseal, seal
from registry_client.client import RegistryClient
from registry_client.sandbox.server import SandboxRegistry
from tests.approvals.conftest import SESSION, House
from tests.approvals.factories import make_registry

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
    other = open_step_up(scene.decision.user, Action.APPROVE, [scene.other], session=SESSION)
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
    step_up = open_step_up(scene.decision.user, Action.APPROVE, [scene.other], session=SESSION)
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
    assert outcomes.call_off(scene.item, user=scene.decision.user) == 1


def ended_by_failing(scene: Scene) -> None:
    claimed = execute.claim_due()
    assert claimed
    outcomes.refused(claimed, "The registry refused.")


@pytest.mark.parametrize("end", [ended_by_calling_off, ended_by_failing])
def test_nobody_revives_a_decision_that_ended(scene: Scene, end: Callable[[Scene], None]) -> None:
    end(scene)
    scene.house.sandbox.control.reset()
    DecisionItem.objects.update(state=ItemState.WAITING, due_at=scene.decision.made_at)
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
