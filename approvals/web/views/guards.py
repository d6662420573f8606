"""Who may see a page at all. What the rules behind it allow, they check themselves."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from approvals.people.models import User
from approvals.people.permissions import may_manage


class SignedInRequest(HttpRequest):
    """What reaches a view that LoginRequiredMiddleware guards."""

    user: User


def managers_only(
    view: Callable[Concatenate[SignedInRequest, ...], HttpResponse],
) -> Callable[Concatenate[SignedInRequest, ...], HttpResponse]:
    """Answers 403 to whoever may not manage people and registries."""

    @wraps(view)
    def guarded(request: SignedInRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not may_manage(request.user):
            raise PermissionDenied("Only an administrator may do this. Ask one.")
        return view(request, *args, **kwargs)

    return guarded
