"""The page of one staged version: what it is, what it changes, what stands in the way."""

import hashlib
import re
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_POST, require_safe

from approvals.decisions.decide import obstacles
from approvals.decisions.models import OPEN_ITEM_STATES, Action, DecisionItem
from approvals.inspection.models import FileChange, Inspection, InspectionRequest
from approvals.inspection.requests import ask_again, diff_text
from approvals.inspection.unusual import Point, unusual_of
from approvals.people.permissions import may_decide
from approvals.policy.requirements import standing_in_the_way
from approvals.queue.models import OPEN_STATES, StagedVersion, State
from approvals.web import diff as diffs
from approvals.web import filetree, manifest
from approvals.web.forms.files import FileFilter
from approvals.web.views.guards import SignedInRequest
from approvals.web.wording import approve_words, gets_it, reject_words, who_gets_it
from registry_client.versions import version_step

# Up to so many changed files stand on the review page at once; more are loaded folder by folder.
FILES_AT_ONCE = 150
FILES_PER_PAGE = 100
FOLDERS_AT_ONCE = 500
SECONDS_UNDER_WAY, SECONDS_WAITING = 2, 15
InspectionState = InspectionRequest.State
UNDER_WAY = {InspectionState.WAITING, InspectionState.RUNNING}


def get_version(pk: int) -> StagedVersion:
    """The staged version with what its pages need. Raises Http404."""
    return get_object_or_404(
        StagedVersion.objects.with_package()
        .select_related("inspection_request__inspection")
        # It holds manifests and a README: far too much to read every two seconds.
        .defer("inspection_request__inspection__summary"),
        pk=pk,
    )


def request_of(staged_version: StagedVersion) -> InspectionRequest | None:
    """Its inspection request; there is none for a moment after it was found."""
    return getattr(staged_version, "inspection_request", None)


@require_safe
def version(request: SignedInRequest, pk: int) -> HttpResponse:
    """Everything about one staged version."""
    staged_version = get_version(pk)
    asked = request_of(staged_version)
    context = facts_of(staged_version)
    context["status"] = _status(request, staged_version, context)
    if asked is not None and asked.state == InspectionState.DONE and asked.inspection is not None:
        summary = asked.inspection.summary
        context |= {
            "files": _files(request, staged_version, asked),
            "changed_facts": manifest.changed_facts(summary),
            "unchanged_facts": manifest.unchanged_facts(summary),
            "summary": summary,
        }
    return render(request, "web/version.html", context)


@require_safe
def version_status(request: SignedInRequest, pk: int) -> HttpResponse:
    """The part of the page that changes by itself; 204 where it did not."""
    staged_version = get_version(pk)
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
    if not may_decide(request.user):
        raise PermissionDenied("Only approvers have a tarball compared again. Ask one.")
    staged_version = get_version(pk)
    if ask_again(staged_version, actor=request.user):
        messages.info(request, "The tarball will be downloaded and compared again.")
    else:
        messages.info(request, "The comparison is under way already.")
    return redirect("version", pk)


@require_safe
def version_files(request: HttpRequest, pk: int) -> HttpResponse:
    """Changed files: of one folder, or those that a filter finds."""
    staged_version = get_version(pk)
    asked = request_of(staged_version)
    if asked is None or asked.inspection_id is None:
        raise Http404
    context = {
        "version": staged_version,
        "files": _files(request, staged_version, asked),
    }
    if "HX-Request" in request.headers:
        return render(request, "web/review/file_entries.html", context)
    return render(request, "web/version_files.html", context)


@require_safe
def file_diff(request: HttpRequest, pk: int, position: int) -> HttpResponse:
    """One file's diff, a piece at a time: a page, or for htmx its part."""
    staged_version = get_version(pk)
    asked = request_of(staged_version)
    if asked is None or asked.inspection_id is None:
        raise Http404
    change = get_object_or_404(FileChange, inspection_id=asked.inspection_id, position=position)
    start = request.GET.get("from", "0")
    piece = diffs.piece_of(diff_text(change), int(start) if re.fullmatch(r"\d{1,9}", start) else 0)
    context = {
        "version": staged_version,
        "change": change,
        "piece": piece,
        "problems": _sentences(change.problems),
        "asked": asked,
    }
    if "HX-Request" not in request.headers:
        return render(request, "web/file_diff.html", context)
    template = "diff_rows" if piece.start else "diff"
    return render(request, f"web/review/{template}.html", context)


