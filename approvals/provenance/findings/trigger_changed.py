"""Another kind of event started the build."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.provenance.alike import is_open_to_strangers, other_trigger
from approvals.provenance.case import Case
from approvals.provenance.words import named, plain

GROUP = Group.PROVENANCE
RULES = {"trigger-changed": "Another kind of event that started the build"}


def findings(case: Case) -> Iterator[Finding]:
    now, before = case.now, case.compared
    if now is None or before is None or not other_trigger(now, before):
        return
    # One that strangers can cause is worse than another, and has a rule of its own.
    if is_open_to_strangers(now.build.trigger):
        return
    yield Finding(
        "trigger-changed",
        Severity.LOW,
        f"It was started by another kind of event than {plain(before.version)}.",
        "A push, a tag, a schedule and a person's click are started by different people, and may "
        "be guarded in different ways.",
        "See who or what started this run, and whether the project means to release like this.",
        detail=f"{named(before.build.trigger)} → {named(now.build.trigger) or 'not said'}",
    )
