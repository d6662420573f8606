"""It was built before what users have today."""

from collections.abc import Iterator
from datetime import datetime

from django.utils import timezone

from approvals.inspection.finding import Finding, Group, Severity
from approvals.provenance.case import Case
from approvals.provenance.words import plain

GROUP = Group.PROVENANCE
RULES = {"older-than-baseline": "A build that is older than the baseline's"}


def findings(case: Case) -> Iterator[Finding]:
    now, before = case.now, case.before
    if now is None or before is None or now.signed_at is None or before.signed_at is None:
        return
    if now.signed_at >= before.signed_at:
        return
    # The same minute is written with its seconds: more, the certificates do not have.
    exactly = before.signed_at.replace(second=0) == now.signed_at.replace(second=0)
    yield Finding(
        "older-than-baseline",
        Severity.MEDIUM,
        f"It was built before {plain(before.version)}, which users have today.",
        "An old build brings back what was mended since. Staging one late is also a way to release "
        "code that was set aside.",
        "See whether its commit has all that the baseline's has, and why it was staged only now.",
        detail=" → ".join(
            _in_words(moment, exactly) for moment in (before.signed_at, now.signed_at)
        ),
    )


def _in_words(moment: datetime, exactly: bool) -> str:
    """As pages write it: "11 Oct 2026, 19:00 UTC"."""
    local = timezone.localtime(moment)
    clock = f"{local:%H:%M:%S}" if exactly else f"{local:%H:%M}"
    return f"{local.day} {local:%b %Y}, {clock} {local.tzname()}"
