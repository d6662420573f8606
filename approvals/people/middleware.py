"""What stands before every view: nobody unknown, and no session without its second factor."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from approvals.people import sessions
from approvals.people.factors import has_factor

ENDED = "You were signed out, as nobody had used this session for some time. Sign in again."


class SignedInMiddleware(LoginRequiredMiddleware):
    """Django's, which also leads a page that updates itself as a whole to the sign-in page."""

    def handle_no_permission(  # type: ignore[override] # htmx is led by a header, not by a redirect
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponse:
        return _lead(request, str(self.get_login_url(view_func)))


class VerifiedSessionMiddleware:
    """Lets nothing through to a session that showed no second factor, but what is marked for it.

    A view that needs no signing in needs no second factor either.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponseBase], *arguments: Any
    ) -> HttpResponseBase | None:
        if not request.user.is_authenticated:
            return None
        needs_sign_in = getattr(view, "login_required", True)
        if sessions.is_over(request):
            logout(request)
            messages.info(request, ENDED)
            return _lead(request, reverse("account_login")) if needs_sign_in else None
        if sessions.is_activity(request, view):
            sessions.note_activity(request)
        if (
            not needs_sign_in
            or getattr(view, "unverified_allowed", False)
            or sessions.is_verified(request)
        ):
            return None
        if has_factor(request.user):
            return _lead(request, reverse("verify"))
        if getattr(view, "first_factor_allowed", False):
            return None
        return _lead(request, reverse("security"))


def _lead(request: HttpRequest, page: str) -> HttpResponse:
    """To `page`, and from there back to where this request came from."""
    if request.headers.get("HX-Request") == "true":
        htmx = getattr(request, "htmx", None)
        back = htmx.current_url_abs_path if htmx else None
        return HttpResponseClientRedirect(redirect_to_login(back or "/", page).url)
    # What was sent is lost on the way, and its address alone may show nothing.
    back = request.get_full_path() if request.method in {"GET", "HEAD"} else "/"
    return redirect_to_login(back, page)
