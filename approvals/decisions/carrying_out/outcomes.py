"""Recording how a call to the registry ended: each outcome is one transaction.

Every function here is guarded by the worker's lease: a worker that was given up for dead and
comes back changes nothing.
"""

import logging
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.models import AuditEvent
from approvals.audit.record import is_written_here, record
from approvals.decisions.models import (
    OPEN_ITEM_STATES,
    Action,
    Attempt,
    Decision,
    DecisionItem,
    ItemNeed,
    ItemState,
    RegistryProof,
)
from approvals.people.models import User
from approvals.queue.models import StagedVersion, State
from approvals.queue.transitions import move, move_all, news_of
from approvals.sealing import seal

logger = logging.getLogger(__name__)
Result = Attempt.Result

# What a person confirmed is worth nothing the next morning. Long enough for a registry's outage.
GIVE_UP_AFTER = timedelta(minutes=30)
CHECK_FIRST_AFTER = timedelta(seconds=1)
# What is recorded of a version, with the decision, where a decision of it ends.
ENDINGS = (
    "staged_version.staged",
    "staged_version.accepted",
    "staged_version.rejected",
    "decision.failed",
)
_ABOUT_DECISIONS = (*ENDINGS, "staged_version.approving", "staged_version.rejecting")
LONGEST_CHECK_PAUSE = timedelta(seconds=60)
# What was not begun: no request of it is at the registry.
NOT_BEGUN = (ItemState.WAITING, ItemState.ASKING)
NOT_CARRIED_OUT = (ItemState.FAILED, ItemState.HELD)
# Of why another one failed.
LONGEST_WHY = 200
FAILED_TOPIC = "staged_version.failed"
HELD_TOPIC = "staged_version.held"


class LeaseLost(Exception):
    """Another worker took this item over."""


class CannotGoOn(Exception):
    """The decision cannot be carried out; the text says why."""


def under_way(item: DecisionItem) -> State:
    """The staged version's state while this decision is carried out."""
    return State.APPROVING if item.decision.action == Action.APPROVE else State.REJECTING


def carried_out(item: DecisionItem, words: str) -> None:
    """The registry did it."""
    approved = item.decision.action == Action.APPROVE
    with transaction.atomic():
        lock(item)
        _answer_attempt(item, Result.CARRIED_OUT, words)
        _leave(item, ItemState.DONE, outcome="The registry accepted it.")
        move(
            item.staged_version,
            from_states=[under_way(item)],
            to=State.ACCEPTED if approved else State.REJECTED,
            actor=item.decision.user,
            fields={"live_check_at": timezone.now(), "live_checks": 0} if approved else None,
            decision=str(item.decision_id),
            reason=item.decision.reason,
        )


def refused(item: DecisionItem, reason: str) -> None:
    """Nothing happened at the registry, and it will not be tried again: back to the queue.

    With it, what needs it.
    """
    with transaction.atomic():
        lock(item)
        _answer_attempt(item, Result.REFUSED, reason)
        _leave(item, ItemState.FAILED, outcome=reason[:600])
        _back_to_the_queue([(item, reason)], actor=item.decision.user)


def held(item: DecisionItem, reason: str) -> None:
    """It is not tried, for what it needs is not as it should be: back to the queue."""
    with transaction.atomic():
        lock(item)
        _leave(item, ItemState.HELD, outcome=reason[:600])
        _back_to_the_queue([(item, reason)], actor=item.decision.user, topic=HELD_TOPIC)


def gone(item: DecisionItem, reason: str) -> None:
    """Somebody else decided it elsewhere; the staged version has been moved already."""
    with transaction.atomic():
        lock(item)
        _answer_attempt(item, Result.OVERTAKEN, reason)
        _leave(item, ItemState.FAILED, outcome=reason[:600])
        stopped = _hold_what_needs([item])
        outbox.publish(
            FAILED_TOPIC,
            stage_id=item.stage_id,
            **news_of(item.staged_version),
            action=item.decision.action,
            reason=reason,
        )
        _lock_versions([one for one, _ in stopped])
        _record(item, "decision.failed", reason=reason)
        _move_back(stopped, actor=item.decision.user, topic=HELD_TOPIC)
        _wipe_unneeded_proof(item)


