"""Who is on call: everybody reads it, those in it arrange it, release managers set it up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from approvals.people.models import User
from approvals.people.permissions import may_set_rota
from approvals.rota import overrides, schedules, swaps
from approvals.rota.models import CalendarFeed, Layer, Override, Schedule, Swap
from approvals.rota.on_call import Plan
from approvals.rota.plans import plan_of
from approvals.web.forms.rota import HandOverForm, HandOverNowForm, OverrideForm, TakeOverForm
from approvals.web.listing import registry_names
from approvals.web.rota import (
    MOST_LISTED,
    duties_of,
    layer_rows,
    layer_stretches,
    layers_now,
    members_of,
    next_duty,
    people_in,
    row_of,
    schedule_rows,
    shift_words,
    shown_stretches,
    span_words,
    swap_rows,
    titles_of,
    tones_of,
    zone_of,
    zones_of,
)
from approvals.web.rota_calendar import (
    Period,
    Stretch,
    Tones,
    View,
    moment_words,
    month_of,
    period_of,
    week_of,
)
from approvals.web.views.guards import SignedInRequest, rota_setters_only

# So soon after a schedule was made, nobody is missing who was put there meanwhile.
MAKING = timedelta(minutes=10)


@require_safe
def rota(request: SignedInRequest) -> HttpResponse:
    """All schedules that this person may see, and what is theirs to do."""
    user = request.user
    found = schedules.visible_to(user)
    registries = registry_names(user)
    return render(
        request,
        "web/rota/rota.html",
        {
            "rows": schedule_rows(user, found, registries),
            "duties": duties_of(user),
            "next_duty": next_duty(user),
            "asked": swap_rows(swaps.waiting_for(user), user),
            "asking": swap_rows(swaps.asked_by(user), user),
            "may_set": may_set_rota(user),
            "feed": own_feed(user, None),
        },
    )


@require_safe
def schedule(request: SignedInRequest, pk: int) -> HttpResponse:
    """One schedule's calendar, and what can be arranged in it."""
    return schedule_page(request, get_schedule(request.user, pk))


def schedule_page(
    request: SignedInRequest, found: Schedule, *, override_form: OverrideForm | None = None
) -> HttpResponse:
    """The page, with a form that was refused where there is one."""
    user, now = request.user, timezone.now()
    plan = plan_of(found)
    people = people_in([plan])
    zone = _zone(request, plan)
    period = period_of(request.GET.get("view", ""), request.GET.get("day", ""), zone, now=now)
    tones = tones_of(plan, people)
    shown = shown_stretches(plan, period, people, since=found.made_at + MAKING)
    members = members_of(plan, people, now)
    may_set = may_set_rota(user)
    context: dict[str, Any] = {
        "schedule": found,
        "row": row_of(user, found, plan, people, registries=registry_names(user), now=now),
        "period": period,
        "views": [(one.value, one.value.capitalize()) for one in View],
        "zones": zones_of(plan),
        "is_member": user in members,
        "others": [one for one in members if one != user],
        "shifts": _shift_rows(
            user, found, plan, shown, members=members, tones=tones, period=period
        ),
        "more_shifts": max(0, len(shown) - MOST_LISTED),
        "asked": swap_rows(swaps.waiting_for(user).filter(layer__schedule=found), user),
        "asking": swap_rows(swaps.asked_by(user).filter(layer__schedule=found), user),
        "overrides": _override_rows(found, user, zone),
        "layers": layer_rows(found, plan, people),
        "steps": found.steps.all(),
        "may_set": may_set,
        "feed": own_feed(user, found),
    }
    if period.view is View.WEEK:
        lanes: list[tuple[str, list[Stretch]]] = [("On call", shown)]
        inside = [
            one
            for one in plan.layers
            if one.start < period.end and (one.ended is None or one.ended > period.start)
        ]
        titles = titles_of(plan)
        if len(inside) > 1:
            lanes += [
                (titles[one.key], layer_stretches(plan, one.key, period, people)) for one in inside
            ]
        context["week"] = week_of(period, lanes, tones, now=now)
    else:
        context["month"] = month_of(period, shown, tones, now=now)
    if may_set and layers_now(plan):
        context["override_form"] = override_form or _override_form(None, plan, found, zone)
    return render(request, "web/rota/schedule.html", context)


# ---------- who takes whose time


