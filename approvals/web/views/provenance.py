"""Where a version was built: the panel of its page, bundles handed in, and what is expected."""

import hashlib
import re
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from approvals.people.permissions import may_decide, may_manage
from approvals.provenance.case import Case
from approvals.provenance.comparison import lines_of
from approvals.provenance.expected import PinRefused, pin, pin_from, unpin
from approvals.provenance.findings import Finding
from approvals.provenance.hand_in import BundleRefused, hand_in
from approvals.provenance.models import ExpectedPublisher, Provenance, ProvenanceCheck
from approvals.provenance.refs import ref_pattern
from approvals.provenance.requests import look_again
from approvals.provenance.sentence import sentence_of
from approvals.provenance.verdict import verdict_of
from approvals.queue.models import AT_REGISTRY_STATES, StagedVersion
from approvals.web import provenance as story
from approvals.web.forms.provenance import HandInForm, PublisherForm
from approvals.web.reading import check_of, get_version
from approvals.web.views.guards import SignedInRequest, managers_only
from registry_client.provenance import MAX_BUNDLE

SECONDS_LOOKING, SECONDS_MISSING = 2, 15
INERT = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
}


def panel_of(
    request: SignedInRequest, staged_version: StagedVersion, case: Case, findings: list[Finding]
) -> dict[str, Any]:
    """The panel "Where it was built", and how often it asks for itself again."""
    check = check_of(staged_version)
    found = case.provenance
    built = found.built if found else None
    before = case.baseline.built if case.baseline else None
    lines = lines_of(case)
    is_waiting = staged_version.state in AT_REGISTRY_STATES
    context = {
        "version": staged_version,
        "check": check,
        # Not the stored one: only here package.json's gitHead is known, too.
        "verdict": verdict_of(case),
        "case": case,
        "found": found,
        "built": built,
        "before": before,
        "sentence": sentence_of(case),
        "chain": story.chain_of(case, lines, staged_version),
        "findings": findings,
        "lines": lines,
        "has_changes": any(line.verdict == "changed" for line in lines),
        "links": story.links_of(found),
        "compare_link": story.compare_link(before, built),
        "is_waiting": is_waiting,
        "is_running": check is not None and check.state == ProvenanceCheck.State.RUNNING,
        "may_hand_in": is_waiting and not built and may_decide(request.user),
        "may_pin": may_manage(request.user),
        "handed_in": staged_version.handed_in_bundles.select_related("handed_in_by").order_by(
            "-handed_in_at"
        )[:5],
        "expected": case.expected,
        "hand_in_form": HandInForm(),
    }
    content = render_to_string("web/review/provenance_content.html", context, request)
    # The form's token differs each time and says nothing. Whoever reads, or has chosen a file, is
    # not to be interrupted because time passes.
    stable = re.sub(r'name="csrfmiddlewaretoken" value="\w+"|<time.*?</time>', "", content)
    seconds = SECONDS_LOOKING if found is None or context["is_running"] else SECONDS_MISSING
    return {
        "content": content,
        "seen": hashlib.sha256(stable.encode()).hexdigest()[:16],
        "seconds": seconds if is_waiting and not built else 0,
    }


@require_POST
def hand_in_bundle(request: SignedInRequest, pk: int) -> HttpResponse:
    """Takes a Sigstore bundle for this staged version; it proves itself, or is refused."""
    if not may_decide(request.user):
        raise PermissionDenied("Only approvers hand in provenance. Ask one.")
    staged_version = get_version(pk)
    form = HandInForm(request.POST, request.FILES)
    if not form.is_valid():
        for error in form.errors.get("bundle", []):
            messages.error(request, str(error))
        return _back(pk)
    try:
        content = form.cleaned_data["bundle"].read(MAX_BUNDLE + 1)
        hand_in(staged_version, content, actor=request.user)
    except BundleRefused as refusal:
        messages.error(request, f"The bundle was refused. {refusal}")
    else:
        messages.success(request, "The bundle was taken. What it proves stands below.")
    return _back(pk)


@require_POST
def look_for_provenance_again(request: SignedInRequest, pk: int) -> HttpResponse:
    """Has a worker look for provenance at once."""
    if not may_decide(request.user):
        raise PermissionDenied("Only approvers have provenance looked for. Ask one.")
    if look_again(get_version(pk), actor=request.user):
        messages.info(request, "Provenance is looked for again.")
    else:
        messages.info(request, "A worker is looking for it already, or there is nothing to find.")
    return _back(pk)


@require_safe
def provenance_bundle(request: SignedInRequest, pk: int) -> HttpResponse:
    """The bundle as a download, for who wants to verify it with another program."""
    staged_version = get_version(pk)
    check = check_of(staged_version)
    text = check.provenance.bundle if check and check.provenance else ""
    if not text:
        raise Http404
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", str(staged_version))[:200].strip("-.")
    headers = INERT | {"Content-Disposition": f'attachment; filename="{name}.sigstore.json"'}
    return HttpResponse(text, content_type="application/octet-stream", headers=headers)


@managers_only
@require_POST
def pin_baseline(request: SignedInRequest, pk: int) -> HttpResponse:
    """From now on the package must be built where the baseline was."""
    staged_version = get_version(pk)
    check = check_of(staged_version)
    try:
        if check is None:
            raise PinRefused("Nobody has looked for provenance yet. Try again in a moment.")
        pinned = pin_from(check, actor=request.user)
    except PinRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(
            request,
            f"Pinned: {staged_version.package.name} is expected from {pinned.repository}, as "
            f"{pinned.pinned_from} was. Anything else is a critical finding from now on.",
        )
    return _back(pk)


@managers_only
@require_http_methods(["GET", "HEAD", "POST"])
def publisher(request: SignedInRequest, pk: int) -> HttpResponse:
    """Where the package of this version must be built, written by hand."""
    staged_version = get_version(pk)
    package = staged_version.package
    pinned = ExpectedPublisher.objects.filter(package=package).first()
    form = PublisherForm(request.POST or None, initial=_initial(staged_version, pinned))
    if request.method == "POST" and form.is_valid():
        try:
            pin(package, actor=request.user, **form.cleaned_data)
        except PinRefused as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, str(refusal))
        else:
            messages.success(request, f"What is expected of {package.name} is saved.")
            return _back(pk)
    context = {"version": staged_version, "pinned": pinned, "form": form}
    return render(request, "web/publisher.html", context)


@managers_only
@require_POST
def publisher_remove(request: SignedInRequest, pk: int) -> HttpResponse:
    """Nothing is expected of the package any more."""
    package = get_version(pk).package
    if unpin(package, actor=request.user):
        messages.success(request, f"Nothing is expected of {package.name} any more.")
    return _back(pk)


def _initial(
    staged_version: StagedVersion, pinned: ExpectedPublisher | None
) -> dict[str, str] | None:
    """What is pinned already; else what the newest proof says, as a start."""
    fields = ("repository", "workflow", "ref_pattern", "environment")
    if pinned is not None:
        return {name: getattr(pinned, name) for name in fields}
    check = check_of(staged_version)
    found: Provenance | None = (check.baseline or check.provenance) if check else None
    built = found.built if found else None
    if found is None or built is None:
        return None
    return {
        "repository": built.repository,
        "workflow": built.workflow,
        "ref_pattern": ref_pattern(built.ref, found.version),
        "environment": built.environment,
    }


def _back(pk: int) -> HttpResponse:
    return redirect(f"{reverse('version', args=[pk])}#provenance")