def ask(item: DecisionItem, question: str, *, auth_url: str = "", done_url: str = "") -> None:
    """The registry wants its second factor: a question for the person who decided.

    The decision's other items wait for its answer as well.
    """
    until = timezone.now() + timedelta(seconds=settings.QUESTION_SECONDS)
    binding = question_binding(item, auth_url)
    with transaction.atomic():
        decision = lock(item)
        if decision.called_off_at:
            # While its call was out. Nobody is asked about what nobody wants any more.
            refused(item, was_called_off(decision))
            return
        _answer_attempt(item, Result.ASKED, question)
        _leave(
            item,
            ItemState.ASKING,
            question=question[:400],
            auth_url=auth_url,
            sealed_done_url=seal(done_url, bound_to=binding) if done_url else "",
            asked_until=until,
            question_told_at=None,
            tries=0,
            due_at=timezone.now() + timedelta(seconds=1) if done_url else until,
        )
        outbox.publish(
            "decision.asked",
            stage_id=item.stage_id,
            **news_of(item.staged_version),
            question=question,
        )
        _record(item, "decision.asked", question=question)


def question_binding(item: DecisionItem, auth_url: str) -> str:
    """Both addresses hang together: nobody leads the person to a page of their own instead."""
    return f"registry question for {item.pk} {item.stage_id} at {auth_url}"


def ask_on(item: DecisionItem, due_at: datetime, *, failed: bool = False) -> None:
    """The question still stands; look again later. Only where the look `failed` was it a try."""
    tries = {} if failed else {"tries": 0}
    _leave(item, ItemState.ASKING, due_at=due_at, **tries)


def link_expired(item: DecisionItem, question: str) -> None:
    """The registry's page can no longer be confirmed: the person starts again when they like.

    `auth_url` stays, so that it is known what was asked for; nobody is sent there any more.
    """
    with transaction.atomic():
        _leave(
            item,
            ItemState.ASKING,
            question=question[:400],
            auth_url=item.auth_url,
            sealed_done_url="",
            due_at=item.asked_until,
        )
        _record(item, "decision.link_expired")


def answered(item: DecisionItem, proof: str) -> None:
    """The question was answered on the registry's own page, which has led to this proof."""
    with transaction.atomic():
        lock(item)
        _leave(item, ItemState.WAITING, tries=0, due_at=_its_turn(item.decision))
        keep_proof(item.decision, proof, RegistryProof.Kind.WEB)
        outbox.publish("decision.answered", stage_id=item.stage_id)
        _record(item, "decision.answered", how="on the registry's own page")


def take_up_again(decision: Decision, *, only_web: bool = False) -> DecisionItem | None:
    """Ends the decision's open question, for its call to be made again; None if there is none.

    Inside the caller's transaction.
    """
    now = timezone.now()
    lock_decision(decision.pk)
    asking = decision.items.select_related("staged_version", "decision").filter(
        state=ItemState.ASKING, asked_until__gt=now
    )
    item = (asking.exclude(auth_url="") if only_web else asking).first()
    if item is None:
        return None
    taken = DecisionItem.objects.filter(pk=item.pk, state=ItemState.ASKING).update(
        state=ItemState.WAITING,
        state_changed_at=now,
        due_at=_its_turn(decision),
        tries=0,
        question="",
        auth_url="",
        sealed_done_url="",
        lease_holder="",
        lease_until=None,
    )
    return item if taken else None


def keep_proof(decision: Decision, code: str, kind: RegistryProof.Kind) -> None:
    """Seals a proof for the calls of one decision. Inside the caller's transaction."""
    now = timezone.now()
    RegistryProof.objects.update_or_create(
        decision=decision,
        defaults={
            "kind": kind,
            "sealed_code": seal(code, bound_to=proof_binding(decision.pk, kind)),
            "kept_at": now,
            "expires_at": now + timedelta(seconds=settings.REGISTRY_PROOF_SECONDS),
            "calls": 0,
        },
    )


