"""The first run: the pages that lead from an empty dashboard to the first approval."""

from allauth.account.adapter import get_adapter
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from approvals.people import first_run as rules
from approvals.people import limits
from approvals.people.accounts import AccountNotLinked
from approvals.people.adapter import client_address
from approvals.people.invitations import NewPerson
from approvals.queue.models import Registry
from approvals.queue.registries import RegistryNotUsable, add_and_look, link_own_account
from approvals.web.first_run import steps_of
from approvals.web.forms.account import TokenForm
from approvals.web.forms.people import AcceptForm
from approvals.web.forms.registries import FirstRegistryForm
from approvals.web.views.account import tell_linked
from approvals.web.views.guards import SignedInRequest, managers_only
from approvals.web.views.registries import warn_of


@sensitive_post_parameters("password")
@never_cache
@login_not_required
@require_http_methods(["GET", "POST"])
def first_run_begin(request: HttpRequest, token: str) -> HttpResponse:
    """Where the printed link leads: makes the first administrator, and signs them in."""
    address = client_address(request)
    form = AcceptForm(request.POST or None)
    try:
        limits.take("invitation", address=address)
        rules.check(token)
        limits.give_back("invitation", address=address)
        if request.method == "POST" and form.is_valid():
            user = rules.make_administrator(token, NewPerson(**form.cleaned_data))
            get_adapter(request).login(request, user)
            messages.success(request, f"Welcome, {user}. You are the first administrator.")
            return redirect("first_run")
    except limits.TooManyTries as refusal:
        return _refused(request, str(refusal), status=429)
    except rules.FirstRunRefused as refusal:
        return _refused(request, str(refusal), status=410)
    except ValidationError as error:
        form.add_error(None, error)
    return render(request, "web/first_run/begin.html", {"form": form})


def _refused(request: HttpRequest, refusal: str, *, status: int) -> HttpResponse:
    return render(request, "web/first_run/refused.html", {"refusal": refusal}, status=status)


@never_cache
@managers_only
@require_GET
def first_run(request: SignedInRequest) -> HttpResponse:
    """Leads to the step that is next."""
    if rules.stage() is rules.Stage.OVER:
        return redirect("/")
    following = next((step for step in steps_of(request.user) if step.is_next), None)
    if following is not None:
        return redirect(following.page)
    rules.finish(actor=request.user)
    return redirect("first_run_done")


@sensitive_post_parameters("read_token")
@never_cache
@managers_only
@require_http_methods(["GET", "POST"])
def first_run_registry(request: SignedInRequest) -> HttpResponse:
    """The registry, tested on the spot."""
    _only_meanwhile()
    form = FirstRegistryForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            registry, seen = add_and_look(actor=request.user, **form.cleaned_data)
        except RegistryNotUsable as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, f"{registry.name} answered and is added. {seen.sentences}")
            warn_of(request, seen)
            return redirect("first_run")
    return _page(request, "registry", {"form": form})


@sensitive_post_parameters("token")
@never_cache
@managers_only
@require_http_methods(["GET", "POST"])
def first_run_account(request: SignedInRequest) -> HttpResponse:
    """One's own account at the registry that was added."""
    _only_meanwhile()
    registry = Registry.objects.order_by("pk").first()
    if registry is None:
        return redirect("first_run")
    form = TokenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            linked = link_own_account(request.user, registry, form.cleaned_data["token"])
        except AccountNotLinked as refusal:
            form.add_error("token", str(refusal))
        else:
            tell_linked(request, registry, linked)
            if linked.account.bypasses_second_factor:
                messages.warning(
                    request,
                    "This token publishes without a second factor: whoever steals it needs "
                    "nobody's touch. Better make one that does not, and link it instead.",
                )
            return redirect("first_run")
    return _page(request, "account", {"form": form, "registry": registry})


@managers_only
@require_POST
def first_run_finish(request: SignedInRequest) -> HttpResponse:
    """Ends it without an own account, which can be linked later."""
    steps = {step.name: step for step in steps_of(request.user)}
    if not (steps["factor"].is_done and steps["registry"].is_done):
        return redirect("first_run")
    try:
        rules.finish(actor=request.user)
    except rules.FirstRunRefused as refusal:
        raise PermissionDenied(str(refusal)) from refusal
    return redirect("first_run_done")


@managers_only
@require_GET
def first_run_done(request: SignedInRequest) -> HttpResponse:
    """What is set up, and what comes next."""
    if rules.stage() is not rules.Stage.OVER:
        return redirect("first_run")
    return _page(request, "done", {})


def _only_meanwhile() -> None:
    if rules.stage() is rules.Stage.OVER:
        raise PermissionDenied("The first run is over: registries and accounts have own pages.")


def _page(request: SignedInRequest, name: str, context: dict[str, object]) -> HttpResponse:
    context |= {"first_run_steps": steps_of(request.user)}
    return render(request, f"web/first_run/{name}.html", context)
