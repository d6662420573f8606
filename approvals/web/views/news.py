"""A person's news, where else they go, and when it is quiet."""

import re
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from approvals.notifications import destinations, feed, quiet
from approvals.notifications.destinations import DestinationRefused
from approvals.notifications.errors import NotDelivered
from approvals.notifications.messages import KINDS
from approvals.notifications.models import Destination, QuietHours
from approvals.notifications.quiet import QuietHoursRefused
from approvals.people.models import Team
from approvals.people.permissions import may_manage
from approvals.policy.times import days_in_words
from approvals.queue.models import Registry
from approvals.web.forms.news import (
    DestinationForm,
    EditDestinationForm,
    QuietHoursForm,
    SubscriptionForm,
)
from approvals.web.views.guards import SignedInRequest

PER_PAGE = 50


@require_GET
def news(request: SignedInRequest) -> HttpResponse:
    items = feed.items_of(request.user).select_related("event")
    unread_only = request.GET.get("show") == "unread"
    if unread_only:
        items = items.filter(read_at__isnull=True)
    page = Paginator(items, PER_PAGE).get_page(request.GET.get("page"))
    newest = max((item.event_id for item in page), default=0)
    return render(
        request,
        "web/news/news.html",
        {
            "page": page,
            "rows": feed.news_of(request.user, list(page)),
            "unread_only": unread_only,
            "newest": newest,
            "unread": feed.unread_count(request.user),
        },
    )


@require_GET
def news_open(request: SignedInRequest, pk: int) -> HttpResponse:
    """Marks one item as read and goes where it is about."""
    item = feed.read(request.user, pk)
    if item is None:
        raise Http404
    path = item.event.payload.get("url_path")
    is_own = isinstance(path, str) and re.fullmatch(r"/([a-z0-9][a-z0-9/_-]*)?", path)
    return redirect(path if is_own else "news")


@require_POST
def news_read(request: SignedInRequest) -> HttpResponse:
    up_to = request.POST.get("up_to", "")
    if re.fullmatch(r"[0-9]{1,18}", up_to):
        number = feed.read_up_to(request.user, int(up_to))
        messages.success(request, f"{number} marked as read." if number else "All was read.")
    return redirect("news")


@require_GET
def news_settings(request: SignedInRequest) -> HttpResponse:
    return _settings(request, _quiet_form(request))


def _settings(request: SignedInRequest, quiet_form: QuietHoursForm) -> HttpResponse:
    found = destinations.destinations_of(request.user).prefetch_related("subscriptions")
    own_email = Destination.objects.filter(
        person=request.user, kind=Destination.Kind.EMAIL
    ).prefetch_related("subscriptions")
    mine = [one for one in found if one.person_id and one.kind != Destination.Kind.EMAIL]
    return render(
        request,
        "web/news/settings.html",
        {
            "mine": [_row(one) for one in mine],
            "shared": [_row(one) for one in found if one.person_id is None],
            "own_email": next((_row(one) for one in own_email if one.subscriptions.all()), None),
            "default_kinds": [KINDS[kind] for kind in destinations.kinds_by_default()],
            "quiet": [
                (row, days_in_words(row.weekdays))
                for row in QuietHours.objects.filter(person=request.user)
            ],
            "quiet_form": quiet_form,
        },
    )


def _row(destination: Destination) -> dict[str, Any]:
    names = {one.url: one.name for one in Registry.objects.all()}
    return {
        "destination": destination,
        "owner": destinations.owner_in_words(destination),
        "gets": [
            {
                "pk": one.pk,
                "kinds": [KINDS[kind] for kind in one.kinds if kind in KINDS],
                "packages": one.packages,
                "registry": names.get(one.registry_url, one.registry_url),
            }
            for one in destination.subscriptions.all()
        ],
    }


@sensitive_post_parameters("address")
@never_cache
@require_http_methods(["GET", "POST"])
def destination_add(request: SignedInRequest) -> HttpResponse:
    teams = list(Team.objects.all()) if may_manage(request.user) else None
    form = DestinationForm(request.POST or None, teams=teams)
    if request.method == "POST" and form.is_valid():
        typed = form.cleaned_data
        try:
            added = destinations.add_destination(
                request.user,
                kind=typed.get("kind", Destination.Kind.APPRISE),
                name=typed["name"],
                address=typed["address"],
                person=request.user if form.is_mine else None,
                team=form.team,
            )
        except DestinationRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(
                request, f"{added.name} is added. Send a test, and choose what it gets."
            )
            return redirect("destination", added.pk)
    return render(request, "web/news/destination_add.html", {"form": form})