def proof_binding(decision_id: UUID, kind: str) -> str:
    return f"registry proof ({kind}) for {decision_id}"


def _its_turn(decision: Decision) -> datetime:
    """When to go on with what was answered: before those of the decision that come after it."""
    return decision.made_at


def wipe_proof(decision_id: UUID) -> None:
    RegistryProof.objects.filter(decision_id=decision_id).delete()


def check(item: DecisionItem, result: Attempt.Result, reason: str) -> None:
    """The registry must be asked what became of it: no answer came, or one that says it is gone."""
    with transaction.atomic():
        _answer_attempt(item, result, reason)
        _leave(
            item,
            ItemState.CHECKING,
            outcome=reason[:600],
            tries=0,
            due_at=timezone.now() + CHECK_FIRST_AFTER,
        )
        _record(item, "decision.checking", reason=reason)


def check_later(item: DecisionItem, reason: str) -> None:
    """The registry could not say yet; ask again, with growing pauses."""
    pause = min(CHECK_FIRST_AFTER * 2 ** min(item.tries, 10), LONGEST_CHECK_PAUSE)
    _leave(item, ItemState.CHECKING, outcome=reason[:600], due_at=timezone.now() + pause)


def wait(item: DecisionItem, pause: timedelta, reason: str) -> None:
    """The registry is away and nothing was sent: try again after the pause."""
    with transaction.atomic():
        _answer_attempt(item, Result.NOT_SENT, reason)
        _leave(item, ItemState.WAITING, outcome=reason[:600], due_at=timezone.now() + pause)


def call_for_a_link(item: DecisionItem, reason: str) -> None:
    """The registry refused the proof from its page: it is called without one, for a new link."""
    with transaction.atomic():
        _answer_attempt(item, Result.ASKED, reason)
        _leave(item, ItemState.WAITING, outcome=reason[:600], due_at=_its_turn(item.decision))


def call_again(item: DecisionItem, reason: str) -> None:
    """The registry says that the request was not carried out: the decision still stands."""
    with transaction.atomic():
        _leave(item, ItemState.WAITING, outcome=reason[:600], due_at=timezone.now())
        _record(item, "decision.not_carried_out", reason=reason)


def nobody_answered(item: DecisionItem, reason: str) -> None:
    """The question stood open for too long: all that waits for it goes back to the queue."""
    with transaction.atomic():
        lock(item)
        _leave(item, ItemState.FAILED, outcome=reason[:600])
        others = not_begun(item.decision)
        ended = [(item, reason), *end_items([(one, reason) for one in others])]
        _back_to_the_queue(ended, actor=item.decision.user)


def not_begun(decision: Decision) -> list[DecisionItem]:
    """The items of which no request is at the registry, locked in their order.

    Inside the transaction of a caller who has locked the decision.
    """
    return list(
        decision.items.select_for_update(of=("self",), no_key=True)
        .select_related("decision__user", "staged_version__package", "staged_version__registry")
        .filter(state__in=NOT_BEGUN)
        .order_by("pk")
    )


def give_up(ending: Sequence[tuple[DecisionItem, str]], *, actor: User, topic: str = "") -> int:
    """Ends items that were not begun, each for its reason, and holds what needs them.

    Inside the transaction of a caller who has locked the decision, and read them with `not_begun`.
    Returns how many versions wait in the queue again.
    """
    ended = end_items(ending)
    return _back_to_the_queue(ended, actor=actor, topic=topic or FAILED_TOPIC) if ended else 0


def end_items(
    ending: Sequence[tuple[DecisionItem, str]], state: ItemState = ItemState.FAILED
) -> list[tuple[DecisionItem, str]]:
    """Ends those that still wait, whoever holds them, and returns them."""
    return [
        (item, reason)
        for item, reason in ending
        if DecisionItem.objects.filter(pk=item.pk, state__in=NOT_BEGUN).update(
            state=state,
            state_changed_at=timezone.now(),
            outcome=reason[:600],
            question="",
            auth_url="",
            sealed_done_url="",
            lease_holder="",
            lease_until=None,
        )
    ]


