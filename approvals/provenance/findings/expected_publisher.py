"""It was not built where this package must be built."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.provenance.alike import owner_of, workflow_of
from approvals.provenance.case import Case
from approvals.provenance.expected_met import reported_facts
from approvals.provenance.models import ExpectedPublisher
from approvals.provenance.words import named, plain, ref_name, repository_name
from registry_client.provenance import Build

GROUP = Group.PROVENANCE
RULES = {
    "expected-provenance": "No proof, where a publisher is pinned",
    "expected-repository": "Another repository than the pinned one",
    "expected-owner": "Another owner of the repository than the pinned one",
    "expected-workflow": "Another workflow than the pinned one",
    "expected-ref": "Another branch or tag than the pinned one",
    "expected-environment": "Another deployment environment than the pinned one",
}

_WHAT = (
    "Do not approve it before the maintainers have said why. If the package is built there from "
    "now on, an administrator pins the new publisher."
)
_TITLES = {
    "repository": "It was not built from the expected repository.",
    "owner": "The expected repository has another owner.",
    "workflow": "It was not built by the expected workflow.",
    "ref": "It was not built from the expected branch or tag.",
    "environment": "It did not run in the expected deployment environment.",
}


def findings(case: Case) -> Iterator[Finding]:
    expected = case.expected
    if expected is None or case.provenance is None:
        return
    if case.now is None:
        yield Finding(
            "expected-provenance",
            Severity.CRITICAL,
            "Nothing proves that this was built where it must be built.",
            _why(expected),
            "Do not approve it: have it staged again from the expected repository, with "
            "provenance. If CI kept the bundle of this very tarball, hand that in.",
            detail=f"{repository_name(expected.repository, with_host=True)} → nothing proven",
        )
        return
    for fact in reported_facts(case):
        evidence = f"{_pinned(expected, fact)} → {_found(case.now.build, fact)}"
        # It changed as well, or did not: no rule about changes says so beside this one.
        if case.compared is not None:
            had = _found(case.compared.build, fact)
            evidence += f"; {plain(case.compared.version)} had {had}"
        yield Finding(
            f"expected-{fact}",
            Severity.CRITICAL,
            _TITLES[fact],
            _why(expected),
            _WHAT,
            detail=evidence,
        )


def _why(expected: ExpectedPublisher) -> str:
    why = "It is pinned where this package must be built, by hand."
    if expected.pinned_from:
        why = f"What was proven for {plain(expected.pinned_from)} is pinned for this package."
    if not expected.repository_id:
        why += (
            " The pin knows no number that the host gave the repository, so that only the address "
            "counts: a repository that was renamed does not meet it, and one that was made anew by "
            "the same address does."
        )
    return why


def _pinned(expected: ExpectedPublisher, fact: str) -> str:
    values = {
        "repository": _numbered(
            repository_name(expected.repository, with_host=True), expected.repository_id
        ),
        "owner": _numbered("owner", expected.owner_id),
        "workflow": named(expected.workflow),
        "ref": ref_name(expected.ref_pattern),
        "environment": named(expected.environment),
    }
    return values[fact]


def _found(build: Build, fact: str) -> str:
    values = {
        "repository": _numbered(
            repository_name(build.repository, with_host=True), build.repository_id
        ),
        "owner": _numbered(repository_name(owner_of(build), with_host=True), build.owner_id),
        "workflow": named(workflow_of(build)),
        "ref": ref_name(build.ref),
        "environment": named(build.environment),
    }
    return values[fact] or "not said"


def _numbered(name: str, number: str) -> str:
    return f"{name} (id {named(number)})" if number else name
