"""What the pages of the rota show: who is on call, until when, and what is next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from approvals.people.models import User
from approvals.people.permissions import may_decide_anything
from approvals.policy.times import days_in_words
from approvals.rota.models import Layer, Schedule, Swap
from approvals.rota.on_call import (
    EVERY_DAY,
    Gap,
    LayerPlan,
    OnCall,
    Plan,
    Shift,
    gaps,
    next_on_call,
    on_call,
    shifts,
    shifts_in_layer,
)
from approvals.rota.plans import plans_of
from approvals.rota.schedules import layers_of, patterns_shown
from approvals.web.rota_calendar import (
    TO,
    Period,
    Stretch,
    Tones,
    moment_words,
    short_words,
    stretches_of,
    until_words,
)

# So far ahead pages look for what comes: a person's next shift, and hours without anybody.
AHEAD = timedelta(days=28)
# What begins before a page and ends after it is shown as a whole.
AROUND = timedelta(days=8)
MOST_LISTED = 100


def layers_now(plan: Plan) -> list[LayerPlan]:
    """Its layers without those that are over."""
    return [one for one in plan.layers if one.ended is None]


def zone_of(plan: Plan, user: User) -> ZoneInfo:
    """The time zone in which a schedule is shown: that of the layer that this person is in.

    For others, that of the first.
    """
    layers, now = layers_now(plan), timezone.now()
    own = [
        one
        for one in layers
        if any(place.person == user.pk and place.is_there(now) for place in one.places)
    ]
    return next((one.zone for one in (*own, *layers)), ZoneInfo(settings.TIME_ZONE))


def zones_of(plan: Plan) -> list[str]:
    """Those in which it can be shown."""
    zones = [one.time_zone for one in layers_now(plan)]
    return list(dict.fromkeys([*zones, settings.TIME_ZONE]))


def titles_of(plan: Plan) -> dict[int, str]:
    """What its layers are called, by key: with the time zone where that tells them apart."""
    names = Counter(one.name for one in layers_now(plan))
    return {
        one.key: f"{one.name} ({one.time_zone})" if names[one.name] > 1 else one.name
        for one in plan.layers
    }


def people_in(plans: Iterable[Plan]) -> dict[int, User]:
    """Everybody whom these plans name, by key. One query."""
    keys: set[int] = set()
    for layer in (layer for plan in plans for layer in plan.layers):
        keys |= {one.person for one in layer.places} | {one.person for one in layer.covers}
    return User.objects.in_bulk(keys)


def members_of(plan: Plan, people: Mapping[int, User], at: datetime) -> list[User]:
    """Who is in one of its rotations then, each once, in the order of the rotations."""
    keys = dict.fromkeys(
        one.person
        for layer in plan.layers
        for one in sorted(layer.places, key=lambda one: one.rank)
        if one.is_there(at) and one.person not in plan.absent
    )
    return [people[key] for key in keys]


@dataclass(frozen=True)
class Held:
    """Somebody who is on call, and until when in words; "" where that is not in sight."""

    person: User
    is_mine: bool
    layer: str
    layer_key: int
    until: str
    zone: str


def held(plan: Plan, found: OnCall | None, people: Mapping[int, User], user: User) -> Held | None:
    """What is known of who is on call, for pages; times are those of the layer's clock."""
    if found is None:
        return None
    now, layer = timezone.now(), plan.layer(found.layer)
    return Held(
        people[found.person],
        is_mine=found.person == user.pk,
        layer=titles_of(plan)[layer.key],
        layer_key=layer.key,
        until=until_words(found.until, layer.zone, now=now) if found.until else "",
        zone=layer.time_zone,
    )


@dataclass(frozen=True)
class ScheduleRow:
    """A schedule, who is on call for it, who is next, and the first hour without anybody."""

    schedule: Schedule
    covers: str
    zone: str
    now: Held | None
    urgent: Held | None
    following: User | None
    gap: str
    members: list[User]
    is_wanted_now: bool


def schedule_rows(
    user: User, schedules: Sequence[Schedule], registries: Mapping[str, str]
) -> list[ScheduleRow]:
    """What the list says of each; as many queries for many as for one."""
    plans = plans_of(schedules)
    people = people_in(plans.values())
    now = timezone.now()
    return [
        row_of(user, one, plans[one.pk], people, registries=registries, now=now)
        for one in schedules
    ]


