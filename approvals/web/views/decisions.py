"""Confirming a decision: what it will do in words, then one touch or six digits."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from approvals.decisions.deciding import stepup
from approvals.decisions.deciding.decide import (
    MOST_AT_ONCE,
    DecisionRefused,
    InTheWay,
    NotAllowed,
    PresenceNotProved,
    SomebodyElseWasFaster,
    decide,
    obstacles_of,
    open_intent,
    seen_of,
)
from approvals.decisions.judging.checklist import Checklist, checklists_of
from approvals.decisions.models import Action
from approvals.inspection.rule_settings import settings_for
from approvals.people import factors
from approvals.people.adapter import client_address
from approvals.people.permissions import may_decide_anything
from approvals.people.sessions import session_id
from approvals.queue.models import StagedVersion
from approvals.web.checklist import approvals_in, others_asked, wants_of
from approvals.web.checklist import is_last as last_for
from approvals.web.facts import facts_of
from approvals.web.forms.decisions import ApproveForm, RejectForm
from approvals.web.reading import get_version, get_versions, whole
from approvals.web.releases import back_to, part_of, warnings_for
from approvals.web.views.guards import SignedInRequest
from approvals.web.wording import (
    approve_several_words,
    approve_words,
    done_words,
    reject_several_words,
    reject_words,
    vote_several_words,
    vote_words,
    voted_words,
)

STATUS: dict[type[Exception], HTTPStatus] = {
    NotAllowed: HTTPStatus.FORBIDDEN,
    InTheWay: HTTPStatus.CONFLICT,
    SomebodyElseWasFaster: HTTPStatus.CONFLICT,
}


@never_cache
@sensitive_post_parameters("code", "registry_code", "assertion")
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_approve(request: SignedInRequest, pk: int) -> HttpResponse:
    """Names exactly what approving will do, and asks for a proof of presence."""
    return _confirm(request, [get_version(request.user, pk)], Action.APPROVE)


@never_cache
@sensitive_post_parameters("code", "registry_code", "assertion")
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_reject(request: SignedInRequest, pk: int) -> HttpResponse:
    """Names exactly what rejecting will do, and asks for a reason and a proof of presence."""
    return _confirm(request, [get_version(request.user, pk)], Action.REJECT)


@never_cache
@sensitive_post_parameters("code", "registry_code", "assertion")
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_approve_several(request: SignedInRequest) -> HttpResponse:
    """The same for all the versions that `version` names, each once, in the address or the form."""
    return _confirm_chosen(request, Action.APPROVE)


@never_cache
@sensitive_post_parameters("code", "registry_code", "assertion")
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_reject_several(request: SignedInRequest) -> HttpResponse:
    """The same for all the versions that `version` names, each once, in the address or the form."""
    return _confirm_chosen(request, Action.REJECT)


@never_cache
@sensitive_post_parameters("code", "registry_code", "assertion")
@require_POST
def approve_intent(request: SignedInRequest) -> HttpResponse:
    """Writes down what is about to be approved, and returns what a passkey is to sign."""
    return _intent(request, Action.APPROVE)


@never_cache
@sensitive_post_parameters("code", "registry_code", "assertion")
@require_POST
def reject_intent(request: SignedInRequest) -> HttpResponse:
    """Writes down what is about to be rejected, and returns what a passkey is to sign."""
    return _intent(request, Action.REJECT)


def _confirm_chosen(request: SignedInRequest, action: Action) -> HttpResponse:
    versions = _chosen(request)
    if not versions:
        messages.error(
            request, f"Tick the versions to decide first: between 1 and {MOST_AT_ONCE} at once."
        )
        return redirect("queue")
    return _confirm(request, versions, action)


def _chosen(request: SignedInRequest) -> list[StagedVersion]:
    source = request.POST if request.method == "POST" else request.GET
    keys = {number for key in source.getlist("version") if (number := whole(key))}
    if not 0 < len(keys) <= MOST_AT_ONCE:
        return []
    return get_versions(request.user, keys)


def _form(
    request: SignedInRequest,
    versions: list[StagedVersion],
    action: Action,
    checklists: Mapping[int, Checklist],
    **more: Any,
) -> ApproveForm:
    kind = RejectForm if action == Action.REJECT else ApproveForm
    account = stepup.account_for(request.user, versions[0].registry)
    overrides = action == Action.APPROVE and any(one.overridable for one in checklists.values())
    return kind(
        request.POST if request.method == "POST" else None,
        account=account,
        overrides=overrides,
        is_last=action == Action.REJECT or last_for(checklists.values()),
        **more,
    )


def _confirm(
    request: SignedInRequest, versions: list[StagedVersion], action: Action
) -> HttpResponse:
    checklists = checklists_of(versions, action=action.value, voter=request.user)
    form = _form(request, versions, action, checklists)
    if request.method != "POST":
        return _page(request, checklists, action, form, status=HTTPStatus.OK)
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    if form.is_valid():
        typed = form.cleaned_data
        try:
            decision = decide(
                user=request.user,
                session=session_id(request),
                address=client_address(request),
                action=action,
                staged_versions=versions,
                seen=typed["seen"],
                reason=typed.get("reason", ""),
                registry_code=typed.get("registry_code", ""),
                code=typed["code"],
                intent=str(typed["intent"] or ""),
                assertion=typed["assertion"],
            )
        except DecisionRefused as error:
            form.add_error("code" if isinstance(error, PresenceNotProved) else None, str(error))
            status = STATUS.get(type(error), status)
            versions = get_versions(request.user, {row.pk for row in versions})
            checklists = checklists_of(versions, action=action.value, voter=request.user)
        else:
            if decision is None:
                messages.success(request, voted_words(versions))
                return _after_vote(request, versions)
            messages.success(request, done_words(versions, action))
            if len(versions) > 1:
                return redirect("decision", decision.pk)
            return redirect("version", versions[0].pk)
    return _page(request, checklists, action, form, status=status)


def _after_vote(request: SignedInRequest, versions: list[StagedVersion]) -> HttpResponse:
    """Back to where it can be followed: what was approved, or the release that is all of it."""
    if len(versions) == 1:
        return redirect("version", versions[0].pk)
    part = part_of(versions[0], request.user)
    keys = [row.pk for row in versions]
    if part and part.release.members.filter(staged_version__in=keys).count() == len(keys):
        return redirect("release", part.release.pk)
    return redirect("queue")


def _intent(request: SignedInRequest, action: Action) -> HttpResponse:
    versions = _chosen(request)
    if not versions:
        return _refused("None of these versions is here any more. Go back to the queue.")
    checklists = checklists_of(versions, action=action.value, voter=request.user)
    form = _form(request, versions, action, checklists, proved=False)
    if not form.is_valid():
        first = next(iter(form.errors.values()))[0]
        return _refused(str(first))
    try:
        step_up = open_intent(
            user=request.user,
            session=session_id(request),
            action=action,
            staged_versions=versions,
            seen=form.cleaned_data["seen"],
            reason=form.cleaned_data.get("reason", ""),
        )
        options = stepup.passkey_options(step_up)
    except (DecisionRefused, stepup.StepUpRefused) as error:
        return _refused(str(error), STATUS.get(type(error), HTTPStatus.UNPROCESSABLE_ENTITY))
    return JsonResponse({"options": options, "fields": {"intent": str(step_up.pk)}})


def _refused(sentence: str, status: HTTPStatus = HTTPStatus.UNPROCESSABLE_ENTITY) -> HttpResponse:
    return JsonResponse({"error": sentence}, status=status)


def _page(
    request: SignedInRequest,
    checklists: Mapping[int, Checklist],
    action: Action,
    form: ApproveForm,
    *,
    status: HTTPStatus,
) -> HttpResponse:
    """`checklists` are those of all that would be decided, with this person as the voter."""
    user = request.user
    versions = [one.version for one in checklists.values()]
    others = others_asked(checklists.values())
    is_last = action == Action.REJECT or last_for(checklists.values())
    rows: list[dict[str, Any]] = [
        {
            "version": row,
            "facts": facts_of(row, checklists[row.pk]),
            "obstacles": sentences,
            "wants": wants_of(checklists[row.pk], user, others),
            "overridable": checklists[row.pk].overridable if action == Action.APPROVE else [],
            "is_last": last_for([checklists[row.pk]]),
        }
        for row, sentences in zip(
            versions,
            obstacles_of(user, versions, action, checklists=checklists, overriding=True),
            strict=True,
        )
    ]
    registries = {row.registry for row in versions}
    in_the_way = [row for row in rows if row["obstacles"]]
    context: dict[str, Any] = {
        "action": action.value,
        "form": form,
        "rows": rows,
        "registry": versions[0].registry,
        "registries": registries if len(registries) > 1 else [],
        "account": stepup.account_for(user, versions[0].registry),
        "free": [row["version"] for row in rows if not row["obstacles"]],
        "in_the_way": in_the_way,
        "suspicious": [row["version"] for row in rows if _is_suspicious(row["facts"])],
        "unsuspicious": [row["version"] for row in rows if not _is_suspicious(row["facts"])],
        # Of one version, its obstacles stand without its name.
        "obstacles": rows[0]["obstacles"] if len(rows) == 1 else [],
        "submit_words": _submit_words(action, list(checklists.values()), is_last=is_last),
        "is_last": is_last,
        "overrides": any(row["overridable"] for row in rows),
        "wanting_others": [row for row in rows if not row["is_last"]],
        "free_of_others": [row["version"] for row in rows if row["is_last"]],
        "has_passkey": factors.has_passkey(user),
        "has_app": factors.has_app(user),
        "seen": seen_of(action, versions, checklists),
        "may_go_on": not in_the_way and len(registries) == 1,
        "came_from": back_to(request.GET.get("release", ""), versions, user),
    }
    if action == Action.APPROVE:
        context |= warnings_for(user, versions)
    if len(rows) == 1:
        context |= rows[0]["facts"]
        context["rule_settings"] = settings_for(versions[0].package.name)
    if not context["may_go_on"] and not form.is_bound:
        status = HTTPStatus.CONFLICT if may_decide_anything(user) else HTTPStatus.FORBIDDEN
    return render(request, "web/confirm.html", context, status=status)


def _submit_words(action: Action, checklists: list[Checklist], *, is_last: bool) -> str:
    """What the button says that it does."""
    versions = [one.version for one in checklists]
    if len(versions) > 1:
        if action == Action.REJECT:
            return reject_several_words(versions)
        return approve_several_words(versions) if is_last else vote_several_words(versions)
    if action == Action.REJECT:
        return reject_words(versions[0])
    return approve_words(versions[0]) if is_last else vote_words(*approvals_in(checklists[0]))


def _is_suspicious(facts: dict[str, Any]) -> bool:
    return bool(facts["findings_in_short"].is_serious)
