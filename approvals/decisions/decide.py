"""Recording a person's decision, so that a worker can carry it out."""

import re
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.record import record
from approvals.decisions import stepup
from approvals.decisions.models import (
    Action,
    Decision,
    DecisionItem,
    ItemState,
    RegistryProof,
)
from approvals.people.models import RegistryAccount, User
from approvals.people.permissions import may_decide, may_decide_anything
from approvals.people.setup import missing_setup
from approvals.policy.requirements import standing_in_the_way
from approvals.queue.models import Registry, StagedVersion, State
from approvals.queue.transitions import move
from approvals.sealing import seal

ONLY_LOOKING = "Your role only lets you look. An administrator can make you an approver."
LONGEST_REASON = 2000
REGISTRY_CODE = re.compile(r"[0-9A-Za-z-]{6,64}")
STATE_OF_ACTION = {Action.APPROVE: State.APPROVING, Action.REJECT: State.REJECTING}


class DecisionRefused(Exception):
    """The decision was not recorded; the text says why and what to do."""


class NotAllowed(DecisionRefused):
    """This person may not decide this."""


class InTheWay(DecisionRefused):
    """Something must hold first."""


class SomebodyElseWasFaster(DecisionRefused):
    """Another decision came first."""


class Malformed(DecisionRefused):
    """What was typed cannot be what was asked for."""


class PresenceNotProved(DecisionRefused):
    """The code was refused, or the confirmation is no longer good."""


def account_for(user: User, registry: Registry) -> RegistryAccount | None:
    """The person's own account at this registry."""
    return RegistryAccount.objects.filter(user=user, registry_url=registry.url).first()


def obstacles(user: User, staged_version: StagedVersion, action: Action | str) -> list[str]:
    """What stands between this person and this action, one sentence each; empty if nothing."""
    registry = staged_version.registry
    if not may_decide(user, registry.url, staged_version.package.name):
        sentences = [ONLY_LOOKING]
    else:
        sentences = [step.sentence for step in missing_setup(user, {registry.url: registry.name})]
    return sentences + standing_in_the_way(staged_version, str(action))


def decide(
    *,
    user: User,
    action: Action,
    staged_versions: Sequence[StagedVersion],
    step_up_id: UUID | str,
    code: str,
    reason: str = "",
    registry_code: str = "",
) -> Decision:
    """Records the decision and hands it to the workers. Raises DecisionRefused.

    All the versions must be at one registry. The step-up is consumed in the transaction that
    records the decision.
    """
    reason, registry_code = reason.strip(), registry_code.replace(" ", "")
    _check_typed(action, reason, registry_code)
    _check_way_is_free(user, action, staged_versions)
    try:
        stepup.prove_with_totp(step_up_id, user, code)
        with transaction.atomic():
            return _record_decision(
                user,
                action,
                staged_versions,
                step_up_id=step_up_id,
                reason=reason,
                registry_code=registry_code,
            )
    except stepup.StepUpRefused as error:
        raise PresenceNotProved(str(error)) from error
    except IntegrityError as error:
        raise SomebodyElseWasFaster(
            "Somebody else decided this a moment before you. Nothing was done in your name."
        ) from error


def answer_registry(*, user: User, item: DecisionItem, registry_code: str) -> None:
    """Passes the registry's own code on to a decision that the registry asked for it.

    Only who decided may answer: the call is made with their account. Raises DecisionRefused.
    """
    registry_code = registry_code.replace(" ", "")
    if item.decision.user_id != user.pk or not may_decide_anything(user):
        raise NotAllowed("Only the person who decided can answer the registry's question.")
    if not registry_code:
        raise Malformed("Enter the code that the registry's authenticator shows now.")
    _check_typed(Action.APPROVE, "", registry_code)
    now = timezone.now()
    with transaction.atomic():
        answered = DecisionItem.objects.filter(
            pk=item.pk, state=ItemState.ASKING, asked_until__gt=now
        ).update(
            state=ItemState.WAITING,
            state_changed_at=now,
            due_at=now,
            question="",
            auth_url="",
            sealed_done_url="",
            lease_holder="",
            lease_until=None,
        )
        if not answered:
            raise DecisionRefused("The registry is not asking for a code any more.")
        keep_proof(item, registry_code)
        outbox.publish("decision.answered", stage_id=item.stage_id)
        record(
            "decision.answered",
            actor=user,
            subject=item.staged_version,
            stage_id=item.stage_id,
        )