def row_of(
    user: User,
    schedule: Schedule,
    plan: Plan,
    people: Mapping[int, User],
    *,
    registries: Mapping[str, str],
    now: datetime,
) -> ScheduleRow:
    """The same of one schedule."""
    zone = zone_of(plan, user)
    usual = on_call(plan, now)
    urgent = on_call(plan, now, urgent=True)
    following = next_on_call(plan, now)
    missing = gaps(plan, now, now + AHEAD)
    is_else = urgent is not None and (usual is None or urgent.person != usual.person)
    return ScheduleRow(
        schedule,
        covers_words(schedule, user, registries),
        zone.key,
        held(plan, usual, people, user),
        held(plan, urgent, people, user) if is_else else None,
        people[following.person] if following else None,
        gap_words(missing[0], zone, now=now) if missing else "",
        members_of(plan, people, now),
        is_wanted_now=bool(missing) and missing[0].start <= now,
    )


def covers_words(schedule: Schedule, user: User, registries: Mapping[str, str]) -> str:
    """For which packages a schedule is, of those that this person sees; the registry by name."""
    shown = patterns_shown(schedule, user)
    packages = ", ".join("every package" if one == "*" else one for one in shown)
    if len(shown) < len(schedule.globs):
        packages = f"{packages} and others" if packages else "packages that you do not see"
    # Of a registry that this person does not know, only that there is one.
    where = registries.get(schedule.registry_url, "one registry")
    return f"{packages} at {where if schedule.registry_url else 'every registry'}"


def gap_words(gap: Gap, zone: ZoneInfo, *, now: datetime) -> str:
    """When nobody is on call: "from Fri 4 Dec 17:00 to Mon 7 Dec 09:00", or "until …" if now."""
    ends = moment_words(gap.end, zone)
    if gap.start <= now:
        return f"until {ends}"
    return f"from {moment_words(gap.start, zone)} to {ends}"


@dataclass(frozen=True)
class LayerRow:
    """A rotation in words."""

    layer: Layer
    title: str
    turns: str
    hours: str
    people: list[User]
    absent: list[User]


def layer_rows(found: Schedule, plan: Plan, people: dict[int, User]) -> list[LayerRow]:
    """The rotations of a schedule in words."""
    now, titles = timezone.now(), titles_of(plan)
    rows = []
    for layer in layers_of(found):
        there = sorted(
            (one for one in plan.layer(layer.pk).places if one.left is None or one.left > now),
            key=lambda one: one.rank,
        )
        rows.append(
            LayerRow(
                layer,
                titles[layer.pk],
                turns_words(layer),
                hours_words(layer),
                [people[one.person] for one in there if one.person not in plan.absent],
                [people[one.person] for one in there if one.person in plan.absent],
            )
        )
    return rows


def turns_words(layer: Layer) -> str:
    """Such as "Turns of 1 week, handed over at 09:00 (Europe/Berlin)"."""
    unit = layer.unit.removesuffix("s") if layer.length == 1 else layer.unit
    return (
        f"Turns of {layer.length} {unit}, from {layer.start_date.day} {layer.start_date:%b %Y}, "
        f"{layer.handover_time:%H:%M} ({layer.time_zone})"
    )


def hours_words(layer: Layer) -> str:
    """Such as "Mon-Fri 09:00 to 17:00", or "At every hour"."""
    is_every_day = len(layer.weekdays) == len(EVERY_DAY)
    said = "Every day" if is_every_day else days_in_words(sorted(layer.weekdays))
    if layer.from_time is None or layer.until_time is None:
        return "At every hour" if is_every_day else said
    return f"{said} {layer.from_time:%H:%M}{TO}{layer.until_time:%H:%M}"


# ---------- what is this person's


@dataclass(frozen=True)
class Duty:
    """That a person is on call now, or when next."""

    schedule: Schedule
    until: str
    zone: str
    start: datetime
    is_urgent_only: bool = False
    until_short: str = ""
    from_words: str = ""


def duties_of(user: User) -> list[Duty]:
    """For which schedules this person is on call now."""
    now = timezone.now()
    found = []
    for schedule, plan in _planned(_schedules_with(user)):
        for is_urgent in (False, True):
            one = on_call(plan, now, urgent=is_urgent)
            if one is not None and one.person == user.pk:
                zone = plan.layer(one.layer).zone
                until = one.until
                found.append(
                    Duty(
                        schedule,
                        until_words(until, zone, now=now) if until else "",
                        zone.key,
                        now,
                        is_urgent_only=is_urgent,
                        until_short=short_words(until, zone, now=now) if until else "",
                    )
                )
                break
    return found


