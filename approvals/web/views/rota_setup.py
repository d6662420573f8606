"""Setting the rota up: schedules from templates, their layers, and whom to ask after whom."""

from __future__ import annotations

from typing import Any, TypeVar

from django import forms
from django.conf import settings
from django.contrib import messages
from django.forms.utils import ErrorDict
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from approvals.people.models import User
from approvals.queue.models import Registry
from approvals.rota import schedules
from approvals.rota.models import Layer, Schedule
from approvals.rota.plans import plan_of
from approvals.rota.templates import TEMPLATES, layers_of
from approvals.rota.turns import USUAL
from approvals.web.forms.rota import (
    MOST_GROUPS,
    MOST_PLACES,
    PLACES_AT_ONCE,
    LayerForm,
    MoveForm,
    NewScheduleForm,
    ScheduleForm,
    StepsForm,
    layer_initial,
    new_layer_initial,
    time_zones,
)
from approvals.web.rota import layer_rows, people_in
from approvals.web.views.guards import SignedInRequest, rota_setters_only


@rota_setters_only
@require_http_methods(["GET", "POST"])
def schedule_add(request: SignedInRequest) -> HttpResponse:
    """Makes a schedule from a template."""
    people = schedules.choosable_people()
    form = NewScheduleForm(
        request.POST if request.method == "POST" else None,
        registries=_registry_names(),
        people=people,
        places=[_places(request, f"place_{at}_") for at in range(MOST_GROUPS)],
        zone=settings.TIME_ZONE,
        initial={"template": TEMPLATES[0].key, "start_date": timezone.localdate()},
    )
    if request.method == "POST" and "more" not in request.POST and form.is_valid():
        typed = form.cleaned_data
        try:
            layers = layers_of(typed["template"], form.chosen_groups, typed["start_date"])
            made = schedules.make_schedule(
                form.wanted,
                layers,
                [schedules.WantedStep(_minutes(one.wait), one.whom) for one in USUAL],
                actor=request.user,
            )
        except schedules.ScheduleRefused as refusal:
            form.refuse(refusal)
        else:
            messages.success(
                request, f"“{made.name}” is made. Look whether its turns are as you want them."
            )
            return redirect("schedule", made.pk)
    return render(
        request,
        "web/rota/add.html",
        {
            "form": _without_errors(form) if "more" in request.POST else form,
            "templates": TEMPLATES,
            "has_people": bool(people),
            "time_zones": time_zones(),
        },
    )


@rota_setters_only
@require_safe
def schedule_setup(request: SignedInRequest, pk: int) -> HttpResponse:
    """All that can be set of a schedule."""
    return _setup_page(request, get_object_or_404(Schedule, pk=pk))


@rota_setters_only
@require_POST
def schedule_change(request: SignedInRequest, pk: int) -> HttpResponse:
    """Gives it another name or other packages."""
    found = get_object_or_404(Schedule, pk=pk)
    form = _schedule_form(request.POST, found)
    if form.is_valid():
        try:
            changed = schedules.change_schedule(found, form.wanted, actor=request.user)
        except schedules.ScheduleRefused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, f"“{changed.name}” is saved, and holds so at once.")
            return redirect("schedule_setup", pk)
    return _setup_page(request, found, form=form)


@rota_setters_only
@require_POST
def schedule_steps(request: SignedInRequest, pk: int) -> HttpResponse:
    """Says whom to ask after whom."""
    found = get_object_or_404(Schedule, pk=pk)
    form = StepsForm(request.POST, steps=(), auto_id="steps_%s")
    if form.is_valid():
        try:
            schedules.set_steps(found, form.cleaned_data["steps"], actor=request.user)
        except schedules.ScheduleRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, "Whom to ask after whom is saved, and holds so at once.")
            return redirect("schedule_setup", pk)
    return _setup_page(request, found, steps_form=form)


@rota_setters_only
@require_POST
def schedule_move(request: SignedInRequest, pk: int) -> HttpResponse:
    """Has it be tried earlier or later than others."""
    found = get_object_or_404(Schedule, pk=pk)
    form = _move_form(request.POST, found)
    if not form.is_valid():
        messages.error(request, "The schedules changed meanwhile. Choose the place again.")
        return redirect("schedule_setup", pk)
    try:
        schedules.move_schedule(found, form.cleaned_data["position"] - 1, actor=request.user)
    except schedules.ScheduleRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"“{found.name}” is tried in another place now.")
    return redirect("rota")


@rota_setters_only
@require_POST
def schedule_remove(request: SignedInRequest, pk: int) -> HttpResponse:
    """Removes it with all that belongs to it."""
    found = get_object_or_404(Schedule, pk=pk)
    try:
        schedules.remove_schedule(found, actor=request.user)
    except schedules.ScheduleRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"“{found.name}” is removed.")
    return redirect("rota")