def keep_proof(item: DecisionItem, code: str) -> None:
    """Seals a registry code for the one call it is for. Inside the caller's transaction."""
    RegistryProof.objects.update_or_create(
        item=item,
        defaults={
            "sealed_code": seal(code, bound_to=proof_binding(item)),
            "expires_at": timezone.now() + timedelta(seconds=settings.REGISTRY_PROOF_SECONDS),
        },
    )


def proof_binding(item: DecisionItem) -> str:
    return f"registry proof for {item.pk} {item.stage_id}"


def _check_typed(action: Action, reason: str, registry_code: str) -> None:
    if action == Action.REJECT and not reason:
        raise Malformed("Say why it is rejected: whoever staged it will want to know.")
    if "\x00" in reason:
        raise Malformed("The reason contains a character that cannot be stored. Type it anew.")
    if len(reason) > LONGEST_REASON:
        raise Malformed(f"The reason is too long: at most {LONGEST_REASON} characters.")
    if registry_code and not REGISTRY_CODE.fullmatch(registry_code):
        raise Malformed("The registry's code is six digits, or one of its recovery codes.")


def _check_way_is_free(
    user: User, action: Action, staged_versions: Sequence[StagedVersion]
) -> None:
    if not staged_versions:
        raise Malformed("Choose at least one version.")
    if len({row.registry_id for row in staged_versions}) > 1:
        raise Malformed("These versions are at several registries: decide them one by one.")
    if not all(may_decide(user, row.registry.url, row.package.name) for row in staged_versions):
        raise NotAllowed(ONLY_LOOKING)
    for row in staged_versions:
        if row.state != State.STAGED:
            raise SomebodyElseWasFaster(" ".join(standing_in_the_way(row, str(action))))
        sentences = obstacles(user, row, action)
        if sentences:
            raise InTheWay(" ".join(sentences))


def _record_decision(
    user: User,
    action: Action,
    staged_versions: Sequence[StagedVersion],
    *,
    step_up_id: UUID | str,
    reason: str,
    registry_code: str,
) -> Decision:
    # As the person is now: the one who was given may have been read before a change of role.
    user = User.objects.get(pk=user.pk)
    # Always in the same order, so that two people with overlapping choices do not wait in a ring.
    rows = list(
        StagedVersion.objects.with_package()
        .select_for_update(of=("self",))
        .filter(pk__in=[row.pk for row in staged_versions])
        .order_by("pk")
    )
    _check_way_is_free(user, action, rows)
    step_up = stepup.consume(step_up_id, user, action, rows)
    decision = Decision.objects.create(
        user=user,
        action=action,
        reason=reason,
        step_up=step_up,
        account=account_for(user, rows[0].registry),
    )
    for row in rows:
        item = DecisionItem.objects.create(
            decision=decision,
            staged_version=row,
            stage_id=row.stage_id,
            sha1=row.shasum,
            sha512=row.sha512,
        )
        # One code serves one call; where a batch needs more, the registry asks.
        if registry_code and len(rows) == 1:
            keep_proof(item, registry_code)
    for row in rows:
        if not move(
            row,
            from_states=[State.STAGED],
            to=STATE_OF_ACTION[action],
            actor=user,
            decision=str(decision.pk),
            reason=reason,
            sha512=row.sha512,
        ):
            raise SomebodyElseWasFaster(" ".join(standing_in_the_way(row, str(action))))
    outbox.publish("decision.made", decision=str(decision.pk))
    return decision
