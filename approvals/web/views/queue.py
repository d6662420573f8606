"""What waits, and what was decided."""

from typing import Any

from django.db.models import Prefetch, prefetch_related_objects
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from approvals.decisions.models import DecisionItem
from approvals.decisions.releases.overview import open_releases
from approvals.inspection.standing import summaries_of
from approvals.people.accounts import troubles_of
from approvals.people.permissions import reaches_of
from approvals.people.sessions import not_activity_when
from approvals.people.setup import missing_setup
from approvals.queue.models import OPEN_STATES, Registry, StagedVersion, State
from approvals.web.forms.versions import VersionFilter
from approvals.web.listing import is_poll, page_of, registry_names, render_list
from approvals.web.reach import reach_line
from approvals.web.releases import listed
from approvals.web.views.guards import SignedInRequest

# Above the list of versions; all of them have a page of their own.
MOST_RELEASES = 5
CLOSED_STATES = [state for state in State if state not in OPEN_STATES]


@not_activity_when(is_poll)
@require_safe
def queue(request: SignedInRequest) -> HttpResponse:
    """What still needs somebody or something, oldest first."""
    user = request.user
    registries = registry_names(user)
    form = VersionFilter(
        request.GET, states=list(OPEN_STATES), registries=list(registries.values()), user=user
    )
    rows = form.narrow(StagedVersion.objects.visible_to(user).waiting())
    context: dict[str, Any] = {
        "form": form,
        "page": page_of(rows, request.GET.get("page")),
        "has_registries": bool(registries),
        "missing_setup": missing_setup(user, registries),
        "account_troubles": troubles_of(user, registries),
        "only": reach_line(reaches_of(user), registries),
    }
    context["summaries"] = summaries_of(context["page"].object_list)
    if context["page"].number == 1 and not form.is_narrowing:
        context["releases"] = listed(open_releases(user, MOST_RELEASES))
    if not context["page"].object_list and not StagedVersion.objects.visible_to(user).exists():
        context["never_staged_at"] = list(Registry.objects.visible_to(user))
    return render_list(request, "web/queue.html", "web/queue/list.html", context)


@require_safe
def history(request: SignedInRequest) -> HttpResponse:
    """What was decided, here or elsewhere, newest first."""
    form = VersionFilter(
        request.GET, states=CLOSED_STATES, registries=list(registry_names(request.user).values())
    )
    rows = form.narrow(
        StagedVersion.objects.visible_to(request.user)
        .filter(state__in=CLOSED_STATES)
        .order_by("-state_changed_at", "-id")
    )
    page = page_of(rows, request.GET.get("page"))
    _attach_decisions(list(page.object_list))
    context = {"form": form, "page": page}
    return render_list(request, "web/history.html", "web/queue/history_list.html", context)


def _attach_decisions(rows: list[StagedVersion]) -> None:
    prefetch_related_objects(
        rows,
        Prefetch(
            "decision_items",
            DecisionItem.objects.select_related("decision__user").order_by("-id"),
        ),
        "overrides",
    )
