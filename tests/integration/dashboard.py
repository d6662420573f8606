"""Countersign's rules beside a running registry: what its workers and its people do, on demand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from approvals.decisions import tasks as decision_tasks
from approvals.decisions.deciding.decide import decide
from approvals.decisions.models import Action, Decision, DecisionItem
from approvals.inspection import requests as inspections
from approvals.inspection.inspecting import inspect
from approvals.inspection.models import InspectionRequest
from approvals.people.accounts import link_account
from approvals.people.models import SealedTOTPDevice, User
from approvals.queue import live
from approvals.queue.models import Registry, StagedVersion
from approvals.queue.sync import PollResult, poll
from tests.approvals.codes import code_now, enrol
from tests.approvals.factories import make_user
from tests.approvals.seen import seen

# Longer than any pause between two looks at the registry.
ANY_PAUSE = timedelta(minutes=2)


@dataclass
class Dashboard:
    """The dashboard of one test, with one registry."""

    registry: Registry

    def approver(self, name: str, token: str) -> User:
        """A person with an authenticator app, who links the account this token belongs to."""
        person = make_user(name)
        enrol(person)
        account = link_account(person, registry_url=self.registry.url, token=token)
        assert account.username == name
        return person

    def poll(self) -> PollResult:
        """Poll the registry once."""
        result = poll(self.registry)
        assert result is not None
        return result

    def found(self, stage_id: str) -> StagedVersion:
        """Poll, inspect, and return the staged version as it stands in the queue."""
        self.poll()
        inspections.request_missing()
        # Verdaccio shows this account what other tests staged too: that is not for here.
        waiting = InspectionRequest.objects.filter(state=InspectionRequest.State.WAITING)
        waiting.exclude(staged_version__stage_id=stage_id).delete()
        while request := inspections.claim_due():
            inspect(request)
        return StagedVersion.objects.with_package().get(stage_id=stage_id)

    def decide(
        self,
        person: User,
        row: StagedVersion,
        action: Action = Action.APPROVE,
        *,
        registry_code: str = "",
        reason: str = "",
    ) -> DecisionItem:
        return self.decide_all(
            person, [row], action, registry_code=registry_code, reason=reason
        ).items.get()

    def decide_all(
        self,
        person: User,
        rows: Sequence[StagedVersion],
        action: Action = Action.APPROVE,
        *,
        registry_code: str = "",
        reason: str = "",
    ) -> Decision:
        """Decide as the confirmation page does, with a code of the person's app."""
        # A step takes 30 seconds, and a test does not wait for the next.
        SealedTOTPDevice.objects.filter(user=person).update(last_t=-1)
        return decide(
            user=person,
            session="5" * 64,
            action=action,
            staged_versions=rows,
            seen=seen(action, rows, person),
            code=code_now(person),
            registry_code=registry_code,
            reason=reason,
        )

    def work(self) -> None:
        """Do what a worker does with everything that is due now."""
        decision_tasks.carry_out_waiting()
        live.watch_due()

    def work_after_a_while(self) -> None:
        """The same, once every pause between two looks is over."""
        now = timezone.now()
        DecisionItem.objects.filter(due_at__lte=now + ANY_PAUSE).update(due_at=now)
        StagedVersion.objects.filter(live_check_at__lte=now + ANY_PAUSE).update(live_check_at=now)
        self.work()
