"""Whoever changes a decision in the database gets no call to the registry for it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import DatabaseError, transaction

from approvals.decisions.models import (
    Action,
    Decision,
    DecisionItem,
    ItemState,
    StepUp,
)
from approvals.decisions.stepup import open_step_up, sealed_proof
from approvals.people.models import RegistryAccount, User
from approvals.queue.models import Registry, StagedVersion, State
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


def calls_that_decide(sandbox: SandboxRegistry) -> list[str]:
    return [
        f"{call.method} {call.path}"
        for call in sandbox.control.calls(prefix="/-/stage/")
        if call.method in {"POST", "DELETE"}
    ]
