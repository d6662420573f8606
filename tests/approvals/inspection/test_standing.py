"""Findings as they are kept, and as they stand when they are read."""

from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.inspection import inspecting
from approvals.inspection.finding import Severity
from approvals.inspection.models import (
    Inspection,
    InspectionRequest,
    LookedAt,
    RuleSetting,
    StagedFinding,
)
from approvals.inspection.requests import ask_again, claim_due, request_missing
from approvals.inspection.standing import (
    Source,
    findings_of_several,
    standing_findings,
    summaries_of,
    summary_of,
    write_findings,
    write_findings_of_several,
)
from approvals.queue.models import StagedVersion
from tests.approvals.at_once import at_once
from tests.approvals.conftest import House
from tests.approvals.factories import make_finding, make_staged_version, make_user

pytestmark = pytest.mark.django_db

BY_PERSON = make_finding(rule="staged-by-person", severity=Severity.MEDIUM, path="", excerpt="")
INSTEAD = make_finding(
    rule="person-instead-of-automation", severity=Severity.MEDIUM, path="", excerpt=""
)


@pytest.fixture
def row() -> StagedVersion:
    return make_staged_version("@acme/ui")


def rules(row: StagedVersion) -> list[str]:
    return [one.row.rule for one in standing_findings(row)]


def keys() -> set[int]:
    return set(StagedFinding.objects.values_list("pk", flat=True))


