"""Gathering what is known of one staged version."""

from datetime import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.provenance.case import case_of, open_cases
from approvals.provenance.models import ExpectedPublisher, Provenance, ProvenanceCheck
from approvals.provenance.verdict import verdict_of
from approvals.queue.models import StagedVersion, State
from tests.approvals.factories import make_provenance, make_provenance_check, make_staged_version

pytestmark = pytest.mark.django_db


def with_history(*versions: str) -> StagedVersion:
    row = make_staged_version("left-pad", "1.5.0")
    history = [make_provenance(row.package, version) for version in versions]
    baseline = make_provenance(row.package, "1.4.0")
    make_provenance_check(row, make_provenance(row), baseline=baseline, history=history)
    return row


def read(row: StagedVersion) -> tuple[ProvenanceCheck, StagedVersion]:
    check = ProvenanceCheck.objects.get(staged_version=row)
    return check, StagedVersion.objects.get(pk=row.pk)


def test_it_has_what_is_known() -> None:
    row = with_history("1.2.0", "1.10.0", "1.9.0", "1.4.0-rc.1")
    pinned = ExpectedPublisher.objects.create(
        package=row.package, repository="https://x.example/a/b"
    )
    StagedVersion.objects.update(git_head="ab" * 20)
    case = case_of(*read(row))
    assert (case.version, case.baseline_version, case.is_compared) == ("1.5.0", "1.4.0", True)
    assert (case.actor, case.actor_type) == ("release-bot", "trusted automation")
    assert (case.expected, case.git_head) == (pinned, "ab" * 20)
    versions = [release.version for release in case.published]
    assert versions == ["1.10.0", "1.9.0", "1.4.0", "1.4.0-rc.1", "1.2.0"]
    assert case.now is not None
    assert case.now.version == "1.5.0"
    assert case.before is not None
    assert case.before.version == "1.4.0"


def test_what_is_proven_about_another_tarball_of_the_version_is_not_told_of_this_one() -> None:
    row = with_history("1.3.0")
    assert verdict_of(case_of(*read(row))) == "same"
    # It was staged again, and the digest is another one, or not known yet.
    for sha512 in ("ab" * 64, ""):
        StagedVersion.objects.update(sha512=sha512)
        ((_, case),) = open_cases(row.package)
        assert (case.provenance, case.now, verdict_of(case)) == (None, None, "")


def test_where_the_history_has_a_gap_is_known() -> None:
    row = with_history("1.3.0")
    ProvenanceCheck.objects.update(history_gap="1.2.0")
    assert case_of(*read(row)).history_gap == "1.2.0"


def test_without_a_check_nothing_is_known() -> None:
    case = case_of(None, make_staged_version("left-pad", "1.5.0"))
    assert (case.provenance, case.baseline, case.history, case.baseline_version) == (
        None,
        None,
        (),
        "",
    )
    assert not case.is_compared


@pytest.mark.parametrize(
    ("compared_at", "baseline", "is_compared"),
    [
        (None, None, False),
        (timezone.now(), None, True),
        (None, "verified", True),
        (None, "missing", True),
    ],
    ids=["not-yet", "nothing-published", "not-all-of-the-history", "baseline-without"],
)
def test_it_is_compared_once_the_baseline_was_looked_up(
    compared_at: datetime | None, baseline: str | None, is_compared: bool
) -> None:
    row = make_staged_version("left-pad", "1.5.0")
    before = make_provenance(row.package, "1.4.0", baseline) if baseline else None
    make_provenance_check(row, make_provenance(row), baseline=before, compared_at=compared_at)
    assert case_of(*read(row)).is_compared == is_compared


def test_everybody_judges_by_what_the_inspection_read_in_package_json() -> None:
    row = with_history("1.3.0")
    assert verdict_of(case_of(*read(row))) == "same"
    StagedVersion.objects.update(git_head="ab" * 20)
    assert verdict_of(case_of(*read(row))) == "changed"
    ((_, case),) = open_cases(row.package)
    assert verdict_of(case) == "changed"


def test_the_baseline_is_of_the_history_and_the_version_itself_is_not() -> None:
    row = make_staged_version("left-pad", "1.5.0")
    baseline = make_provenance(row.package, "1.4.0")
    check = make_provenance_check(row, make_provenance(row), baseline=baseline)
    # It went live since, under this very version.
    check.history.set([make_provenance(row.package, "1.5.0")])
    case = case_of(*read(row))
    assert case.history == (baseline,)


@pytest.mark.parametrize(
    ("versions", "compared"),
    [
        (("1.3.0", "2.0.0", "1.2.0"), "1.3.0"),
        (("2.1.0", "2.0.0"), "2.1.0"),
        ((), None),
    ],
    ids=["below", "above-only", "none"],
)
def test_what_is_compared_with_where_the_baseline_is_not_proven(
    versions: tuple[str, ...], compared: str | None
) -> None:
    row = make_staged_version("left-pad", "1.5.0")
    make_provenance_check(
        row,
        make_provenance(row),
        baseline=make_provenance(row.package, "1.4.0", "missing"),
        history=[make_provenance(row.package, version) for version in versions],
    )
    case = case_of(*read(row))
    assert case.before is None
    assert (case.compared.version if case.compared else None) == compared


def test_the_number_of_queries_does_not_grow_and_no_bundle_is_read() -> None:
    counts = []
    for row in (with_history("1.3.0"), with_history(*(f"1.3.{patch}" for patch in range(10)))):
        check, fresh = read(row)
        with CaptureQueriesContext(connection) as queries:
            case = case_of(check, fresh)
        assert not any("compressed" in query["sql"] for query in queries)
        assert case.published
        counts.append(len(queries))
    assert counts == [4, 4]


def test_what_was_fetched_before_is_not_fetched_again() -> None:
    row = with_history("1.3.0")
    row = StagedVersion.objects.select_related("package", "provenance_check__provenance").get(
        pk=row.pk
    )
    with CaptureQueriesContext(connection) as queries:
        case_of(row.provenance_check, row)
    assert len(queries) == 3


def test_the_open_cases_of_a_package() -> None:
    row = make_staged_version("left-pad", "1.5.0")
    make_provenance_check(row, make_provenance(row))
    for version, state in (
        ("1.6.0", State.LIVE),
        ("1.7.0", State.REJECTED),
        ("1.8.0", State.APPROVING),
    ):
        other = make_staged_version("left-pad", version, state=state)
        make_provenance_check(other, make_provenance(other))
    make_provenance_check(make_staged_version("right-pad", "1.0.0"))
    assert [case.version for _, case in open_cases(row.package)] == ["1.5.0", "1.8.0"]
    assert Provenance.objects.count() == 4
