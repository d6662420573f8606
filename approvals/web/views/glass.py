"""Letting versions out at a time when none may go: one asks, another agrees."""

from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from approvals.decisions.deciding.decide import MOST_AT_ONCE
from approvals.decisions.emergency import glass
from approvals.decisions.judging.checklist import checklists_of
from approvals.decisions.models import BrokenGlass
from approvals.people import presence, sessions
from approvals.people.permissions import may_decide
from approvals.queue.models import StagedVersion
from approvals.web.forms.glass import GlassForm, SecondForm
from approvals.web.reading import get_versions, whole
from approvals.web.views.guards import SignedInRequest
from approvals.web.views.proofs import (
    empty_code_form,
    no_offer,
    offer,
    proof_of,
    ways_of,
    with_refused_proof,
)

Step = Literal["break", "second"]
DONE: dict[Step, str] = {
    "break": "You asked to break the glass. A second person has to agree, and everyone is told.",
    "second": "You agreed: the glass is broken. What else the policy wants still has to hold.",
}
_AUTO_ID = "glass_%s"


@sensitive_post_parameters("code", "assertion")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def break_glass(request: SignedInRequest) -> HttpResponse:
    """Asks for the versions that `version` names to be let out in spite of the time."""
    versions = _chosen(request)
    form = GlassForm(request.POST if request.method == "POST" else None, auto_id=_AUTO_ID)
    return _page(
        request,
        "break",
        versions,
        form,
        lambda: glass.break_glass(
            versions,
            proof_of(request),
            user=request.user,
            session=sessions.session_id(request),
            reason=form.cleaned_data["reason"],
        ),
    )


@require_POST
def break_glass_options(request: SignedInRequest) -> HttpResponse:
    """What the passkey of whoever asks has to sign: these versions, and this reason."""
    return _offer(request, "break", GlassForm(request.POST, auto_id=_AUTO_ID))


@sensitive_post_parameters("code", "assertion")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def second_glass(request: SignedInRequest) -> HttpResponse:
    """Agrees to what somebody else has asked for."""
    versions = _chosen(request)
    asked = _asked_for(versions)
    form = SecondForm(
        request.POST if request.method == "POST" else None,
        initial={"reason": asked[0].reason if asked else ""},
        auto_id=_AUTO_ID,
    )
    return _page(
        request,
        "second",
        versions,
        form,
        lambda: glass.second(
            versions,
            proof_of(request),
            user=request.user,
            session=sessions.session_id(request),
            reason=form.cleaned_data["reason"],
        ),
    )


@require_POST
def second_glass_options(request: SignedInRequest) -> HttpResponse:
    """What the passkey of the second person has to sign."""
    return _offer(request, "second", SecondForm(request.POST, auto_id=_AUTO_ID))


def _chosen(request: SignedInRequest) -> list[StagedVersion]:
    named = [*request.GET.getlist("version"), *request.POST.getlist("version")]
    keys = {whole(value) for value in named[: MOST_AT_ONCE + 1]}
    versions = get_versions(request.user, keys)
    if not versions:
        raise Http404("None of these versions is here.")
    if not all(may_decide(request.user, row.registry.url, row.package.name) for row in versions):
        raise PermissionDenied("Only approvers break the glass. Ask one.")
    return versions


def _asked_for(versions: list[StagedVersion]) -> list[BrokenGlass]:
    """What waits for a second person, of each version."""
    newest = glass.genuine_glass(versions).values()
    return [one for one in newest if one.seconded_by_id is None]


def _offer(request: SignedInRequest, step: Step, form: GlassForm | SecondForm) -> HttpResponse:
    versions = _chosen(request)
    if not form.is_valid():
        return no_offer(form)
    return offer(request, glass.purpose_of(step, versions, form.cleaned_data["reason"]))


def _page(
    request: SignedInRequest,
    step: Step,
    versions: list[StagedVersion],
    form: GlassForm | SecondForm,
    act: Callable[[], Any],
) -> HttpResponse:
    code_form = empty_code_form(_AUTO_ID)
    if request.method == "POST" and form.is_valid():
        try:
            act()
        except glass.GlassRefused as refusal:
            form.add_error(None, str(refusal))
        except presence.PresenceRefused as refusal:
            code_form = with_refused_proof(request, form, refusal, _AUTO_ID)
        else:
            messages.success(request, DONE[step])
            return _back(versions)
    checklists = checklists_of(versions)
    asked = _asked_for(versions)
    rows = [
        {
            "version": row,
            "against": [one for one in checklists[row.pk].unmet if one.may_break_glass],
            "others": [
                one
                for one in checklists[row.pk].unmet
                if not one.may_break_glass and not one.is_about_approvals
            ],
        }
        for row in versions
    ]
    query = urlencode([("version", row.pk) for row in versions])
    names = ("break_glass", "break_glass_options")
    if step == "second":
        names = ("second_glass", "second_glass_options")
    page, options = (f"{reverse(name)}?{query}" for name in names)
    why_not = (
        glass.why_not_break(request.user, versions)
        if step == "break"
        else glass.why_not_second(request.user, versions, asked[0].reason if asked else "")
    )
    context = {
        "step": step,
        "rows": rows,
        "asked": asked,
        "is_own": any(one.user_id == request.user.pk for one in asked),
        "why_not": why_not,
        "form": form,
        "code_form": code_form,
        "action": page,
        "options_url": options,
        "second_url": f"{reverse('second_glass')}?{query}",
        "back_url": reverse("version", args=[versions[0].pk])
        if len(versions) == 1
        else reverse("queue"),
        **ways_of(request),
    }
    failed = request.method == "POST"
    return render(request, "web/glass.html", context, status=422 if failed else 200)


def _back(versions: list[StagedVersion]) -> HttpResponse:
    return redirect("version", versions[0].pk) if len(versions) == 1 else redirect("queue")
