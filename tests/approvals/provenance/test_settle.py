"""Judging in one place: what was found, the verdict, and what is told of both."""

import pytest

from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.provenance.models import ExpectedPublisher, Provenance, ProvenanceCheck
from approvals.provenance.settle import settle, settle_open
from approvals.queue.models import StagedVersion, State
from tests.approvals.factories import (
    make_provenance,
    make_provenance_check,
    make_staged_version,
)

pytestmark = pytest.mark.django_db
TOPIC = "provenance.found"


@pytest.fixture
def row() -> StagedVersion:
    return make_staged_version("left-pad", "1.5.0")


@pytest.fixture
def check(row: StagedVersion) -> ProvenanceCheck:
    missing = make_provenance(row, outcome="missing")
    return make_provenance_check(row, missing, baseline=make_provenance(row.package, "1.4.2"))


def told() -> list[tuple[str, str]]:
    events = AuditEvent.objects.filter(kind=TOPIC).order_by("sequence")
    news = OutboxEvent.objects.filter(topic=TOPIC).order_by("pk")
    said = [(one.detail["outcome"], one.detail["verdict"]) for one in events]
    assert said == [(one.payload["outcome"], one.payload["verdict"]) for one in news]
    return said


def proven(row: StagedVersion) -> Provenance:
    """Another row about the same tarball."""
    return make_provenance(row.package, "1.5.0+other", sha512=row.sha512)


def pin_elsewhere(row: StagedVersion) -> None:
    ExpectedPublisher.objects.create(
        package=row.package, repository="https://github.com/acme/elsewhere"
    )


def test_what_changed_is_kept_and_told_once(check: ProvenanceCheck, row: StagedVersion) -> None:
    assert check.verdict == "lost"
    settle(check)
    assert told() == []
    found = proven(row)
    for _ in range(2):
        settle(check, provenance=found)
    assert (check.provenance, check.verdict, check.outcome_told) == (found, "same", "verified")
    stored = ProvenanceCheck.objects.get()
    assert (stored.provenance, stored.verdict) == (found, "same")
    assert told() == [("verified", "same")]
    event = AuditEvent.objects.get(kind=TOPIC)
    assert event.stage_id == row.stage_id
    assert event.detail["repository"] == found.build["repository"]
    assert event.detail["baseline"] == "1.4.2"


def test_what_got_better_in_its_own_row_is_told_whoever_made_it_better(
    check: ProvenanceCheck, row: StagedVersion
) -> None:
    better = make_provenance(row.package, "1.5.0")
    build, signed_at = better.build, better.signed_at
    Provenance.objects.filter(pk=check.provenance_id).update(
        outcome="verified", source="log", build=build, signed_at=signed_at
    )
    settle(check)
    assert told() == [("verified", "same")]


def test_another_verdict_alone_is_told_too(check: ProvenanceCheck, row: StagedVersion) -> None:
    settle(check, provenance=proven(row))
    pin_elsewhere(row)
    settle(check)
    assert check.verdict == "changed"
    assert told() == [("verified", "same"), ("verified", "changed")]


def test_what_nobody_has_looked_at_stays_unknown(row: StagedVersion) -> None:
    pin_elsewhere(row)
    check = make_provenance_check(row)
    settle(check)
    assert (check.verdict, check.provenance) == ("", None)
    assert told() == []


def test_all_that_is_open_is_judged_and_what_is_decided_stays(row: StagedVersion) -> None:
    baseline = make_provenance(row.package, "1.4.2")
    checks = []
    for number, state in enumerate((State.STAGED, State.STAGED, State.LIVE, State.REJECTED)):
        one = make_staged_version("left-pad", f"1.5.{number + 1}", state=state)
        checks.append(make_provenance_check(one, make_provenance(one), baseline=baseline))
    assert {check.verdict for check in checks} == {"same"}
    pin_elsewhere(row)
    settle_open(row.package)
    verdicts = [ProvenanceCheck.objects.get(pk=check.pk).verdict for check in checks]
    assert verdicts == ["changed", "changed", "same", "same"]
    assert told() == [("verified", "changed")] * 2
    settle_open(row.package)
    assert len(told()) == 2
