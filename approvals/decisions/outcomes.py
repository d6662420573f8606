"""Recording how a call to the registry ended: each outcome is one transaction.

Every function here is guarded by the worker's lease: a worker that was given up for dead and
comes back changes nothing.
"""

import contextlib
import logging
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.models import AuditEvent
from approvals.audit.record import record
from approvals.decisions.models import (
    OPEN_ITEM_STATES,
    Action,
    Attempt,
    Decision,
    DecisionItem,
    ItemState,
    RegistryProof,
)
from approvals.people.models import User
from approvals.queue.models import StagedVersion, State
from approvals.queue.transitions import move, news_of
from approvals.sealing import seal

logger = logging.getLogger(__name__)
Result = Attempt.Result

CHECK_FIRST_AFTER = timedelta(seconds=1)
# What is recorded of a version, with the decision, where a decision of it ends.
ENDINGS = (
    "staged_version.staged",
    "staged_version.accepted",
    "staged_version.rejected",
    "decision.failed",
)
LONGEST_CHECK_PAUSE = timedelta(seconds=60)


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
    """Nothing happened at the registry, and it will not be tried again: back to the queue."""
    with transaction.atomic():
        lock(item)
        _answer_attempt(item, Result.REFUSED, reason)
        _leave(item, ItemState.FAILED, outcome=reason[:600])
        move(
            item.staged_version,
            from_states=[under_way(item)],
            to=State.STAGED,
            actor=item.decision.user,
            topic="staged_version.failed",
            decision=str(item.decision_id),
            action=item.decision.action,
            reason=reason,
        )


def gone(item: DecisionItem, reason: str) -> None:
    """Somebody else decided it elsewhere; the staged version has been moved already."""
    with transaction.atomic():
        lock(item)
        _answer_attempt(item, Result.OVERTAKEN, reason)
        _leave(item, ItemState.FAILED, outcome=reason[:600])
        outbox.publish(
            "staged_version.failed",
            stage_id=item.stage_id,
            **news_of(item.staged_version),
            action=item.decision.action,
            reason=reason,
        )
        _record(item, "decision.failed", reason=reason)


def ask(item: DecisionItem, question: str, *, auth_url: str = "", done_url: str = "") -> None:
    """The registry wants its second factor: a question for the person who decided.

    The decision's other items wait for its answer as well.
    """
    until = timezone.now() + timedelta(seconds=settings.QUESTION_SECONDS)
    binding = question_binding(item, auth_url)
    with transaction.atomic():
        lock(item)
        _answer_attempt(item, Result.ASKED, question)
        _leave(
            item,
            ItemState.ASKING,
            question=question[:400],
            auth_url=auth_url,
            sealed_done_url=seal(done_url, bound_to=binding) if done_url else "",
            asked_until=until,
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
    _lock_decision(decision.pk)
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


def call_off(item: DecisionItem, *, user: User) -> int:
    """The person who decided takes back what was not begun, while the registry's question stands.

    `item` is any of the decision's. Returns how many versions wait in the queue again.
    """
    if item.decision.user_id != user.pk:
        return 0
    off = 0
    with transaction.atomic():
        lock(item)
        # All that will be changed is locked before the first record of it: items, then versions.
        open_items = list(
            item.decision.items.select_for_update(of=("self",))
            .select_related("decision", "staged_version__package", "staged_version__registry")
            .filter(state__in=[ItemState.ASKING, ItemState.WAITING])
            .order_by("pk")
        )
        versions = StagedVersion.objects.filter(
            pk__in=[one.staged_version_id for one in open_items]
        )
        list(versions.select_for_update(no_key=True).order_by("pk").values_list("pk"))
        if not any(one.state == ItemState.ASKING for one in open_items):
            return 0
        for one in open_items:
            off += _call_off_one(one, user)
        _wipe_unneeded_proof(item)
    return off


def _call_off_one(item: DecisionItem, user: User) -> int:
    off = DecisionItem.objects.filter(pk=item.pk, state=item.state).update(
        state=ItemState.FAILED,
        state_changed_at=timezone.now(),
        outcome=f"Called off by {user}.",
        question="",
        auth_url="",
        sealed_done_url="",
        lease_holder="",
        lease_until=None,
    )
    if off:
        move(
            item.staged_version,
            from_states=[under_way(item)],
            to=State.STAGED,
            actor=user,
            topic="decision.called_off",
            decision=str(item.decision_id),
            reason="called off",
        )
    return off


def nobody_answered(item: DecisionItem, reason: str) -> None:
    """The question stood open for too long: all that waits for it goes back to the queue."""
    refused(item, reason)
    for one in item.decision.items.select_related(
        "decision__user", "staged_version__package", "staged_version__registry"
    ).filter(state=ItemState.WAITING, lease_holder=""):
        with contextlib.suppress(LeaseLost):
            refused(one, reason)


def give_back(item: DecisionItem) -> None:
    """Another call of the same decision is under way: this one's turn comes shortly after."""
    DecisionItem.objects.filter(
        pk=item.pk, lease_holder=item.lease_holder, state=ItemState.WAITING
    ).update(
        lease_holder="",
        lease_until=None,
        # Held by claim_due until the other's call has ended; it was not this one's try.
        tries=F("tries") - 1,
    )


def has_ended(item: DecisionItem) -> bool:
    """Whether the audit log says that this decision of this version is over.

    Whoever writes to the database and revives an item would have to break the log's chain too.
    """
    return AuditEvent.objects.filter(
        stage_id=item.stage_id, kind__in=ENDINGS, detail__decision=str(item.decision_id)
    ).exists()


def lock(item: DecisionItem) -> None:
    """Lets one at a time change what a decision's items share: taken before any of them.

    Inside the caller's transaction.
    """
    _lock_decision(item.decision_id)


def _lock_decision(decision_id: UUID) -> None:
    Decision.objects.select_for_update(no_key=True).get(pk=decision_id)


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
