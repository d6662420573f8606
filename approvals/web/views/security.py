"""Everybody's own second factors: passkeys, authenticator apps, recovery codes."""

from dataclasses import replace

from django.contrib import messages
from django.forms import Form
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from approvals.people import enrolment, factors, limits, presence, sessions
from approvals.people.adapter import client_address
from approvals.people.presence import Proof
from approvals.web.forms.security import (
    FactorNameForm,
    FirstCodeForm,
    PresenceCodeForm,
    RecoveryCodeForm,
)
from approvals.web.views.guards import SignedInRequest

_NOT_MADE = "The browser made no passkey: passkeys need JavaScript. An authenticator app does not."


def proof_from(request: SignedInRequest) -> Proof:
    """What somebody sent to show that they are here."""
    sent = request.POST
    return Proof(
        code=sent.get("code", ""),
        confirmation=sent.get("confirmation", ""),
        assertion=sent.get("assertion", ""),
        address=client_address(request),
    )


def presence_context(
    request: SignedInRequest, purpose: str, refusal: str = ""
) -> dict[str, object]:
    """What components/presence.html wants to know of whoever must show that they are here."""
    return {
        "purpose": purpose,
        "refusal": refusal,
        "has_passkey": factors.has_passkey(request.user),
        "has_app": factors.has_app(request.user),
        "code_form": PresenceCodeForm(auto_id="presence_%s"),
    }


@sessions.first_factor_allowed
@never_cache
@require_GET
def security(request: SignedInRequest) -> HttpResponse:
    return _page(request)


def _page(request: SignedInRequest, refusal: str = "", **forms: Form) -> HttpResponse:
    """The page in whatever stage this person is; `refusal` is of the proof that was sent."""
    session = sessions.session_id(request)
    user = request.user
    return render(
        request,
        "web/account/security.html",
        {
            "factors": factors.factors_of(user),
            "codes_left": factors.recovery_codes_left(user),
            "had_codes": factors.had_recovery_codes(user),
            "passkeys_work_here": factors.passkeys_work_here(),
            "may_add": enrolment.may_add(user, session=session),
            "pending": enrolment.pending_app(user, session=session),
            "passkey_form": FactorNameForm(auto_id="passkey_%s"),
            "app_form": FactorNameForm(auto_id="app_%s"),
            "confirm_form": FirstCodeForm(auto_id="confirm_%s"),
            "recovery_form": RecoveryCodeForm(auto_id="recovery_%s"),
            **presence_context(request, enrolment.ADD, refusal),
            **forms,
        },
    )


def _changed(request: SignedInRequest) -> None:
    """Lets this browser stay signed in, and in; all others have to sign in again."""
    sessions.keep_this_session(request)


def _added(request: SignedInRequest, added: enrolment.Added) -> HttpResponse:
    _changed(request)
    if not sessions.is_verified(request):
        # Whoever has just set up the first factor has shown it.
        method = "passkey" if added.factor.kind == "passkey" else "totp"
        sessions.mark_verified(request, method)
    messages.success(request, f"{added.factor.name} is set up.")
    if added.unlinked:
        messages.warning(
            request,
            "Your registry accounts were unlinked, because this is your first second factor: link "
            "them again.",
        )
    if added.recovery_codes:
        return _codes_page(request, added.recovery_codes)
    return redirect("security")


def _codes_page(
    request: SignedInRequest, codes: list[str], *, replaced: bool = False
) -> HttpResponse:
    # Shown in this one answer: kept nowhere, not even in the session.
    return render(
        request,
        "web/account/recovery_codes_made.html",
        {"codes": codes, "replaced": replaced},
    )


# ---------- showing to be here


@require_POST
def security_presence(request: SignedInRequest) -> HttpResponse:
    """What one of the person's passkeys is asked to sign, for what the form names."""
    try:
        limits.take("passkey_asked", person=request.user, address=client_address(request))
        confirmation = enrolment.confirm_with_passkey(
            request.user,
            session=sessions.session_id(request),
            purpose=request.POST.get("purpose", ""),
        )
        options = presence.passkey_options(confirmation)
    except (enrolment.EnrolmentRefused, presence.PresenceRefused, limits.TooManyTries) as refusal:
        return JsonResponse({"error": str(refusal)}, status=409)
    return JsonResponse({"options": options, "fields": {"confirmation": str(confirmation.pk)}})


@sensitive_post_parameters("code", "recovery_code", "assertion")
@require_POST
def security_allow(request: SignedInRequest) -> HttpResponse:
    """Opens the forms that add a factor, to whoever shows to be here."""
    proof = proof_from(request)
    if "recovery_code" in request.POST:
        form = RecoveryCodeForm(request.POST, auto_id="recovery_%s")
        if not form.is_valid():
            return _page(request, recovery_form=form)
        proof = replace(proof, code=form.cleaned_data["recovery_code"])
    try:
        enrolment.allow_adding(request.user, proof, session=sessions.session_id(request))
    except (presence.PresenceRefused, enrolment.EnrolmentRefused) as refusal:
        return _page(request, str(refusal))
    return redirect(reverse("security") + "#add")


