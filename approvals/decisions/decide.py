"""Recording a person's decision, so that a worker can carry it out."""

import re
from collections.abc import Sequence
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from approvals.audit import outbox
from approvals.audit.record import record
from approvals.decisions import outcomes, stepup
from approvals.decisions.models import (
    Action,
    Decision,
    DecisionItem,
    RegistryProof,
    StepUp,
)
from approvals.people.models import User
from approvals.people.permissions import may_decide
from approvals.people.setup import missing_setup
from approvals.people.turnstile import turnstile
from approvals.policy.requirements import standing_in_the_way
from approvals.queue.models import StagedVersion, State
from approvals.queue.transitions import move_all

ONLY_LOOKING = "Your role only lets you look. An administrator can make you an approver."
LONGEST_REASON = 2000
MOST_AT_ONCE = 100
REGISTRY_CODE = re.compile(r"[0-9A-Za-z-]{6,64}")
FASTER = "Somebody else decided this a moment before you. Nothing was done in your name."
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


class SawSomethingElse(PresenceNotProved):
    """What the page showed is not what would be decided; no proof was tried."""


def obstacles(user: User, staged_version: StagedVersion, action: Action | str) -> list[str]:
    """What stands between this person and this action, one sentence each; empty if nothing."""
    return obstacles_of(user, [staged_version], action)[0]


def obstacles_of(
    user: User, staged_versions: Sequence[StagedVersion], action: Action | str
) -> list[list[str]]:
    """The same for each of several versions; what is asked of the person is looked up once."""
    missing: dict[str, list[str]] = {}
    found = []
    for row in staged_versions:
        registry = row.registry
        if not may_decide(user, registry.url, row.package.name):
            sentences = [ONLY_LOOKING]
        else:
            if registry.url not in missing:
                steps = missing_setup(user, {registry.url: registry.name})
                missing[registry.url] = [step.sentence for step in steps]
            sentences = missing[registry.url]
        found.append(sentences + standing_in_the_way(row, str(action)))
    return found


def open_intent(
    *,
    user: User,
    session: str,
    action: Action,
    staged_versions: Sequence[StagedVersion],
    seen: str,
    reason: str = "",
) -> StepUp:
    """Writes down what the person is about to decide, for their passkey to sign.

    Raises DecisionRefused where `decide` would refuse it whatever the proof.
    """
    reason = reason.strip()
    _check_typed(action, reason, "")
    _check_way_is_free(user, action, staged_versions)
    _check_seen(action, staged_versions, seen)
    _check_session(session)
    try:
        return stepup.open_step_up(user, action, staged_versions, session=session, reason=reason)
    except stepup.StepUpRefused as error:
        raise PresenceNotProved(str(error)) from error


def decide(
    *,
    user: User,
    session: str,
    action: Action,
    staged_versions: Sequence[StagedVersion],
    seen: str,
    reason: str = "",
    registry_code: str = "",
    code: str = "",
    intent: UUID | str = "",
    assertion: str = "",
    address: str = "",
) -> Decision:
    """Records the decision and hands it to the workers. Raises DecisionRefused.

    All the versions must be at one registry. `seen` is the binding of what the person saw. The
    proof is an `assertion` for an `intent` that was opened before, or a `code`, for which the
    intent is written down here; it is consumed in the transaction that records the decision.
    """
    reason, registry_code = reason.strip(), registry_code.replace(" ", "")
    _check_typed(action, reason, registry_code)
    _check_way_is_free(user, action, staged_versions)
    _check_seen(action, staged_versions, seen)
    _check_session(session)
    try:
        if assertion:
            step_up = stepup.find(intent, user, session=session)
            _check_intended(step_up, action, seen, reason)
            stepup.prove_with_passkey(step_up, assertion, address=address)
        else:
            step_up = stepup.open_step_up(
                user, action, staged_versions, session=session, reason=reason
            )
            stepup.prove_with_code(step_up, code, address=address)
        with transaction.atomic():
            return _record_decision(
                user,
                action,
                staged_versions,
                step_up_id=step_up.pk,
                session=session,
                reason=reason,
                registry_code=registry_code,
            )
    except stepup.StepUpRefused as error:
        raise PresenceNotProved(str(error)) from error
    except IntegrityError as error:
        if not _is_about_open_decision(error):
            raise
        raise SomebodyElseWasFaster(FASTER) from error


def _is_about_open_decision(error: IntegrityError) -> bool:
    # PostgreSQL names the constraint, SQLite its column.
    return any(
        name in str(error)
        for name in ("one_open_decision_per_staged_version", "decisionitem.staged_version_id")
    )