def hold_stranded() -> bool:
    """Holds what waits although something that it needs was not carried out; whether any did.

    What ends an item holds those that need it at once. This finds what something else has ended.
    """
    stranded = DecisionItem.objects.filter(
        state=ItemState.WAITING, needs__holds=True, needs__needed__state__in=NOT_CARRIED_OUT
    )
    found = False
    for decision_id in set(stranded.values_list("decision", flat=True)):
        with transaction.atomic():
            decision = lock_decision(decision_id)
            ended = list(decision.items.filter(state__in=NOT_CARRIED_OUT))
            stopped = _hold_what_needs(ended)
            if stopped:
                found = True
                _lock_versions([one for one, _ in stopped])
                _move_back(stopped, actor=decision.user, topic=HELD_TOPIC)
                _wipe_unneeded_proof(stopped[0][0])
    return found


def _back_to_the_queue(
    ended: Sequence[tuple[DecisionItem, str]], *, actor: User, topic: str = FAILED_TOPIC
) -> int:
    """Moves the versions of what has ended, and of what is held with it, back; returns how many."""
    stopped = _hold_what_needs([item for item, _ in ended])
    # All that will be changed is locked before the first record of it: items, then versions.
    _lock_versions([item for item, _ in (*ended, *stopped)])
    moved = _move_back(ended, actor=actor, topic=topic)
    moved += _move_back(stopped, actor=actor, topic=HELD_TOPIC)
    _wipe_unneeded_proof(ended[0][0])
    return moved


def _hold_what_needs(ended: Sequence[DecisionItem]) -> list[tuple[DecisionItem, str]]:
    """Holds what needs one of these, and what needs that in turn; each with its sentence."""
    if not ended:
        return []
    dependants = defaultdict(list)
    needs = ItemNeed.objects.filter(
        item__decision=ended[0].decision_id, item__state__in=NOT_BEGUN, holds=True
    ).order_by("needed_id", "item_id")
    for item, needed in needs.values_list("item_id", "needed_id"):
        dependants[needed].append(item)
    if not dependants:
        return []
    because: dict[int, int] = {}
    roots = {item.pk for item in ended}
    to_look_at = deque(sorted(roots))
    while to_look_at:
        needed = to_look_at.popleft()
        for one in dependants[needed]:
            if one not in because and one not in roots:
                because[one] = needed
                to_look_at.append(one)
    family = DecisionItem.objects.select_related(
        "decision__user", "staged_version__package", "staged_version__registry"
    ).in_bulk({*because, *because.values()})
    holding = [
        (family[one], _not_without(family[needed])) for one, needed in sorted(because.items())
    ]
    return end_items(holding, ItemState.HELD)


def _not_without(needed: DecisionItem) -> str:
    row = needed.staged_version
    why = needed.outcome[:LONGEST_WHY].rstrip(" .") if needed.state in NOT_CARRIED_OUT else ""
    if needed.decision.action == Action.APPROVE:
        because = f" ({why})" if why else ""
        return (
            f"It needs {row.package.name} {row.version}, which was not carried out{because}. "
            "Nothing was sent."
        )
    # Unnamed: what depends on a package, not everybody who sees the package may know.
    return "Another version of the decision needs it and was not rejected. Nothing was sent."


def _lock_versions(items: Sequence[DecisionItem]) -> None:
    if len(items) > 1:
        _lock_rows([item.staged_version_id for item in items])


def _lock_rows(keys: Iterable[int] | QuerySet[Any, Any]) -> None:
    rows = StagedVersion.objects.filter(pk__in=keys).order_by("pk")
    list(rows.select_for_update(no_key=True).values_list("pk"))


def _move_back(ended: Sequence[tuple[DecisionItem, str]], *, actor: User, topic: str) -> int:
    """The versions wait again; those that are not on their way any more are left as they are."""
    if not ended:
        return 0
    state = under_way(ended[0][0])
    keys = [item.staged_version_id for item, _ in ended]
    on_the_way = set(
        StagedVersion.objects.filter(pk__in=keys, state=state).values_list("pk", flat=True)
    )
    moving = [(item, reason) for item, reason in ended if item.staged_version_id in on_the_way]
    if not moving:
        return 0
    move_all(
        [item.staged_version for item, _ in moving],
        from_states=[state],
        to=State.STAGED,
        actor=actor,
        topic=topic,
        details=[
            {
                "decision": str(item.decision_id),
                "action": item.decision.action,
                "reason": reason,
            }
            for item, reason in moving
        ],
    )
    return len(moving)


