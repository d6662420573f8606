"""Schedules for tests: one weekly rota of everybody who is named, where nothing else is said."""

import itertools
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from approvals.people.models import User
from approvals.rota.models import EscalationStep, Layer, LayerMember, Override, Schedule

_numbers = itertools.count(1)
# A Monday, so that weekly turns change hands on Mondays.
FIRST_DAY = date(2026, 1, 5)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def make_schedule(
    *people: User,
    name: str = "",
    packages: str = "*",
    registry_url: str = "",
    position: int | None = None,
    is_round_the_clock: bool = False,
    steps: tuple[tuple[int, str], ...] = (),
    **layer: Any,
) -> Schedule:
    """A schedule with one layer of these people, if any; `steps` are minutes and whom."""
    number = next(_numbers)
    schedule = Schedule.objects.create(
        name=name or f"schedule {number}",
        position=number if position is None else position,
        packages=packages,
        registry_url=registry_url,
        is_round_the_clock=is_round_the_clock,
    )
    if people:
        make_layer(schedule, *people, **layer)
    EscalationStep.objects.bulk_create(
        EscalationStep(schedule=schedule, position=at, after_minutes=minutes, whom=whom)
        for at, (minutes, whom) in enumerate(steps)
    )
    return schedule


def make_layer(schedule: Schedule, *people: User, **fields: Any) -> Layer:
    """A rotation in this order that all have been in for ever: weekly, from Monday at 9 in UTC."""
    values: dict[str, Any] = {
        "kind": Layer.Kind.WEEK,
        "position": schedule.layers.count(),
        "start_date": FIRST_DAY,
        "handover_time": time(9),
        "weekdays": list(range(7)),
    }
    layer = Layer.objects.create(schedule=schedule, **values | fields)
    LayerMember.objects.bulk_create(
        LayerMember(layer=layer, user=one, position=at, joined_at=LONG_AGO)
        for at, one in enumerate(people)
    )
    return layer


def make_override(layer: Layer, user: User, start: datetime, **fields: Any) -> Override:
    """An override of one hour, made by whoever is on call by it."""
    values = {"ends_at": start + timedelta(hours=1), "made_by": user}
    return Override.objects.create(layer=layer, user=user, starts_at=start, **values | fields)
