"""Source maps with sources, and paths of the machine that built."""

import json

import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import QUIET, found, found_in

MAP = json.dumps({"version": 3, "sources": ["../a.ts"], "sourcesContent": ["let a"], "names": []})
MINIFIED = "a=1;" * 500


def test_sources_of_a_package_that_had_none_are_medium() -> None:
    before = {"index.js": MINIFIED}
    after = {"index.js": f"{MINIFIED}b=1;", "index.js.map": MAP}
    (finding,) = found(before, after, rule="source-map")
    assert (finding.severity, finding.path) == (Severity.MEDIUM, "index.js.map")


def test_sources_that_anybody_can_read_are_low() -> None:
    after = {**QUIET, "index.js.map": MAP}
    assert [one.severity for one in found(QUIET, after, rule="source-map")] == [Severity.LOW]
    assert [one.severity for one in found(None, after, rule="source-map")] == [Severity.INFO]


def test_maps_without_sources_and_further_maps_are_quiet() -> None:
    empty = json.dumps({"version": 3, "sources": ["a.ts"], "sourcesContent": [None]})
    assert found_in(empty, "a.js.map", rule="source-map") == []
    before = {**QUIET, "index.js.map": MAP}
    assert found(before, {**before, "other.js.map": MAP + "\n"}, rule="source-map") == []


def test_a_map_within_the_code_counts() -> None:
    code = "1;\n//# sourceMappingURL=data:application/json;base64,e30=\n"
    assert [one.path for one in found_in(code, rule="source-map")] == ["index.js"]


@pytest.mark.parametrize(
    "path", ["/home/petra/work/left/a.js", "/Users/petra/work/a.js", "C:\\\\Users\\\\petra\\\\a"]
)
def test_a_path_of_a_machine_is_low(path: str) -> None:
    (finding,) = found_in(f"\nexports.at = '{path}';\n", rule="build-path")
    assert (finding.severity, finding.path, finding.line) == (Severity.LOW, "index.js", 2)


@pytest.mark.parametrize(
    "path", ["/home/runner/work/a/b.js", "/Users/me/work/a", "/home/user/x/y", "/usr/home/"]
)
def test_ci_and_examples_are_quiet(path: str) -> None:
    assert found_in(f"exports.at = '{path}';\n", rule="build-path") == []
