"""Who may see a page at all. What the rules behind it allow, they check themselves."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from approvals.people.models import User
from approvals.people.permissions import (
    may_decide,
    may_manage,
    may_set_expectations,
    may_set_policies,
    may_set_rota,
)
from approvals.queue.models import StagedVersion
from approvals.web.reading import get_version


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


def policy_setters_only(
    view: Callable[Concatenate[SignedInRequest, ...], HttpResponse],
) -> Callable[Concatenate[SignedInRequest, ...], HttpResponse]:
    """Answers 403 to whoever may not set policies."""

    @wraps(view)
    def guarded(request: SignedInRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not may_set_policies(request.user):
            raise PermissionDenied(
                "Only a release manager or an administrator who sees every package sets policies. "
                "Ask one."
            )
        return view(request, *args, **kwargs)

    return guarded


def rota_setters_only(
    view: Callable[Concatenate[SignedInRequest, ...], HttpResponse],
) -> Callable[Concatenate[SignedInRequest, ...], HttpResponse]:
    """Answers 403 to whoever may not set the rota."""

    @wraps(view)
    def guarded(request: SignedInRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not may_set_rota(request.user):
            raise PermissionDenied(
                "Only a release manager or an administrator who sees every package sets the rota. "
                "Ask one."
            )
        return view(request, *args, **kwargs)

    return guarded


def version_to_decide(request: SignedInRequest, pk: int, otherwise: str) -> StagedVersion:
    """The version, for whoever may decide on it.

    Raises Http404 where this person may not see it, PermissionDenied with `otherwise` where they
    only may.
    """
    found = get_version(request.user, pk)
    if not may_decide(request.user, found.registry.url, found.package.name):
        raise PermissionDenied(otherwise)
    return found


def version_to_expect_of(request: SignedInRequest, pk: int) -> StagedVersion:
    """The version, for whoever may say where its package must be built. Raises the same."""
    found = get_version(request.user, pk)
    if not may_set_expectations(request.user, found.registry.url, found.package.name):
        raise PermissionDenied(
            "Only a release manager or an administrator says where a package must be built. "
            "Ask one."
        )
    return found