@require_POST
def own_email(request: SignedInRequest) -> HttpResponse:
    """Makes the row that says what the person's own e-mail gets, and shows it."""
    return redirect("destination", destinations.own_email(request.user).pk)


@sensitive_post_parameters("address")
@never_cache
@require_http_methods(["GET", "POST"])
def destination(request: SignedInRequest, pk: int) -> HttpResponse:
    found = _get(request, pk)
    form = EditDestinationForm(
        request.POST or None,
        may_type=_may_type(found),
        initial={"name": found.name, "enabled": found.enabled},
    )
    if request.method == "POST" and form.is_valid():
        try:
            destinations.change_destination(found, request.user, **form.cleaned_data)
        except DestinationRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, f"{found.name} is saved.")
            return redirect("destination", found.pk)
    return _show(request, found, form, _subscription_form(request, None))


@require_POST
def destination_subscribe(request: SignedInRequest, pk: int) -> HttpResponse:
    found = _get(request, pk)
    form = _subscription_form(request, request.POST)
    if form.is_valid():
        try:
            destinations.subscribe(found, request.user, **form.wanted())
        except DestinationRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, f"{found.name} gets this from now on.")
            return redirect("destination", found.pk)
    edit = EditDestinationForm(
        may_type=_may_type(found), initial={"name": found.name, "enabled": found.enabled}
    )
    return _show(request, found, edit, form)


@require_POST
def destination_unsubscribe(request: SignedInRequest, pk: int, key: int) -> HttpResponse:
    found = _get(request, pk)
    destinations.unsubscribe(found, request.user, key)
    messages.success(request, f"{found.name} gets this no more.")
    return redirect("destination", found.pk)


@require_POST
def destination_test(request: SignedInRequest, pk: int) -> HttpResponse:
    found = _get(request, pk)
    try:
        messages.success(request, destinations.send_test(found, request.user))
    except NotDelivered as error:
        messages.error(request, f"The test did not arrive at {found.name}. {error}")
    return redirect("destination", found.pk)


@require_POST
def destination_remove(request: SignedInRequest, pk: int) -> HttpResponse:
    found = _get(request, pk)
    try:
        destinations.remove_destination(found, request.user)
    except DestinationRefused as refusal:
        messages.error(request, str(refusal))
        return redirect("destination", found.pk)
    messages.success(request, f"{found.name} is removed and gets nothing more.")
    return redirect("news_settings")


@require_POST
def quiet_hours_add(request: SignedInRequest) -> HttpResponse:
    form = _quiet_form(request, request.POST)
    if form.is_valid():
        try:
            quiet.set_quiet_hours(request.user, **form.cleaned_data)
        except QuietHoursRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, "Saved. What cannot wait comes through all the same.")
            return redirect("news_settings")
    return _settings(request, form)


@require_POST
def quiet_hours_remove(request: SignedInRequest, pk: int) -> HttpResponse:
    quiet.remove_quiet_hours(request.user, pk)
    messages.success(request, "Removed. What it held back goes out now.")
    return redirect("news_settings")


def _get(request: SignedInRequest, pk: int) -> Destination:
    return get_object_or_404(destinations.destinations_of(request.user), pk=pk)


def _may_type(found: Destination) -> bool:
    """A webhook's address is on its own page, a browser's comes from the browser."""
    kinds = (Destination.Kind.APPRISE, Destination.Kind.EMAIL)
    return found.kind in kinds and not (found.kind == Destination.Kind.EMAIL and found.person_id)


def _show(
    request: SignedInRequest,
    found: Destination,
    form: EditDestinationForm,
    subscription_form: SubscriptionForm,
) -> HttpResponse:
    is_own_email = found.kind == Destination.Kind.EMAIL and found.person_id is not None
    return render(
        request,
        "web/news/destination.html",
        {
            "row": _row(found),
            "destination": found,
            "form": form,
            "subscription_form": subscription_form,
            "is_own_email": is_own_email,
            "default_kinds": [KINDS[kind] for kind in destinations.kinds_by_default()],
        },
    )


def _subscription_form(request: SignedInRequest, data: Any) -> SubscriptionForm:
    return SubscriptionForm(data, registries=list(Registry.objects.visible_to(request.user)))


def _quiet_form(request: SignedInRequest, data: Any = None) -> QuietHoursForm:
    last = QuietHours.objects.filter(person=request.user).last()
    zone = last.time_zone if last else settings.TIME_ZONE
    return QuietHoursForm(
        data,
        initial={"starts": "22:00", "ends": "07:00", "weekdays": [*range(7)], "time_zone": zone},
    )
