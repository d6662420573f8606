"""Whether it is the repository of the baseline can only be told by its address."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.provenance.alike import is_same_by_address
from approvals.provenance.case import Case
from approvals.provenance.expected_met import is_as_pinned
from approvals.provenance.words import plain, repository_name

GROUP = Group.PROVENANCE
RULES = {"repository-by-address": "Repositories that only their address tells to be the same"}


def findings(case: Case) -> Iterator[Finding]:
    now, before, expected = case.now, case.compared, case.expected
    if now is None or before is None or not is_same_by_address(now, before):
        return
    # One of both would have told: early certificates of everything have no numbers.
    if not now.build.repository_id and not before.build.repository_id:
        return
    # A pin that holds the number vouches for it.
    has_number = expected is not None and expected.repository_id and now.build.repository_id
    if has_number and is_as_pinned(case, "repository"):
        return
    silent = "this version" if before.build.repository_id else plain(before.version)
    yield Finding(
        "repository-by-address",
        Severity.LOW,
        "That it is the same repository is told by its address only.",
        f"The certificate of {silent} does not have the number that the host gave the repository, "
        "and no other release that is known here tells it. A repository that was deleted and made "
        "anew by somebody else would have the same address.",
        "See at the host since when the repository exists, and whether it has the commits of "
        "earlier releases.",
        detail=repository_name(now.build.repository, with_host=True),
    )
