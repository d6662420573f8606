"""Notifications in one's own browser, and what programs read of them: the worker, the schema."""

from functools import cache
from http import HTTPStatus

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST, require_safe

from approvals.notifications import destinations, push_keys
from approvals.notifications.destinations import DestinationRefused
from approvals.notifications.errors import NotDelivered
from approvals.notifications.models import Destination
from approvals.notifications.schema import payload_schema
from approvals.people.models import User
from approvals.people.sessions import browser_name
from approvals.web.forms.push import BrowserForm
from approvals.web.views.guards import SignedInRequest

WORKER = settings.BASE_DIR / "static" / "countersign" / "push-worker.js"


def browsers_panel(user: User) -> dict[str, object]:
    """What the profile page needs to show which browsers are told, and to add this one."""
    return {"browsers": browsers_of(user), "push_key": push_keys.public_key()}


def browsers_of(user: User) -> QuerySet[Destination]:
    """The browsers that this person has told."""
    return Destination.objects.filter(person=user, kind=Destination.Kind.PUSH).order_by("id")


@require_POST
def push_subscribe(request: SignedInRequest) -> HttpResponse:
    form = BrowserForm(request.POST)
    if not form.is_valid():
        messages.error(request, "The browser handed nothing over. Try it again.")
        return redirect("profile")
    name = browser_name(request.headers.get("User-Agent", ""))
    try:
        browser = destinations.add_destination(
            request.user,
            kind=Destination.Kind.PUSH,
            name=name,
            address=form.cleaned_data["subscription"],
            person=request.user,
            kinds=destinations.ON_CALL,
        )
    except DestinationRefused as refusal:
        messages.warning(request, str(refusal))
    else:
        messages.success(request, f"{browser.name} is told from now on. Send it a test to see it.")
    return redirect("profile")


@require_POST
def push_test(request: SignedInRequest, pk: int) -> HttpResponse:
    browser = get_object_or_404(browsers_of(request.user), pk=pk)
    try:
        messages.success(request, destinations.send_test(browser, request.user))
    except NotDelivered as error:
        messages.error(request, f"The test did not arrive at {browser.name}. {error}")
    return redirect("profile")


@require_POST
def push_remove(request: SignedInRequest, pk: int) -> HttpResponse:
    browser = get_object_or_404(browsers_of(request.user), pk=pk)
    destinations.remove_destination(browser, request.user)
    messages.success(request, f"{browser.name} is told nothing more.")
    return redirect("profile")


@require_safe
@login_not_required
def push_worker(request: HttpRequest) -> HttpResponse:
    """The script that browsers run when a message comes. Here, since it governs what lies beside
    it, and under one address whatever version of it there is."""
    return HttpResponse(
        _worker(),
        "text/javascript; charset=utf-8",
        HTTPStatus.OK,
        headers={"Cache-Control": "no-cache"},
    )


@cache
def _worker() -> bytes:
    return WORKER.read_bytes()


@require_safe
@login_not_required
def webhook_schema(request: HttpRequest) -> HttpResponse:
    """What stands in a webhook's JSON: for whoever writes a receiver."""
    return JsonResponse(payload_schema(), json_dumps_params={"indent": 2})
