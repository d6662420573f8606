"""Judging in one place: what was found, the verdict, and what is told of both."""

from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.inspection.models import StagedFinding
from approvals.provenance.findings import rule_modules
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


def kept(row: StagedVersion) -> list[tuple[str, str]]:
    rows = StagedFinding.objects.filter(staged_version=row, source="provenance")
    return list(rows.values_list("rule", "severity"))


def test_findings_are_kept_and_follow_what_is_known(
    check: ProvenanceCheck, row: StagedVersion
) -> None:
    settle(check)
    assert kept(row) == [("provenance-missing", "high")]
    (missing,) = StagedFinding.objects.all()
    settle(check)
    assert StagedFinding.objects.get().pk == missing.pk
    settle(check, provenance=proven(row))
    assert kept(row) == []
    pin_elsewhere(row)
    settle_open(row.package)
    assert ("expected-repository", "critical") in kept(row)


def test_what_a_decision_stood_on_stays(check: ProvenanceCheck, row: StagedVersion) -> None:
    settle(check)
    for state in (State.LIVE, State.REJECTED, State.WITHDRAWN):
        StagedVersion.objects.update(state=state)
        settle(check, provenance=proven(row) if state == State.LIVE else None)
        assert kept(row) == [("provenance-missing", "high")]


def test_findings_of_others_are_left_alone(check: ProvenanceCheck, row: StagedVersion) -> None:
    other = StagedFinding.objects.create(
        staged_version=row,
        source="tarball",
        position=0,
        rule="a",
        severity="high",
        is_new=True,
        fingerprint="f" * 64,
    )
    settle(check)
    settle(check, provenance=proven(row))
    assert StagedFinding.objects.get() == other


def test_nobody_has_looked_at_it_in_the_next_tarball(
    check: ProvenanceCheck, row: StagedVersion
) -> None:
    settle(check)
    other = make_staged_version("left-pad", "1.5.1")
    settle(
        make_provenance_check(
            other,
            make_provenance(other, outcome="missing"),
            baseline=make_provenance(row.package, "1.4.3"),
        )
    )
    assert kept(other) == kept(row)
    assert StagedFinding.objects.values("fingerprint").distinct().count() == 2


def test_keeping_findings_of_many_asks_no_more_than_those_of_two(row: StagedVersion) -> None:
    counts = []
    for number in range(1, 5):
        other = make_staged_version("left-pad", f"1.{number}.1")
        make_provenance_check(other, make_provenance(other))
        pin = {"repository": f"https://github.com/acme/{number}"}
        ExpectedPublisher.objects.update_or_create(package=row.package, defaults=pin)
        with CaptureQueriesContext(connection) as queries:
            settle_open(row.package)
        assert len(kept(other)) == 1
        counts.append(sum("stagedfinding" in query["sql"] for query in queries))
    assert counts[1] == counts[2] == counts[3]


def test_a_rule_that_breaks_is_a_finding_and_stops_no_other(
    check: ProvenanceCheck, row: StagedVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(case: object) -> Any:
        raise RuntimeError("oops")

    (module,) = [one for one in rule_modules() if one.__name__.endswith(".ref_changed")]
    monkeypatch.setattr(module, "findings", broken)
    settle(check)
    assert sorted(kept(row)) == [("provenance-missing", "high"), ("rule-crashed", "high")]
    assert "“ref_changed”" in StagedFinding.objects.get(rule="rule-crashed").title
    settle(check, provenance=proven(row))
    # Nobody knows that it was built as always.
    assert check.verdict == "changed"


@pytest.mark.parametrize(
    ("state", "due"), [(State.STAGED, "waiting"), (State.LIVE, "done")], ids=["open", "decided"]
)
def test_a_new_release_looks_again_at_what_is_to_be_decided(
    check: ProvenanceCheck, state: State, due: str
) -> None:
    StagedVersion.objects.update(state=state)
    ProvenanceCheck.objects.update(state="done")
    import_module("approvals.provenance.migrations.0002_findings").look_again(apps, None)
    assert ProvenanceCheck.objects.get().state == due
