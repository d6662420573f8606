"""The plan of a schedule, as the database has it now, and which schedule holds for a package."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import timedelta

from django.utils import timezone

from approvals.people.permissions import may_decide_anything
from approvals.queue.models import Registry
from approvals.rota.models import Layer, LayerMember, Override, Schedule
from approvals.rota.on_call import Cover, LayerPlan, Place, Plan

# Overrides that were over before that are of no interest to anybody.
KEPT_IN_PLANS = timedelta(days=800)


def plan_of(schedule: Schedule) -> Plan:
    """The schedule's plan. Whoever may decide nothing by now is absent from it. Three queries."""
    return plans_of([schedule])[schedule.pk]


def plans_of(schedules: Iterable[Schedule]) -> dict[int, Plan]:
    """The plans of these schedules, by the key of each, in three queries."""
    schedules, now = list(schedules), timezone.now()
    layers = list(Layer.objects.filter(schedule__in=schedules).order_by("position", "pk"))
    absent: set[int] = set()
    places: dict[int, list[Place]] = defaultdict(list)
    for member in LayerMember.objects.filter(layer__in=layers).select_related("user"):
        places[member.layer_id].append(
            Place(member.user_id, member.position, member.joined_at, member.left_at)
        )
        # Who has left is nobody's business any more, and was on call before.
        is_in = member.left_at is None or member.left_at > now
        if is_in and not may_decide_anything(member.user):
            absent.add(member.user_id)
    covers: dict[int, list[Cover]] = defaultdict(list)
    for override in Override.objects.filter(
        layer__in=layers,
        cancelled_at__isnull=True,
        ends_at__gt=now - KEPT_IN_PLANS,
    ).select_related("user"):
        covers[override.layer_id].append(
            Cover(
                override.pk,
                override.user_id,
                override.starts_at,
                override.ends_at,
                only_in_hours=override.only_in_hours,
            )
        )
        if override.ends_at > now and not may_decide_anything(override.user):
            absent.add(override.user_id)
    of: dict[int, list[LayerPlan]] = defaultdict(list)
    for layer in layers:
        of[layer.schedule_id].append(_layer_plan(layer, places[layer.pk], covers[layer.pk]))
    return {
        one.pk: Plan(
            key=one.pk,
            name=one.name,
            layers=tuple(of[one.pk]),
            absent=frozenset(absent),
            is_round_the_clock=one.is_round_the_clock,
        )
        for one in schedules
    }


def schedule_for(registry: Registry, package_name: str) -> Schedule | None:
    """The schedule that holds for this package: the first that covers it. One query."""
    return first_covering(Schedule.objects.all(), registry.url, package_name)


def first_covering(
    schedules: Iterable[Schedule], registry_url: str, package: str
) -> Schedule | None:
    """The same among schedules that are at hand, which are in their order."""
    return next((one for one in schedules if one.covers(registry_url, package)), None)


def without(plan: Plan, may: Collection[int]) -> Plan:
    """The plan with everybody absent who is not among these people."""
    people = {one.person for layer in plan.layers for one in layer.places}
    people |= {one.person for layer in plan.layers for one in layer.covers}
    return replace(plan, absent=plan.absent | (people - set(may)))


def _layer_plan(layer: Layer, places: list[Place], covers: list[Cover]) -> LayerPlan:
    hours = None
    if layer.from_time is not None and layer.until_time is not None:
        hours = (layer.from_time, layer.until_time)
    return LayerPlan(
        key=layer.pk,
        name=layer.get_kind_display(),
        time_zone=layer.time_zone,
        first_day=layer.start_date,
        handover=layer.handover_time,
        length=layer.length,
        unit=layer.unit,
        weekdays=tuple(layer.weekdays),
        hours=hours,
        is_incident=layer.kind == Layer.Kind.INCIDENT,
        ended=layer.ended_at,
        places=tuple(places),
        covers=tuple(covers),
    )
