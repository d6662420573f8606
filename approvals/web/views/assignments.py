"""Who looks at a version: taking it, passing it on, snoozing it."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from approvals.people.models import User
from approvals.queue.models import StagedVersion
from approvals.rota import assignment
from approvals.rota.standing import Standing, how_it_stands
from approvals.web.forms.assignment import PassOnForm, SnoozeForm, in_words
from approvals.web.views.guards import SignedInRequest, version_to_decide

_OTHERWISE = "Only approvers are asked to look at versions. Ask one."
_NOT_ASSIGNED = "Nobody is asked to look at it: no schedule of the rota is for this package."


@require_POST
def take(request: SignedInRequest, pk: int) -> HttpResponse:
    """Says that this person looks at it."""
    staged_version = version_to_decide(request, pk, _OTHERWISE)
    try:
        is_covered = assignment.take(staged_version, user=request.user)
    except assignment.AssignmentRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(
            request,
            "You are looking at it. Nobody else is asked any more."
            if is_covered
            else "You are looking at it. Others are still asked: their approval is wanted, too.",
        )
    return redirect("version", pk)


@require_POST
def pass_on(request: SignedInRequest, pk: int) -> HttpResponse:
    """Asks somebody else to look at it instead."""
    staged_version, standing = _assigned(request, pk)
    form = PassOnForm(request.POST, people=standing.others if standing else ())
    if standing is None:
        messages.error(request, _NOT_ASSIGNED)
    elif not form.is_valid():
        _say(request, form)
    else:
        other = User.objects.get(pk=form.cleaned_data["to"])
        try:
            assignment.pass_on(
                staged_version, to=other, user=request.user, reason=form.cleaned_data["reason"]
            )
        except assignment.AssignmentRefused as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, f"It is passed on to {other}, who is told now.")
    return redirect("version", pk)


@require_POST
def snooze(request: SignedInRequest, pk: int) -> HttpResponse:
    """Lets nobody be asked about it for a while."""
    staged_version, standing = _assigned(request, pk)
    form = SnoozeForm(request.POST, latest=standing.latest_snooze if standing else None)
    if standing is None:
        messages.error(request, _NOT_ASSIGNED)
    elif not form.is_valid():
        _say(request, form)
    else:
        try:
            assignment.snooze(
                staged_version,
                until=form.cleaned_data["until"],
                reason=form.cleaned_data["reason"],
                user=request.user,
            )
        except assignment.AssignmentRefused as refusal:
            messages.error(request, str(refusal))
        else:
            span = in_words(form.cleaned_data["hours"])
            messages.success(request, f"Nobody is asked about it for {span}.")
    return redirect("version", pk)


def _assigned(request: SignedInRequest, pk: int) -> tuple[StagedVersion, Standing | None]:
    staged_version = version_to_decide(request, pk, _OTHERWISE)
    return staged_version, how_it_stands(staged_version, request.user)


def _say(request: SignedInRequest, form: PassOnForm | SnoozeForm) -> None:
    """What is wrong with it: the page that it is sent from has no place for a form of its own."""
    for errors in form.errors.values():
        for error in errors:
            messages.error(request, str(error))
