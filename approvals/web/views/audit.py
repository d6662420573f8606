"""The audit log, newest first."""

import json
from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from approvals.audit.models import AuditEvent, AuditHead
from approvals.people.models import User
from approvals.queue.models import StagedVersion
from approvals.web.forms.audit import AuditFilter
from approvals.web.views.guards import SignedInRequest
from approvals.web.visibility import events_visible_to

PER_PAGE = 50


@dataclass(frozen=True)
class Row:
    """One event and what the page adds to it."""

    event: AuditEvent
    kind_parts: list[str]
    detail: list[tuple[str, str]]
    version_url: str


@require_GET
def audit(request: SignedInRequest) -> HttpResponse:
    form = AuditFilter(request.GET)
    events = form.narrow(events_visible_to(request.user))
    before = form.cleaned_data.get("before")
    after = form.cleaned_data.get("after")
    # Pages are cut by sequence number: events that arrive meanwhile shift nothing.
    if after is not None:
        found = list(events.filter(sequence__gt=after).order_by("sequence")[: PER_PAGE + 1])
        more_older, more_newer = True, len(found) > PER_PAGE
        found = found[:PER_PAGE][::-1]
    else:
        if before is not None:
            events = events.filter(sequence__lt=before)
        found = list(events.order_by("-sequence")[: PER_PAGE + 1])
        more_older, more_newer = len(found) > PER_PAGE, before is not None
        found = found[:PER_PAGE]
    return render(
        request,
        "web/audit/audit.html",
        {
            "form": form,
            "rows": _rows(found, request.user),
            "older": found[-1].sequence if found and more_older else None,
            "newer": found[0].sequence if found and more_newer else None,
            "elsewhere": before is not None or after is not None,
            "head": AuditHead.objects.filter(id=1).first(),
        },
    )


def _rows(events: list[AuditEvent], user: User) -> list[Row]:
    stage_ids = {event.stage_id for event in events if event.stage_id}
    versions = dict(
        StagedVersion.objects.visible_to(user)
        .filter(stage_id__in=stage_ids)
        .values_list("stage_id", "pk")
    )
    return [
        Row(
            event,
            event.kind.split("."),
            [(key.replace("_", " "), _readable(value)) for key, value in event.detail.items()],
            reverse("version", args=[versions[event.stage_id]])
            if event.stage_id in versions
            else "",
        )
        for event in events
    ]


def _readable(value: object) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and not any(isinstance(part, (list, dict)) for part in value):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