def give_back(item: DecisionItem) -> None:
    """Its turn comes later: another call of its decision is under way, or it may not begin now."""
    DecisionItem.objects.filter(
        pk=item.pk, lease_holder=item.lease_holder, state=ItemState.WAITING
    ).update(
        lease_holder="",
        lease_until=None,
        # Kept from it by claim_due until then; it was not this one's try.
        tries=F("tries") - 1,
    )


def why_not_on_its_way(item: DecisionItem) -> str:
    """What the audit log has against carrying this decision of this version out; "" if nothing.

    Whoever writes to the database, and makes a decision of what was only a vote, or puts one back
    that is over, would have to write into the log, too, and its events are sealed.
    """
    begun = False
    for event in AuditEvent.objects.filter(stage_id=item.stage_id, kind__in=_ABOUT_DECISIONS):
        if event.detail.get("decision") != str(item.decision_id):
            continue
        if event.kind in ENDINGS:
            return "This decision had ended before, as the audit log says."
        begun = begun or (
            event.kind == f"staged_version.{under_way(item).value}"
            and event.detail.get("step_up") == str(item.decision.step_up_id)
            and event.actor_id == item.decision.user_id
            and is_written_here(event)
        )
    return "" if begun else "The audit log says nothing of this decision."


def lock(item: DecisionItem) -> Decision:
    """Lets one at a time change what a decision's items share: taken before any of them.

    Inside the caller's transaction. Returns the decision as it is now.
    """
    return lock_decision(item.decision_id)


def lock_decision(decision_id: UUID) -> Decision:
    """The same, by the decision's key."""
    return Decision.objects.select_for_update(no_key=True).get(pk=decision_id)


def lock_versions_of(decision_id: UUID) -> None:
    """Locks the versions of all its items: after the items, and before the first record."""
    items = DecisionItem.objects.filter(decision_id=decision_id)
    _lock_rows(items.values("staged_version"))


def was_called_off(decision: Decision) -> str:
    """Says so."""
    return f"Called off by {decision.called_off_by}."


def _leave(item: DecisionItem, state: ItemState, **fields: Any) -> None:
    """Moves the item on and gives the lease back. Raises LeaseLost."""
    now = timezone.now()
    values = {"state": state, "lease_holder": "", "lease_until": None, **fields}
    if state != ItemState.ASKING:
        values |= {"question": "", "auth_url": "", "sealed_done_url": ""}
    if state != item.state:
        values["state_changed_at"] = now
    left = DecisionItem.objects.filter(
        pk=item.pk, lease_holder=item.lease_holder, state__in=OPEN_ITEM_STATES
    ).update(**values)
    if not left:
        raise LeaseLost
    if state not in OPEN_ITEM_STATES:
        _wipe_unneeded_proof(item)
    for name, value in values.items():
        setattr(item, name, value)


def _wipe_unneeded_proof(item: DecisionItem) -> None:
    """A code that was not needed is as secret as one that was."""
    needed = DecisionItem.objects.filter(
        decision_id=item.decision_id,
        state__in=[ItemState.WAITING, ItemState.ASKING, ItemState.SENT],
    )
    if not needed.exists():
        wipe_proof(item.decision_id)


def _answer_attempt(item: DecisionItem, result: Attempt.Result, words: str) -> None:
    Attempt.objects.filter(item=item, answered_at__isnull=True).update(
        answered_at=timezone.now(), result=result, answer=words[:600]
    )


def _record(item: DecisionItem, kind: str, **detail: Any) -> None:
    record(
        kind,
        actor=item.decision.user,
        subject=item.staged_version,
        stage_id=item.stage_id,
        decision=str(item.decision_id),
        **detail,
    )