@require_POST
def hand_over(request: SignedInRequest, pk: int) -> HttpResponse:
    """Asks somebody to take a shift of this person's; what has begun of it is not theirs to take.

    With `back_starts_at` and `back_ends_at`, for a shift of theirs in return.
    """
    found = get_schedule(request.user, pk)
    form = HandOverForm(request.POST)
    if not form.is_valid():
        messages.error(request, "This page is out of date. Choose the shift and the person again.")
        return _back(request, found)
    typed = form.cleaned_data
    layer = get_object_or_404(Layer, pk=typed["layer"], schedule=found)
    other = get_object_or_404(User, pk=typed["other"])
    try:
        swaps.ask(
            layer,
            other,
            typed["starts_at"],
            typed["ends_at"],
            back=typed["back"],
            words=typed["words"],
            actor=request.user,
        )
    except swaps.SwapRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(
            request, f"{other} is asked. It stays yours until they accept; they are told now."
        )
    return _back(request, found)


@require_POST
def hand_over_now(request: SignedInRequest, pk: int) -> HttpResponse:
    """Asks somebody to take the rest of the turn that this person has now."""
    found = get_schedule(request.user, pk)
    form = HandOverNowForm(request.POST)
    if not form.is_valid():
        messages.error(request, "This page is out of date. Choose the person again.")
        return _back(request, found)
    layer = get_object_or_404(Layer, pk=form.cleaned_data["layer"], schedule=found)
    other = get_object_or_404(User, pk=form.cleaned_data["other"])
    try:
        swap = swaps.hand_over(layer, other, actor=request.user)
    except swaps.SwapRefused as refusal:
        messages.error(request, str(refusal))
    else:
        until = moment_words(swap.ends_at, ZoneInfo(layer.time_zone))
        messages.success(
            request,
            f"{other} is asked to take over until {until}. You are on call until they accept; "
            "they are told now.",
        )
    return _back(request, found)


@require_POST
def take_over(request: SignedInRequest, pk: int) -> HttpResponse:
    """This person is on call instead of whoever has the shift."""
    found = get_schedule(request.user, pk)
    form = TakeOverForm(request.POST)
    if not form.is_valid():
        messages.error(request, "This page is out of date. Choose the shift again.")
        return _back(request, found)
    typed = form.cleaned_data
    layer = get_object_or_404(Layer, pk=typed["layer"], schedule=found)
    starts = max(typed["starts_at"], timezone.now())
    try:
        overrides.make_override(
            layer, request.user, starts, typed["ends_at"], actor=request.user, only_in_hours=True
        )
    except overrides.OverrideRefused as refusal:
        messages.error(request, str(refusal))
    else:
        when = span_words(starts, typed["ends_at"], ZoneInfo(layer.time_zone))
        messages.success(request, f"You are on call from {when}.")
    return _back(request, found)


@rota_setters_only
@require_POST
def override_add(request: SignedInRequest, pk: int) -> HttpResponse:
    """Puts somebody on call for a while."""
    found = get_schedule(request.user, pk)
    plan = plan_of(found)
    form = _override_form(request.POST, plan, found, zone_of(plan, request.user))
    if not form.is_valid():
        return schedule_page(request, found, override_form=form)
    typed = form.cleaned_data
    layer = get_object_or_404(Layer, pk=typed["layer"], schedule=found)
    person = get_object_or_404(User, pk=typed["person"])
    try:
        overrides.make_override(
            layer,
            person,
            typed["starts_at"],
            typed["ends_at"],
            typed["words"],
            actor=request.user,
        )
    except overrides.OverrideRefused as refusal:
        form.add_error(None, str(refusal))
        return schedule_page(request, found, override_form=form)
    when = span_words(typed["starts_at"], typed["ends_at"], zone_of(plan, request.user))
    messages.success(request, f"{person} is on call from {when}.")
    return _back(request, found)


@require_POST
def override_cancel(request: SignedInRequest, pk: int) -> HttpResponse:
    """Leaves the rest of it to whoever's turn it is."""
    override = get_object_or_404(Override.objects.select_related("layer__schedule"), pk=pk)
    found = get_schedule(request.user, override.layer.schedule_id)
    try:
        overrides.cancel_override(override, actor=request.user)
    except overrides.OverrideRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, "It is taken back. The rotation holds again for that time.")
    return _back(request, found)


@require_POST
def swap_accept(request: SignedInRequest, pk: int) -> HttpResponse:
    """Takes the other's time on call."""
    swap = _swap(request, pk)
    try:
        swaps.accept(swap, actor=request.user)
    except swaps.SwapRefused as refusal:
        messages.error(request, str(refusal))
    else:
        when = span_words(swap.starts_at, swap.ends_at, ZoneInfo(swap.layer.time_zone))
        messages.success(request, f"You are on call from {when}. {swap.asked_by} is told now.")
    return _back(request, swap.layer.schedule)


@require_POST
def swap_decline(request: SignedInRequest, pk: int) -> HttpResponse:
    """Leaves it with whoever asked."""
    swap = _swap(request, pk)
    try:
        swaps.decline(swap, actor=request.user)
    except swaps.SwapRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"You declined. {swap.asked_by} stays on call, and is told now.")
    return _back(request, swap.layer.schedule)


