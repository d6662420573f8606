"""Tarballs that hide something from whoever reads their diff."""

from pathlib import Path

import pytest

from approvals.inspection.compare import compare_tarballs
from approvals.inspection.finding import Finding, Severity
from approvals.inspection.gathering import MOST_OF_A_RULE
from tests.approvals.inspection.findings.packages import QUIET, found
from tests.registry_client.tarballs import member, pax, write

DESCRIBED = member("package/package.json", b'{"name": "left", "version": "1.0.0"}')
TEXT = "one\ntwo\nthree\n"


def of(rule: str, findings: list[Finding]) -> list[Finding]:
    return [one for one in findings if one.rule == rule]


def read(folder: Path, *members: bytes) -> list[Finding]:
    return list(compare_tarballs(write(folder, DESCRIBED, *members), None).findings)


def test_hidden_code_is_an_alarm() -> None:
    (nul,) = of("nul-in-code", found(QUIET, {**QUIET, "a.js": b"go()\n\0"}))
    assert (nul.severity, nul.path) == (Severity.HIGH, "a.js")
    (became,) = of("became-code", found({**QUIET, "a.txt": TEXT}, {**QUIET, "a.js": TEXT}))
    assert (became.severity, became.path) == (Severity.HIGH, "a.js")


@pytest.mark.parametrize(
    ("rule", "members", "severity"),
    [
        pytest.param(
            "two-names",
            [pax(("path", "package/\u00e9.txt".encode())), member("package/run", b"e\n")],
            Severity.CRITICAL,
            id="two-names",
        ),
        pytest.param(
            "duplicate",
            [member("package/a.js", b"a\n"), member("package/a.js", b"b\n")],
            Severity.HIGH,
            id="duplicate",
        ),
        pytest.param(
            "gitignore", [member("package/.gitignore", b"a\n")], Severity.HIGH, id="gitignore"
        ),
        pytest.param(
            "parent-path", [member("package/../../x", b"a\n")], Severity.HIGH, id="parent-path"
        ),
        pytest.param(
            "symlink", [member("package/l", kind=b"2", link=b"/etc")], Severity.MEDIUM, id="link"
        ),
        pytest.param(
            "windows-name", [member("package/con.js", b"a\n")], Severity.LOW, id="windows-name"
        ),
    ],
)
def test_what_programs_read_differently(
    tmp_path: Path, rule: str, members: list[bytes], severity: Severity
) -> None:
    first, *_ = of(rule, read(tmp_path, *members))
    assert first.severity == severity


def test_what_the_baseline_had_too_weighs_little(tmp_path: Path) -> None:
    link = member("package/l", kind=b"2", link=b"x")
    old = write(tmp_path, DESCRIBED, link, name="old.tgz")
    new = write(tmp_path, DESCRIBED, link, member("package/a", b"a\n"), name="new.tgz")
    (finding,) = of("symlink", list(compare_tarballs(new, old).findings))
    assert (finding.severity, finding.is_new) == (Severity.LOW, False)


def test_a_file_is_named_as_its_diff_is(tmp_path: Path) -> None:
    (finding,) = of("windows-name", read(tmp_path, member("package/lib/aux.js", b"a\n")))
    assert finding.path == "lib/aux.js"


def test_many_harmless_problems_do_not_push_a_dangerous_one_out_of_sight(tmp_path: Path) -> None:
    links = [member(f"package/l{n}", kind=b"2", link=b"x") for n in range(300)]
    findings = read(tmp_path, *links, member("package/a.js", b"go()\n\0"))
    rules = [one.rule for one in findings]
    assert "nul-in-code" in rules[:3]
    named = of("symlink", findings)
    assert len(named) == MOST_OF_A_RULE + 1
    assert sum(one.stands_for for one in named) == 300


def test_dangerous_ones_are_all_counted_as_what_they_are(tmp_path: Path) -> None:
    files = [member(f"package/{n}.js", b"go()\n\0") for n in range(1_005)]
    findings = read(tmp_path, *files)
    assert sum(one.stands_for for one in of("nul-in-code", findings)) == 1_000
    (more,) = of("more-dangers", findings)
    assert (more.severity, more.title) == (
        Severity.HIGH,
        "In 5 more files there is something like this.",
    )


def test_of_two_package_jsons_it_is_said_which_counts(tmp_path: Path) -> None:
    (finding,) = of("manifest", read(tmp_path, DESCRIBED))
    assert finding.severity == Severity.HIGH
    assert "2 files package.json" in finding.title