def answer_registry(*, user: User, item: DecisionItem, registry_code: str) -> None:
    """Passes the registry's own code on to the decision for which the registry asked for it.

    `item` is any of the decision's: they wait for the same answer. Only who decided may answer:
    the calls are made with their account. Raises DecisionRefused.
    """
    registry_code = registry_code.replace(" ", "")
    _check_own(user, item)
    if not registry_code:
        raise Malformed("Enter the code that the registry's authenticator shows now.")
    _check_typed(Action.APPROVE, "", registry_code)
    with transaction.atomic():
        asking = outcomes.take_up_again(item.decision)
        if asking is None:
            raise DecisionRefused("The registry is not asking for a code any more.")
        outcomes.keep_proof(asking.decision, registry_code, RegistryProof.Kind.CODE)
        outbox.publish("decision.answered", stage_id=asking.stage_id)
        record(
            "decision.answered",
            actor=user,
            subject=asking.staged_version,
            stage_id=asking.stage_id,
        )


def ask_again(*, user: User, item: DecisionItem) -> None:
    """Has the registry asked for a new link, where the one to its own page has expired or failed.

    `item` is any of the decision's. Raises DecisionRefused.
    """
    _check_own(user, item)
    with transaction.atomic():
        asking = outcomes.take_up_again(item.decision, only_web=True)
        if asking is None:
            raise DecisionRefused("The registry is not asking for a confirmation any more.")
        outbox.publish("decision.answered", stage_id=asking.stage_id)
        record(
            "decision.asked_again",
            actor=user,
            subject=asking.staged_version,
            stage_id=asking.stage_id,
        )


def _check_own(user: User, item: DecisionItem) -> None:
    row = item.staged_version
    may = may_decide(user, row.registry.url, row.package.name)
    if item.decision.user_id != user.pk or not may:
        raise NotAllowed("Only the person who decided can answer the registry's question.")


def _check_session(session: str) -> None:
    if not session:
        raise PresenceNotProved("Your session has ended. Sign in again, and then decide.")


def _check_seen(action: Action, staged_versions: Sequence[StagedVersion], seen: str) -> None:
    if not constant_time_compare(seen, stepup.binding_of_versions(action, staged_versions)):
        raise SawSomethingElse(
            "What would be decided is not what the page showed you: something changed since. Open "
            "the confirmation again and look once more at what it says. Your code was not used."
        )


def _check_intended(step_up: StepUp, action: Action, seen: str, reason: str) -> None:
    if (step_up.action, step_up.binding, step_up.reason) != (action, seen, reason):
        raise PresenceNotProved(stepup.SOMETHING_CHANGED)


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
    if len(staged_versions) > MOST_AT_ONCE:
        raise Malformed(f"Choose fewer versions: at most {MOST_AT_ONCE} are decided at once.")
    if len({row.registry_id for row in staged_versions}) > 1:
        raise Malformed("These versions are at several registries: decide them one by one.")
    if not all(may_decide(user, row.registry.url, row.package.name) for row in staged_versions):
        raise NotAllowed(ONLY_LOOKING)
    obstacles_of_each = obstacles_of(user, staged_versions, action)
    for row, sentences in zip(staged_versions, obstacles_of_each, strict=True):
        if row.state != State.STAGED:
            raise SomebodyElseWasFaster(" ".join(standing_in_the_way(row, str(action))))
        if sentences:
            raise InTheWay(" ".join(sentences))


def _record_decision(
    user: User,
    action: Action,
    staged_versions: Sequence[StagedVersion],
    *,
    step_up_id: UUID,
    session: str,
    reason: str,
    registry_code: str,
) -> Decision:
    # As the person is now: the one who was given may have been read before a change of role. Who
    # changes it waits until this is recorded.
    user = turnstile(user)
    # Always in the same order, so that two people with overlapping choices do not wait in a ring.
    chosen = StagedVersion.objects.filter(pk__in=[row.pk for row in staged_versions]).order_by("pk")
    list(chosen.select_for_update().values_list("pk"))
    # In a statement of its own, which sees what whoever was waited for has left.
    rows = list(
        chosen.with_package()
        .select_related("inspection_request__inspection")
        .defer("inspection_request__inspection__summary")
    )
    _check_way_is_free(user, action, rows)
    now = timezone.now()
    step_up = stepup.consume(step_up_id, user, action, rows, session=session, reason=reason, at=now)
    decision = Decision.objects.create(
        user=user,
        action=action,
        reason=reason,
        # The sealed moment, so that nobody makes an old decision a young one.
        made_at=now,
        step_up=step_up,
        account=stepup.account_for(user, rows[0].registry),
    )
    DecisionItem.objects.bulk_create(
        DecisionItem(
            decision=decision,
            staged_version=row,
            stage_id=row.stage_id,
            sha1=row.shasum,
            sha512=row.sha512,
            due_at=now,
        )
        for row in rows
    )
    if registry_code:
        outcomes.keep_proof(decision, registry_code, RegistryProof.Kind.CODE)
    details = [
        {"decision": str(decision.pk), "reason": reason, "sha512": row.sha512} for row in rows
    ]
    if not move_all(
        rows, from_states=[State.STAGED], to=STATE_OF_ACTION[action], actor=user, details=details
    ):
        raise SomebodyElseWasFaster(FASTER)
    outbox.publish("decision.made", decision=str(decision.pk))
    return decision
