"""Lists of staged versions. A constant number of queries at any length."""

import hashlib
from typing import Any

from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from approvals.people.models import User
from approvals.queue.models import Registry, StagedVersion, StagedVersionQuerySet

PER_PAGE = 50


def page_of(rows: StagedVersionQuerySet, number: str | None) -> Page[Any]:
    """One page, with everything a row of the list shows.

    The page is chosen by keys alone, which an index can do; only its rows are read whole.
    """
    page: Page[Any] = Paginator(rows.values_list("pk", flat=True), PER_PAGE).get_page(number)
    keys = list(page.object_list)
    found = (
        StagedVersion.objects.with_package()
        .select_related("inspection_request__inspection", "provenance_check", "policy_state")
        .defer(
            "extra",
            "registry__sealed_read_token",
            "inspection_request__maintainers",
            # A summary holds manifests and a README: far too much to read for fifty rows.
            "inspection_request__inspection__summary",
            "inspection_request__inspection__findings",
        )
        .in_bulk(keys)
    )
    page.object_list = [found[key] for key in keys if key in found]
    return page


def registry_names(user: User) -> dict[str, str]:
    """The name of each registry at which this person may see something, by its address."""
    return dict(Registry.objects.visible_to(user).values_list("url", "name"))


def is_poll(request: HttpRequest) -> bool:
    """Whether a list asks by itself whether it is still up to date."""
    return "HX-Request" in request.headers and request.GET.get("part") == "list"


def render_list(
    request: HttpRequest, page_template: str, list_template: str, context: dict[str, Any]
) -> HttpResponse:
    """The whole page; or for its own polling only the list, or 204 where nothing changed."""
    content = render_to_string(list_template, context, request)
    part = {"content": content, "seen": hashlib.sha256(content.encode()).hexdigest()[:16]}
    polled = is_poll(request)
    if polled and request.GET.get("seen") == part["seen"]:
        return HttpResponse(status=204)
    if polled:
        response = render(request, "components/live_content.html", part)
    else:
        response = render(request, page_template, {**context, "live": part})
    response["Cache-Control"] = "no-store"
    return response
