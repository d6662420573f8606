"""How far a decision has come, and what the registry asks on its way."""

import hashlib
import re
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from approvals.decisions import outcomes, questions
from approvals.decisions.decide import DecisionRefused, answer_registry, ask_again
from approvals.decisions.models import OPEN_ITEM_STATES, Decision, DecisionItem, ItemState
from approvals.people.sessions import not_activity
from approvals.queue.models import StagedVersion, State
from approvals.web.reading import get_version
from approvals.web.views.guards import SignedInRequest

SECONDS = 2


@never_cache
@require_safe
def decision(request: SignedInRequest, decision_id: UUID) -> HttpResponse:
    """One decision over several versions: each with how far it has come."""
    return render(request, "web/decision.html", _status(request, decision_id))


@not_activity
@never_cache
@require_safe
def decision_status(request: SignedInRequest, decision_id: UUID) -> HttpResponse:
    """The part of the page that changes by itself; 204 where it did not."""
    if "HX-Request" not in request.headers:
        return redirect("decision", decision_id)
    status = _status(request, decision_id)
    if request.GET.get("seen") == status["seen"]:
        return HttpResponse(status=204)
    return render(request, "web/decision/status.html", status)


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
    """Takes back what has not begun of the decision, while the registry's question stands open."""
    staged_version = get_version(request.user, pk)
    item = _latest_item(staged_version)
    if item is None:
        raise Http404
    if item.decision.user_id != request.user.pk:
        raise PermissionDenied("Only the person who decided can call it off.")
    off = outcomes.call_off(item, user=request.user)
    if off > 1:
        messages.success(request, f"Called off: {off} versions wait in the queue again.")
    elif off:
        messages.success(request, f"Called off: {staged_version.version} waits in the queue again.")
    else:
        messages.error(request, "The registry is not asking any more: nothing was called off.")
    return _back(item, pk)


def question_of(item: DecisionItem | None) -> dict[str, str]:
    """What the registry wants of the person now, and where its own page is."""
    if item is None:
        return {"wanted": "", "link": ""}
    return {"wanted": questions.wanted(item), "link": questions.link_of(item)}


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


def _status(request: SignedInRequest, decision_id: UUID) -> dict[str, Any]:
    visible = StagedVersion.objects.visible_to(request.user)
    items = list(
        DecisionItem.objects.filter(decision=decision_id, staged_version__in=visible)
        .select_related(
            "decision__user",
            "decision__account",
            "staged_version__package",
            "staged_version__registry",
        )
        .order_by("pk")
    )
    if not items:
        raise Http404
    made: Decision = items[0].decision
    asking = next((item for item in items if item.state == ItemState.ASKING), None)
    under_way = any(
        item.state in OPEN_ITEM_STATES or item.staged_version.state == State.ACCEPTED
        for item in items
    )
    context: dict[str, Any] = {
        "decision": made,
        "items": items,
        "item": asking,
        "version": asking.staged_version if asking else None,
        **question_of(asking),
        "decided": questions.progress_of(made),
        "is_mine": made.user_id == request.user.pk,
        "left_out": made.items.count() - len(items),
        "registry": items[0].staged_version.registry,
        "live": sum(item.staged_version.state == State.LIVE for item in items),
    }
    content = render_to_string("web/decision/progress.html", context, request)
    stable = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", content)
    return context | {
        "content": content,
        "seen": hashlib.sha256(stable.encode()).hexdigest()[:16],
        "seconds": SECONDS if under_way else 0,
    }
