"""Releases: what was staged together, looked at and decided as one."""

from collections.abc import Collection
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from approvals.decisions.models import Release
from approvals.decisions.releases import arrange
from approvals.decisions.releases.overview import Overview, open_releases, overview_of
from approvals.inspection.models import InspectionRequest
from approvals.people.permissions import may_decide_anything
from approvals.people.sessions import not_activity
from approvals.queue.models import StagedVersion, State
from approvals.web import release_graph
from approvals.web.live import mark_of
from approvals.web.progress import decision_seen_by, progress_context, shown
from approvals.web.reading import get_versions, request_of, whole
from approvals.web.releases import (
    choice_of,
    facts_of_release,
    in_the_way_of,
    listed,
    rows_of,
    targets_of,
    unusual_in,
)
from approvals.web.views.guards import SignedInRequest

SECONDS_UNDER_WAY, SECONDS_WAITING = 4, 15
MOST_NAMED = 200
MOST_LISTED = 100
_COMPARING = frozenset({InspectionRequest.State.WAITING, InspectionRequest.State.RUNNING})
_UNDER_WAY = frozenset({State.APPROVING, State.REJECTING, State.ACCEPTED})


@never_cache
@require_safe
def releases(request: SignedInRequest) -> HttpResponse:
    """Those of which several versions wait."""
    return render(
        request, "web/releases.html", {"releases": listed(open_releases(request.user, MOST_LISTED))}
    )


@never_cache
@require_safe
def release(request: SignedInRequest, release_id: UUID) -> HttpResponse:
    """Everything about one release. `version` names those that are ticked, with `chosen`."""
    found = _release_of(request, release_id)
    overview = _overview(request, found)
    chosen = _named(request.GET.getlist("version")) if "chosen" in request.GET else None
    context = _live(request, overview, chosen)
    context["choice"] = _choice(request, overview, context["rows"])
    context["progress"] = _progress(request, overview)
    context["targets"] = []
    if context["may_arrange"]:
        context["targets"] = targets_of(found, request.user)
        context["arranged"] = arrange.seen_of(overview.versions)
    return render(request, "web/release.html", context)


@not_activity
@never_cache
@require_safe
def release_status(request: SignedInRequest, release_id: UUID) -> HttpResponse:
    """The part of the page that changes by itself; 204 where it did not."""
    if "HX-Request" not in request.headers:
        return redirect("release", release_id)
    # What came since is not ticked by itself; the ticks that are there stay as they are.
    overview = _overview(request, _release_of(request, release_id))
    context = _live(request, overview, frozenset())
    if request.GET.get("seen") == context["seen"]:
        return HttpResponse(status=204)
    if request.GET.get("decision", "") != context["decision_key"]:
        context |= {"has_new_decision": True, "progress": _progress(request, overview)}
    response = render(request, "web/release/status.html", context)
    response["HX-Trigger"] = "release-changed"
    return response


@never_cache
@require_safe
def release_choice(request: SignedInRequest, release_id: UUID) -> HttpResponse:
    """What deciding the versions that are ticked now would mean."""
    if "HX-Request" not in request.headers:
        address = reverse("release", args=[release_id])
        query = urlencode({**request.GET, "chosen": "yes"}, doseq=True)
        return redirect(f"{address}?{query}")
    found = _release_of(request, release_id)
    versions = {row.pk: row for row in _members_of(request, found)}
    chosen = _named(request.GET.getlist("version"))
    context = {"release": found, "choice": choice_of(request.user, versions, chosen)}
    return render(request, "web/release/choice.html", context)


@require_POST
def release_split(request: SignedInRequest, release_id: UUID) -> HttpResponse:
    """Makes the chosen versions a release of their own, and leads to it."""
    found = _release_to_arrange(request, release_id)
    try:
        rows = _chosen(request)
        made = arrange.split(found, rows, actor=request.user)
    except arrange.ArrangementRefused as error:
        messages.error(request, str(error))
        return redirect("release", release_id)
    own = "its" if len(rows) == 1 else "their"
    messages.success(request, f"{_counted(len(rows))} a release of {own} own now.")
    return redirect("release", made.pk)


@require_POST
def release_move(request: SignedInRequest, release_id: UUID) -> HttpResponse:
    """Moves the chosen versions into another release, and leads to it."""
    found = _release_to_arrange(request, release_id)
    try:
        rows = _chosen(request)
        other = _other(request)
        arrange.move_to(rows, other, actor=request.user, source=found)
    except arrange.ArrangementRefused as error:
        messages.error(request, str(error))
        return redirect("release", release_id)
    messages.success(request, f"{_counted(len(rows))} in this release now.")
    return redirect("release", other.pk)


@require_POST
def release_merge(request: SignedInRequest, release_id: UUID) -> HttpResponse:
    """Moves all of it into another release, and leads to that."""
    found = _release_to_arrange(request, release_id)
    try:
        other = _other(request)
        seen = request.POST.get("seen", "")
        arrange.merge(found, into=other, actor=request.user, seen=seen)
    except arrange.ArrangementRefused as error:
        messages.error(request, str(error))
        return redirect("release", release_id)
    messages.success(request, "The two are one release now.")
    return redirect("release", other.pk)


