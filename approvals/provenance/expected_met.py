"""Whether a build is what is pinned for its package: fact by fact."""

from approvals.provenance.alike import Release, host_of, owner_of, same_address, workflow_of
from approvals.provenance.case import Case
from approvals.provenance.models import ExpectedPublisher
from approvals.provenance.refs import matches
from registry_client.provenance import Build


def pinned_facts(case: Case) -> dict[str, bool]:
    """Each fact that is pinned, and whether this version's build is as pinned.

    Facts are named as in the comparison's lines. Empty where nothing is pinned or proven.
    """
    expected = case.expected
    if expected is None or case.now is None:
        return {}
    build = case.now.build
    facts = {"repository": _repository(expected, build)}
    if expected.owner_id:
        facts["owner"] = build.owner_id == expected.owner_id
    elif case.compared is not None and _moved(case.now, case.compared):
        # The address that was written names the owner, too, as long as it is not the old one.
        facts["owner"] = same_address(expected.repository, build.repository)
    if expected.workflow:
        facts["workflow"] = workflow_of(build) == expected.workflow
    if expected.ref_pattern:
        facts["ref"] = matches(expected.ref_pattern, build.ref)
    if expected.environment:
        facts["environment"] = build.environment == expected.environment
    return facts


def is_as_pinned(case: Case, fact: str) -> bool:
    """Whether this fact is pinned, and as pinned: then it is nobody's news that it changed."""
    return pinned_facts(case).get(fact, False)


def is_told_by_pin(case: Case, fact: str) -> bool:
    """Whether that this fact changed is nobody's news: it is as pinned, or the finding about the
    pin says that it is not."""
    return fact in reported_facts(case) or is_as_pinned(case, fact)


def reported_facts(case: Case) -> list[str]:
    """The facts that are not as pinned, and that are said to be so."""
    facts = pinned_facts(case)
    unmet = [fact for fact, is_met in facts.items() if not is_met]
    # That another repository has another owner is no news of its own.
    return [fact for fact in unmet if fact != "owner" or facts["repository"]]


def _repository(expected: ExpectedPublisher, build: Build) -> bool:
    if expected.repository_id and build.repository_id:
        same_host = host_of(build.repository) == host_of(expected.repository)
        return same_host and build.repository_id == expected.repository_id
    return same_address(build.repository, expected.repository)


def _moved(now: Release, before: Release) -> bool:
    return not same_address(owner_of(now.build), owner_of(before.build))
