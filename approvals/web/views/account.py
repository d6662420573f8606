"""Everybody's own pages: linked registry accounts, profile."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from approvals.people.accounts import AccountNotLinked, troubles, unlink_account
from approvals.people.membership import PersonNotChanged, change_profile
from approvals.people.models import RegistryAccount, User
from approvals.people.passwords import WrongPassword
from approvals.people.permissions import reaches_of
from approvals.queue.models import Registry
from approvals.queue.registries import Linked, link_own_account
from approvals.web.forms.account import ProfileForm, TokenForm
from approvals.web.listing import registry_names
from approvals.web.reach import reach_rows
from approvals.web.views.guards import SignedInRequest
from approvals.web.views.push import browsers_panel
from approvals.web.visible import visible


def _accounts_page(
    request: SignedInRequest, *, failed: Registry | None = None, form: TokenForm | None = None
) -> HttpResponse:
    linked = {account.registry_url: account for account in _own_accounts(request.user)}
    rows = [
        {
            "registry": registry,
            "account": (account := linked.pop(registry.url, None)),
            "troubles": troubles(account, registry.name) if account else [],
            "form": form if registry == failed else TokenForm(auto_id=f"{registry.pk}_%s"),
            "failed": registry == failed,
        }
        for registry in Registry.objects.visible_to(request.user)
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
    registry = get_object_or_404(Registry.objects.visible_to(request.user), pk=pk)
    form = TokenForm(request.POST, auto_id=f"{registry.pk}_%s")
    if form.is_valid():
        try:
            linked = link_own_account(request.user, registry, form.cleaned_data["token"])
        except AccountNotLinked as refusal:
            form.add_error("token", str(refusal))
        else:
            tell_linked(request, registry, linked)
            return redirect("accounts")
    return _accounts_page(request, failed=registry, form=form)


def tell_linked(request: SignedInRequest, registry: Registry, linked: Linked) -> None:
    """Says under which name this person decides from now on: a wrong token shows by nothing else.

    The name is the registry's own word.
    """
    name = visible(linked.account.username)
    messages.success(
        request,
        format_html(
            "<strong>From now on you approve at {} as {}.</strong> Not you? "
            '<a href="{}">Replace the token.</a>',
            registry.name,
            name,
            reverse("accounts"),
        ),
    )
    if linked.is_readers:
        messages.warning(
            request,
            format_html(
                "Countersign reads with a token of {0} too. If {0} is not your own account, make a "
                "token of your own and replace this one: what you approve is recorded under that "
                "name.",
                name,
            ),
        )


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
    scopes = reach_rows(reaches_of(request.user), registry_names(request.user))
    return render(
        request,
        "web/account/profile.html",
        {"form": form, "scopes": scopes, **browsers_panel(request.user)},
    )
