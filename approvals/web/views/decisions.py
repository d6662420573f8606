"""Confirming a decision, and answering what the registry asks on its way."""

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from approvals.decisions import outcomes
from approvals.decisions.decide import (
    DecisionRefused,
    InTheWay,
    NotAllowed,
    PresenceNotProved,
    SomebodyElseWasFaster,
    account_for,
    answer_registry,
    decide,
    obstacles,
)
from approvals.decisions.models import Action, DecisionItem
from approvals.decisions.stepup import open_step_up
from approvals.people.permissions import may_decide_anything
from approvals.queue.models import StagedVersion
from approvals.web.facts import facts_of
from approvals.web.forms.decisions import ApproveForm, RejectForm
from approvals.web.reading import get_version
from approvals.web.views.guards import SignedInRequest


@never_cache
@sensitive_post_parameters("code", "registry_code")
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_approve(request: SignedInRequest, pk: int) -> HttpResponse:
    """Names exactly what approving will do, and asks for a fresh code."""
    return _confirm(request, pk, Action.APPROVE)


@never_cache
@sensitive_post_parameters("code", "registry_code")
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_reject(request: SignedInRequest, pk: int) -> HttpResponse:
    """Names exactly what rejecting will do, and asks for a reason and a fresh code."""
    return _confirm(request, pk, Action.REJECT)


@never_cache
@sensitive_post_parameters("registry_code")
@require_POST
def answer(request: SignedInRequest, pk: int) -> HttpResponse:
    """Passes the registry's own code on to the decision that waits for it."""
    item = _latest_item(get_version(request.user, pk))
    code = request.POST.get("registry_code", "")[:80]
    try:
        if item is None:
            raise DecisionRefused("Nothing is being decided here.")
        answer_registry(user=request.user, item=item, registry_code=code)
    except DecisionRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The code is on its way to the registry.")
    return redirect("version", pk)


@require_POST
def call_off(request: SignedInRequest, pk: int) -> HttpResponse:
    """Takes the decision back while the registry's question stands open."""
    staged_version = get_version(request.user, pk)
    item = _latest_item(staged_version)
    if item is None:
        raise Http404
    if item.decision.user_id != request.user.pk:
        raise PermissionDenied("Only the person who decided can call it off.")
    if outcomes.call_off(item, user=request.user):
        messages.success(request, f"Called off: {staged_version.version} waits in the queue again.")
    else:
        messages.error(request, "The registry is not asking any more: nothing was called off.")
    return redirect("version", pk)


def _latest_item(staged_version: StagedVersion) -> DecisionItem | None:
    return (
        DecisionItem.objects.filter(staged_version=staged_version)
        .select_related("decision", "staged_version")
        .order_by("-pk")
        .first()
    )


def _confirm(request: SignedInRequest, pk: int, action: Action) -> HttpResponse:
    staged_version = get_version(request.user, pk)
    form_class = RejectForm if action == Action.REJECT else ApproveForm
    if request.method != "POST":
        return _page(request, staged_version, action, form_class(), status=200)
    form = form_class(request.POST)
    status = 422
    if form.is_valid():
        typed = form.cleaned_data
        try:
            decide(
                user=request.user,
                action=action,
                staged_versions=[staged_version],
                step_up_id=typed["step_up"],
                code=typed["code"],
                reason=typed.get("reason", ""),
                registry_code=typed["registry_code"],
            )
        except DecisionRefused as error:
            form.add_error("code" if isinstance(error, PresenceNotProved) else None, str(error))
            if isinstance(error, NotAllowed):
                status = 403
            elif isinstance(error, InTheWay | SomebodyElseWasFaster):
                status = 409
            staged_version = get_version(request.user, pk)
        else:
            messages.success(request, _done_words(staged_version, action))
            return redirect("version", pk)
    return _page(request, staged_version, action, form, status=status)


def _page(
    request: SignedInRequest,
    staged_version: StagedVersion,
    action: Action,
    form: forms.Form,
    *,
    status: int,
) -> HttpResponse:
    user = request.user
    sentences = obstacles(user, staged_version, action)
    context = {
        **facts_of(staged_version),
        "action": action.value,
        "form": form,
        "obstacles": sentences,
        "account": account_for(user, staged_version.registry),
    }
    if not sentences:
        # Each page shown has a confirmation of its own, bound to what this page says.
        context["step_up"] = open_step_up(user, action, [staged_version])
    elif not form.is_bound:
        status = 409 if may_decide_anything(user) else 403
    return render(request, "web/confirm.html", context, status=status)


def _done_words(staged_version: StagedVersion, action: Action) -> str:
    if action == Action.REJECT:
        return (
            f"You rejected {staged_version}. It is now being deleted at "
            f"{staged_version.registry.name}."
        )
    return (
        f"You approved {staged_version}. {staged_version.registry.name} is now asked to publish "
        "it; this page shows how far it has come."
    )
