"""The page of one staged version: what it is, what it changes, what stands in the way."""

import hashlib
import re
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from approvals.decisions import questions
from approvals.decisions.decide import obstacles
from approvals.decisions.models import OPEN_ITEM_STATES, Action, DecisionItem
from approvals.inspection.models import (
    FileChange,
    InspectionRequest,
    OtherBaselineRequest,
)
from approvals.inspection.requests import BaselineRefused, ask_again, compare_with
from approvals.inspection.viewed import most_important
from approvals.people.sessions import not_activity
from approvals.policy.requirements import standing_in_the_way
from approvals.queue.models import OPEN_STATES, StagedVersion, State
from approvals.web import filelist, manifest, panel
from approvals.web.facts import facts_of
from approvals.web.provenance_panel import IN_THE_PANEL, provenance_of
from approvals.web.reading import (
    Reading,
    get_version,
    other_baseline,
    request_of,
    whole,
)
from approvals.web.views.carrying_out import question_of
from approvals.web.views.guards import SignedInRequest, version_to_decide

TOTALS = (
    ("files", "Files", False),
    ("packed_size", "Packed", True),
    ("unpacked_size", "Unpacked", True),
    ("lines", "Lines of text", False),
)
SECONDS_UNDER_WAY, SECONDS_WAITING = 2, 15
InspectionState = InspectionRequest.State
UNDER_WAY = {InspectionState.WAITING, InspectionState.RUNNING}


@require_safe
def version(request: SignedInRequest, pk: int) -> HttpResponse:
    """Everything about one staged version.

    `against` names another published version to read against, `file` the position of the file
    to show, `line` a line in it.
    """
    staged_version = get_version(request.user, pk)
    asked = request_of(staged_version)
    context = facts_of(staged_version) | _messages(request)
    context["status"] = _status(request, staged_version, context)
    context["provenance"] = provenance_of(request, staged_version, context)
    if asked is not None and asked.state == InspectionState.DONE and asked.inspection is not None:
        summary = asked.inspection.summary
        context |= {
            "changed_facts": manifest.changed_facts(summary),
            "unchanged_facts": manifest.unchanged_facts(summary),
            "summary": summary,
            "other": other_baseline(staged_version, request.GET.get("against", "")),
        }
        if request.GET.get("against") and context["other"] is None:
            context["missing"] = [
                f"Nobody had this compared with {request.GET['against'][:100]}: below is the "
                "comparison that the decision stands on."
            ]
        context |= _workspace(request, asked, context["other"])
    return render(request, "web/version.html", context)


def _messages(request: SignedInRequest) -> dict[str, Any]:
    """What is to be said: at the top of the page, or in the panel that it is about."""
    told = list(messages.get_messages(request))
    return {
        "messages": [one for one in told if IN_THE_PANEL not in one.tags.split()],
        "panel_messages": [one for one in told if IN_THE_PANEL in one.tags.split()],
    }


def _workspace(
    request: SignedInRequest, asked: InspectionRequest, other: OtherBaselineRequest | None
) -> dict[str, Any]:
    """The files of the comparison that is read, and one of them in full."""
    work = asked if other is None else other
    if work.inspection is None or work.state != InspectionState.DONE:
        return {"published": asked.published_versions}
    reading = Reading(
        work.staged_version, work.inspection, work.baseline_version, is_chosen=other is not None
    )
    change, is_elsewhere = _change_meant(request, reading)
    found = {
        "reading": reading,
        "published": asked.published_versions,
        "files": filelist.files_of(request, reading),
        "progress": panel.progress_of(request, reading),
        "is_elsewhere": is_elsewhere,
        "totals": [
            (label, (work.inspection.summary.get("old") or {}).get(name), after, is_size)
            for name, label, is_size in TOTALS
            if (after := (work.inspection.summary.get("new") or {}).get(name)) is not None
        ],
    }
    return found | (panel.panel_of(request, reading, change) if change else {})


@not_activity
@require_safe
def version_status(request: SignedInRequest, pk: int) -> HttpResponse:
    """The part of the page that changes by itself; 204 where it did not."""
    staged_version = get_version(request.user, pk)
    asked = request_of(staged_version)
    if "HX-Request" not in request.headers:
        return redirect("version", pk)
    if request.GET.get("inspection") != (asked.state if asked else "") and (
        asked is None or asked.state not in UNDER_WAY
    ):
        # The rest of the page follows from the inspection: load it whole.
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    status = _status(request, staged_version, facts_of(staged_version))
    if request.GET.get("seen") == status["seen"]:
        return HttpResponse(status=204)
    return render(request, "web/review/status.html", {"version": staged_version, "status": status})