# ---------- adding


@sessions.first_factor_allowed
@require_POST
def security_passkey_options(request: SignedInRequest) -> HttpResponse:
    """What the browser is asked to make a passkey from."""
    try:
        options = enrolment.passkey_options(request.user, session=sessions.session_id(request))
    except enrolment.EnrolmentRefused as refusal:
        return JsonResponse({"error": str(refusal)}, status=409)
    return JsonResponse({"options": options, "fields": {}})


@sessions.first_factor_allowed
@sensitive_post_parameters("credential")
@never_cache
@require_POST
def security_passkey(request: SignedInRequest) -> HttpResponse:
    form = FactorNameForm(request.POST, auto_id="passkey_%s")
    credential = request.POST.get("credential", "")
    if form.is_valid():
        try:
            if not credential:
                raise enrolment.EnrolmentRefused(_NOT_MADE)
            added = enrolment.add_passkey(
                request.user,
                credential,
                form.cleaned_data["name"],
                session=sessions.session_id(request),
            )
        except enrolment.EnrolmentRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            return _added(request, added)
    return _page(request, passkey_form=form)


@sessions.first_factor_allowed
@require_POST
def security_begin(request: SignedInRequest) -> HttpResponse:
    form = FactorNameForm(request.POST, auto_id="app_%s")
    if form.is_valid():
        try:
            enrolment.begin_app(
                request.user,
                form.cleaned_data["name"],
                session=sessions.session_id(request),
            )
        except enrolment.EnrolmentRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            return redirect("security")
    return _page(request, app_form=form)


@sessions.first_factor_allowed
@never_cache
@require_GET
def security_qr(request: SignedInRequest) -> HttpResponse:
    """The QR code of the enrolment that waits; an image of its own, as pages hold no styles."""
    pending = enrolment.pending_app(request.user, session=sessions.session_id(request))
    if pending is None:
        raise Http404
    return HttpResponse(pending.qr_svg, "image/svg+xml")


@sessions.first_factor_allowed
@sensitive_post_parameters("code")
@never_cache
@require_POST
def security_confirm(request: SignedInRequest) -> HttpResponse:
    form = FirstCodeForm(request.POST, auto_id="confirm_%s")
    if form.is_valid():
        try:
            added = enrolment.confirm_app(
                request.user, form.cleaned_data["code"], session=sessions.session_id(request)
            )
        except factors.FactorRefused as refusal:
            form.add_error("code", str(refusal))
        except enrolment.EnrolmentRefused as refusal:
            messages.error(request, str(refusal))
            return redirect("security")
        else:
            return _added(request, added)
    return _page(request, confirm_form=form)


@sessions.first_factor_allowed
@require_POST
def security_abandon(request: SignedInRequest) -> HttpResponse:
    enrolment.abandon_app(request.user)
    return redirect("security")


# ---------- changing


@require_POST
def security_rename(request: SignedInRequest, key: str) -> HttpResponse:
    try:
        enrolment.rename(request.user, key, request.POST.get("name", ""))
    except enrolment.EnrolmentRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, "The new name is saved.")
    return redirect("security")


@sensitive_post_parameters("code", "assertion")
@never_cache
@require_http_methods(["GET", "POST"])
def security_remove(request: SignedInRequest, key: str) -> HttpResponse:
    mine = factors.factors_of(request.user)
    factor = next((one for one in mine if one.key == key), None)
    if factor is None:
        raise Http404
    refusal = ""
    if request.method == "POST":
        try:
            enrolment.remove(
                request.user, key, proof_from(request), session=sessions.session_id(request)
            )
        except (enrolment.EnrolmentRefused, presence.PresenceRefused) as error:
            refusal = str(error)
        else:
            _changed(request)
            messages.success(request, f"{factor.name} is removed: it lets nobody in any more.")
            return redirect("security")
    return render(
        request,
        "web/account/remove_factor.html",
        {
            "factor": factor,
            "is_last": len(mine) == 1,
            **presence_context(request, enrolment.removal_of(factor), refusal),
        },
    )


@sensitive_post_parameters("code", "assertion")
@never_cache
@require_http_methods(["GET", "POST"])
def security_recovery_codes(request: SignedInRequest) -> HttpResponse:
    refusal = ""
    had_codes = factors.had_recovery_codes(request.user)
    if request.method == "POST":
        try:
            codes = enrolment.new_recovery_codes(
                request.user, proof_from(request), session=sessions.session_id(request)
            )
        except (enrolment.EnrolmentRefused, presence.PresenceRefused) as error:
            refusal = str(error)
        else:
            return _codes_page(request, codes, replaced=had_codes)
    return render(
        request,
        "web/account/recovery_codes.html",
        {
            "codes_left": factors.recovery_codes_left(request.user),
            "had_codes": had_codes,
            **presence_context(request, enrolment.NEW_CODES, refusal),
        },
    )