def facts_of(staged_version: StagedVersion) -> dict[str, Any]:
    """The decision's facts, as the review page and the confirmation show them."""
    asked = request_of(staged_version)
    inspection = asked.inspection if asked else None
    facts: dict[str, Any] = {
        "version": staged_version,
        "asked": asked,
        "inspection": inspection,
        "approve_words": approve_words(staged_version),
        "reject_words": reject_words(staged_version),
        "gets_it": gets_it(staged_version),
        "who_gets_it": who_gets_it(staged_version),
        "step": version_step(asked.baseline_version or None, staged_version.version)
        if asked and inspection
        else "",
    }
    if inspection is not None:
        facts["counts"], facts["unusual"] = _found(
            inspection.pk, inspection.made_at, staged_version
        )
    return facts


@lru_cache(maxsize=64)
def _found(
    inspection_id: int, made_at: datetime, staged_version: StagedVersion
) -> tuple[list[tuple[int, str]], list[Point]]:
    """How many files changed in which way, and what is unusual.

    Kept, as neither can change any more, and pages that wait for something ask again and again.
    """
    inspection = Inspection.objects.get(pk=inspection_id, made_at=made_at)
    counts = dict(inspection.files.order_by().values_list("status").annotate(number=Count("pk")))
    return (
        [(counts[kind.value], kind.label) for kind in FileChange.Status if counts.get(kind)],
        unusual_of(staged_version, inspection),
    )


def _sentences(problems: list[Any]) -> list[tuple[str, str]]:
    """(path, sentence) of each problem."""
    return [
        (str(problem.get("path", "")), str(problem.get("sentence", "")))
        if isinstance(problem, dict)
        else ("", str(problem))
        for problem in problems
    ]


def _status(
    request: SignedInRequest, staged_version: StagedVersion, facts: dict[str, Any]
) -> dict[str, Any]:
    user = request.user
    items = list(
        DecisionItem.objects.filter(staged_version=staged_version)
        .select_related("decision__user", "decision__account")
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


def _files(
    request: HttpRequest, staged_version: StagedVersion, asked: InspectionRequest
) -> dict[str, Any]:
    """What the list of files shows: a tree, or pages of what a filter found."""
    assert asked.inspection_id is not None and asked.inspection is not None  # noqa: S101, PT018 - callers checked
    form = FileFilter(request.GET)
    makes_sense = form.is_valid()
    wanted = {"path": "", "status": "", "under": ""} | form.cleaned_data
    path, status, under = wanted["path"], wanted["status"], wanted["under"]
    changes = filetree.changes_under(asked.inspection_id, under)
    files: dict[str, Any] = {
        "version": staged_version,
        "total": asked.inspection.files_changed,
        "under": under,
        "path": path,
        "status": status,
        "statuses": FileChange.Status.choices,
        "baseline": asked.baseline_version,
    }
    found: Any
    if path or status or not makes_sense:
        found = filetree.narrowed(changes, path, status) if makes_sense else changes.none()
        found = filetree.listed(found)
    elif filetree.fits_at_once(changes, under, FILES_AT_ONCE):
        tree = filetree.tree_of(filetree.listed(changes), under)
        files |= {"is_tree": True, "all_at_once": True, "folders": list(tree.children())}
        found = tree.files
    else:
        folders = filetree.folders_in(changes, under, FOLDERS_AT_ONCE + 1)
        files |= {
            "is_tree": True,
            "folders": folders[:FOLDERS_AT_ONCE],
            "most_folders": FOLDERS_AT_ONCE if len(folders) > FOLDERS_AT_ONCE else None,
        }
        found = filetree.directly_in(changes, under)
    files["page"] = Paginator(found, FILES_PER_PAGE).get_page(request.GET.get("page"))
    return files
