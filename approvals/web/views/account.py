"""Everybody's own pages: authenticator app, linked registry accounts, profile."""

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.forms import Form
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from approvals.people import totp
from approvals.people.accounts import AccountNotLinked, link_account, unlink_account
from approvals.people.membership import PersonNotChanged, change_profile
from approvals.people.models import RegistryAccount, User
from approvals.people.passwords import WrongPassword, check_own_password
from approvals.queue.models import Registry
from approvals.web.forms.account import (
    FirstCodeForm,
    OwnPasswordForm,
    PasswordAndCodeForm,
    ProfileForm,
    TokenForm,
)
from approvals.web.views.guards import SignedInRequest


def _security_page(request: SignedInRequest, **forms: Form) -> HttpResponse:
    """The page in whatever stage this person is; `forms` are those that were filled in wrongly."""
    has_totp = totp.has_totp(request.user)
    pending = totp.pending_enrolment(request.user)
    return render(
        request,
        "web/account/security.html",
        {
            "has_totp": has_totp,
            "pending": pending,
            "secret": totp.secret_text(pending) if pending else "",
            "begin_form": (PasswordAndCodeForm if has_totp else OwnPasswordForm)(
                auto_id="begin_%s"
            ),
            "confirm_form": FirstCodeForm(auto_id="confirm_%s"),
            "remove_form": PasswordAndCodeForm(auto_id="remove_%s"),
            **forms,
        },
    )


def _keep_this_session(request: SignedInRequest) -> None:
    """Lets the browser that changed the app stay signed in; all others have to sign in again."""
    request.user.refresh_from_db(fields=["authenticator_changes"])
    update_session_auth_hash(request, request.user)


@never_cache
@require_GET
def security(request: SignedInRequest) -> HttpResponse:
    return _security_page(request)


@never_cache
@require_GET
def security_qr(request: SignedInRequest) -> HttpResponse:
    """The QR code of the enrolment that waits; an image of its own, as pages hold no styles."""
    pending = totp.pending_enrolment(request.user)
    if pending is None:
        raise Http404
    return HttpResponse(totp.qr_svg(pending), "image/svg+xml")


@sensitive_post_parameters("password", "code")
@require_POST
def security_begin(request: SignedInRequest) -> HttpResponse:
    wanted = PasswordAndCodeForm if totp.has_totp(request.user) else OwnPasswordForm
    form = wanted(request.POST, auto_id="begin_%s")
    if form.is_valid():
        try:
            # Before the code, which a try uses up.
            check_own_password(request.user, form.cleaned_data["password"])
            totp.begin_enrolment(request.user, form.cleaned_data.get("code", ""))
        except WrongPassword as refusal:
            form.add_error("password", str(refusal))
        except totp.CodeRefused as refusal:
            # The app was set up in another window meanwhile, if this form had no field for a code.
            form.add_error("code" if "code" in form.fields else None, str(refusal))
        else:
            return redirect("security")
    return _security_page(request, begin_form=form)


@sensitive_post_parameters("code")
@require_POST
def security_confirm(request: SignedInRequest) -> HttpResponse:
    form = FirstCodeForm(request.POST, auto_id="confirm_%s")
    if form.is_valid():
        try:
            totp.confirm_enrolment(request.user, form.cleaned_data["code"])
        except totp.CodeRefused as refusal:
            form.add_error("code", str(refusal))
        except totp.EnrolmentRefused as refusal:
            messages.error(request, str(refusal))
            return redirect("security")
        else:
            _keep_this_session(request)
            messages.success(
                request, "Your authenticator app is set up. Decisions ask for its next code."
            )
            return redirect("security")
    return _security_page(request, confirm_form=form)


@require_POST
def security_abandon(request: SignedInRequest) -> HttpResponse:
    totp.abandon_enrolment(request.user)
    return redirect("security")


@sensitive_post_parameters("password", "code")
@require_POST
def security_remove(request: SignedInRequest) -> HttpResponse:
    form = PasswordAndCodeForm(request.POST, auto_id="remove_%s")
    if form.is_valid():
        try:
            check_own_password(request.user, form.cleaned_data["password"])
            totp.remove(request.user, form.cleaned_data["code"])
        except WrongPassword as refusal:
            form.add_error("password", str(refusal))
        except totp.CodeRefused as refusal:
            form.add_error("code", str(refusal))
        else:
            _keep_this_session(request)
            messages.success(
                request, "Your authenticator app is removed. You cannot decide without one."
            )
            return redirect("security")
    return _security_page(request, remove_form=form)


def _accounts_page(
    request: SignedInRequest, *, failed: Registry | None = None, form: TokenForm | None = None
) -> HttpResponse:
    linked = {account.registry_url: account for account in _own_accounts(request.user)}
    rows = [
        {
            "registry": registry,
            "account": linked.pop(registry.url, None),
            "form": form if registry == failed else TokenForm(auto_id=f"{registry.pk}_%s"),
            "failed": registry == failed,
        }
        for registry in Registry.objects.all()
    ]
    # Of registries that are no longer here: nothing uses them, but their owner may clear them up.
    return render(
        request, "web/account/accounts.html", {"rows": rows, "left_over": linked.values()}
    )


def _own_accounts(user: User) -> list[RegistryAccount]:
    return list(RegistryAccount.objects.filter(user=user).order_by("registry_url"))


@never_cache
@require_GET
def accounts(request: SignedInRequest) -> HttpResponse:
    return _accounts_page(request)


@sensitive_post_parameters("token")
@require_POST
def account_link(request: SignedInRequest, pk: int) -> HttpResponse:
    registry = get_object_or_404(Registry, pk=pk)
    form = TokenForm(request.POST, auto_id=f"{registry.pk}_%s")
    if form.is_valid():
        try:
            account = link_account(
                request.user, registry_url=registry.url, token=form.cleaned_data["token"]
            )
        except AccountNotLinked as refusal:
            form.add_error("token", str(refusal))
        else:
            messages.success(
                request,
                f"{registry.name} knows you as {account.username}. "
                "Your decisions are carried out with this account.",
            )
            return redirect("accounts")
    return _accounts_page(request, failed=registry, form=form)


@require_POST
def account_unlink(request: SignedInRequest, pk: int) -> HttpResponse:
    account = get_object_or_404(RegistryAccount, pk=pk, user=request.user)
    unlink_account(account, actor=request.user)
    messages.success(
        request,
        f"{account.username} is unlinked and its token forgotten. It still works at the registry "
        "until you revoke it there.",
    )
    return redirect("accounts")


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def profile(request: SignedInRequest) -> HttpResponse:
    fields = ("first_name", "last_name", "wants_email", "email")
    form = ProfileForm(
        request.POST or None, initial={name: getattr(request.user, name) for name in fields}
    )
    if request.method == "POST" and form.is_valid():
        try:
            change_profile(request.user, **form.cleaned_data)
        except WrongPassword as refusal:
            form.add_error("password", str(refusal))
        except PersonNotChanged as refusal:
            form.add_error("email", str(refusal))
        else:
            messages.success(request, "Your profile is saved.")
            return redirect("profile")
    return render(request, "web/account/profile.html", {"form": form})
