"""The steps of the first run, and what keeps every page to them until it is over."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from approvals.people import sessions
from approvals.people.factors import has_factor
from approvals.people.first_run import Stage, stage
from approvals.people.models import User
from approvals.people.permissions import may_manage
from approvals.queue.models import Registry

# Pages that lead through it, by how their names begin; the second factor is set up, and shown, on
# the same pages as later.
_LEADING = ("first_run", "security", "verify", "sign_in_", "account_log", "account_reset")
_OPEN = frozenset({"healthz", "account_reauthenticate", "account_inactive"})


@dataclass(frozen=True)
class Step:
    """One thing to set up: why, and where."""

    name: str
    title: str
    why: str
    page: str
    is_done: bool
    is_next: bool


def steps_of(user: User) -> list[Step]:
    """All steps in order, of which at most one is the next."""
    done = {
        "administrator": True,
        "factor": has_factor(user),
        "registry": Registry.objects.exists(),
        "account": user.registry_accounts.exists(),
    }
    following = next((name for name, is_done in done.items() if not is_done), "")
    return [
        Step(name, title, why, page, done[name], name == following)
        for name, title, why, page in _STEPS
    ]


_STEPS = (
    (
        "administrator",
        "Make the first administrator",
        "Somebody must be able to invite the others.",
        "first_run",
    ),
    (
        "factor",
        "Add a passkey or an authenticator app",
        "A stolen password alone must not show or release a package: nothing is signed without a "
        "fresh touch or code of yours.",
        "security",
    ),
    (
        "registry",
        "Add the registry",
        "Countersign asks it which versions wait for an approval; for that, it only has to read.",
        "first_run_registry",
    ),
    (
        "account",
        "Link your own account there",
        "What you approve is approved with your account: the registry asks you, and records you.",
        "first_run_account",
    ),
)


class FirstRunMiddleware:
    """Leads every page to the first run until that is over."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponseBase], *arguments: Any
    ) -> HttpResponseBase | None:
        name = (request.resolver_match.url_name if request.resolver_match else None) or ""
        if name in _OPEN:
            return None
        now = stage()
        if now is Stage.WAITS_FOR_LINK and name != "first_run_begin":
            return _waiting(request)
        if now is Stage.SETTING_UP and not name.startswith(_LEADING):
            return _lead(request)
        return None


def _lead(request: HttpRequest) -> HttpResponseBase | None:
    """To the first run; None for whoever has to sign in, or show a second factor, before that."""
    user = request.user
    if not isinstance(user, User) or not sessions.is_verified(request):
        return None
    if not may_manage(user):
        return render(request, "web/first_run/others.html", status=403)
    if request.headers.get("HX-Request") == "true":
        return HttpResponseClientRedirect(reverse("first_run"))
    return redirect("first_run")


def _waiting(request: HttpRequest) -> HttpResponse:
    response = render(request, "web/first_run/waiting.html", status=403)
    response["Cache-Control"] = "no-store"
    return response
