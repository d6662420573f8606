"""The panel "Where it was built" of a version's page."""

from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string

from approvals.people.permissions import may_decide, may_set_expectations
from approvals.provenance.comparison import difference_in_words
from approvals.provenance.models import HandedInBundle, ProvenanceCheck
from approvals.provenance.sentence import sentence_of
from approvals.provenance.verdict import verdict_of
from approvals.queue.models import AT_REGISTRY_STATES, StagedVersion
from approvals.web import provenance as story
from approvals.web.forms.provenance import HandInForm
from approvals.web.live import mark_of
from approvals.web.reading import check_of

# Marks messages that stand in the panel: after a form in it, that is where a person looks.
IN_THE_PANEL = "provenance"
SECONDS_LOOKING, SECONDS_MISSING = 2, 15
MOST_REFUSALS = 5
State = ProvenanceCheck.State


def provenance_of(
    request: HttpRequest, staged_version: StagedVersion, facts: dict[str, Any]
) -> dict[str, Any]:
    """The panel as HTML, a digest of what it says, and how often it asks for itself again.

    `facts` are those of facts.facts_of.
    """
    case, check = facts["case"], check_of(staged_version)
    found = case.provenance
    built = found.built if found else None
    before = case.baseline.built if case.baseline else None
    lines = facts["lines"]
    verdict = verdict_of(case)
    is_waiting = staged_version.state in AT_REGISTRY_STATES
    registry_url, package = staged_version.registry.url, staged_version.package.name
    context = {
        "version": staged_version,
        "asked": facts["asked"],
        "check": check,
        "verdict": verdict,
        "case": case,
        "found": found,
        "built": built,
        "before": before,
        "sentence": sentence_of(case),
        "chain": story.chain_of(case, lines, staged_version),
        "findings": facts["provenance_findings"] if _is_older(staged_version) else [],
        "lines": lines,
        "has_changes": any(line.verdict == "changed" or line.pin == "unmet" for line in lines),
        "difference": difference_in_words(lines),
        "repository_link": story.repository_link(built) if built else None,
        "how_found": story.HOW_FOUND.get(found.source, "") if found else "",
        "compare_link": story.compare_link(before, built),
        "is_waiting": is_waiting,
        "is_running": check is not None and check.state == State.RUNNING,
        "may_hand_in": is_waiting and not built and may_decide(request.user, registry_url, package),
        "may_pin": may_set_expectations(request.user, registry_url, package),
        "refusals": [] if built else _refusals(staged_version),
        "expected": case.expected,
        "hand_in_form": HandInForm(),
    }
    content = render_to_string("web/review/provenance_content.html", context, request)
    is_settled = check is not None and check.state == State.DONE
    is_looking = check is None or check.provenance_id is None or check.state == State.RUNNING
    seconds = SECONDS_LOOKING if is_looking or not case.is_compared else SECONDS_MISSING
    return {
        "content": content,
        "news": story.VERDICTS[verdict].label,
        "seen": mark_of(content),
        "seconds": seconds if is_waiting and not is_settled else 0,
    }


def _is_older(staged_version: StagedVersion) -> bool:
    """Whether it was decided before findings were written down, in the list that opens the page."""
    return not staged_version.is_open and not staged_version.findings.exists()


def _refusals(staged_version: StagedVersion) -> list[HandedInBundle]:
    """What was handed in and proved nothing, the newest first."""
    rows = staged_version.handed_in_bundles.exclude(refusal="")
    people = ("handed_in_by__username", "handed_in_by__first_name", "handed_in_by__last_name")
    return list(
        rows.select_related("handed_in_by")
        .only("refusal", "handed_in_at", "staged_version_id", *people)
        .order_by("-handed_in_at")[:MOST_REFUSALS]
    )
