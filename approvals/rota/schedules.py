"""Making, changing and removing schedules, their layers and their steps of escalation.

Release managers and administrators who see every package do. What was is not rewritten: people
leave a rotation and join it from now on, and a layer whose turns are made other ones ends, with
another in its place, in which the first person of the list takes the turn that runs.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from approvals.audit.outbox import publish
from approvals.audit.record import Happening, record, record_all
from approvals.people.models import User
from approvals.people.permissions import (
    may_decide_anything,
    may_see_everything,
    may_set_rota,
    reaches_of,
)
from approvals.people.scopes import ScopeRefused, check_packages, matches
from approvals.people.turnstile import turnstile
from approvals.policy.requirement import SettingRefused
from approvals.policy.times import zone_of
from approvals.queue.models import Registry
from approvals.rota.models import EscalationStep, Layer, LayerMember, Override, Schedule, Swap
from approvals.rota.models.schedules import LONGEST_NAME
from approvals.rota.on_call import EVERY_DAY
from approvals.rota.releasing import move_to, release_from

CHANGED = "rota.changed"
"""Published whenever somebody else may be on call than before."""
MOST_SCHEDULES = 100
MOST_PATTERNS = 50
MOST_LAYERS = 10
MOST_PEOPLE = 50
MOST_STEPS = 10
LONGEST_WAIT_MINUTES = 7 * 24 * 60
_MOST_LENGTH = {Layer.Unit.HOURS: 720, Layer.Unit.DAYS: 90, Layer.Unit.WEEKS: 26}
_FIRST_YEAR, _LAST_YEAR = 2020, 2199
_ONLY_SOME = "Only a release manager or an administrator who sees every package sets the rota."
_GONE = "This is no longer there: somebody removed it meanwhile. Nothing was changed."


class ScheduleRefused(Exception):
    """The schedule cannot be made or changed so; the text says why, and what to do.

    Where it is about one field of what was wanted, that is named.
    """

    def __init__(self, words: str, *, field: str = "") -> None:
        super().__init__(words)
        self.field = field


@dataclass(frozen=True)
class WantedSchedule:
    """For which packages it is, by patterns as in scopes, at one registry (by address) or at all.

    `is_round_the_clock`: somebody has to be on call at every hour, not in those of its layers only.
    """

    name: str
    packages: Sequence[str]
    registry_url: str = ""
    is_round_the_clock: bool = False


@dataclass(frozen=True)
class WantedLayer:
    """A rotation as somebody wants it; `people` are keys, in the order of their turns."""

    people: Sequence[int]
    start_date: date
    kind: str = Layer.Kind.WEEK
    time_zone: str = "UTC"
    handover_time: time = time(9)
    length: int = 1
    unit: str = Layer.Unit.WEEKS
    weekdays: Sequence[int] = EVERY_DAY
    from_time: time | None = None
    until_time: time | None = None


@dataclass(frozen=True)
class WantedStep:
    """Whom to tell, so many minutes after the step before, of what nobody has taken."""

    after_minutes: int
    whom: str


# ---------- who reads of them


def may_see_schedule(user: User, schedule: Schedule) -> bool:
    """Whoever sees every package, is in the rota, or sees packages that it may be for."""
    return any(one == schedule for one in visible_to(user))


def visible_to(user: User) -> list[Schedule]:
    """The schedules of which this person may read, in their order."""
    schedules = list(Schedule.objects.all())
    if not user.is_active:
        return []
    if may_see_everything(user):
        return schedules
    places = LayerMember.objects.filter(user=user, left_at__isnull=True)
    own = set(places.values_list("layer__schedule_id", flat=True))
    overrides = Override.objects.filter(
        user=user, cancelled_at__isnull=True, ends_at__gt=timezone.now()
    )
    own |= set(overrides.values_list("layer__schedule_id", flat=True))
    return [one for one in schedules if one.pk in own or patterns_shown(one, user)]


def patterns_shown(schedule: Schedule, user: User) -> list[str]:
    """The patterns of the schedule that are for packages which this person may see."""
    if may_see_everything(user):
        return schedule.globs
    reaches = [
        one
        for one in reaches_of(user)
        if "" in (one.registry_url, schedule.registry_url)
        or one.registry_url == schedule.registry_url
    ]
    return [
        glob
        for glob in schedule.globs
        if any(matches(one.packages, glob) or matches(glob, one.packages) for one in reaches)
    ]


def layers_of(schedule: Schedule) -> QuerySet[Layer]:
    """The layers of now, in their order."""
    return schedule.layers.filter(ended_at__isnull=True).order_by("position", "pk")


def people_in(layer: Layer) -> list[User]:
    """Who is in the rotation now, in the order of their turns."""
    places = layer.members.filter(left_at__isnull=True).select_related("user")
    return [one.user for one in places.order_by("position", "pk")]


def may_be_on_call(person: User, schedule: Schedule) -> bool:
    """Whether this person may approve something of what the schedule may be for."""
    return may_decide_anything(person) and bool(patterns_shown(schedule, person))


def choosable_people(schedule: Schedule | None = None) -> list[User]:
    """Who can be on call: whoever may approve something, of what the schedule is for."""
    people = User.objects.filter(is_active=True).prefetch_related("scopes").order_by("username")
    return [
        one
        for one in people
        if may_decide_anything(one) and (schedule is None or may_be_on_call(one, schedule))
    ]


# ---------- making it so


def make_schedule(
    wanted: WantedSchedule,
    layers: Sequence[WantedLayer],
    steps: Sequence[WantedStep] = (),
    *,
    actor: User,
) -> Schedule:
    """Makes a schedule, tried after all that there are. Raises ScheduleRefused."""
    _check_may(actor)
    values = _checked_schedule(wanted)
    checked = [_checked_layer(one, Schedule(**values)) for one in layers]
    if len(layers) > MOST_LAYERS:
        raise ScheduleRefused(f"A schedule has at most {MOST_LAYERS} layers.")
    rows = _checked_steps(steps)
    with transaction.atomic():
        actor = _locked(actor)
        highest = Schedule.objects.aggregate(highest=Max("position"))["highest"]
        if Schedule.objects.count() >= MOST_SCHEDULES:
            raise ScheduleRefused(
                f"There are {MOST_SCHEDULES} schedules, which is the most. Remove one, or cover "
                "several packages with one pattern."
            )
        schedule = Schedule(position=0 if highest is None else highest + 1)
        _save(schedule, values)
        for position, (layer, people) in enumerate(checked):
            _add_layer(schedule, layer, people, position)
        EscalationStep.objects.bulk_create(
            EscalationStep(schedule=schedule, position=at, after_minutes=minutes, whom=whom)
            for at, (minutes, whom) in enumerate(rows)
        )
        _publish(schedule, actor)
        record(
            "schedule.made",
            actor=actor,
            subject=schedule,
            **_said(values),
            layers=[_said_layer(layer, people) for layer, people in checked],
            steps=rows,
        )
    return schedule


def change_schedule(schedule: Schedule, wanted: WantedSchedule, *, actor: User) -> Schedule:
    """Gives a schedule another name or other packages. Raises ScheduleRefused."""
    _check_may(actor)
    values = _checked_schedule(wanted, former=schedule)
    with transaction.atomic():
        actor = _locked(actor)
        schedule = _locked_schedule(schedule.pk)
        before = {name: getattr(schedule, name) for name in values}
        if before == values:
            return schedule
        _save(schedule, values)
        _publish(schedule, actor)
        record(
            "schedule.changed",
            actor=actor,
            subject=schedule,
            before=_said(before),
            after=_said(values),
        )
    return schedule


def move_schedule(schedule: Schedule, to_position: int, *, actor: User) -> None:
    """Has a schedule be tried as the one of this number, from 0. Raises ScheduleRefused."""
    _check_may(actor)
    with transaction.atomic():
        actor = _locked(actor)
        schedules = list(Schedule.objects.order_by("pk").select_for_update(no_key=True))
        schedules.sort(key=lambda one: (one.position, one.pk))
        before = [one.name for one in schedules]
        moved = next((one for one in schedules if one.pk == schedule.pk), None)
        if moved is None:
            raise ScheduleRefused(_GONE)
        schedules.remove(moved)
        schedules.insert(max(0, to_position), moved)
        after = [one.name for one in schedules]
        if before == after:
            return
        for position, one in enumerate(schedules):
            one.position = position
        Schedule.objects.bulk_update(schedules, ["position"])
        _publish(moved, actor)
        record("schedule.moved", actor=actor, subject=moved, before=before, after=after)


def remove_schedule(schedule: Schedule, *, actor: User) -> None:
    """Removes a schedule with all that belongs to it. The next that covers a package holds for it.

    Raises ScheduleRefused.
    """
    _check_may(actor)
    with transaction.atomic():
        actor = _locked(actor)
        schedule = _locked_schedule(schedule.pk)
        gone = Schedule(pk=schedule.pk, name=schedule.name)
        _publish(schedule, actor)
        schedule.delete()
        record("schedule.removed", actor=actor, subject=gone)


def add_layer(schedule: Schedule, wanted: WantedLayer, *, actor: User) -> Layer:
    """Adds a layer, asked after all others. Raises ScheduleRefused."""
    _check_may(actor)
    values, people = _checked_layer(wanted, schedule)
    with transaction.atomic():
        actor = _locked(actor)
        schedule = _locked_schedule(schedule.pk)
        there = list(layers_of(schedule))
        if len(there) >= MOST_LAYERS:
            raise ScheduleRefused(f"A schedule has at most {MOST_LAYERS} layers. Remove one.")
        position = max((one.position for one in there), default=-1) + 1
        layer = _add_layer(schedule, values, people, position)
        _publish(schedule, actor)
        record("layer.made", actor=actor, subject=layer, layer=_said_layer(values, people))
    return layer


def change_layer(layer: Layer, wanted: WantedLayer, *, actor: User) -> Layer:
    """Gives a layer other people or other turns, from now on; returns the layer that has them.

    Where its turns or hours are other ones, this is another layer in its place, and the first of
    the people takes the turn that runs. Whose turn it is stays, where only people come, go or
    change their order. Who leaves is on call by no override either. Raises ScheduleRefused.
    """
    _check_may(actor)
    now = timezone.now()
    values, people = _checked_layer(wanted, layer.schedule)
    with transaction.atomic():
        actor = _locked(actor)
        layer = _locked_layer(layer.pk)
        before = {name: getattr(layer, name) for name in values}
        people_before = people_in(layer)
        if (before, people_before) == (values, people):
            return layer
        told = []
        if before == values:
            told = _place(layer, people, now, actor)
            changed = layer
        elif before | {"kind": ""} == values | {"kind": ""}:
            Layer.objects.filter(pk=layer.pk).update(kind=values["kind"])
            told = _place(layer, people, now, actor)
            changed = Layer.objects.get(pk=layer.pk)
        else:
            Layer.objects.filter(pk=layer.pk).update(ended_at=now)
            LayerMember.objects.filter(layer=layer, left_at__isnull=True).update(left_at=now)
            changed = _add_layer(layer.schedule, values, people, layer.position)
            move_to(layer, changed, now)
            gone = [one for one in people_before if one not in people]
            told = release_from(changed, gone, now, by=actor)
        _publish(layer.schedule, actor)
        happening = Happening(
            "layer.changed",
            actor,
            changed,
            detail={
                "before": _said_layer(before, people_before),
                "after": _said_layer(values, people),
            },
        )
        record_all([happening, *told])
    return changed


def remove_layer(layer: Layer, *, actor: User) -> None:
    """Removes a layer from now on. Raises ScheduleRefused."""
    _check_may(actor)
    now = timezone.now()
    with transaction.atomic():
        actor = _locked(actor)
        layer = _locked_layer(layer.pk)
        Layer.objects.filter(pk=layer.pk).update(ended_at=now)
        LayerMember.objects.filter(layer=layer, left_at__isnull=True).update(left_at=now)
        Swap.objects.filter(layer=layer, state=Swap.State.ASKED).update(
            state=Swap.State.LAPSED, answered_at=now
        )
        _publish(layer.schedule, actor)
        record("layer.removed", actor=actor, subject=layer)


def set_steps(schedule: Schedule, steps: Sequence[WantedStep], *, actor: User) -> None:
    """Says who is told when of what nobody takes. Raises ScheduleRefused."""
    _check_may(actor)
    wanted = _checked_steps(steps)
    with transaction.atomic():
        actor = _locked(actor)
        schedule = _locked_schedule(schedule.pk)
        rows = schedule.steps.order_by("position")
        before = [(one.after_minutes, one.whom) for one in rows]
        if before == wanted:
            return
        schedule.steps.all().delete()
        EscalationStep.objects.bulk_create(
            EscalationStep(schedule=schedule, position=at, after_minutes=minutes, whom=whom)
            for at, (minutes, whom) in enumerate(wanted)
        )
        _publish(schedule, actor)
        record("schedule.steps_set", actor=actor, subject=schedule, before=before, after=wanted)


# ---------- parts of it


def _place(layer: Layer, people: Sequence[User], now: datetime, actor: User) -> list[Happening]:
    """Makes these the people of the rotation, in this order, from now on."""
    places = list(
        layer.members.filter(left_at__isnull=True).select_related("user").order_by("position", "pk")
    )
    leaving = [one for one in places if one.user not in people]
    staying = [one.user for one in places if one.user in people]
    if staying != list(people[: len(staying)]):
        # Somebody comes between others, or they change places: all begin anew where they are.
        gone, new, first = places, list(people), 0
    else:
        gone, new = leaving, list(people[len(staying) :])
        first = max((one.position for one in places), default=-1) + 1
    LayerMember.objects.filter(pk__in=[one.pk for one in gone]).update(left_at=now)
    LayerMember.objects.bulk_create(
        LayerMember(layer=layer, user=one, position=at, joined_at=now)
        for at, one in enumerate(new, start=first)
    )
    return release_from(layer, [one.user for one in leaving], now, by=actor)


def _add_layer(
    schedule: Schedule, values: dict[str, Any], people: Sequence[User], position: int
) -> Layer:
    layer = Layer.objects.create(schedule=schedule, position=position, **values)
    now = timezone.now()
    LayerMember.objects.bulk_create(
        LayerMember(layer=layer, user=one, position=at, joined_at=now)
        for at, one in enumerate(people)
    )
    return layer


def _save(schedule: Schedule, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(schedule, name, value)
    taken = Schedule.objects.filter(name__iexact=schedule.name).exclude(pk=schedule.pk)
    if taken.exists():
        raise _taken(schedule.name)
    try:
        with transaction.atomic():
            schedule.save()
    except IntegrityError as error:
        raise _taken(schedule.name) from error


def _taken(name: str) -> ScheduleRefused:
    return ScheduleRefused(
        f"Another schedule is called “{name}” already. Give it another name.", field="name"
    )


def _checked_schedule(wanted: WantedSchedule, former: Schedule | None = None) -> dict[str, Any]:
    name = " ".join(wanted.name.split())
    if not name or any(unicodedata.category(one)[0] == "C" for one in name):
        raise ScheduleRefused("Give the schedule a name, to tell it from others.", field="name")
    if len(name) > LONGEST_NAME:
        raise ScheduleRefused(
            f"Give the schedule a name of at most {LONGEST_NAME} characters.", field="name"
        )
    globs = list(dict.fromkeys(one.strip() for one in wanted.packages if one.strip()))
    if not 0 < len(globs) <= MOST_PATTERNS:
        raise ScheduleRefused(
            f"Name its packages, in 1 to {MOST_PATTERNS} patterns such as @acme/*, one a line.",
            field="packages",
        )
    try:
        for glob in globs:
            check_packages(glob)
    except ScopeRefused as error:
        raise ScheduleRefused(str(error), field="packages") from error
    url = wanted.registry_url
    # A registry that is gone stays, until somebody chooses another one.
    if url not in ("", former.registry_url if former else "") and (
        "\0" in url or not Registry.objects.filter(url=url).exists()
    ):
        raise ScheduleRefused(
            "There is no such registry. Choose one, or every registry.", field="registry_url"
        )
    return {
        "name": name,
        "packages": "\n".join(globs),
        "registry_url": url,
        "is_round_the_clock": wanted.is_round_the_clock,
    }


def _checked_layer(wanted: WantedLayer, schedule: Schedule) -> tuple[dict[str, Any], list[User]]:
    if wanted.kind not in Layer.Kind.values:
        raise ScheduleRefused("Choose what the layer is for.", field="kind")
    try:
        time_zone = zone_of(wanted.time_zone, "time_zone")
    except SettingRefused as error:
        raise ScheduleRefused(str(error), field="time_zone") from error
    if not _FIRST_YEAR <= wanted.start_date.year <= _LAST_YEAR:
        raise ScheduleRefused(
            f"Begin on a day of the years {_FIRST_YEAR} to {_LAST_YEAR}.", field="start_date"
        )
    if wanted.unit not in Layer.Unit.values:
        raise ScheduleRefused("Choose hours, days or weeks.", field="unit")
    most = _MOST_LENGTH[Layer.Unit(wanted.unit)]
    if not 1 <= wanted.length <= most:
        raise ScheduleRefused(f"A turn has 1 to {most} {wanted.unit}.", field="length")
    weekdays = sorted(set(wanted.weekdays))
    if not weekdays or not set(weekdays) <= set(EVERY_DAY):
        raise ScheduleRefused("Choose at least one day of the week.", field="weekdays")
    hours = (wanted.from_time, wanted.until_time)
    if (hours[0] is None) != (hours[1] is None):
        missing = "from_time" if hours[0] is None else "until_time"
        raise ScheduleRefused(
            "Say both from when and until when, or neither for the whole day.", field=missing
        )
    values: dict[str, Any] = {
        "kind": wanted.kind,
        "time_zone": time_zone,
        "start_date": wanted.start_date,
        "handover_time": _to_the_minute(wanted.handover_time),
        "length": wanted.length,
        "unit": wanted.unit,
        "weekdays": weekdays,
        "from_time": _to_the_minute(hours[0]) if hours[0] else None,
        "until_time": _to_the_minute(hours[1]) if hours[1] else None,
    }
    return values, _checked_people(wanted.people, schedule)


def _to_the_minute(at: time) -> time:
    return time(at.hour, at.minute)


def _checked_people(keys: Sequence[int], schedule: Schedule) -> list[User]:
    wanted = list(dict.fromkeys(keys))
    if not 0 < len(wanted) <= MOST_PEOPLE:
        raise ScheduleRefused(f"Choose 1 to {MOST_PEOPLE} people.", field="people")
    found = User.objects.in_bulk(wanted)
    people = [found[key] for key in wanted if key in found]
    if len(people) != len(wanted):
        raise ScheduleRefused(
            "There is no such person. Choose among the people listed.", field="people"
        )
    for one in people:
        if not may_decide_anything(one):
            raise ScheduleRefused(
                f"{one} may not approve anything, and so cannot be on call. Leave them out, or "
                "have an administrator make them an approver.",
                field="people",
            )
        if not may_be_on_call(one, schedule):
            raise ScheduleRefused(
                f"{one} may not approve what this schedule is for. Leave them out, or have an "
                "administrator give them these packages.",
                field="people",
            )
    return people


def _checked_steps(steps: Sequence[WantedStep]) -> list[tuple[int, str]]:
    if len(steps) > MOST_STEPS:
        raise ScheduleRefused(f"There are at most {MOST_STEPS} steps.", field="steps")
    for one in steps:
        if one.whom not in EscalationStep.Whom.values:
            raise ScheduleRefused("Choose whom each step tells.", field="steps")
        if not 0 <= one.after_minutes <= LONGEST_WAIT_MINUTES:
            raise ScheduleRefused(
                f"A step waits for 0 to {LONGEST_WAIT_MINUTES:,} minutes, which are 7 days.",
                field="steps",
            )
    return [(one.after_minutes, str(one.whom)) for one in steps]


def _check_may(actor: User) -> None:
    if not may_set_rota(actor):
        raise ScheduleRefused(_ONLY_SOME)


def _locked(actor: User) -> User:
    actor = turnstile(actor)
    _check_may(actor)
    return actor


def _locked_schedule(key: int) -> Schedule:
    found = Schedule.objects.select_for_update(no_key=True).filter(pk=key).first()
    if found is None:
        raise ScheduleRefused(_GONE)
    return found


def _locked_layer(key: int) -> Layer:
    """The layer as it is once everybody else who changes its schedule is done."""
    schedule = Layer.objects.filter(pk=key).values_list("schedule_id", flat=True).first()
    if schedule is not None:
        _locked_schedule(schedule)
    found = Layer.objects.select_related("schedule").filter(pk=key, ended_at__isnull=True).first()
    if found is None:
        raise ScheduleRefused(_GONE)
    return found


def _publish(schedule: Schedule, actor: User) -> None:
    publish(CHANGED, schedule=schedule.name, actor=str(actor), url_path="/rota/")


def _said(values: dict[str, Any]) -> dict[str, Any]:
    return {**values, "packages": str(values["packages"]).split("\n")}


def _said_layer(values: dict[str, Any], people: Sequence[User]) -> dict[str, Any]:
    said = {name: str(value) if value is not None else "" for name, value in values.items()}
    return {**said, "people": [one.get_username() for one in people]}
