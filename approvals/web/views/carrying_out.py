"""How far a decision has come, and what the registry asks on its way."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from approvals.decisions.carrying_out import steering
from approvals.decisions.deciding.decide import DecisionRefused, answer_registry, ask_again
from approvals.decisions.models import OPEN_ITEM_STATES, Decision, DecisionItem
from approvals.people.sessions import not_activity
from approvals.queue.models import StagedVersion
from approvals.web.progress import decision_seen_by, progress_context, shown
from approvals.web.reading import get_version
from approvals.web.views.guards import SignedInRequest


@never_cache
@require_safe
def decision(request: SignedInRequest, decision_id: UUID) -> HttpResponse:
    """One decision over several versions: each with how far it has come."""
    context = progress_context(request, _decision(request, decision_id))
    return render(request, "web/decision.html", {**context, "shown": shown(request, context)})


@not_activity
@never_cache
@require_safe
def decision_status(request: SignedInRequest, decision_id: UUID) -> HttpResponse:
    """The part of the page that changes by itself; 204 where it did not."""
    if "HX-Request" not in request.headers:
        return redirect("decision", decision_id)
    context = progress_context(request, _decision(request, decision_id))
    part = shown(request, context)
    if request.GET.get("seen") == part.seen:
        return HttpResponse(status=204)
    return render(request, "web/decision/status.html", {**context, "shown": part})


@require_POST
def pause(request: SignedInRequest, decision_id: UUID) -> HttpResponse:
    """Begins nothing more of the decision until it is resumed."""
    made = _decision(request, decision_id)
    try:
        paused = steering.pause(made, user=request.user)
    except steering.NotTheirs as error:
        raise PermissionDenied(str(error)) from error
    except steering.SteeringRefused as error:
        messages.error(request, str(error))
    else:
        words = "Paused: nothing more is begun." if paused else "It was paused already."
        by = f"Only {made.paused_by}" if not paused else "Only you"
        messages.success(request, f"{words} {by} can resume it.")
    return redirect("decision", decision_id)


@require_POST
def resume(request: SignedInRequest, decision_id: UUID) -> HttpResponse:
    """Goes on with what was paused, but for what the policy speaks against by now."""
    try:
        resumed = steering.resume(_decision(request, decision_id), user=request.user)
    except steering.NotTheirs as error:
        raise PermissionDenied(str(error)) from error
    except steering.SteeringRefused as error:
        messages.error(request, str(error))
    else:
        if resumed.given_back:
            names = ", ".join(str(row) for row, _ in resumed.given_back[:5])
            more = f" and {len(resumed.given_back) - 5} more" if resumed.given_back[5:] else ""
            messages.error(request, f"Not sent, and back in the queue: {names}{more}.")
        if resumed.going_on:
            messages.success(request, f"Resumed: {_versions(resumed.going_on)} to go.")
    return redirect("decision", decision_id)


@require_POST
def call_off_decision(request: SignedInRequest, decision_id: UUID) -> HttpResponse:
    """Takes back what has not begun of the decision."""
    _call_off(request, _decision(request, decision_id), "")
    return redirect("decision", decision_id)


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
    return _back(item, pk)


@require_POST
def new_link(request: SignedInRequest, pk: int) -> HttpResponse:
    """Asks the registry anew for its own page, where the link there is was not used in time."""
    item = _latest_item(get_version(request.user, pk))
    try:
        if item is None:
            raise DecisionRefused("Nothing is being decided here.")
        ask_again(user=request.user, item=item)
    except DecisionRefused as error:
        messages.error(request, str(error))
    return _back(item, pk)


@require_POST
def call_off(request: SignedInRequest, pk: int) -> HttpResponse:
    """The same, from the page of one of its versions."""
    staged_version = get_version(request.user, pk)
    item = _latest_item(staged_version)
    if item is None:
        raise Http404
    _call_off(request, item.decision, staged_version.version)
    return _back(item, pk)


def _call_off(request: SignedInRequest, made: Decision, version: str) -> None:
    try:
        off = steering.call_off(made, user=request.user)
    except steering.NotTheirs as error:
        raise PermissionDenied(str(error)) from error
    if off == 1:
        messages.success(
            request, f"Called off: {version or 'one version'} waits in the queue again."
        )
    elif off:
        messages.success(request, f"Called off: {off} versions wait in the queue again.")
    elif Decision.objects.filter(
        pk=made.pk, called_off_at__isnull=False, items__state__in=OPEN_ITEM_STATES
    ).exists():
        messages.success(
            request,
            "What was sent is looked into: if it was not carried out, it is not sent again.",
        )
    else:
        messages.error(
            request, "Nothing is left that has not begun, so that nothing was called off."
        )


def _versions(number: int) -> str:
    return "1 version" if number == 1 else f"{number} versions"


def _decision(request: SignedInRequest, decision_id: UUID) -> Decision:
    made = decision_seen_by(request.user, decision_id)
    if made is None:
        raise Http404
    return made


def _back(item: DecisionItem | None, pk: int) -> HttpResponse:
    if item is not None and item.decision.items.count() > 1:
        return redirect("decision", item.decision_id)
    return redirect("version", pk)


def _latest_item(staged_version: StagedVersion) -> DecisionItem | None:
    return (
        DecisionItem.objects.filter(staged_version=staged_version)
        .select_related("decision", "staged_version")
        .order_by("-pk")
        .first()
    )