@require_POST
def inspect_again(request: SignedInRequest, pk: int) -> HttpResponse:
    """Puts a failed or finished comparison back in the line."""
    staged_version = version_to_decide(
        request, pk, "Only approvers have a tarball compared again. Ask one."
    )
    if ask_again(staged_version, actor=request.user):
        messages.info(request, "The tarball will be downloaded and compared again.")
    else:
        messages.info(request, "The comparison is under way already.")
    return redirect("version", pk)


def _change_meant(request: SignedInRequest, reading: Reading) -> tuple[FileChange | None, bool]:
    """The file to show, and whether the address means one of another comparison."""
    inspection_id = whole(request.GET.get("in")) or reading.inspection.pk
    change = None
    if re.fullmatch(r"\d{1,9}", request.GET.get("file", ""), re.ASCII):
        change = reading.change_at(int(request.GET["file"]), inspection_id)
    is_elsewhere = change is not None and inspection_id != reading.inspection.pk
    return change or most_important(reading.inspection), is_elsewhere


@require_POST
def compare_with_other(request: SignedInRequest, pk: int) -> HttpResponse:
    """Asks for a comparison with another published version, and leads to it."""
    staged_version = version_to_decide(
        request, pk, "Only approvers have a version compared with another. Ask one."
    )
    chosen = request.POST.get("version", "").strip()
    page = reverse("version", args=[pk])
    asked = request_of(staged_version)
    if asked is not None and chosen == asked.baseline_version:
        return redirect(f"{page}#files")
    try:
        other = compare_with(staged_version, chosen, actor=request.user)
    except BaselineRefused as error:
        messages.error(request, str(error))
        return redirect(page)
    return redirect(f"{page}?{urlencode({'against': other.baseline_version})}#files")


@not_activity
@require_safe
def other_baseline_progress(request: SignedInRequest, pk: int) -> HttpResponse:
    """How far a comparison with a chosen version has come, while it is under way."""
    staged_version = get_version(request.user, pk)
    other = other_baseline(staged_version, request.GET.get("against", ""))
    if other is None:
        raise Http404
    if other.state not in UNDER_WAY:
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    return render(
        request, "web/review/other_progress.html", {"version": staged_version, "other": other}
    )


def _status(
    request: SignedInRequest, staged_version: StagedVersion, facts: dict[str, Any]
) -> dict[str, Any]:
    user = request.user
    items = list(
        DecisionItem.objects.filter(staged_version=staged_version)
        .select_related(
            "decision__user",
            "decision__account",
            "staged_version__package",
            "staged_version__registry",
        )
        .order_by("-pk")
    )
    current = items[0] if items else None
    asked = facts["asked"]
    is_open = staged_version.state in OPEN_STATES
    under_way = (is_open and (asked is None or asked.state in UNDER_WAY)) or (
        staged_version.state in {State.APPROVING, State.REJECTING, State.ACCEPTED}
    )
    context = {
        **facts,
        "item": current,
        **question_of(current),
        "decided": questions.progress_of(current.decision) if current else None,
        "item_open": current is not None and current.state in OPEN_ITEM_STATES,
        "is_mine": current is not None and current.decision.user_id == user.pk,
        "earlier": items[1:],
        "obstacles": [],
        "may_approve": False,
        "may_reject": False,
    }
    if staged_version.state == State.STAGED:
        against_approving = obstacles(user, staged_version, Action.APPROVE)
        against_rejecting = obstacles(user, staged_version, Action.REJECT)
        context |= {
            "obstacles": against_approving,
            # Beyond what stands in anybody's way there is something this person can mend.
            "has_own_obstacle": len(against_approving)
            > len(standing_in_the_way(staged_version, Action.APPROVE)),
            "may_approve": not against_approving,
            "may_reject": not against_rejecting,
        }
    content = render_to_string("web/review/status_content.html", context, request)
    # The form's token differs each time, and says nothing.
    stable = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", content)
    return {
        "content": content,
        "seen": hashlib.sha256(stable.encode()).hexdigest()[:16],
        "seconds": (SECONDS_UNDER_WAY if under_way else SECONDS_WAITING) if is_open else 0,
        "inspection": asked.state if asked else "",
    }
