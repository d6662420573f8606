"""Something started the build that anybody can cause."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.provenance.alike import REQUEST_TRIGGERS, is_open_to_strangers
from approvals.provenance.case import Case
from approvals.provenance.refs import is_request
from approvals.provenance.words import named

GROUP = Group.PROVENANCE
RULES = {"trigger-of-strangers": "Events that people outside of the project can cause"}


def findings(case: Case) -> Iterator[Finding]:
    now, before = case.now, case.compared
    if now is None or not is_open_to_strangers(now.build.trigger):
        return
    # That a request's ref was built for a request is said already.
    if now.build.trigger in REQUEST_TRIGGERS and is_request(now.build.ref):
        return
    # Seen before or not, it never is a safe way to release.
    evidence = named(now.build.trigger)
    if before is not None:
        evidence = f"{named(before.build.trigger) or 'not said'} → {evidence}"
    yield Finding(
        "trigger-of-strangers",
        Severity.HIGH,
        f"It was started by {named(now.build.trigger)}, which people outside of the project can "
        "cause.",
        "Whoever can open a request or an issue, comment or fork can start such a workflow, and "
        "often have a say in what it runs. It has the project's rights all the same.",
        "See who caused this run, and what the workflow took from them. Unless the maintainers "
        "release like this on purpose, reject it and take the right to publish from that workflow.",
        detail=evidence,
    )
