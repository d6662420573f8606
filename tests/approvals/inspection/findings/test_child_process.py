import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import (
    QUIET,
    assert_only_where_it_runs,
    found,
    found_in,
)

RULE = "child-process"


@pytest.mark.parametrize(
    "code",
    [
        "require('child_process').exec(command);",
        "import { spawn } from 'node:child_process';",
        'const r = require; r("child_process").exec(command);',
        "Bun.spawn(['ls']);",
    ],
)
def test_is_found_only_where_it_runs(code: str) -> None:
    assert_only_where_it_runs(code, RULE)


@pytest.mark.parametrize(
    "code",
    [
        "const names = ['fs', 'child_process'];",
        "names.includes('child_process');",
        "import type { ChildProcess } from 'child_process';",
        "exports.child_process = 1;",
    ],
)
def test_what_looks_alike_is_nothing(code: str) -> None:
    assert found_in(code, rule=RULE) == []


def test_weighs_more_where_it_is_new() -> None:
    code = "require('child_process').exec(command);"
    assert [one.severity for one in found_in(code, rule=RULE)] == [Severity.MEDIUM]
    more = f"{code}\nexports.more = 1;\n{code}\n"
    again = found({"index.js": code}, {"index.js": more}, rule=RULE)
    assert [one.severity for one in again] == [Severity.LOW]
    assert [one.severity for one in found(None, {"index.js": code}, rule=RULE)] == [Severity.LOW]


def test_is_told_once_for_a_package() -> None:
    code = "require('child_process').exec(command);"
    (one,) = found(QUIET, {"index.js": code, "lib/b.js": f"exports.b = 1;\n{code}"}, rule=RULE)
    assert one.path == "index.js"
    assert "lib/b.js:2" in one.detail


@pytest.mark.parametrize(
    ("load", "path"),
    [
        ("require('./docs/setup');", "docs/setup.js"),
        ("import './examples/run.js';", "examples/run.js"),
        ("require('./test');", "test/index.js"),
        ("require('./lib/run.test');", "lib/run.test.js"),
    ],
)
def test_a_file_for_tests_counts_where_other_code_loads_it(load: str, path: str) -> None:
    files = {path: "require('child_process').exec(command);\n"}
    assert found(QUIET, {**QUIET, **files}, rule="child-process") == []
    (one,) = found(QUIET, {"index.js": f"{load}\n", **files}, rule="child-process")
    assert one.path == path
