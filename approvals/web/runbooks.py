"""What the review page says of a version's package: its runbook, and how to take it back."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from approvals.queue.models import StagedVersion
from approvals.rota.markdown import rendered
from approvals.rota.rollback import LONGEST_MESSAGE, RollbackRefused, is_out, rollback_of
from approvals.rota.runbooks import runbook_for

# Of the versions that a dist-tag can be moved to.
MOST_CHOICES = 100


def guidance_of(request: HttpRequest, staged_version: StagedVersion) -> dict[str, Any]:
    """Both, where there is any. `back_to` and `message` in the address fill the commands in."""
    found = runbook_for(staged_version.registry.url, staged_version.package.name)
    guidance: dict[str, Any] = {"runbook": found}
    if found is not None:
        guidance["runbook_html"] = rendered(found.text)
    if is_out(staged_version):
        guidance["rollback"] = _rollback(request, staged_version)
    return guidance


def _rollback(request: HttpRequest, staged_version: StagedVersion) -> dict[str, Any]:
    typed = {
        "back_to": request.GET.get("back_to", "")[:256],
        "message": request.GET.get("message", "").strip()[: LONGEST_MESSAGE + 1],
    }
    shown: dict[str, Any] = {"longest_message": LONGEST_MESSAGE, **typed}
    try:
        found = rollback_of(staged_version, **typed)
    except RollbackRefused as refusal:
        shown["refused"] = str(refusal)
        if not any(typed.values()):
            return shown
        try:
            found = rollback_of(staged_version)
        except RollbackRefused:
            return shown
    first = found.choices[:MOST_CHOICES]
    more = (found.back_to,) if found.back_to and found.back_to not in first else ()
    return shown | {"found": found, "choices": (*more, *first), "is_typed": any(typed.values())}
