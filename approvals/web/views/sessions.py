"""Where one is signed in, and how one signs in."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from approvals.people import github
from approvals.people import sessions as rules
from approvals.web.views.guards import SignedInRequest


@never_cache
@require_GET
def sessions(request: SignedInRequest) -> HttpResponse:
    return render(
        request,
        "web/account/sessions.html",
        {
            "sessions": rules.sessions_of(request),
            "github_configured": github.is_configured(),
            "github_login": github.login_of(request.user),
        },
    )


@require_POST
def session_end(request: SignedInRequest, pk: int) -> HttpResponse:
    if not rules.end_one(request.user, pk):
        raise Http404
    messages.success(request, "That session is ended.")
    return redirect("sessions")


@require_POST
def sessions_end_others(request: SignedInRequest) -> HttpResponse:
    ended = rules.end_others(request)
    messages.success(
        request,
        f"{ended} other session{' is' if ended == 1 else 's are'} ended."
        if ended
        else "You were signed in nowhere else.",
    )
    return redirect("sessions")