@require_POST
def swap_withdraw(request: SignedInRequest, pk: int) -> HttpResponse:
    """Asks no longer."""
    swap = _swap(request, pk)
    try:
        swaps.withdraw(swap, actor=request.user)
    except swaps.SwapRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"You no longer ask {swap.other}. It stays with you.")
    return _back(request, swap.layer.schedule)


# ---------- parts of it


@dataclass(frozen=True)
class ShiftRow:
    """A shift as the list shows it, and what this person can do about it."""

    stretch: Stretch
    name: str
    when: str
    layer: str
    tone: str
    is_mine: bool
    is_now: bool
    may_hand_over: list[User]
    may_take_over: bool
    in_return: list[tuple[Stretch, str]]


def _shift_rows(
    user: User,
    found: Schedule,
    plan: Plan,
    shown: list[Stretch],
    *,
    members: list[User],
    tones: Tones,
    period: Period,
) -> list[ShiftRow]:
    now, titles = timezone.now(), titles_of(plan)
    others = [one for one in members if one != user]
    may_take = overrides.may_put_in(user, user, found)
    mine = [one for one in shown if one.person == user and one.end > now]
    rows = []
    for one in shown[:MOST_LISTED]:
        is_mine, is_over = one.person == user, one.end <= now
        has_begun = one.start <= now
        rows.append(
            ShiftRow(
                one,
                "Nobody" if one.person is None else str(one.person),
                shift_words(one, period),
                titles.get(one.layer, ""),
                tones.of(one.person),
                is_mine=is_mine,
                is_now=has_begun and not is_over,
                may_hand_over=others if is_mine and not is_over else [],
                may_take_over=may_take and not is_mine and not is_over and bool(one.person),
                in_return=[
                    (own, span_words(own.start, own.end, period.zone))
                    for own in mine
                    if own.layer == one.layer and own.start > now
                ]
                if one.person is not None and not is_mine and not has_begun
                else [],
            )
        )
    return rows


@dataclass(frozen=True)
class OverrideRow:
    """An override in words."""

    override: Override
    when: str
    may_cancel: bool


def _override_rows(found: Schedule, user: User, zone: ZoneInfo) -> list[OverrideRow]:
    rows = (
        Override.objects.filter(
            layer__schedule=found, cancelled_at__isnull=True, ends_at__gt=timezone.now()
        )
        .select_related("user", "made_by", "layer")
        .order_by("starts_at", "pk")[:MOST_LISTED]
    )
    return [
        OverrideRow(
            one,
            span_words(one.starts_at, one.ends_at, zone),
            may_cancel=overrides.may_cancel(user, one),
        )
        for one in rows
    ]


def _override_form(data: Any, plan: Plan, found: Schedule, zone: ZoneInfo) -> OverrideForm:
    return OverrideForm(
        data,
        layers=[(one.key, titles_of(plan)[one.key]) for one in layers_now(plan)],
        people=schedules.choosable_people(found),
        zone=zone,
        auto_id="override_%s",
    )


def get_schedule(user: User, pk: int) -> Schedule:
    """The schedule, for whoever may see it. Raises Http404."""
    for one in schedules.visible_to(user):
        if one.pk == pk:
            return one
    raise Http404


def _swap(request: SignedInRequest, pk: int) -> Swap:
    """A swap that this person asks for, or is asked for. Raises Http404."""
    found = get_object_or_404(
        Swap.objects.select_related("layer__schedule", "asked_by", "other"), pk=pk
    )
    if request.user.pk not in (found.asked_by_id, found.other_id):
        raise Http404
    get_schedule(request.user, found.layer.schedule_id)
    return found


def own_feed(user: User, found: Schedule | None) -> CalendarFeed | None:
    """This person's calendar address that works, for their own shifts or for a schedule."""
    return CalendarFeed.objects.filter(owner=user, schedule=found, revoked_at__isnull=True).first()


def _zone(request: SignedInRequest, plan: Plan) -> ZoneInfo:
    """The time zone that the address asks for, of those in which the schedule is shown."""
    wanted = request.GET.get("zone", "")
    return ZoneInfo(wanted) if wanted in zones_of(plan) else zone_of(plan, request.user)


def _back(request: SignedInRequest, found: Schedule) -> HttpResponse:
    """To where the form was: the list, or the schedule with the same days."""
    if request.POST.get("back") == "rota":
        return redirect("rota")
    kept = {name: request.POST.get(name, "") for name in ("view", "day", "zone")}
    query = urlencode({name: value for name, value in kept.items() if value})
    address = reverse("schedule", args=[found.pk])
    return redirect(f"{address}?{query}" if query else address)