def _counted(number: int) -> str:
    return "1 version is" if number == 1 else f"{number} versions are"


def _release_of(request: SignedInRequest, release_id: UUID) -> Release:
    """Raises Http404, also where the person may see none of its versions."""
    visible = Release.objects.visible_to(request.user).select_related("registry")
    return get_object_or_404(visible, pk=release_id)


def _release_to_arrange(request: SignedInRequest, release_id: UUID) -> Release:
    found = _release_of(request, release_id)
    if not may_decide_anything(request.user):
        raise PermissionDenied("Only approvers say what belongs to a release. Ask one.")
    return found


def _overview(request: SignedInRequest, found: Release) -> Overview:
    overview = overview_of(found, request.user)
    # The last version may have gone a moment ago.
    if not overview.members:
        raise Http404
    return overview


def _members_of(request: SignedInRequest, found: Release) -> list[StagedVersion]:
    keys = found.members.values_list("staged_version", flat=True)
    return get_versions(request.user, set(keys))


def _named(keys: Collection[str]) -> frozenset[int]:
    """The keys that an address or a form names; what is none is not one of them."""
    return frozenset(number for key in list(keys)[:MOST_NAMED] if (number := whole(key)))


def _chosen(request: SignedInRequest) -> list[StagedVersion]:
    """What a form moves. Raises ArrangementRefused."""
    keys = _named(request.POST.getlist("version"))
    if not keys:
        raise arrange.ArrangementRefused("Tick the packages to move first.")
    rows = get_versions(request.user, keys)
    if len(rows) < len(keys):
        raise arrange.ArrangementRefused(
            "Some of what you ticked is not here any more. Look at the release again."
        )
    return rows


def _other(request: SignedInRequest) -> Release:
    """The other release that a form names. Raises ArrangementRefused."""
    try:
        key = UUID(request.POST.get("into", ""))
    except ValueError:
        raise arrange.ArrangementRefused("Choose the other release first.") from None
    other = Release.objects.visible_to(request.user).filter(pk=key).first()
    if other is None:
        raise arrange.ArrangementRefused("That release is not there any more. Choose another one.")
    return other


def _choice(request: SignedInRequest, overview: Overview, rows: list[Any]) -> Any:
    return choice_of(
        request.user,
        overview.versions,
        {one.row.key for one in rows if one.is_chosen},
        edges=overview.edges,
        checklists={row.key: row.checklist for row in overview.members},
    )


def _progress(request: SignedInRequest, overview: Overview) -> dict[str, Any] | None:
    """How far the latest decision over any of it has come."""
    if overview.decision is None:
        return None
    decision = decision_seen_by(request.user, overview.decision.pk)
    if decision is None:
        return None
    return {"decision": decision, "shown": shown(request, progress_context(request, decision))}


def _live(
    request: SignedInRequest, overview: Overview, chosen: Collection[int] | None
) -> dict[str, Any]:
    user = request.user
    rows = rows_of(overview, user, chosen)
    versions = overview.versions
    decision = overview.decision
    context: dict[str, Any] = {
        "release": overview.release,
        "overview": overview,
        "rows": rows,
        "versions": versions,
        "facts": facts_of_release(overview),
        "in_the_way": in_the_way_of(overview),
        "unusual": unusual_in(overview),
        "graph": release_graph.graph_of(
            versions,
            overview.edges,
            {row.key: row.level for row in overview.members},
            [[row.pk for row in ring] for ring in overview.cycles],
        ),
        "edges": [
            {"edge": one, "sentence": one.sentence(versions)}
            for one in overview.edges
            if not one.problem
        ],
        "scope": release_graph.common_scope([row.package.name for row in versions.values()]),
        "decision_key": str(decision.pk) if decision else "",
        "may_choose": any(one.may_be_chosen for one in rows),
        "may_arrange": overview.begun_at is None
        and any(one.may_be_chosen for one in rows)
        and may_decide_anything(user),
    }
    content = render_to_string("web/release/live.html", context, request)
    return context | {
        "content": content,
        # Ticks are the reader's own.
        "seen": mark_of(content, ignoring=r" checked\b"),
        "seconds": _seconds(overview),
    }


def _seconds(overview: Overview) -> int:
    """How long until the page asks again; 0 where nothing will change any more."""
    rows = [row.version for row in overview.members]
    if not any(row.is_open for row in rows):
        return 0
    comparing = any(
        row.state == State.STAGED
        and ((asked := request_of(row)) is None or asked.state in _COMPARING)
        for row in rows
    )
    is_moving = comparing or any(row.state in _UNDER_WAY for row in rows)
    return SECONDS_UNDER_WAY if is_moving or not overview.is_looked_up else SECONDS_WAITING
