"""Swaps: somebody asks another person to take their time, perhaps for some of the other's.

Nothing changes until the other accepts. What of it has passed by then stays with whoever had it:
the rest changes hands. A swap can be accepted only while the rota is as it was when it was asked
for, as far as it is about: of two that are about the same time, the first accepted holds.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from approvals.audit.outbox import publish
from approvals.audit.record import Happening, record, record_all
from approvals.people.models import User
from approvals.people.turnstile import turnstile
from approvals.rota.models import Layer, Override, Swap
from approvals.rota.models.schedules import LONGEST_WORDS
from approvals.rota.on_call import (
    Plan,
    on_call_in_layer,
    shifts_in_layer,
    turn_around,
)
from approvals.rota.overrides import OverrideRefused, locked_layer, refusal_of_times
from approvals.rota.plans import plan_of
from approvals.rota.schedules import CHANGED, may_be_on_call
from approvals.rota.wall_clock import span_in_words

MOST_OPEN = 50
_ROTA_CHANGED = (
    "The rota is another one than when this was asked for: somebody else is on call at that time. "
    "Ask anew for what is wanted still."
)


class SwapRefused(Exception):
    """The swap cannot be asked for or answered; the text says why, and what to do."""


def ask(
    layer: Layer,
    other: User,
    starts_at: datetime,
    ends_at: datetime,
    *,
    actor: User,
    back: tuple[datetime, datetime] | None = None,
    words: str = "",
) -> Swap:
    """Asks `other` to take the actor's time in a layer from then to then.

    `back` is what the actor would take of the other's time in return. Raises SwapRefused.
    """
    now = timezone.now()
    for begins, ends in filter(None, ((starts_at, ends_at), back)):
        if why := refusal_of_times(begins, ends, now):
            raise SwapRefused(why)
    words = " ".join(words.split())
    if len(words) > LONGEST_WORDS or "\0" in words:
        raise SwapRefused(f"Say why in at most {LONGEST_WORDS} characters.")
    with transaction.atomic():
        actor = turnstile(actor)
        layer = _locked_layer(layer)
        other = User.objects.get(pk=other.pk)
        if other.pk == actor.pk:
            raise SwapRefused("You have this time already. Ask somebody else.")
        if not may_be_on_call(other, layer.schedule):
            raise SwapRefused(f"{other} may not approve what this schedule is for.")
        plan = plan_of(layer.schedule)
        if not _is_all_of(plan, layer, actor, starts_at, ends_at):
            raise SwapRefused("You are not on call then. Choose a time that is yours.")
        if back and not _is_all_of(plan, layer, other, *back):
            raise SwapRefused(f"{other} is not on call then. Choose a time that is theirs.")
        if Swap.objects.filter(asked_by=actor, state=Swap.State.ASKED).count() >= MOST_OPEN:
            raise SwapRefused(
                f"You have asked {MOST_OPEN} times and wait for answers. Withdraw some first."
            )
        swap = _save(
            Swap(
                layer=layer,
                asked_by=actor,
                other=other,
                starts_at=starts_at,
                ends_at=ends_at,
                back_starts_at=back[0] if back else None,
                back_ends_at=back[1] if back else None,
                words=words,
            )
        )
        _publish("swap.asked", swap, other, actor, _said_of(swap))
        record("swap.asked", actor=actor, subject=swap, **_detail(swap))
    return swap


def hand_over(layer: Layer, other: User, *, actor: User, words: str = "") -> Swap:
    """Asks `other` to take the rest of the turn, or of the override, that the actor has now.

    The actor stays on call until they accept. Raises SwapRefused.
    """
    now = timezone.now()
    plan = plan_of(layer.schedule)
    try:
        current = on_call_in_layer(plan, layer.pk, now)
    except KeyError:
        current = None
    if current is None or current.person != actor.pk:
        raise SwapRefused("You are not on call by this layer now. Look at who is.")
    ends = turn_around(plan, layer.pk, now)[1]
    if current.override is not None:
        ends = Override.objects.get(pk=current.override).ends_at
    last = now
    for shift in shifts_in_layer(plan, layer.pk, now, ends):
        if shift.person != actor.pk:
            break
        last = shift.end
    return ask(layer, other, now, last, actor=actor, words=words)


def accept(swap: Swap, *, actor: User) -> None:
    """Takes the time from now on, and gives what was asked for in return. Raises SwapRefused."""
    with transaction.atomic():
        actor = turnstile(actor)
        layer = _locked_layer(swap.layer)
        swap = _open_swap(swap)
        if swap.other_id != actor.pk:
            raise SwapRefused("Only who was asked answers.")
        if not may_be_on_call(actor, layer.schedule):
            raise SwapRefused("You may not approve what this schedule is for any more.")
        # Read once everybody else is out of the way, whom we may have waited for.
        now, plan = timezone.now(), plan_of(layer.schedule)
        changing_hands = [(actor, swap.asked_by, swap.starts_at, swap.ends_at)]
        if swap.back_starts_at and swap.back_ends_at:
            changing_hands.append((swap.asked_by, actor, swap.back_starts_at, swap.back_ends_at))
        for _, giver, begins, ends in changing_hands:
            if ends <= now:
                raise SwapRefused("This time is over. Decline, and ask anew for what is wanted.")
            if not _is_all_of(plan, layer, giver, begins, ends):
                raise SwapRefused(_ROTA_CHANGED)
        for taker, _, begins, ends in changing_hands:
            Override.objects.create(
                layer=layer,
                user=taker,
                starts_at=max(begins, now),
                ends_at=ends,
                only_in_hours=True,
                words=swap.words,
                made_by=actor,
                swap=swap,
            )
        _answer(swap, Swap.State.ACCEPTED, now)
        told = _lapse(_about_the_same(swap), now)
        said = _said_of(swap)
        _publish("swap.answered", swap, swap.asked_by, actor, f"Accepted: {said}")
        publish(CHANGED, schedule=layer.schedule.name, actor=str(actor), url_path="/rota/")
        happening = Happening("swap.accepted", actor, swap, detail=_detail(swap))
        record_all([happening, *told])


def decline(swap: Swap, *, actor: User) -> None:
    """Leaves everything as it is. Raises SwapRefused."""
    with transaction.atomic():
        actor = turnstile(actor)
        swap = _open_swap(swap)
        if swap.other_id != actor.pk:
            raise SwapRefused("Only who was asked answers.")
        _answer(swap, Swap.State.DECLINED, timezone.now())
        said = _said_of(swap)
        _publish("swap.answered", swap, swap.asked_by, actor, f"Declined: {said}")
        record("swap.declined", actor=actor, subject=swap)


def withdraw(swap: Swap, *, actor: User) -> None:
    """Asks no more. Raises SwapRefused."""
    with transaction.atomic():
        actor = turnstile(actor)
        swap = _open_swap(swap)
        if swap.asked_by_id != actor.pk:
            raise SwapRefused("Only who has asked withdraws that.")
        _answer(swap, Swap.State.WITHDRAWN, timezone.now())
        record("swap.withdrawn", actor=actor, subject=swap)


def waiting_for(user: User) -> QuerySet[Swap]:
    """What this person was asked and can still answer."""
    return _open().filter(other=user)


def asked_by(user: User) -> QuerySet[Swap]:
    """What this person has asked and nobody has answered yet."""
    return _open().filter(asked_by=user)


def lapse_due() -> None:
    """Asks no more about what is over."""
    now = timezone.now()
    with transaction.atomic():
        due = Swap.objects.filter(state=Swap.State.ASKED).filter(
            Q(ends_at__lte=now) | Q(back_ends_at__lte=now)
        )
        if told := _lapse(due, now):
            record_all(told)


def _open() -> QuerySet[Swap]:
    return (
        Swap.objects.filter(state=Swap.State.ASKED, ends_at__gt=timezone.now())
        .exclude(back_ends_at__lte=timezone.now())
        .select_related("layer__schedule", "asked_by", "other")
        .order_by("starts_at", "pk")
    )


def _about_the_same(swap: Swap) -> QuerySet[Swap]:
    """What else was asked about time that changes hands by this one."""
    asked = Swap.objects.filter(layer=swap.layer_id, state=Swap.State.ASKED)
    same = Q(asked_by=swap.asked_by, starts_at__lt=swap.ends_at, ends_at__gt=swap.starts_at)
    if swap.back_starts_at and swap.back_ends_at:
        same |= Q(
            asked_by=swap.other,
            starts_at__lt=swap.back_ends_at,
            ends_at__gt=swap.back_starts_at,
        )
    return asked.filter(same)


def _lapse(swaps: QuerySet[Swap], now: datetime) -> list[Happening]:
    told = []
    for one in swaps:
        lapsed = Swap.objects.filter(pk=one.pk, state=Swap.State.ASKED).update(
            state=Swap.State.LAPSED, answered_at=now
        )
        if lapsed:
            told.append(Happening("swap.lapsed", None, one))
    return told


def _is_all_of(plan: Plan, layer: Layer, person: User, start: datetime, end: datetime) -> bool:
    """Whether nobody else is on call by the layer in what is still to come of this time."""
    found = shifts_in_layer(plan, layer.pk, max(start, timezone.now()), end)
    return bool(found) and all(one.person == person.pk for one in found)


def _open_swap(swap: Swap) -> Swap:
    found = (
        Swap.objects.select_for_update(of=("self",))
        .select_related("layer__schedule", "asked_by", "other")
        .filter(pk=swap.pk, state=Swap.State.ASKED)
        .first()
    )
    if found is None:
        raise SwapRefused("This was answered, withdrawn or is over already.")
    return found


def _answer(swap: Swap, state: Swap.State, now: datetime) -> None:
    answered = Swap.objects.filter(pk=swap.pk, state=Swap.State.ASKED).update(
        state=state, answered_at=now
    )
    if not answered:
        raise SwapRefused("This was answered, withdrawn or is over already.")


def _save(swap: Swap) -> Swap:
    try:
        with transaction.atomic():
            swap.save(force_insert=True)
    except IntegrityError as error:
        raise SwapRefused("You have asked this already. Wait for the answer.") from error
    return swap


def _locked_layer(layer: Layer) -> Layer:
    try:
        return locked_layer(layer)
    except OverrideRefused as error:
        raise SwapRefused(str(error)) from error


def _said_of(swap: Swap) -> str:
    zone = ZoneInfo(swap.layer.time_zone)
    said = span_in_words(swap.starts_at, swap.ends_at, zone)
    if swap.back_starts_at and swap.back_ends_at:
        said += f", for {span_in_words(swap.back_starts_at, swap.back_ends_at, zone)}"
    return f"{said}. {swap.words}".strip() if swap.words else said


def _detail(swap: Swap) -> dict[str, Any]:
    return {
        "asked_by": swap.asked_by.get_username(),
        "other": swap.other.get_username(),
        "starts_at": swap.starts_at,
        "ends_at": swap.ends_at,
        "back_starts_at": swap.back_starts_at,
        "back_ends_at": swap.back_ends_at,
    }


def _publish(topic: str, swap: Swap, whom: User, actor: User, reason: str) -> None:
    publish(
        topic,
        schedule=swap.layer.schedule.name,
        people=[whom.pk],
        actor=str(actor),
        reason=reason,
        url_path="/rota/",
    )
