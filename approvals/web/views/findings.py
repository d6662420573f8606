"""What people say of findings: looked at, or not any more."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from approvals.inspection import looked_at
from approvals.web.views.guards import SignedInRequest, version_to_decide

_REFUSED = "Only approvers mark findings as looked at. Ask one."


@require_POST
def look_at(request: SignedInRequest, pk: int) -> HttpResponse:
    """Marks a finding, named by its rule and fingerprint, as looked at."""
    staged_version = version_to_decide(request, pk, _REFUSED)
    rule, fingerprint = _named(request)
    try:
        looked_at.look_at(
            request.user, staged_version, rule, fingerprint, request.POST.get("words", "")
        )
    except looked_at.NotLookedAt as error:
        messages.error(request, str(error))
    else:
        messages.success(
            request,
            "Marked as looked at, for this package and as long as its evidence stays the same.",
        )
    return _back(pk)


@require_POST
def take_look_back(request: SignedInRequest, pk: int) -> HttpResponse:
    """Takes such a mark back."""
    staged_version = version_to_decide(request, pk, _REFUSED)
    try:
        looked_at.take_back(request.user, staged_version, *_named(request))
    except looked_at.NotLookedAt as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The mark was taken back: it counts as open again.")
    return _back(pk)


def _named(request: SignedInRequest) -> tuple[str, str]:
    return request.POST.get("rule", ""), request.POST.get("fingerprint", "")


def _back(pk: int) -> HttpResponse:
    # Where the answer stands: the list comes right behind it.
    return redirect("version", pk)
