"""Runbooks: who may see some of the packages reads them, who sets policies writes them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from approvals.people.models import User
from approvals.people.scopes import LONGEST_NAME
from approvals.queue.models import Registry
from approvals.rota.markdown import rendered
from approvals.rota.models import Runbook, RunbookRevision
from approvals.rota.runbooks import (
    RunbookChangedMeanwhile,
    RunbookRefused,
    change_runbook,
    make_runbook,
    may_see_runbook,
    may_write_runbooks,
    newest,
    remove_runbook,
    runbooks_for,
)
from approvals.web.forms.runbooks import BEGINNING, RemoveRunbookForm, RunbookForm
from approvals.web.reading import whole
from approvals.web.views.guards import SignedInRequest

MOST_REVISIONS = 100


@require_GET
def runbooks(request: SignedInRequest) -> HttpResponse:
    found, names = runbooks_for(request.user), _registry_names()
    newest_ones = _newest_of(found)
    may_write = may_write_runbooks(request.user)
    removed = Runbook.objects.filter(removed_at__isnull=False).order_by("-removed_at")
    return render(
        request,
        "web/runbooks/runbooks.html",
        {
            "rows": [
                (one, names.get(one.registry_url, one.registry_url), newest_ones.get(one.pk))
                for one in found
            ],
            "removed": list(removed[:MOST_REVISIONS]) if may_write else [],
            "may_write": may_write,
        },
    )


@require_GET
def runbook(request: SignedInRequest, pk: int) -> HttpResponse:
    """What it says, or said in an earlier `revision`."""
    found = _runbook(request.user, pk)
    number = whole(request.GET.get("revision"))
    shown = (
        RunbookRevision.objects.filter(runbook=found, number=number)
        .select_related("made_by")
        .first()
        if number
        else newest(found)
    )
    if shown is None:
        raise Http404("There is no such revision.")
    earlier = RunbookRevision.objects.filter(runbook=found).select_related("made_by").defer("text")
    return render(
        request,
        "web/runbooks/runbook.html",
        {
            "runbook": found,
            "revision": shown,
            "is_newest": shown.number == found.number,
            "html": rendered(shown.text),
            "registry": _registry_names().get(found.registry_url, found.registry_url),
            "revisions": list(earlier[:MOST_REVISIONS]),
            "may_write": may_write_runbooks(request.user) and found.removed_at is None,
            "remove_form": RemoveRunbookForm(initial={"seen": found.number}, auto_id="remove_%s"),
        },
    )


@require_http_methods(["GET", "POST"])
def runbook_add(request: SignedInRequest) -> HttpResponse:
    """Makes a runbook."""
    _check_may_write(request.user)
    form = RunbookForm(
        request.POST if request.method == "POST" else None,
        registries=_registry_names(),
        initial={"packages": request.GET.get("packages", "")[:LONGEST_NAME], "text": BEGINNING},
    )
    if request.method == "POST" and form.is_valid():
        wanted = form.cleaned_data["wanted"]
        if "preview" in request.POST:
            return _form_page(request, None, form, preview=rendered(wanted.text))
        try:
            made = make_runbook(wanted, actor=request.user)
        except RunbookRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, f"There is a runbook for {made.packages} now.")
            return redirect("runbook", made.pk)
    return _form_page(request, None, form)


@require_http_methods(["GET", "POST"])
def runbook_change(request: SignedInRequest, pk: int) -> HttpResponse:
    """Has a runbook say something else."""
    _check_may_write(request.user)
    found = _runbook(request.user, pk)
    now = newest(found)
    if found.removed_at is not None or now is None:
        raise Http404("This runbook was removed.")
    form = RunbookForm(
        request.POST if request.method == "POST" else None,
        registries=_registry_names(),
        runbook=found,
        initial={"text": now.text, "seen": now.number},
    )
    if request.method == "POST" and form.is_valid():
        wanted = form.cleaned_data["wanted"]
        if "preview" in request.POST:
            return _form_page(request, found, form, preview=rendered(wanted.text))
        seen = form.cleaned_data["seen"] or 0
        try:
            change_runbook(found, wanted.text, seen=seen, actor=request.user)
        except RunbookChangedMeanwhile as refusal:
            # What was typed stays in the form, and what it says now stands beside it.
            form.add_error(None, str(refusal))
            return _form_page(request, found, form, meanwhile=newest(found))
        except RunbookRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, f"The runbook for {found.packages} is changed.")
            return redirect("runbook", found.pk)
    return _form_page(request, found, form)


@require_POST
def runbook_remove(request: SignedInRequest, pk: int) -> HttpResponse:
    """Leaves its packages to the next wider runbook."""
    _check_may_write(request.user)
    found = _runbook(request.user, pk)
    form = RemoveRunbookForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Nothing was removed. Load the page again, and try once more.")
        return redirect("runbook", pk)
    try:
        remove_runbook(found, seen=form.cleaned_data["seen"], actor=request.user)
    except RunbookRefused as refusal:
        messages.error(request, str(refusal))
        return redirect("runbook", pk)
    messages.success(request, f"The runbook for {found.packages} is removed.")
    return redirect("runbooks")


def _form_page(
    request: SignedInRequest, found: Runbook | None, form: RunbookForm, **shown: Any
) -> HttpResponse:
    registry = _registry_names().get(found.registry_url, found.registry_url) if found else ""
    return render(
        request,
        "web/runbooks/change.html",
        {"runbook": found, "registry": registry, "form": form, **shown},
    )


def _newest_of(found: list[Runbook]) -> dict[int, RunbookRevision]:
    """The revision that each says now, by the runbook's key, without its text."""
    revisions = (
        RunbookRevision.objects.filter(runbook__in=found, number=F("runbook__number"))
        .select_related("made_by")
        .defer("text")
    )
    return {one.runbook_id: one for one in revisions}


def _runbook(user: User, pk: int) -> Runbook:
    found = Runbook.objects.filter(pk=pk).first()
    if found is None or not may_see_runbook(user, found):
        raise Http404("There is no such runbook.")
    if found.removed_at is not None and not may_write_runbooks(user):
        raise Http404("There is no such runbook.")
    return found


def _check_may_write(user: User) -> None:
    if not may_write_runbooks(user):
        raise PermissionDenied(
            "Only a release manager or an administrator who sees every package writes runbooks. "
            "Ask one."
        )


def _registry_names() -> dict[str, str]:
    return dict(Registry.objects.order_by("name").values_list("url", "name"))