def next_duty(user: User) -> Duty | None:
    """When this person is on call next, where they are not now."""
    now = timezone.now()
    coming = []
    for schedule, plan in _planned(_schedules_with(user)):
        mine = (one for one in shifts(plan, now, now + AHEAD) if one.person == user.pk)
        if (first := next(mine, None)) is not None and first.start > now:
            zone = plan.layer(first.layer).zone
            coming.append(
                Duty(
                    schedule,
                    moment_words(first.end, zone),
                    zone.key,
                    first.start,
                    from_words=until_words(first.start, zone, now=now),
                )
            )
    return min(coming, key=lambda one: one.start, default=None)


def _schedules_with(user: User) -> list[Schedule]:
    """Those in which this person can be on call. No query for who may decide nothing."""
    if not may_decide_anything(user):
        return []
    in_rotation = Q(layers__members__user=user, layers__members__left_at__isnull=True)
    by_hand = Q(
        layers__overrides__user=user,
        layers__overrides__cancelled_at__isnull=True,
        layers__overrides__ends_at__gt=timezone.now(),
    )
    return list(Schedule.objects.filter(in_rotation | by_hand).distinct())


def _planned(schedules: Sequence[Schedule]) -> list[tuple[Schedule, Plan]]:
    if not schedules:
        return []
    plans = plans_of(schedules)
    return [(one, plans[one.pk]) for one in schedules]


@dataclass(frozen=True)
class SwapRow:
    """A swap that somebody was asked for, in words."""

    swap: Swap
    when: str
    back: str
    is_mine: bool


def swap_rows(swaps: Iterable[Swap], user: User) -> list[SwapRow]:
    """What pages say of them; the time zone is the layer's."""
    return [
        SwapRow(
            one,
            span_words(one.starts_at, one.ends_at, ZoneInfo(one.layer.time_zone)),
            span_words(one.back_starts_at, one.back_ends_at, ZoneInfo(one.layer.time_zone))
            if one.back_starts_at and one.back_ends_at
            else "",
            is_mine=one.asked_by_id == user.pk,
        )
        for one in swaps
    ]


def span_words(start: datetime, end: datetime, zone: ZoneInfo) -> str:
    """Such as "Fri 4 Dec 09:00 to Mon 7 Dec 09:00"."""
    return f"{moment_words(start, zone)} to {moment_words(end, zone)}"


# ---------- a calendar


def shown_stretches(
    plan: Plan, period: Period, people: Mapping[int, User], *, since: datetime
) -> list[Stretch]:
    """Who is on call in the end, and when nobody is; what begins or ends outside is whole.

    Before `since`, when the schedule was made, nobody was missing.
    """
    start, end = period.start - AROUND, period.end + AROUND
    missing = (
        Gap(max(one.start, since), one.end) for one in gaps(plan, start, end) if one.end > since
    )
    found = stretches_of(shifts(plan, start, end), missing, people)
    return [one for one in found if one.start < period.end and one.end > period.start]


def shift_words(one: Stretch, period: Period) -> str:
    """From when to when; what is cut where a page looks no further is said to go on."""
    words = span_words(one.start, one.end, period.zone)
    if one.start <= period.start - AROUND:
        words = f"before {words}"
    return f"{words} and longer" if one.end >= period.end + AROUND else words


def layer_stretches(
    plan: Plan, layer: int, period: Period, people: Mapping[int, User]
) -> list[Stretch]:
    """The same by one layer alone, without what nobody has."""
    found: list[Shift] = shifts_in_layer(plan, layer, period.start - AROUND, period.end + AROUND)
    return stretches_of(found, (), people)


def tones_of(plan: Plan, people: Mapping[int, User]) -> Tones:
    """A colour for everybody in it, by their place in the rotations."""
    keys: dict[int, None] = {}
    for layer in plan.layers:
        keys |= dict.fromkeys(one.person for one in sorted(layer.places, key=lambda one: one.rank))
        keys |= dict.fromkeys(one.person for one in layer.covers)
    return Tones(people[key] for key in keys)
