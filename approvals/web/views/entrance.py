"""Coming in: by passkey, through GitHub, and the second factor after either password or GitHub."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.adapter import get_adapter
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from approvals.people import factors, github, limits, passkey_sign_in, presence, sessions
from approvals.people.adapter import client_address
from approvals.web.forms.entrance import RecoveryCodeForm, VerifyCodeForm
from approvals.web.views.guards import SignedInRequest

PURPOSE = "verify the session"


def _next(request: HttpRequest) -> str:
    """Where to go afterwards; a path of this site, or nothing."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    return wanted if wanted and get_adapter(request).is_safe_url(wanted) else ""


@login_not_required
@never_cache
@require_POST
def sign_in_passkey_options(request: HttpRequest) -> JsonResponse:
    try:
        return JsonResponse({"options": passkey_sign_in.begin(request), "fields": {}})
    except passkey_sign_in.SignInRefused as refusal:
        return JsonResponse({"error": str(refusal)}, status=400)


@login_not_required
@never_cache
@require_POST
def sign_in_passkey(request: HttpRequest) -> HttpResponseBase:
    wanted = _next(request)
    if request.user.is_authenticated:
        return redirect(wanted or "/")
    try:
        return passkey_sign_in.finish(
            request, request.POST.get("assertion", ""), redirect_url=wanted
        )
    except passkey_sign_in.SignInRefused as refusal:
        messages.error(request, str(refusal))
        query = f"?{urlencode({'next': wanted})}" if wanted else ""
        return redirect(reverse("account_login") + query)


def _verify_page(request: SignedInRequest, **forms: Form | str) -> HttpResponse:
    user = request.user
    return render(
        request,
        "account/verify.html",
        {
            "next": _next(request),
            "has_passkey": factors.has_passkey(user),
            "has_app": factors.has_app(user),
            "recovery_codes_left": factors.recovery_codes_left(user),
            "code_form": VerifyCodeForm(),
            "recovery_form": RecoveryCodeForm(),
            **forms,
        },
    )


@sensitive_post_parameters("code", "recovery_code", "assertion")
@sessions.unverified_allowed
@never_cache
@require_http_methods(["GET", "POST"])
def verify(request: SignedInRequest) -> HttpResponse:
    """Asks for a second factor, and lets the session in."""
    if sessions.is_verified(request):
        return redirect(_next(request) or "/")
    if not factors.has_factor(request.user):
        return redirect("security")
    if request.method == "GET":
        return _verify_page(request)
    if request.POST.get("assertion"):
        return _let_in(request, "passkey_error", assertion=request.POST["assertion"])
    recovery = "recovery_code" in request.POST
    form: Form = (RecoveryCodeForm if recovery else VerifyCodeForm)(request.POST)
    name, field = ("recovery_form", "recovery_code") if recovery else ("code_form", "code")
    if not form.is_valid():
        return _verify_page(request, **{name: form})
    return _let_in(request, name, form, field, code=form.cleaned_data[field], recovery=recovery)


def _let_in(
    request: SignedInRequest,
    name: str,
    form: Form | None = None,
    field: str | None = None,
    **proof: Any,
) -> HttpResponse:
    try:
        method = presence.prove(
            request.user,
            session=sessions.session_id(request),
            purpose=PURPOSE,
            confirmation=request.POST.get("confirmation", ""),
            address=client_address(request),
            at_door=True,
            **proof,
        )
    except presence.PresenceRefused as refusal:
        if form is None:
            return _verify_page(request, **{name: str(refusal)})
        form.add_error(field, str(refusal))
        return _verify_page(request, **{name: form})
    sessions.mark_verified(request, method)
    if method == "recovery":
        _tell_of_recovery_code(request)
    return redirect(_next(request) or "/")


def _tell_of_recovery_code(request: SignedInRequest) -> None:
    left = factors.recovery_codes_left(request.user)
    messages.warning(
        request,
        format_html(
            "<span>You used a recovery code; {} left. If a device is lost, remove it and add a "
            'new one under <a href="{}">Security</a>.</span>',
            f"{left} {'is' if left == 1 else 'are'}" if left else "none are",
            reverse("security"),
        ),
    )


@sessions.unverified_allowed
@never_cache
@require_POST
def verify_passkey(request: SignedInRequest) -> JsonResponse:
    """A challenge for this session, for one of this person's passkeys."""
    try:
        limits.take("door_passkey_asked", person=request.user, address=client_address(request))
        confirmation = presence.open_confirmation(
            request.user, session=sessions.session_id(request), purpose=PURPOSE
        )
        options = presence.passkey_options(confirmation)
    except (presence.PresenceRefused, limits.TooManyTries) as refusal:
        return JsonResponse({"error": str(refusal)}, status=400)
    return JsonResponse({"options": options, "fields": {"confirmation": str(confirmation.pk)}})


def where_github_is_configured(
    view: Callable[..., HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """allauth's views of it do not exist elsewhere."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not github.is_configured():
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


@require_POST
def github_disconnect(request: SignedInRequest) -> HttpResponse:
    if github.disconnect(request.user):
        messages.success(request, "GitHub no longer signs you in here.")
    return redirect("sessions")
