"""Ending what was arranged with people: from now on, and never what was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from approvals.audit.record import Happening
from approvals.people.models import User
from approvals.rota.models import Layer, Override, Swap

CANCELLED = "override.cancelled"


def end_overrides(
    overrides: Iterable[Override], now: datetime, *, by: User | None
) -> list[Happening]:
    """Ends those that are not over; returns what is to be recorded of it.

    Belongs into the transaction of why, in which their schedule is locked.
    """
    told = []
    for one in overrides:
        if one.starts_at < now:
            ended = Override.objects.filter(
                pk=one.pk, cancelled_at__isnull=True, ends_at__gt=now
            ).update(ends_at=now)
        else:
            ended = Override.objects.filter(pk=one.pk, cancelled_at__isnull=True).update(
                cancelled_at=now, cancelled_by=by
            )
        if ended:
            told.append(
                Happening(
                    CANCELLED,
                    by,
                    one,
                    detail={"starts_at": one.starts_at, "ends_at": one.ends_at},
                )
            )
    return told


def release_from(
    layer: Layer, people: Sequence[User], now: datetime, *, by: User | None
) -> list[Happening]:
    """Frees these people from what they were still to do in a layer that they have left.

    Belongs into the transaction of their leaving; returns what is to be recorded of it.
    """
    asked = Swap.objects.filter(layer=layer, state=Swap.State.ASKED)
    for which in (asked.filter(asked_by__in=people), asked.filter(other__in=people)):
        which.update(state=Swap.State.LAPSED, answered_at=now)
    overrides = Override.objects.filter(
        layer=layer, user__in=people, cancelled_at__isnull=True, ends_at__gt=now
    )
    return end_overrides(overrides, now, by=by)


def move_to(before: Layer, after: Layer, now: datetime) -> None:
    """What was arranged for the time to come holds in the layer that takes the place of another.

    Belongs into the transaction of that.
    """
    still = Override.objects.filter(layer=before, cancelled_at__isnull=True, ends_at__gt=now)
    for one in list(still.filter(starts_at__lt=now)):
        Override.objects.create(
            layer=after,
            user_id=one.user_id,
            starts_at=now,
            ends_at=one.ends_at,
            only_in_hours=one.only_in_hours,
            words=one.words,
            made_by_id=one.made_by_id,
            made_at=one.made_at,
            swap_id=one.swap_id,
        )
        Override.objects.filter(pk=one.pk).update(ends_at=now)
    still.filter(starts_at__gte=now).update(layer=after)
    Swap.objects.filter(layer=before, state=Swap.State.ASKED).update(layer=after)