@rota_setters_only
@require_http_methods(["GET", "POST"])
def layer_add(request: SignedInRequest, pk: int) -> HttpResponse:
    """Adds a rotation."""
    found = get_object_or_404(Schedule, pk=pk)
    zones = list(schedules.layers_of(found).values_list("time_zone", flat=True)[:1])
    initial = new_layer_initial(timezone.localdate(), zones[0] if zones else settings.TIME_ZONE)
    form = _layer_form(request, found, initial=initial)
    if _is_sent(request, form):
        try:
            schedules.add_layer(found, form.wanted, actor=request.user)
        except schedules.ScheduleRefused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, "The layer is added, and holds from now on.")
            return redirect("schedule", pk)
    return _layer_page(request, found, None, form)


@rota_setters_only
@require_http_methods(["GET", "POST"])
def layer(request: SignedInRequest, pk: int) -> HttpResponse:
    """Changes a rotation: what was stays as it was."""
    found = get_object_or_404(
        Layer.objects.select_related("schedule"), pk=pk, ended_at__isnull=True
    )
    members = schedules.people_in(found)
    form = _layer_form(request, found.schedule, initial=layer_initial(found), members=members)
    if _is_sent(request, form):
        try:
            schedules.change_layer(found, form.wanted, actor=request.user)
        except schedules.ScheduleRefused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, "The layer is changed, from now on.")
            return redirect("schedule", found.schedule_id)
    return _layer_page(request, found.schedule, found, form)


@rota_setters_only
@require_POST
def layer_remove(request: SignedInRequest, pk: int) -> HttpResponse:
    """Removes a rotation from now on."""
    found = get_object_or_404(
        Layer.objects.select_related("schedule"), pk=pk, ended_at__isnull=True
    )
    try:
        schedules.remove_layer(found, actor=request.user)
    except schedules.ScheduleRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, "The layer is removed from now on. What was stays in the past.")
    return redirect("schedule_setup", found.schedule_id)


# ---------- parts of it

_Asked = TypeVar("_Asked", bound=forms.Form)


def _setup_page(request: SignedInRequest, found: Schedule, **shown: Any) -> HttpResponse:
    plan = plan_of(found)
    steps = list(found.steps.order_by("position"))
    context = {
        "schedule": found,
        "form": _schedule_form(None, found),
        "steps_form": StepsForm(steps=steps, auto_id="steps_%s"),
        "move_form": _move_form(None, found),
        "number_of_schedules": Schedule.objects.count(),
        "layers": layer_rows(found, plan, people_in([plan])),
        "has_steps": bool(steps),
    }
    return render(request, "web/rota/setup.html", context | shown)


def _schedule_form(data: Any, found: Schedule) -> ScheduleForm:
    return ScheduleForm(
        data,
        registries=_registry_names(),
        registry_url=found.registry_url,
        initial={
            "name": found.name,
            "packages": found.packages,
            "is_round_the_clock": found.is_round_the_clock,
        },
        auto_id="set_%s",
    )


def _move_form(data: Any, found: Schedule) -> MoveForm:
    names = list(Schedule.objects.values_list("pk", "name"))
    place = next((at for at, (key, _) in enumerate(names, start=1) if key == found.pk), 1)
    return MoveForm(
        data,
        names=[name for _, name in names],
        initial={"position": place},
        auto_id="move_%s",
    )


def _layer_form(
    request: SignedInRequest,
    found: Schedule,
    *,
    initial: dict[str, Any],
    members: list[User] | None = None,
) -> LayerForm:
    members = members or []
    people = schedules.choosable_people(found)
    # Whoever may approve nothing by now stays in the list, to be taken out by their name.
    people += [one for one in members if one not in people]
    return LayerForm(
        request.POST if request.method == "POST" else None,
        people=people,
        places=_places(request, "place_", least=len(members) + 2 if members else PLACES_AT_ONCE),
        chosen=[one.pk for one in members],
        initial=initial,
        auto_id="layer_%s",
    )


def _is_sent(request: SignedInRequest, form: LayerForm) -> bool:
    return request.method == "POST" and "more" not in request.POST and form.is_valid()


def _layer_page(
    request: SignedInRequest, found: Schedule, changed: Layer | None, form: LayerForm
) -> HttpResponse:
    return render(
        request,
        "web/rota/layer.html",
        {
            "schedule": found,
            "layer": changed,
            "form": _without_errors(form) if "more" in request.POST else form,
            "time_zones": time_zones(),
            "is_last": changed is not None and schedules.layers_of(found).count() == 1,
        },
    )


def _places(request: SignedInRequest, prefix: str, *, least: int = PLACES_AT_ONCE) -> int:
    """For how many people the form has places: as many as it was sent with, or is asked for."""
    sent = sum(name.startswith(prefix) for name in request.POST)
    more = PLACES_AT_ONCE if "more" in request.POST else 0
    return min(max(sent or least, 1) + more, MOST_PLACES)


def _without_errors(form: _Asked) -> _Asked:
    """What was typed so far, of which nobody has said yet that it is all."""
    form._errors = ErrorDict()  # type: ignore[attr-defined]  # the stubs do not have it
    return form


def _minutes(wait: Any) -> int:
    return int(wait.total_seconds() // 60)


def _registry_names() -> dict[str, str]:
    return dict(Registry.objects.values_list("url", "name"))
