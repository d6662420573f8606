"""A person in front of a version that could be decided, without any registry."""

from dataclasses import dataclass, field

import pytest

from approvals.decisions.deciding import stepup
from approvals.decisions.deciding.decide import decide, open_intent
from approvals.decisions.models import Action, Decision, StepUp
from approvals.people.models import SealedTOTPDevice, User
from approvals.queue.models import Registry, StagedVersion
from tests.approvals.codes import code_now, enrol, enrol_passkey
from tests.approvals.conftest import SESSION
from tests.approvals.factories import (
    make_account,
    make_inspection,
    make_registry,
    make_staged_version,
    make_user,
)
from tests.approvals.seen import seen
from tests.webauthn import SoftAuthenticator


@dataclass
class Desk:
    """Ada, a registry, and a version that was compared and waits."""

    registry: Registry
    ada: User
    row: StagedVersion
    passkeys: dict[int, SoftAuthenticator] = field(default_factory=dict)

    def person(self, name: str) -> User:
        user = make_user(name)
        enrol(user)
        make_account(user, self.registry)
        return user

    def version(self, package: str) -> StagedVersion:
        row = make_staged_version(package, registry=self.registry)
        make_inspection(row)
        return StagedVersion.objects.with_package().get(pk=row.pk)

    def code(self, user: User) -> str:
        """A code of this person's app that counts as unused."""
        SealedTOTPDevice.objects.filter(user=user).update(
            last_t=-1, throttling_failure_count=0, throttling_failure_timestamp=None
        )
        return code_now(user)

    def open(
        self,
        action: Action = Action.APPROVE,
        *rows: StagedVersion,
        user: User | None = None,
        session: str = SESSION,
        reason: str | None = None,
    ) -> StepUp:
        """The intent that a touch of a passkey is asked for."""
        versions = rows or (self.row,)
        return open_intent(
            user=user or self.ada,
            session=session,
            action=action,
            staged_versions=versions,
            seen=seen(action, versions, user or self.ada),
            reason=_reason(action) if reason is None else reason,
        )

    def passkey(self, user: User) -> SoftAuthenticator:
        """The person's passkey, enrolled when it is first needed."""
        if user.pk not in self.passkeys:
            self.passkeys[user.pk] = enrol_passkey(user)
            # One that syncs: that it counts is not what is to stop a replay here.
            self.passkeys[user.pk].counts = False
        return self.passkeys[user.pk]

    def touch(self, step_up: StepUp, *, by: User | None = None) -> str:
        """What the person's passkey makes of what an intent asks for."""
        passkey = self.passkey(by or step_up.user)
        options = stepup.passkey_options(step_up)
        credential = passkey.credentials[0] if by else None
        return passkey.get(options, credential=credential)

    def decide(self, **changes: object) -> Decision:
        """What ada's confirmation page sends, with what is said to differ."""
        action = changes.get("action", Action.APPROVE)
        rows = changes.get("staged_versions", [self.row])
        given: dict[str, object] = {
            "user": self.ada,
            "session": SESSION,
            "action": action,
            "staged_versions": rows,
            "seen": seen(action, rows, changes.get("user", self.ada)),  # type: ignore[arg-type]  # as given
            "reason": _reason(action),
            **changes,
        }
        if not given.keys() & {"code", "assertion"}:
            given["code"] = self.code(given["user"])  # type: ignore[arg-type]  # as given
        return decide(**given)  # type: ignore[arg-type]  # as given

    def by_passkey(self, step_up: StepUp, **changes: object) -> Decision:
        """Sends the form with the touch that was asked for with this intent."""
        return self.decide(**{"intent": step_up.pk, "assertion": self.touch(step_up), **changes})


def _reason(action: object) -> str:
    return "not now" if action == Action.REJECT else ""


@pytest.fixture
def desk(db: None) -> Desk:
    registry = make_registry("npm")
    row = make_staged_version("left-pad", registry=registry)
    make_inspection(row)
    ada = make_user("ada")
    enrol(ada)
    make_account(ada, registry)
    return Desk(registry, ada, StagedVersion.objects.with_package().get(pk=row.pk))
