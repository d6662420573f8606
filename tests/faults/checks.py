"""What must hold, whatever happens: each check returns what does not, in sentences."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection

from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.audit.record import event_hash
from approvals.decisions.deciding.stepup import is_genuine
from approvals.decisions.models import (
    OPEN_ITEM_STATES,
    Action,
    Attempt,
    DecisionItem,
    ItemState,
    RegistryProof,
)
from approvals.queue.models import State

if TYPE_CHECKING:
    from tests.faults.world import World

ENDED = {
    Action.APPROVE: (State.LIVE, "staged_version.accepted"),
    Action.REJECT: (State.REJECTED, "staged_version.rejected"),
}
NOT_DONE = "staged_version.staged"
UNDER_WAY = {Action.APPROVE: State.APPROVING, Action.REJECT: State.REJECTING}


def on_sending(world: World, stage_id: str) -> list[str]:
    """A decision is about to leave for the registry."""
    problems = []
    short = stage_id[:8]
    if connection.in_atomic_block:
        problems.append(f"{short} was sent from within a transaction.")
    if any(one.is_done for one in world.sent if one.stage_id == stage_id):
        problems.append(f"{short} was sent again after the registry had carried it out.")
    if world.is_on_its_way(stage_id):
        problems.append(f"{short} was sent again while it was on its way.")
    item = (
        DecisionItem.objects.filter(stage_id=stage_id, state__in=OPEN_ITEM_STATES)
        .select_related("decision__step_up")
        .first()
    )
    if item is None:
        return [*problems, f"{short} was sent, and no decision of it is open."]
    if not Attempt.objects.filter(item=item, answered_at__isnull=True).exists():
        problems.append(f"{short} was sent, and nobody had written down that it would be.")
    step_up = item.decision.step_up
    if (
        step_up.consumed_at is None
        or not is_genuine(step_up)
        or step_up.consumed_for != str(item.decision_id)
        or step_up.action != item.decision.action
        or stage_id not in [subject[1] for subject in step_up.subjects]
    ):
        problems.append(f"{short} was sent without a consumed step-up that is for it.")
    if item.decision.paused_at is not None:
        problems.append(f"{short} was sent although its decision is paused.")
    for need in item.needs.select_related("needed"):
        state = need.needed.state
        if state in OPEN_ITEM_STATES or (need.holds and state != ItemState.DONE):
            problems.append(f"{short} was sent before what it needs, which is {state}.")
    return problems


def at_any_time(world: World) -> list[str]:
    """Between two things that happen."""
    problems = []
    items = list(world.decision.items.select_related("staged_version"))
    for item in items:
        row, short = item.staged_version, str(item.stage_id)[:8]
        is_open = item.state in OPEN_ITEM_STATES
        under_way = UNDER_WAY[Action(world.decision.action)]
        if is_open != (row.state == under_way):
            problems.append(f"{short} is {row.state} while its decision is {item.state}.")
        if item.state == ItemState.ASKING and not item.question:
            problems.append(f"{short} waits for a person, and does not say for what.")
        if (
            item.state in {ItemState.FAILED, ItemState.HELD, ItemState.CHECKING}
            and not item.outcome
        ):
            problems.append(f"{short} is {item.state} and does not say why.")
    if not any(item.state in OPEN_ITEM_STATES for item in items) and (
        RegistryProof.objects.filter(decision=world.decision).exists()
    ):
        problems.append("A proof for the registry outlived what it was given for.")
    if sum(item.state == ItemState.SENT for item in items) > 1:
        problems.append("Two calls of one decision are under way.")
    return problems


def at_the_end(world: World) -> list[str]:  # noqa: PLR0912 - one check after the other
    """Nothing is due any more."""
    problems = []
    action = Action(world.decision.action)
    good_state, good_event = ENDED[action]
    done = world.carried_out()
    calls = world.arrived()
    told = Counter(
        AuditEvent.objects.filter(sequence__gt=world.audit_head[0]).values_list("stage_id", "kind")
    )
    items = list(world.decision.items.select_related("staged_version__package"))
    for item in items:
        row, short = item.staged_version, str(item.stage_id)[:8]
        times = done.pop(str(item.stage_id), 0)
        attempts = list(item.attempts.all())
        arrived = calls[str(item.stage_id)]
        if times > 1:
            problems.append(f"{short} was carried out {times} times.")
        if arrived > len(attempts):
            problems.append(
                f"{short} was sent {arrived} times, of which {len(attempts)} are known."
            )
        if item.state in OPEN_ITEM_STATES:
            problems.append(f"{short} is stuck: {item.state}, and nothing is due.")
            continue
        if any(attempt.answered_at is None for attempt in attempts):
            problems.append(f"{short} has ended with a call that is not.")
        if sum(attempt.result == Attempt.Result.CARRIED_OUT for attempt in attempts) > 1:
            problems.append(f"{short} is known to be carried out twice.")
        wanted = (ItemState.DONE, good_state) if times else (ItemState.FAILED, State.STAGED)
        if not times and item.state == ItemState.HELD:
            wanted = (ItemState.HELD, State.STAGED)
        if (item.state, row.state) != wanted:
            problems.append(
                f"{short} was {'' if times else 'not '}carried out, but is {item.state} "
                f"and {row.state}."
            )
        events = {kind: told[item.stage_id, kind] for kind in (good_event, NOT_DONE)}
        if events != {good_event: int(bool(times)), NOT_DONE: int(not times)}:
            problems.append(f"{short}: the audit log tells {events}, carried out {times} times.")
        begun = told[item.stage_id, f"staged_version.{UNDER_WAY[action].value}"]
        if begun != 1:
            problems.append(f"{short}: the audit log tells {begun} times that it was decided.")
        news = OutboxEvent.objects.filter(stage_id=item.stage_id, topic=good_event).count()
        if news != bool(times):
            problems.append(f"{short}: {news} pieces of news that it was carried out.")
        if item.state == ItemState.HELD and not _is_held_rightly(item):
            problems.append(f"{short} is held, and all that it needs was carried out.")
    if done:
        problems.append(f"Nobody had decided on {list(done)}.")
    if action == Action.APPROVE:
        problems += _published(world, items)
    if RegistryProof.objects.exists():
        problems.append("A proof for the registry was left over.")
    return problems + broken_chain(world.audit_head)


def _published(world: World, items: list[DecisionItem]) -> list[str]:
    """What anybody can install is what was decided, no more and no less."""
    problems = []
    with world.house.sandbox.store.read() as store:
        for item in items:
            row = item.staged_version
            found = store.execute(
                "SELECT shasum FROM versions WHERE package = ? AND version = ?",
                (row.package.name, row.version),
            ).fetchall()
            shasums = [one["shasum"] for one in found]
            if shasums != ([item.sha1] if item.state == ItemState.DONE else []):
                problems.append(f"{row} is {item.state}, and published are {shasums}.")
    return problems


def _is_held_rightly(item: DecisionItem) -> bool:
    return item.needs.filter(
        holds=True, needed__state__in=[ItemState.FAILED, ItemState.HELD]
    ).exists()


def broken_chain(head: tuple[int, str]) -> list[str]:
    """What is wrong with the audit log after this event; the whole would take too long."""
    sequence, previous = head
    for event in AuditEvent.objects.filter(sequence__gt=sequence).order_by("sequence"):
        if event.sequence != sequence + 1 or event.previous_hash != previous:
            return [f"Event {event.sequence} does not follow from the one before it."]
        if event_hash(event, settings.SECRET_KEY) != event.hash:
            return [f"Event {event.sequence} was changed."]
        sequence, previous = event.sequence, event.hash
    return []
