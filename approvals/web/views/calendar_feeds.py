"""Addresses where calendar programs read who is on call."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from approvals.people import limits
from approvals.people.adapter import client_address
from approvals.rota import feeds
from approvals.rota.models import CalendarFeed
from approvals.web.views.guards import SignedInRequest
from approvals.web.views.rota import get_schedule


@never_cache
@require_POST
def feed_make(request: SignedInRequest) -> HttpResponse:
    """Makes an address for this person's own shifts; one they had works no longer."""
    return _made(request, None)


@never_cache
@require_POST
def schedule_feed_make(request: SignedInRequest, pk: int) -> HttpResponse:
    """The same for all shifts of a schedule."""
    return _made(request, pk)


def _made(request: SignedInRequest, pk: int | None) -> HttpResponse:
    found = get_schedule(request.user, pk) if pk is not None else None
    back = reverse("schedule", args=[found.pk]) if found else reverse("rota")
    try:
        _, secret = feeds.make_feed(actor=request.user, schedule=found)
    except feeds.FeedRefused as refusal:
        messages.error(request, str(refusal))
        return redirect(back)
    path = reverse("calendar_feed", args=[secret])
    address = f"{settings.PUBLIC_URL}{path}" if settings.PUBLIC_URL else None
    # Not a redirect: the secret would have to be kept in the open somewhere in between.
    return render(
        request,
        "web/rota/feed_made.html",
        {
            "schedule": found,
            "address": address or request.build_absolute_uri(path),
            "back_url": back,
        },
    )


@require_POST
def feed_revoke(request: SignedInRequest, pk: int) -> HttpResponse:
    """Has one of this person's own addresses answer no longer."""
    found = get_object_or_404(CalendarFeed, pk=pk, owner=request.user)
    try:
        feeds.revoke_feed(found, actor=request.user)
    except feeds.FeedRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(
            request, "The calendar address works no longer. Programs that read it get nothing more."
        )
    return redirect("schedule", found.schedule_id) if found.schedule_id else redirect("rota")


@login_not_required
@never_cache
@require_safe
def calendar_feed(request: HttpRequest, secret: str) -> HttpResponse:
    """The shifts for whoever has the address, without signing in."""
    address = client_address(request)
    try:
        limits.take("calendar", address=address)
    except limits.TooManyTries as refusal:
        answer = HttpResponse(str(refusal), status=429, content_type="text/plain; charset=utf-8")
        answer["Retry-After"] = str(refusal.seconds)
        return answer
    found = feeds.feed_of(secret)
    if found is None:
        raise Http404
    answer = HttpResponse(feeds.as_ical(found), content_type="text/calendar; charset=utf-8")
    answer["Content-Disposition"] = 'inline; filename="on-call.ics"'
    answer["X-Robots-Tag"] = "noindex"
    return answer
