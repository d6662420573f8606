"""What is kept of what rules find, whatever they find."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from approvals.inspection.finding import (
    LONGEST_TEXT,
    Finding,
    Severity,
    findings_from,
    most_serious_first,
)
from approvals.inspection.gathering import (
    MORE,
    MOST_FINDINGS,
    MOST_OF_A_RULE,
    MOST_YIELDED,
    STOPPED,
    Gathered,
    crashed,
    guarded,
)
from approvals.inspection.models import Inspection, StagedFinding
from approvals.inspection.standing import Source, write_findings
from tests.approvals.factories import make_inspection, make_staged_version

TOKEN = "ghp_" + "a8Kd0Zq3VbT1xYw7LmN5cRf2HjP9sEgU4oQi"
OTHER_TOKEN = "ghp_" + "Zq3VbT1xYw7LmN5cRf2HjP9sEgU4oQia8Kd0"
TEXTS = st.text(
    st.one_of(st.characters(), st.sampled_from("\0\ud800\udfff\U0001f600\n\x1b…")), max_size=40
) | st.builds(
    lambda text, times: text * times, st.text("\0\ud83d\ude00ab", min_size=1), st.integers(1, 900)
)


def one(**fields: Any) -> Finding:
    return Finding(
        **{
            "rule": "test",
            "severity": Severity.MEDIUM,
            "title": "Something stands there.",
            "why": "It matters.",
            "what_to_check": "Read it.",
        }
        | fields
    )


def kept(*findings: Finding, always: tuple[str, ...] = ()) -> list[Finding]:
    return Gathered(finding.bounded() for finding in findings).few_enough(always)


def yielded(rule: Any, *, module: str = "rules.busy", digest: str = "a" * 64) -> list[Finding]:
    return list(guarded(rule, SimpleNamespace(), module, "5f1c", digest))


@pytest.mark.django_db
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.builds(
        Finding,
        rule=TEXTS.filter(bool),
        severity=st.sampled_from(Severity),
        title=TEXTS,
        why=TEXTS,
        what_to_check=TEXTS,
        path=TEXTS,
        line=st.none() | st.integers(),
        excerpt=TEXTS,
        detail=TEXTS,
        is_new=st.booleans(),
        evidence=TEXTS,
        stands_for=st.integers(),
        is_about_build=st.booleans(),
    )
)
def test_whatever_a_rule_says_can_be_stored(rows: Any, finding: Finding) -> None:
    staged_version, inspection = rows
    bounded = finding.bounded()
    assert bounded.bounded() == bounded
    inspection.findings = [asdict(bounded)]
    inspection.save()
    inspection.refresh_from_db()
    assert findings_from(inspection.findings) == [bounded]
    # SQLite takes what PostgreSQL refuses.
    assert b"\\u0000" not in json.dumps(asdict(bounded), ensure_ascii=False).encode()
    write_findings(staged_version, Source.TARBALL, [bounded])
    row = StagedFinding.objects.get(staged_version=staged_version, source=Source.TARBALL)
    row.full_clean(exclude=["title", "why", "what_to_check"])
    assert row.fingerprint == bounded.fingerprint
    assert (row.title, row.path, row.detail) == (bounded.title, bounded.path, bounded.detail)


@pytest.fixture
def rows(db: None) -> tuple[Any, Inspection]:
    staged_version = make_staged_version()
    return staged_version, make_inspection(staged_version)


@pytest.mark.parametrize("field", ["path", "excerpt", "detail", "evidence"])
@pytest.mark.parametrize(
    ("first", "second"),
    [("a" * 5_000 + "1", "a" * 5_000 + "2"), ("a\0", "a\u2400"), ("a\ud800", "a\ud801")],
    ids=["long", "NUL", "surrogates"],
)
def test_what_differs_only_in_what_cannot_be_kept_is_still_told_apart(
    field: str, first: str, second: str
) -> None:
    some, other = (one(**{field: text}).bounded() for text in (first, second))
    assert some.fingerprint != other.fingerprint


def test_evidence_takes_the_same_room_however_much_there_is() -> None:
    finding = one(evidence="x" * 1_000_000).bounded()
    assert len(finding.evidence) == 64
    many = kept(*(one(path=f"{n}.js", evidence=str(n)) for n in range(3_000)))
    assert {len(found.evidence) for found in many} == {64}


class TestCrash:
    def breaks(self, look: object) -> Iterator[Finding]:
        raise KeyError

    def test_one_that_was_looked_at_hides_no_other(self) -> None:
        crashes = [
            *yielded(self.breaks, module="rules.first"),
            *yielded(self.breaks, module="rules.second"),
            *yielded(self.breaks, module="rules.first", digest="b" * 64),
        ]
        assert len({crash.fingerprint for crash in crashes}) == 3
        assert crashes[0] == yielded(self.breaks, module="rules.first")[0]
        assert "first" in crashes[0].detail

    def test_what_cannot_be_kept_is_a_crash_of_its_rule(self) -> None:
        def odd(look: object) -> Iterator[Finding]:
            yield one(path="a.js")
            yield one(detail=["no text"])

        seen, crash = yielded(odd)
        assert (seen.path, crash.rule) == ("a.js", "rule-crashed")

    def test_the_worker_that_has_to_stop_is_no_crash(self) -> None:
        about = SimpleNamespace(stopped_by=None)

        def told(look: Any) -> Iterator[Finding]:
            about.stopped_by = ConnectionError("the lease is lost")
            raise about.stopped_by
            yield

        with pytest.raises(ConnectionError):
            list(guarded(told, about, "rules.told", ""))


class TestMany:
    def test_a_rule_without_end_is_stopped_and_that_is_said(self) -> None:
        def endless(look: object) -> Iterator[Finding]:
            for number in itertools.count():
                yield one(path=f"{number}.js")

        found = yielded(endless)
        assert len(found) == MOST_YIELDED + 1
        stopped = found[-1]
        assert (stopped.rule, stopped.severity) == (STOPPED, Severity.HIGH)
        assert "busy" in stopped.title
        assert stopped.fingerprint != yielded(endless, digest="b" * 64)[-1].fingerprint

    @pytest.mark.parametrize("last", [20, 2_000])
    def test_each_that_is_only_counted_is_in_the_evidence(self, last: int) -> None:
        paths = [f"{number:05}.js" for number in range(last)]
        first = kept(*(one(path=path) for path in paths))
        second = kept(*(one(path=path) for path in [*paths[:-1], "other.js"]))
        assert len(first) == len(second) == MOST_OF_A_RULE + 1
        assert first[-1].stands_for == last - MOST_OF_A_RULE
        assert first[-1].fingerprint != second[-1].fingerprint
        assert first[:-1] == second[:-1]

    def test_all_together_are_bounded_the_most_serious_named(self) -> None:
        findings = [
            one(rule=f"rule-{number}", severity=severity)
            for severity in (Severity.LOW, Severity.MEDIUM, Severity.CRITICAL)
            for number in range(100)
        ]
        found = kept(*findings, one(rule="limit", severity=Severity.INFO), always=("limit",))
        assert len(found) == MOST_FINDINGS
        assert found == most_serious_first(found)
        assert [one.severity for one in found[:100]] == [Severity.CRITICAL] * 100
        assert found[-1].rule == "limit"
        (more,) = [one for one in found if one.rule == MORE]
        assert more.severity == Severity.MEDIUM
        assert sum(one.stands_for for one in found) == len(findings) + 1

    def test_another_among_those_not_named_changes_the_evidence(self) -> None:
        def more(last: str) -> str:
            found = kept(*(one(rule=f"rule-{number}") for number in range(300)), one(rule=last))
            return next(one.fingerprint for one in found if one.rule == MORE)

        assert more("a") == more("a") != more("b")


@pytest.mark.parametrize("field", ["title", "path", "excerpt", "detail"])
def test_no_text_tells_a_secret(field: str) -> None:
    (first,) = kept(one(**{field: f"token = {TOKEN}"}))
    (second,) = kept(one(**{field: f"token = {OTHER_TOKEN}"}))
    assert TOKEN not in str(asdict(first))
    assert TOKEN[4:20] not in str(asdict(first))
    if field != "title":
        assert first.fingerprint != second.fingerprint


def test_no_path_of_the_same_elsewhere_tells_a_secret() -> None:
    paths = [f"{name}/token={TOKEN}.js" for name in "abc"]
    (finding,) = kept(*(one(path=path, excerpt="eval(x)") for path in paths))
    assert TOKEN not in str(asdict(finding))
    assert "The same in b/token=" in finding.detail


def test_a_long_name_of_a_rule_breaks_nothing() -> None:
    assert len(crashed("x" * 5_000, "", "KeyError").detail) <= LONGEST_TEXT
