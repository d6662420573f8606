"""A small organisation with a real (sandbox) registry, for tests of what crosses the wire."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from approvals.decisions.carrying_out import execute, outcomes
from approvals.decisions.deciding.decide import decide
from approvals.decisions.models import Action, Decision, DecisionItem
from approvals.inspection import requests as inspection_requests
from approvals.inspection.inspecting import inspect
from approvals.people import first_run
from approvals.people.models import SealedTOTPDevice, User
from approvals.queue import live
from approvals.queue.models import Registry, StagedVersion
from approvals.queue.registries import add_registry
from approvals.queue.sync import PollResult, poll
from registry_client.client import RegistryClient
from registry_client.errors import NotFound
from registry_client.sandbox.server import SandboxRegistry
from registry_client.versions import PLACEHOLDER_VERSION
from tests.approvals.codes import code_now, enrol
from tests.approvals.factories import make_account, make_user
from tests.approvals.seen import seen
from tests.packages import publish_document

SESSION = "5" * 64


@pytest.fixture(autouse=True)
def _set_up_long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has answered for a while: nothing asks for the first run any more."""
    monkeypatch.setattr(first_run, "_is_over", True)


@dataclass
class House:
    """Everything between a staged version and its being live, each step on demand."""

    sandbox: SandboxRegistry
    registry: Registry

    def person(self, name: str) -> User:
        """An approver with an authenticator app and a linked account of the same name."""
        user = make_user(name)
        enrol(user)
        token = self.sandbox.create_user(name)
        make_account(user, self.registry, token=token)
        return user

    def publish(self, name: str, version: str, *, by: str = "ci", **more: object) -> None:
        self.sandbox.publish(publish_document(name, version, **more), by=by)  # type: ignore[arg-type]  # passed on as it came

    def stage(self, name: str, version: str, *, by: str = "ci", **more: object) -> str:
        """Stages at the registry and returns the stage id; nobody here knows of it yet."""
        document = publish_document(name, version, **more)  # type: ignore[arg-type]  # passed on as it came
        return self.sandbox.stage(document, by=by)

    def poll(self) -> PollResult:
        result = poll(self.registry)
        assert result is not None
        return result

    def inspect(self) -> None:
        inspection_requests.request_missing()
        while request := inspection_requests.claim_due():
            inspect(request)

    def ready(self, name: str = "left-pad", version: str = "1.5.0") -> StagedVersion:
        """A staged version that was found and inspected."""
        stage_id = self.stage(name, version)
        for user in User.objects.all():
            self.sandbox.grant(name, user.username)
        self.poll()
        self.inspect()
        return StagedVersion.objects.get(stage_id=stage_id)

    def code(self, user: User) -> str:
        """A code of this person's app that was not used yet."""
        SealedTOTPDevice.objects.filter(user=user).update(last_t=-1, throttling_failure_count=0)
        return code_now(user)

    def decide(
        self,
        user: User,
        row: StagedVersion,
        action: Action = Action.APPROVE,
        *,
        registry_code: str = "",
        reason: str = "",
    ) -> DecisionItem:
        return self.decide_all(
            user, [row], action, registry_code=registry_code, reason=reason
        ).items.get()

    def decide_all(
        self,
        user: User,
        rows: Sequence[StagedVersion],
        action: Action = Action.APPROVE,
        *,
        registry_code: str = "",
        reason: str = "",
    ) -> Decision:
        """What the confirmation page of these versions sends."""
        return decide(
            user=user,
            session=SESSION,
            action=action,
            staged_versions=rows,
            seen=seen(action, rows, user),
            code=self.code(user),
            registry_code=registry_code,
            reason=reason or ("not now" if action == Action.REJECT else ""),
        )

    def work(self, *, until_due: timedelta = timedelta(0)) -> None:
        """What a worker does with everything that is due, or will be by then."""
        if until_due:
            DecisionItem.objects.filter(due_at__lte=timezone.now() + until_due).update(
                due_at=timezone.now()
            )
            StagedVersion.objects.filter(live_check_at__lte=timezone.now() + until_due).update(
                live_check_at=timezone.now()
            )
        while item := execute.claim_due():
            with contextlib.suppress(outcomes.LeaseLost):
                execute.carry_out(item)
        live.watch_due()

    def approvals_sent(self) -> int:
        return len(
            [
                call
                for call in self.sandbox.control.calls(method="POST", prefix="/-/stage/")
                if call.path.endswith("/approve")
            ]
        )

    def published(self, name: str) -> set[str]:
        """What anybody can install now, the registry's placeholder aside."""
        with RegistryClient(self.sandbox.url) as client:
            try:
                return set(client.packument(name).versions) - {PLACEHOLDER_VERSION}
            except NotFound:
                return set()


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[SandboxRegistry]:
    with SandboxRegistry(tmp_path / "sandbox", otp="single-use") as registry:
        yield registry


@pytest.fixture
def house(sandbox: SandboxRegistry, db: None) -> House:
    sandbox.create_user("ci")
    registry = add_registry(
        actor=None,
        name="sandbox",
        url=sandbox.url,
        read_token=sandbox.token("ci", "read-only"),
        is_sandbox=True,
    )
    sandbox.control.reset()
    return House(sandbox, registry)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registry clients try again at once instead of waiting between their tries."""
    defaults = RegistryClient.__init__.__kwdefaults__
    assert defaults
    monkeypatch.setitem(defaults, "sleep", lambda seconds: None)
