"""Overrides: somebody is on call for a while, whoever's turn it is.

Whoever sets the rota puts anybody in; everybody else takes time upon themselves only. To be
relieved, one asks somebody (see swaps.py): nobody is on call by another's wish without a say.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone

from approvals.audit.outbox import publish
from approvals.audit.record import record, record_all
from approvals.people.models import User
from approvals.people.permissions import may_set_rota
from approvals.people.turnstile import turnstile
from approvals.rota.models import Layer, Override, Schedule
from approvals.rota.models.schedules import LONGEST_WORDS
from approvals.rota.on_call import on_call_in_layer
from approvals.rota.plans import plan_of
from approvals.rota.releasing import end_overrides
from approvals.rota.schedules import CHANGED, may_be_on_call
from approvals.rota.wall_clock import span_in_words

LONGEST = timedelta(days=90)
FURTHEST = timedelta(days=400)
MOST_IN_LAYER = 200
_GONE = "This layer is no longer there: somebody removed it meanwhile. Nothing was changed."


class OverrideRefused(Exception):
    """The override cannot be made or taken back; the text says why, and what to do."""


def make_override(
    layer: Layer,
    person: User,
    starts_at: datetime,
    ends_at: datetime,
    words: str = "",
    *,
    actor: User,
    only_in_hours: bool = False,
) -> Override:
    """Puts `person` on call in a layer from then to then; what has passed of it does not count.

    With `only_in_hours`, outside the layer's hours nobody is on call by it. Raises OverrideRefused.
    """
    now = timezone.now()
    starts_at = max(starts_at, now)
    if why := refusal_of_times(starts_at, ends_at, now):
        raise OverrideRefused(why)
    words = " ".join(words.split())
    if len(words) > LONGEST_WORDS or "\0" in words:
        raise OverrideRefused(f"Say why in at most {LONGEST_WORDS} characters.")
    with transaction.atomic():
        actor = turnstile(actor)
        layer = locked_layer(layer)
        _check_may_put_in(actor, person, layer.schedule)
        holding = Override.objects.filter(layer=layer, cancelled_at__isnull=True, ends_at__gt=now)
        if holding.count() >= MOST_IN_LAYER:
            raise OverrideRefused(
                f"There are {MOST_IN_LAYER} overrides to come in this layer, which is the most. "
                "Take some back, or change the rotation itself."
            )
        before = on_call_in_layer(plan_of(layer.schedule), layer.pk, starts_at)
        override = Override.objects.create(
            layer=layer,
            user=person,
            starts_at=starts_at,
            ends_at=ends_at,
            only_in_hours=only_in_hours,
            words=words,
            made_by=actor,
        )
        concerned = {person.pk} | ({before.person} if before else set())
        _publish("override.made", override, concerned, actor)
        record(
            "override.made",
            actor=actor,
            subject=override,
            starts_at=starts_at,
            ends_at=ends_at,
            words=words,
        )
    return override


def cancel_override(override: Override, *, actor: User) -> None:
    """Takes an override back, from now on. Raises OverrideRefused."""
    now = timezone.now()
    with transaction.atomic():
        actor = turnstile(actor)
        locked_layer(override.layer)
        override = Override.objects.select_related("layer__schedule", "user").get(pk=override.pk)
        if not may_cancel(actor, override):
            raise OverrideRefused(
                "Only who has put themselves in takes that back, or whoever sets the rota. Ask "
                "somebody to take the time over from you."
            )
        told = end_overrides([override], now, by=actor)
        if override.ends_at <= now or not told:
            raise OverrideRefused("This is over, or was taken back already.")
        _publish("override.cancelled", override, {override.user_id}, actor)
        record_all(told)


def may_cancel(user: User, override: Override) -> bool:
    """Whether this person may take it back. What two people agreed on, neither does alone."""
    is_own = override.user_id == override.made_by_id == user.pk and override.swap_id is None
    return may_set_rota(user) or (is_own and user.is_active)


def may_put_in(user: User, person: User, schedule: Schedule) -> bool:
    """Whether `user` may put `person` on call by an override."""
    return may_be_on_call(person, schedule) and (may_set_rota(user) or user.pk == person.pk)


def refusal_of_times(starts_at: datetime, ends_at: datetime, now: datetime) -> str:
    """Why nobody can be on call from then to then; "" where they can."""
    if ends_at <= now:
        return "This time is over. Choose one that is still to come."
    if ends_at <= starts_at:
        return "It ends before it begins. Choose a later end."
    if starts_at > now + FURTHEST:
        return f"Choose a time within the next {FURTHEST.days} days."
    if ends_at - starts_at > LONGEST:
        return f"Choose at most {LONGEST.days} days."
    return ""


def locked_layer(layer: Layer) -> Layer:
    """The layer once everybody else who changes its schedule is done. Raises OverrideRefused."""
    locked = Schedule.objects.select_for_update(no_key=True).filter(pk=layer.schedule_id).first()
    found = Layer.objects.select_related("schedule").filter(pk=layer.pk, ended_at=None).first()
    if locked is None or found is None:
        raise OverrideRefused(_GONE)
    return found


def _check_may_put_in(actor: User, person: User, schedule: Schedule) -> None:
    person = User.objects.get(pk=person.pk)
    if may_put_in(actor, person, schedule):
        return
    if may_set_rota(actor):
        raise OverrideRefused(f"{person} may not approve what this schedule is for.")
    if actor.pk == person.pk:
        raise OverrideRefused("You may not approve what this schedule is for.")
    raise OverrideRefused(
        "Only whoever sets the rota puts somebody else in. Ask them to take the time over from you."
    )


def _publish(topic: str, override: Override, people: set[int], actor: User) -> None:
    schedule, zone = override.layer.schedule, ZoneInfo(override.layer.time_zone)
    publish(
        topic,
        schedule=schedule.name,
        people=sorted(people - {actor.pk}),
        who=str(override.user),
        actor=str(actor),
        reason=span_in_words(override.starts_at, override.ends_at, zone),
        url_path="/rota/",
    )
    publish(CHANGED, schedule=schedule.name, actor=str(actor), url_path="/rota/")
