"""The page of one staged version: what it is, what it changes, what stands in the way."""

import hashlib
import re
from time import time
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Model
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from approvals.audit.models import AuditEvent
from approvals.decisions.carrying_out import questions
from approvals.decisions.deciding.decide import obstacles_of
from approvals.decisions.emergency import glass
from approvals.decisions.judging.checklist import Checklist, checklists_of
from approvals.decisions.models import OPEN_ITEM_STATES, Action, DecisionItem
from approvals.decisions.models.comments import LONGEST_COMMENT
from approvals.decisions.models.votes import LONGEST_REASON
from approvals.decisions.talking import change_requests
from approvals.inspection.models import (
    FileChange,
    InspectionRequest,
    OtherBaselineRequest,
)
from approvals.inspection.requests import BaselineRefused, ask_again, compare_with
from approvals.inspection.rule_settings import settings_for
from approvals.inspection.viewed import most_important
from approvals.people.models import User
from approvals.people.permissions import may_decide
from approvals.people.sessions import not_activity
from approvals.queue.models import OPEN_STATES, StagedVersion, State
from approvals.rota.looks import looked
from approvals.rota.standing import how_it_stands
from approvals.web import checklist as checklists
from approvals.web import filelist, manifest, panel
from approvals.web.facts import counts_of, facts_of
from approvals.web.forms.assignment import PassOnForm, SnoozeForm
from approvals.web.live import mark_of
from approvals.web.progress import question_of
from approvals.web.provenance_panel import IN_THE_PANEL, provenance_of
from approvals.web.reading import (
    Reading,
    check_of,
    get_version,
    other_baseline,
    request_of,
    whole,
)
from approvals.web.releases import part_of
from approvals.web.runbooks import guidance_of
from approvals.web.views.comments import list_of
from approvals.web.views.guards import SignedInRequest, version_to_decide
from approvals.web.wording import vote_words

TOTALS = (
    ("files", "Files", False),
    ("packed_size", "Packed", True),
    ("unpacked_size", "Unpacked", True),
    ("lines", "Lines of text", False),
)
NOT_COUNTED = "Your approval would not count here: the policy wants other people's."
SECONDS_UNDER_WAY, SECONDS_WAITING = 2, 15
LONGEST_UNCHANGED = 60
UNDER_WAY_STATES = {State.APPROVING, State.REJECTING, State.ACCEPTED}
InspectionState = InspectionRequest.State
UNDER_WAY = {InspectionState.WAITING, InspectionState.RUNNING}


@require_safe
def version(request: SignedInRequest, pk: int) -> HttpResponse:
    """Everything about one staged version.

    `against` names another published version to read against, `file` the position of the file
    to show, `line` a line in it.
    """
    staged_version = get_version(request.user, pk)
    looked(staged_version, request.user)
    asked = request_of(staged_version)
    mark, checklist = _mark(staged_version), _checklist(staged_version)
    context = facts_of(staged_version, checklist) | _messages(request)
    context["status"] = _status(request, staged_version, context, checklist) | {"mark": mark}
    context["provenance"] = provenance_of(request, staged_version, context)
    context["said_list"] = list_of(request, staged_version)
    context["longest_comment"] = LONGEST_COMMENT
    context["part_of"] = part_of(staged_version, request.user)
    context["from_ci"] = staged_version.context_links.select_related("token")
    context |= guidance_of(request, staged_version)
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
    mark = _mark(staged_version)
    if mark and request.GET.get("mark") == mark:
        return HttpResponse(status=204)
    checklist = _checklist(staged_version)
    status = _status(request, staged_version, facts_of(staged_version, checklist), checklist)
    if request.GET.get("seen") == status["seen"]:
        if not mark:
            return HttpResponse(status=204)
        # Nothing new to read: only what the page asks with the next time.
        response = render(request, "web/review/mark.html", {"mark": mark, "is_alone": True})
        response["HX-Reswap"] = "none"
        return response
    context = {"version": staged_version, "status": status | {"mark": mark}}
    return render(request, "web/review/status.html", context)


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


def _checklist(staged_version: StagedVersion) -> Checklist | None:
    """What the policy says of it, while it waits; whoever may not decide reads that, too."""
    if staged_version.state != State.STAGED:
        return None
    return checklists_of([staged_version])[staged_version.pk]


