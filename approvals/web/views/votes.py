"""What people say of a version before it is decided: taking an approval back, wanting changes."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from approvals.decisions.models import ChangeRequest
from approvals.decisions.talking import change_requests
from approvals.decisions.voting import withdraw
from approvals.web.reading import get_version
from approvals.web.views.guards import SignedInRequest, version_to_decide

_HOLDING = "Only approvers hold a version, or let it go. Ask one."


@require_POST
def withdraw_approval(request: SignedInRequest, pk: int) -> HttpResponse:
    """Takes this person's own approval back; whose it is, the session says and nothing else."""
    staged_version = get_version(request.user, pk)
    try:
        number = withdraw.withdraw(request.user, [staged_version])
    except withdraw.WithdrawRefused as error:
        messages.error(request, str(error))
    else:
        if number:
            messages.success(request, "Your approval is withdrawn. It counts for nothing any more.")
        else:
            messages.info(request, "You have no approval here that could be withdrawn.")
    return redirect("version", pk)


@require_POST
def request_changes(request: SignedInRequest, pk: int) -> HttpResponse:
    """Holds the version with a reason."""
    staged_version = version_to_decide(request, pk, _HOLDING)
    try:
        change_requests.request_changes(
            staged_version, user=request.user, reason=request.POST.get("reason", "")
        )
    except change_requests.ChangeRequestRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "It is held: nobody can approve it until this is let go.")
    return redirect("version", pk)


@require_POST
def lift_changes(request: SignedInRequest, pk: int, change_request: int) -> HttpResponse:
    """Lets a version go that somebody held."""
    staged_version = version_to_decide(request, pk, _HOLDING)
    held = get_object_or_404(
        ChangeRequest.objects.select_related("user"),
        pk=change_request,
        staged_version=staged_version,
    )
    try:
        change_requests.lift(held, user=request.user)
    except change_requests.ChangeRequestRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "It is let go: what was wanted holds it no longer.")
    return redirect("version", pk)
