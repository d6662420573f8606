"""Where a version was built: the panel of its page, bundles handed in, and what is expected."""

import re

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from approvals.people.sessions import not_activity
from approvals.provenance.case import case_of
from approvals.provenance.expected import PinRefused, pin, pin_from, suggestion_for, unpin
from approvals.provenance.hand_in import BundleRefused, hand_in
from approvals.provenance.requests import look_again
from approvals.queue.models import AT_REGISTRY_STATES
from approvals.web.facts import facts_of
from approvals.web.forms.provenance import HandInForm, PublisherForm
from approvals.web.provenance_panel import IN_THE_PANEL, provenance_of
from approvals.web.reading import check_of, get_version, whole
from approvals.web.views.guards import SignedInRequest, version_to_decide, version_to_expect_of
from registry_client.provenance import MAX_BUNDLE

INERT = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
}


@not_activity
@require_safe
def version_provenance(request: SignedInRequest, pk: int) -> HttpResponse:
    """The panel that says where it was built, while that may change; 204 where it did not."""
    staged_version = get_version(request.user, pk)
    if "HX-Request" not in request.headers:
        return redirect("version", pk)
    found = provenance_of(request, staged_version, facts_of(staged_version))
    if request.GET.get("seen") == found["seen"]:
        return HttpResponse(status=204)
    context = {"version": staged_version, "provenance": found, "is_update": True}
    return render(request, "web/review/provenance.html", context)


@require_POST
def hand_in_bundle(request: SignedInRequest, pk: int) -> HttpResponse:
    """Takes a Sigstore bundle for this staged version; it proves itself, or is refused."""
    staged_version = version_to_decide(request, pk, "Only approvers hand in provenance. Ask one.")
    form = HandInForm(request.POST, request.FILES)
    if not form.is_valid():
        for error in form.errors.get("bundle", []):
            messages.error(request, str(error), IN_THE_PANEL)
        return _back(pk)
    try:
        content = form.cleaned_data["bundle"].read(MAX_BUNDLE + 1)
        hand_in(staged_version, content, actor=request.user)
    except BundleRefused as refusal:
        messages.error(request, f"The bundle was refused. {refusal}", IN_THE_PANEL)
    else:
        messages.success(
            request,
            "The bundle was taken. What it proves stands below."
            if staged_version.sha512
            else "The bundle was taken. It is checked as soon as the tarball was downloaded here.",
            IN_THE_PANEL,
        )
    return _back(pk)


@require_POST
def look_for_provenance_again(request: SignedInRequest, pk: int) -> HttpResponse:
    """Has a worker look for provenance at once."""
    staged_version = version_to_decide(
        request, pk, "Only approvers have provenance looked for. Ask one."
    )
    if look_again(staged_version, actor=request.user):
        messages.info(request, "Provenance is looked for again.", IN_THE_PANEL)
    elif staged_version.state in AT_REGISTRY_STATES:
        messages.info(request, "A worker is looking for it at this moment.", IN_THE_PANEL)
    else:
        messages.info(
            request, "Nothing is looked for any more: this version is decided.", IN_THE_PANEL
        )
    return _back(pk)


@require_safe
def provenance_bundle(request: SignedInRequest, pk: int) -> HttpResponse:
    """The bundle as a download, for who wants to verify it with another program."""
    staged_version = get_version(request.user, pk)
    check = check_of(staged_version)
    text = check.provenance.bundle if check and check.provenance else ""
    if not text:
        raise Http404
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", str(staged_version))[:200].strip("-.")
    headers = INERT | {"Content-Disposition": f'attachment; filename="{name}.sigstore.json"'}
    return HttpResponse(text, content_type="application/octet-stream", headers=headers)


@require_POST
def pin_baseline(request: SignedInRequest, pk: int) -> HttpResponse:
    """From now on the package must be built where the baseline that the page showed was."""
    staged_version = version_to_expect_of(request, pk)
    check = check_of(staged_version)
    try:
        if check is None:
            raise PinRefused("Nobody has looked for provenance yet. Try again in a moment.")
        pinned = pin_from(check, baseline=whole(request.POST.get("baseline")), actor=request.user)
    except PinRefused as refusal:
        messages.error(request, str(refusal), IN_THE_PANEL)
    else:
        messages.success(
            request,
            f"Pinned: {staged_version.package.name} is expected from {pinned.repository}, as "
            f"{pinned.pinned_from} was. Anything else is a critical finding from now on.",
            IN_THE_PANEL,
        )
    return _back(pk)


@require_http_methods(["GET", "HEAD", "POST"])
def publisher(request: SignedInRequest, pk: int) -> HttpResponse:
    """Where the package of this version must be built, written by hand."""
    staged_version = version_to_expect_of(request, pk)
    package = staged_version.package
    case = case_of(check_of(staged_version), staged_version)
    form = PublisherForm(request.POST or None, initial=suggestion_for(case))
    if request.method == "POST" and form.is_valid():
        try:
            pin(package, actor=request.user, **form.cleaned_data)
        except PinRefused as refusal:
            for field, sentence in (refusal.problems or {"": str(refusal)}).items():
                form.add_error(field if field in form.fields else None, sentence)
        else:
            messages.success(request, f"What is expected of {package.name} is saved.", IN_THE_PANEL)
            return _back(pk)
    context = {"version": staged_version, "pinned": case.expected, "form": form}
    return render(request, "web/publisher.html", context)


@require_POST
def publisher_remove(request: SignedInRequest, pk: int) -> HttpResponse:
    """Nothing is expected of the package any more."""
    package = version_to_expect_of(request, pk).package
    if unpin(package, actor=request.user):
        messages.success(request, f"Nothing is expected of {package.name} any more.", IN_THE_PANEL)
    return _back(pk)


def _back(pk: int) -> HttpResponse:
    return redirect(f"{reverse('version', args=[pk])}#provenance")
