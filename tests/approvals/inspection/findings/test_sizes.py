"""Packages and files that grew or shrank as releases rarely do."""

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import QUIET, found

CODE = "const a = 1;\n"
MANY = {f"lib/{number}.js": CODE * 100 for number in range(12)}


def test_three_times_as_large() -> None:
    after = {**QUIET, "data.bin.txt": "x\n" * 300_000}
    (finding,) = found(QUIET, after, rule="package-grew")
    assert finding.severity == Severity.MEDIUM
    assert "data.bin.txt (600,000 bytes)" in finding.detail
    small = {**QUIET, "a.txt": "x\n" * 10_000}
    assert found(QUIET, small, rule="package-grew") == []
    assert found(None, after, rule="package-grew") == []


def test_half_of_the_files_are_gone() -> None:
    (finding,) = found(MANY, dict(list(MANY.items())[:5]), rule="package-shrank")
    assert finding.severity == Severity.MEDIUM
    assert "13 → 6 files" in finding.detail
    assert found(MANY, dict(list(MANY.items())[:9]), rule="package-shrank") == []


def test_nearly_all_code_is_gone() -> None:
    after = dict.fromkeys(MANY, "") | {"README.md": "x\n" * 9_000}
    (finding,) = found(MANY, after, rule="package-shrank")
    assert "nearly all of its code" in finding.title


def test_a_file_that_doubled_alone_and_runs_first_is_medium() -> None:
    before = {**MANY, "index.js": CODE * 2_000, "lib/x.js": CODE * 2_000}
    (entry,) = found(before, {**before, "index.js": CODE * 4_100}, rule="file-grew")
    assert (entry.severity, entry.path) == (Severity.MEDIUM, "index.js")
    (other,) = found(before, {**before, "lib/x.js": CODE * 4_100}, rule="file-grew")
    assert (other.severity, other.path) == (Severity.LOW, "lib/x.js")
    assert found(before, {**before, "index.js": CODE * 3_000}, rule="file-grew") == []


def test_small_files_and_documents_may_double() -> None:
    before = {**QUIET, "a.js": CODE * 100, "CHANGELOG.md": "x\n" * 20_000}
    after = {**QUIET, "a.js": CODE * 500, "CHANGELOG.md": "x\n" * 50_000}
    assert found(before, after, rule="file-grew") == []


def test_files_that_are_empty_now() -> None:
    (finding,) = found(MANY, {**MANY, "lib/1.js": "", "lib/2.js": ""}, rule="file-emptied")
    assert (finding.severity, finding.stands_for) == (Severity.MEDIUM, 2)


def test_readme_and_types_that_are_gone() -> None:
    before = {**QUIET, "README.md": "# a\n", "index.d.ts": "export {};\n"}
    rules = {one.rule: one.severity for one in found(before, {"index.js": "2;\n"})}
    assert rules["readme-gone"] == Severity.LOW
    assert rules["types-gone"] == Severity.MEDIUM
    kept = {one.rule for one in found(before, {**before, "index.js": "2;\n"})}
    assert kept.isdisjoint({"readme-gone", "types-gone"})
