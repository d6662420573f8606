"""A person in front of a version that could be decided, without any registry."""

from dataclasses import dataclass

import pytest

from approvals.decisions.decide import decide
from approvals.decisions.models import Action, Decision, StepUp
from approvals.decisions.stepup import open_step_up
from approvals.people.models import SealedTOTPDevice, User
from approvals.queue.models import Registry, StagedVersion
from tests.approvals.codes import code_now, enrol
from tests.approvals.factories import (
    make_account,
    make_inspection,
    make_registry,
    make_staged_version,
    make_user,
)


@dataclass
class Desk:
    """Ada, a registry, and a version that was compared and waits."""

    registry: Registry
    ada: User
    row: StagedVersion

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

    def open(self, action: Action = Action.APPROVE, *rows: StagedVersion) -> StepUp:
        return open_step_up(self.ada, action, rows or [self.row])

    def decide(self, **changes: object) -> Decision:
        """What ada's confirmation page sends, with what is said to differ."""
        action = changes.get("action", Action.APPROVE)
        rows = changes.get("staged_versions", [self.row])
        given: dict[str, object] = {
            "user": self.ada,
            "action": action,
            "staged_versions": rows,
            "reason": "not now" if action == Action.REJECT else "",
            **changes,
        }
        if "step_up_id" not in given:
            given["step_up_id"] = open_step_up(given["user"], action, rows).pk  # type: ignore[arg-type]  # as given
        if "code" not in given:
            given["code"] = self.code(given["user"])  # type: ignore[arg-type]  # as given
        return decide(**given)  # type: ignore[arg-type]  # as given


@pytest.fixture
def desk(db: None) -> Desk:
    registry = make_registry("npm")
    row = make_staged_version("left-pad", registry=registry)
    make_inspection(row)
    ada = make_user("ada")
    enrol(ada)
    make_account(ada, registry)
    return Desk(registry, ada, StagedVersion.objects.with_package().get(pk=row.pk))
