"""What the inspection did not look at is said, and weighs more where code could hide in it."""

from pathlib import Path

import pytest

from approvals.inspection.compare import compare_tarballs
from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.findings import rule_modules
from approvals.inspection.results import CompareLimits
from registry_client.tarball import Limits
from tests.approvals.inspection.findings.packages import QUIET, found
from tests.registry_client.tarballs import member, package, write

CODE = "".join(f"exports.a{n} = {n};\n" for n in range(200))


def of(rule: str, findings: list[Finding]) -> Finding:
    (finding,) = [one for one in findings if one.rule == rule]
    return finding


def test_nothing_is_said_where_no_bound_was_hit() -> None:
    assert found(QUIET, {"index.js": "exports.a = 2;\n"}) == []


def test_rules_about_limits_come_after_all_that_may_hit_one() -> None:
    groups = [module.GROUP == Group.LIMITS for module in rule_modules()]
    assert groups == sorted(groups)
    assert any(groups)


@pytest.mark.parametrize(
    ("path", "severity"),
    [
        pytest.param("index.js", Severity.HIGH, id="entry-point"),
        pytest.param("lib/other.js", Severity.MEDIUM, id="code"),
        pytest.param("notes.txt", Severity.LOW, id="no-code"),
    ],
)
def test_a_file_that_was_not_searched(path: str, severity: Severity) -> None:
    limits = CompareLimits(search_size=100)
    finding = of("limit-search", found(QUIET, {**QUIET, path: CODE}, limits=limits))
    assert (finding.severity, finding.path, finding.detail) == (severity, path, path)


def test_time_that_is_used_up_leaves_nothing_unsaid() -> None:
    limits = CompareLimits(search_seconds=-1.0)
    findings = found(QUIET, {**QUIET, "index.js": CODE}, limits=limits)
    assert of("limit-time", findings).severity == Severity.MEDIUM
    not_run = of("rule-not-run", findings)
    assert not_run.severity == Severity.HIGH
    assert "child_process" in not_run.detail


def test_places_that_were_not_parsed_are_counted() -> None:
    limits = CompareLimits(parse_size=0)
    code = "require('child_process').exec('ls');\n"
    finding = of("limit-parse", found(QUIET, {**QUIET, "a.js": code}, limits=limits))
    assert finding.severity == Severity.LOW


def test_code_that_is_not_shown_whole_is_one_finding() -> None:
    limits = CompareLimits(file_size=1000)
    one = of("limit-diff", found(QUIET, {**QUIET, "a.js": CODE}, limits=limits))
    assert (one.path, one.severity) == ("a.js", Severity.LOW)
    new = {**QUIET, "a.js": CODE, "b.js": CODE + "//"}
    both = of("limit-diff", found(QUIET, new, limits=limits))
    assert "a.js, b.js" in both.detail
    assert both.stands_for == 2


def test_a_baseline_that_cannot_be_read(tmp_path: Path) -> None:
    broken = tmp_path / "old.tgz"
    broken.write_bytes(b"no tarball")
    findings = compare_tarballs(package(tmp_path, QUIET), broken).findings
    finding = of("baseline-unreadable", list(findings))
    assert finding.severity == Severity.MEDIUM
    assert "every file counts as added" in finding.title


def test_a_baseline_whose_package_json_is_broken(tmp_path: Path) -> None:
    old = write(tmp_path, member("package/package.json", b"{"), name="old.tgz")
    findings = compare_tarballs(package(tmp_path, QUIET), old).findings
    finding = of("baseline-manifest", list(findings))
    assert finding.title == (
        "In the baseline: package.json is not valid JSON. What package.json says was not compared."
    )


def test_a_bundled_package_that_could_not_be_read() -> None:
    new = {**QUIET, "node_modules/in/package.json": "{"}
    finding = of("nested-manifest", found(QUIET, new))
    assert (finding.severity, finding.path) == (Severity.MEDIUM, "node_modules/in/package.json")


def test_problems_beyond_the_bound_are_counted(tmp_path: Path) -> None:
    links = [member(f"package/l{n}", kind=b"2", link=b"x") for n in range(80)]
    described = member("package/package.json", b'{"name": "left", "version": "1.0.0"}')
    limits = CompareLimits(tarball=Limits(problems=5))
    findings = compare_tarballs(write(tmp_path, described, *links), None, limits=limits).findings
    more = of("more-problems", list(findings))
    named = sum(one.stands_for for one in findings if one.rule == "symlink")
    assert more.stands_for + named == 80