def _mark(staged_version: StagedVersion) -> str:
    """Tells cheaply whether the page can show something new by now; "" where only it itself can.

    What people do is in the audit log, and the rest in rows that were read. Time passes, too, and
    says what nobody does: so it lasts a minute at most.
    """
    if staged_version.state in UNDER_WAY_STATES:
        return ""
    rows = (staged_version, request_of(staged_version), check_of(staged_version))
    newest = AuditEvent.objects.order_by("-sequence").values_list("sequence", flat=True).first()
    content = [
        newest,
        int(time() // LONGEST_UNCHANGED),
        staged_version.registry.failing_since,
        *(
            sorted((name, str(value)) for name, value in vars(row).items() if name in _fields(row))
            for row in rows
            if row is not None
        ),
    ]
    return hashlib.sha256(repr(content).encode()).hexdigest()[:16]


def _fields(row: Model) -> set[str]:
    """All of its columns, but when it was last seen at the registry."""
    return {field.attname for field in row._meta.concrete_fields} - {"seen_at"}


def _waiting(
    user: User, staged_version: StagedVersion, context: dict[str, Any], checklist: Checklist
) -> dict[str, Any]:
    """What the policy wants of it, and what this person can do."""
    key = staged_version.pk
    # Whoever may not decide reads what stands in everybody's way.
    voter = checklists.decider_in(checklist, user)
    voted = checklist.voted_by(voter) if voter else checklist
    [against_approving] = obstacles_of(
        user,
        [staged_version],
        Action.APPROVE,
        checklists={key: voted},
        overriding=True,
    )
    [against_rejecting] = obstacles_of(
        user, [staged_version], Action.REJECT, checklists={key: checklist.for_action("reject")}
    )
    votes = checklists.votes_of(staged_version, user, checklist)
    own_vote = next((one for one in votes if one.is_mine and one.counts), None)
    is_last = checklists.is_last([voted])
    others = checklists.others_asked([checklist])
    known = {answer.sentence for answer in checklist.unmet}
    own_obstacles = [one for one in against_approving if one not in known]
    if not against_approving and not own_vote and not checklists.counts_for(checklist, voted):
        own_obstacles = [NOT_COUNTED]
    return {
        "wants": checklists.wants_of(checklist, user, others),
        "votes": votes,
        "overrides": checklists.overrides_of(staged_version, checklist),
        "own_vote": own_vote,
        "own_obstacles": own_obstacles,
        # Approving once more would only say the same again, unless it decides by now.
        "may_approve": not against_approving
        and not own_obstacles
        and (own_vote is None or is_last),
        "may_reject": not against_rejecting,
        "approve_words": context["approve_words"]
        if is_last
        else vote_words(*checklists.approvals_in(voted)),
        "may_break": voter is not None
        and checklist.case.glass is None
        and any(one.may_break_glass for one in checklist.unmet),
        "may_second": voter is not None,
    }


def _assignment(user: User, staged_version: StagedVersion, checklist: Checklist) -> dict[str, Any]:
    """Who looks at it, and what this person can do about that."""
    standing = how_it_stands(staged_version, user, checklist)
    if standing is None:
        return {}
    return {
        "assigned": standing,
        "pass_form": PassOnForm(people=standing.others, auto_id="pass_on_%s"),
        "snooze_form": SnoozeForm(latest=standing.latest_snooze, auto_id="snooze_%s"),
    }


def _said(user: User, staged_version: StagedVersion) -> dict[str, Any]:
    """What people have said of it, and may still do about that."""
    said = checklists.said_of(staged_version)
    for one in said["open_requests"]:
        # With its package and registry, which are read already.
        one.staged_version = staged_version
    may_hold = staged_version.state == State.STAGED and may_decide(
        user, staged_version.registry.url, staged_version.package.name
    )
    return {
        **said,
        "glass_rows": glass.glass_of(staged_version),
        "may_lift": {
            one.pk
            for one in said["open_requests"]
            if may_hold and change_requests.may_lift(one, user)
        },
        "may_hold": may_hold and all(one.user_id != user.pk for one in said["open_requests"]),
        "longest_reason": LONGEST_REASON,
    }


def _status(
    request: SignedInRequest,
    staged_version: StagedVersion,
    facts: dict[str, Any],
    checklist: Checklist | None,
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
        staged_version.state in UNDER_WAY_STATES
    )
    context = {
        **facts,
        "counts": counts_of(facts["inspection"]) if facts["inspection"] else [],
        "item": current,
        **question_of(current),
        "decided": questions.progress_of(current.decision) if current else None,
        "item_open": current is not None and current.state in OPEN_ITEM_STATES,
        "is_mine": current is not None and current.decision.user_id == user.pk,
        "earlier": items[1:],
        "rule_settings": settings_for(staged_version.package.name),
        "may_mark": is_open
        and may_decide(user, staged_version.registry.url, staged_version.package.name),
        "own_obstacles": [],
        "may_approve": False,
        "may_reject": False,
        **_said(user, staged_version),
    }
    if checklist is not None:
        context |= _waiting(user, staged_version, context, checklist)
        context |= _assignment(user, staged_version, checklist)
    else:
        context["votes"] = checklists.votes_of(staged_version, user, None)
        context["overrides"] = checklists.overrides_of(staged_version, None)
    content = render_to_string("web/review/status_content.html", context, request)
    return {
        "content": content,
        "seen": mark_of(content),
        "seconds": (SECONDS_UNDER_WAY if under_way else SECONDS_WAITING) if is_open else 0,
        "inspection": asked.state if asked else "",
    }