class TestWriting:
    def test_what_its_source_found_before_is_replaced_and_no_other(
        self, row: StagedVersion
    ) -> None:
        other = make_staged_version("@acme/ui", "1.5.1")
        for version in (row, other):
            for source in Source:
                write_findings(version, source, [make_finding(rule=f"of-{source}")])
        write_findings(row, Source.REGISTRY, [make_finding(rule="a"), make_finding(rule="b")])
        assert rules(row) == ["of-provenance", "a", "b", "of-tarball"]
        write_findings(row, Source.REGISTRY, [])
        assert rules(row) == ["of-provenance", "of-tarball"]
        assert sorted(rules(other)) == ["of-provenance", "of-registry", "of-tarball"]

    @pytest.mark.parametrize("of_several", [False, True], ids=["one", "several"])
    def test_nothing_is_written_where_nothing_changed(
        self, row: StagedVersion, of_several: bool
    ) -> None:
        found = [make_finding(rule="a"), make_finding(rule="b", title="x" * 400, line=2)]

        def write() -> None:
            if of_several:
                write_findings_of_several(Source.TARBALL, [(row, found)])
            else:
                write_findings(row, Source.TARBALL, found)

        write()
        before = keys()
        assert len(before) == 2
        with CaptureQueriesContext(connection) as queries:
            write()
        assert keys() == before
        assert all(not one["sql"].startswith(("INSERT", "DELETE")) for one in queries)

    @pytest.mark.parametrize(
        "change",
        [
            {"title": "It says something else."},
            {"severity": Severity.LOW},
            {"line": 4},
            {"evidence": "another file"},
            {"is_new": False},
            {"stands_for": 3},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_whatever_changed_is_written(self, row: StagedVersion, change: dict[str, Any]) -> None:
        write_findings(row, Source.TARBALL, [make_finding()])
        before = keys()
        write_findings(row, Source.TARBALL, [make_finding(**change)])
        assert not keys() & before

    def test_another_order_is_kept(self, row: StagedVersion) -> None:
        found = [make_finding(rule="a"), make_finding(rule="b")]
        write_findings(row, Source.TARBALL, found)
        write_findings(row, Source.TARBALL, found[::-1])
        assert rules(row) == ["b", "a"]

    @pytest.mark.django_db(transaction=True)
    def test_two_sources_at_once_lose_nothing(self) -> None:
        row = make_staged_version()
        results = at_once(
            *[partial(write_findings, row, source, [make_finding()]) for source in Source]
        )
        assert results == [None] * len(Source)
        assert len(rules(row)) == len(Source)


class TestReading:
    def test_no_read_joins_or_sorts_by_another_table(self, row: StagedVersion) -> None:
        write_findings(row, Source.TARBALL, [make_finding()])
        with CaptureQueriesContext(connection) as queries:
            standing_findings(row)
        (query,) = [q["sql"] for q in queries if q["sql"].startswith('SELECT "inspection_staged')]
        assert "JOIN" not in query

    def test_marks_of_evidence_that_is_gone_are_not_read(
        self, row: StagedVersion, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_findings(row, Source.TARBALL, [make_finding()])
        LookedAt.objects.bulk_create(
            LookedAt(package=row.package, rule="a", fingerprint=f"{number:064}", words="x")
            for number in range(50)
        )
        read = 0

        def counted(cls: type[LookedAt], *row: Any) -> LookedAt:
            nonlocal read
            read += 1
            return super(LookedAt, cls).from_db(*row)

        monkeypatch.setattr(LookedAt, "from_db", classmethod(counted))
        standing_findings(row)
        assert read == 0
        assert LookedAt.objects.first()
        assert read == 1

    def test_as_many_queries_for_many_as_for_one(self, row: StagedVersion) -> None:
        versions = [row, *(make_staged_version("@acme/ui", f"2.0.{n}") for n in range(4))]
        for version in versions:
            write_findings(version, Source.TARBALL, [make_finding()])
        versions = list(StagedVersion.objects.with_package())
        counts = []
        for some in (versions[:1], versions):
            with CaptureQueriesContext(connection) as queries:
                findings_of_several(some)
                summaries_of(some)
            counts.append(len(queries))
        assert counts[0] == counts[1]

    def both_say(self, row: StagedVersion) -> str:
        """What the page and the queue count, which is the same."""
        in_short = str(summary_of(standing_findings(row)))
        assert str(summaries_of([row])[row.pk]) == in_short
        return in_short

    def test_that_a_person_staged_it_is_said_once_whichever_is_written_first(
        self, row: StagedVersion
    ) -> None:
        write_findings(row, Source.PROVENANCE, [BY_PERSON])
        assert rules(row) == ["staged-by-person"]
        write_findings(row, Source.REGISTRY, [INSTEAD])
        assert rules(row) == ["person-instead-of-automation"]
        assert self.both_say(row) == "1 medium"
        write_findings(row, Source.REGISTRY, [])
        assert rules(row) == ["staged-by-person"]
        assert self.both_say(row) == "1 medium"

    def test_where_one_of_the_two_is_off_the_other_is_said(self, row: StagedVersion) -> None:
        write_findings(row, Source.PROVENANCE, [BY_PERSON])
        write_findings(row, Source.REGISTRY, [INSTEAD])
        RuleSetting.objects.create(
            rule=INSTEAD.rule, packages="@acme/*", weight="off", words="We do."
        )
        assert rules(row) == ["staged-by-person"]
        assert self.both_say(row) == "1 medium"

    def test_who_has_looked_at_the_one_is_not_asked_about_the_other(
        self, row: StagedVersion
    ) -> None:
        write_findings(row, Source.PROVENANCE, [BY_PERSON])
        write_findings(row, Source.REGISTRY, [INSTEAD])
        (kept,) = standing_findings(row)
        LookedAt.objects.create(
            package=row.package,
            rule=kept.row.rule,
            fingerprint=kept.row.fingerprint,
            words="It was me.",
            by=make_user(),
        )
        assert self.both_say(row) == ""
        assert rules(row) == ["person-instead-of-automation"]


class TestInspecting:
    @pytest.fixture
    def work(self, house: House) -> InspectionRequest:
        house.stage("left-pad", "1.5.0", scripts={"postinstall": "node setup.js"})
        house.poll()
        request_missing()
        work = claim_due()
        assert isinstance(work, InspectionRequest)
        return work

    def test_who_lost_the_lease_writes_nothing(
        self, work: InspectionRequest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done = inspecting._done

        def late(*args: Any) -> None:
            InspectionRequest.objects.update(lease_holder="another", lease_until=timezone.now())
            done(*args)

        monkeypatch.setattr(inspecting, "_done", late)
        inspecting.inspect(work)
        assert Inspection.objects.exists()
        assert not StagedFinding.objects.exists()

    def test_comparing_again_replaces_what_was_found_by_both(
        self, work: InspectionRequest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = work.staged_version
        write_findings(row, Source.PROVENANCE, [make_finding(rule="of-provenance")])
        at_registry = [[make_finding(rule="one")], [make_finding(rule="two")]]
        monkeypatch.setattr(inspecting, "findings_at_registry", lambda _: at_registry.pop(0))
        inspecting.inspect(work)
        assert {"of-provenance", "one", "install-script"} <= set(rules(row))
        Inspection.objects.update(findings=[])
        assert ask_again(row)
        again = claim_due()
        assert again is not None
        inspecting.inspect(again)
        assert sorted(rules(row)) == ["of-provenance", "two"]
