"""Recording a person's decision, so that a worker can carry it out."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction
from django.db.models import Max, Min
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from approvals.audit import outbox
from approvals.audit.chain import is_whole_since
from approvals.audit.models import AuditEvent
from approvals.audit.record import record
from approvals.decisions.carrying_out import outcomes
from approvals.decisions.carrying_out.order import order_of
from approvals.decisions.deciding import stepup
from approvals.decisions.judging.checklist import Checklist, checklists_of
from approvals.decisions.models import (
    Action,
    Decision,
    DecisionItem,
    ItemNeed,
    RegistryProof,
    Release,
    ReleaseMember,
    StepUp,
)
from approvals.decisions.voting import casting
from approvals.people.models import User
from approvals.people.permissions import may_decide
from approvals.people.setup import missing_setup
from approvals.people.turnstile import turnstile
from approvals.policy.book import CHANGED
from approvals.queue.models import StagedVersion, State
from approvals.queue.transitions import move_all

ONLY_LOOKING = "Your role only lets you look. An administrator can make you an approver."
LONGEST_REASON = 2000
MOST_AT_ONCE = 100
REGISTRY_CODE = re.compile(r"[0-9A-Za-z-]{6,64}")
NOT_COUNTED = (
    "Your approval would not count here: the policy wants other people's. Nothing was recorded."
)
FASTER = "Somebody else decided this a moment before you. Nothing was done in your name."
REARRANGED = (
    "These versions are being put into other releases at this moment. Nothing was done in your "
    "name: open the confirmation again."
)
BROKEN_LOG = (
    "Something is missing from the audit log, or was changed in it, since it says what holds here, "
    "so that nothing is approved. Have an administrator prove the log (manage.py verify_audit) and "
    "find out who can write to the database; then set the policies again, and have these versions "
    "staged anew."
)
TRIES_AT_RELEASES = 3
LAST_BY_NOW = (
    "Yours would be the last approval by now, and carried out at once; the page told you that "
    "others must approve, too. Nothing was done: open the confirmation again and look once more "
    "at what it says."
)
STATE_OF_ACTION = {Action.APPROVE: State.APPROVING, Action.REJECT: State.REJECTING}


class DecisionRefused(Exception):
    """The decision was not recorded; the text says why and what to do."""


class NotAllowed(DecisionRefused):
    """This person may not decide this."""


class InTheWay(DecisionRefused):
    """Something must hold first."""


class SomebodyElseWasFaster(DecisionRefused):
    """Another decision came first."""


class _Rearranged(Exception):
    """A version came into another release before this decision could hold that one."""


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
    user: User,
    staged_versions: Sequence[StagedVersion],
    action: Action | str,
    *,
    checklists: Mapping[int, Checklist] | None = None,
    overriding: bool = False,
) -> list[list[str]]:
    """The same for each of several versions; what is asked of the person is looked up once.

    That more approvals are wanted stands in nobody's way. `checklists` are theirs with this person
    as the voter, for whoever has them; `overriding` leaves out what an approver may override.
    """
    if checklists is None:
        checklists = checklists_of(staged_versions, action=str(action), voter=user)
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
        in_the_way = checklists[row.pk].in_the_way(overriding=overriding)
        found.append(sentences + [answer.sentence for answer in in_the_way])
    return found


def seen_of(
    action: Action, staged_versions: Sequence[StagedVersion], checklists: Mapping[int, Checklist]
) -> str:
    """What a page hands back as `seen`: what the person had before their eyes, in a digest.

    `checklists` are theirs, for this action, with this person as the voter.
    """
    sight = sight_of_all(action, checklists, decides=_decides(checklists))
    return _seen(action, staged_versions, sight)


def _seen(action: Action, staged_versions: Sequence[StagedVersion], sight: list[list[str]]) -> str:
    content = json.dumps([stepup.binding_of_versions(action, staged_versions), sight])
    return hashlib.sha256(content.encode()).hexdigest()


def sight_of_all(
    action: Action, checklists: Mapping[int, Checklist], *, decides: bool
) -> list[list[str]]:
    """What somebody has before their eyes, beside the tarballs: of each version, and of them all.

    Whether theirs is the approval that `decides`, and what goes out in spite of the policy.
    """
    # Whoever rejects keeps something from going out: nothing that is new speaks against that.
    if action != Action.APPROVE:
        return []
    overridden = sorted(
        [str(one.version.stage_id), answer.requirement, *sorted(answer.evidence)]
        for one in checklists.values()
        for answer in one.overridable
    )
    return [
        *sorted(one.sight for one in checklists.values()),
        ["decides", "yes" if decides else "no"],
        ["overrides", hashlib.sha256(json.dumps(overridden).encode()).hexdigest()],
    ]


def _decides(checklists: Mapping[int, Checklist]) -> bool:
    """Whether nobody else needs to approve; the checklists are those of whoever approves."""
    return not any(answer.is_about_approvals for one in checklists.values() for answer in one.unmet)


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
    checklists = _check_way_is_free(user, action, staged_versions, reason)
    sight = _sight_shown(action, staged_versions, checklists, seen)
    _check_session(session)
    try:
        return stepup.open_step_up(
            user,
            action,
            staged_versions,
            session=session,
            sight=sight,
            reason=reason,
        )
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
) -> Decision | None:
    """Records the decision and hands it to the workers; None where it is a vote, and the policy
    wants others, too. Raises DecisionRefused.

    All the versions must be at one registry. `seen` is what `seen_of` made of what the person saw.
    A `reason` for approving says why what may be overridden is. The proof is an `assertion` for an
    `intent` that was opened before, or a `code`, for which the intent is written down here; it is
    consumed in the transaction that records the decision.
    """
    reason, registry_code = reason.strip(), registry_code.replace(" ", "")
    _check_typed(action, reason, registry_code)
    checklists = _check_way_is_free(user, action, staged_versions, reason)
    sight = _sight_shown(action, staged_versions, checklists, seen)
    _check_session(session)
    try:
        if assertion:
            step_up = stepup.find(intent, user, session=session)
            binding = stepup.binding_of_versions(action, staged_versions)
            if _intended(step_up) != (action, binding, sight, reason):
                raise PresenceNotProved(stepup.SOMETHING_CHANGED)
            stepup.prove_with_passkey(step_up, assertion, address=address)
        else:
            step_up = stepup.open_step_up(
                user, action, staged_versions, session=session, sight=sight, reason=reason
            )
            stepup.prove_with_code(step_up, code, address=address)
        for _ in range(TRIES_AT_RELEASES):
            try:
                with transaction.atomic():
                    return _record_decision(
                        user,
                        action,
                        staged_versions,
                        step_up_id=step_up.pk,
                        session=session,
                        shown=sight,
                        reason=reason,
                        registry_code=registry_code,
                    )
            except _Rearranged:
                continue
        raise SomebodyElseWasFaster(REARRANGED)
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


def _sight_shown(
    action: Action,
    staged_versions: Sequence[StagedVersion],
    checklists: Mapping[int, Checklist],
    seen: str,
) -> list[list[str]]:
    """What the page showed, where it may be done now. Raises SawSomethingElse.

    Whoever was shown a decision may give one approval of several; the reverse is another thing.
    """
    for decides in (True, False):
        sight = sight_of_all(action, checklists, decides=decides)
        if constant_time_compare(seen, _seen(action, staged_versions, sight)):
            if _decides(checklists) and not decides:
                raise SawSomethingElse(LAST_BY_NOW)
            return sight
    raise SawSomethingElse(
        "What would be decided is not what the page showed you: something changed since. Open "
        "the confirmation again and look once more at what it says. Your code was not used."
    )


def _intended(step_up: StepUp) -> tuple[object, ...]:
    return step_up.action, step_up.binding, step_up.sight, step_up.reason


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
    user: User, action: Action, staged_versions: Sequence[StagedVersion], reason: str
) -> dict[int, Checklist]:
    """The checklists as they are once this person has approved."""
    if not staged_versions:
        raise Malformed("Choose at least one version.")
    if len(staged_versions) > MOST_AT_ONCE:
        raise Malformed(f"Choose fewer versions: at most {MOST_AT_ONCE} are decided at once.")
    if len({row.registry_id for row in staged_versions}) > 1:
        raise Malformed("These versions are at several registries: decide them one by one.")
    if not all(may_decide(user, row.registry.url, row.package.name) for row in staged_versions):
        raise NotAllowed(ONLY_LOOKING)
    checklists = checklists_of(staged_versions, action=str(action), voter=user)
    obstacles_of_each = obstacles_of(
        user, staged_versions, action, checklists=checklists, overriding=bool(reason)
    )
    for row, sentences in zip(staged_versions, obstacles_of_each, strict=True):
        if row.state != State.STAGED:
            raise SomebodyElseWasFaster(" ".join(sentences))
        if sentences:
            raise InTheWay(" ".join(sentences))
    if action == Action.APPROVE and not any(_counts(one) for one in checklists.values()):
        raise InTheWay(NOT_COUNTED)
    if action == Action.APPROVE and not is_whole_since(_relied_on(staged_versions)):
        raise InTheWay(BROKEN_LOG)
    return checklists


def _relied_on(staged_versions: Sequence[StagedVersion]) -> int:
    """The first event of those that say which policy holds, and what people said of these."""
    about = AuditEvent.objects.filter(stage_id__in=[row.stage_id for row in staged_versions])
    first = about.aggregate(first=Min("sequence"))["first"]
    policies = AuditEvent.objects.filter(kind=CHANGED).aggregate(newest=Max("sequence"))["newest"]
    # Nobody has ever set policies, or all that says so was taken away.
    return min(policies or 1, first or policies or 1)


def _counts(checklist: Checklist) -> bool:
    """Whether approving brings it closer: `checklist` is as it is once the person has approved.

    Nobody is kept from saying the same once more.
    """
    missing = [answer for answer in checklist.unmet if answer.is_about_approvals]
    if not missing or checklist.case.voter is None:
        return True
    before = checklist.without_voter()
    return any(checklist.case.voter.key in answer.asks for answer in before.unmet)


def _record_decision(
    user: User,
    action: Action,
    staged_versions: Sequence[StagedVersion],
    *,
    step_up_id: UUID,
    session: str,
    shown: list[list[str]],
    reason: str,
    registry_code: str,
) -> Decision | None:
    # As the person is now: the one who was given may have been read before a change of role. Who
    # changes it waits until this is recorded.
    user = turnstile(user)
    held = _hold_releases(staged_versions)
    # Always in the same order, so that two people with overlapping choices do not wait in a ring.
    # Whoever writes rows that refer to these is not held off: they may hold the audit log's head.
    chosen = StagedVersion.objects.filter(pk__in=[row.pk for row in staged_versions]).order_by("pk")
    list(chosen.select_for_update(no_key=True).values_list("pk"))
    # Nobody places a version while it is locked: what is held is now what they are in.
    if _memberships(staged_versions) != held:
        raise _Rearranged
    # In a statement of its own, which sees what whoever was waited for has left.
    rows = list(
        chosen.with_package()
        .select_related("inspection_request__inspection")
        .defer(
            "inspection_request__inspection__summary",
            "inspection_request__inspection__findings",
        )
    )
    checklists = _check_way_is_free(user, action, rows, reason)
    is_vote = action == Action.APPROVE and not _decides(checklists)
    shown_a_vote = ["decides", "no"] in shown
    if shown_a_vote and not is_vote:
        # The others approved while the proof was tried.
        raise PresenceNotProved(LAST_BY_NOW)
    now, decision_id = timezone.now(), uuid4()
    step_up = stepup.consume(
        step_up_id,
        user,
        action,
        rows,
        session=session,
        sight=sight_of_all(action, checklists, decides=not shown_a_vote),
        reason=reason,
        at=now,
        decision=None if is_vote else decision_id,
    )
    overridden = action == Action.APPROVE and any(one.overridable for one in checklists.values())
    if is_vote:
        casting.cast(user, step_up, list(checklists.values()), None)
        if overridden:
            casting.override(user, step_up, list(checklists.values()), reason)
        return None
    decision = Decision.objects.create(
        id=decision_id,
        user=user,
        action=action,
        reason=reason,
        # The sealed moment, so that nobody makes an old decision a young one.
        made_at=now,
        step_up=step_up,
        account=stepup.account_for(user, rows[0].registry),
    )
    _create_items(decision, rows)
    if action == Action.APPROVE:
        casting.cast(user, step_up, list(checklists.values()), decision)
    if registry_code:
        outcomes.keep_proof(decision, registry_code, RegistryProof.Kind.CODE)
    details = [
        {
            "decision": str(decision.pk),
            "reason": reason,
            "sha512": row.sha512,
            "step_up": str(step_up.pk),
        }
        for row in rows
    ]
    if not move_all(
        rows, from_states=[State.STAGED], to=STATE_OF_ACTION[action], actor=user, details=details
    ):
        raise SomebodyElseWasFaster(FASTER)
    if overridden:
        casting.override(user, step_up, list(checklists.values()), reason)
    outbox.publish("decision.made", decision=str(decision.pk))
    return decision


def _hold_releases(staged_versions: Sequence[StagedVersion]) -> set[tuple[int, UUID]]:
    """Nothing joins or leaves their releases until this is over: who approves begins them by it.

    Locked before the versions, in the same order.

    Returns which version was in which of them.
    """
    members = _memberships(staged_versions)
    keys = sorted({release for _, release in members})
    list(Release.objects.filter(pk__in=keys).order_by("pk").select_for_update(no_key=True))
    return members


def _memberships(staged_versions: Sequence[StagedVersion]) -> set[tuple[int, UUID]]:
    members = ReleaseMember.objects.filter(staged_version__in=[row.pk for row in staged_versions])
    return set(members.values_list("staged_version", "release"))


def _create_items(decision: Decision, rows: Sequence[StagedVersion]) -> None:
    order = order_of(rows, str(decision.action))
    items = DecisionItem.objects.bulk_create(
        DecisionItem(
            decision=decision,
            staged_version=row,
            stage_id=row.stage_id,
            sha1=row.shasum,
            sha512=row.sha512,
            level=order.levels[row.pk],
            due_at=decision.made_at,
        )
        for row in rows
    )
    item_of = {item.staged_version_id: item for item in items}
    ItemNeed.objects.bulk_create(
        ItemNeed(item=item_of[one], needed=item_of[needed], holds=holds)
        for one, needed, holds in order.needs
    )
