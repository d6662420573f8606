import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import (
    QUIET,
    assert_only_where_it_runs,
    found,
    found_in,
)

RULE = "network"


@pytest.mark.parametrize(
    "code",
    [
        "fetch('https://a.example');",
        "const h = require('https');",
        "import ax from 'axios';",
        "new XMLHttpRequest();",
        "navigator.sendBeacon(at, data);",
        "globalThis.fetch(at);",
    ],
)
def test_is_found_only_where_it_runs(code: str) -> None:
    assert_only_where_it_runs(code, RULE)


@pytest.mark.parametrize(
    "code",
    [
        "cache.fetch(key);",
        "class A { fetch() {} }",
        "const schemes = ['http', 'https'];",
        "url.startsWith('http');",
        "exports.text = 'fetch(this)';",
    ],
)
def test_what_looks_alike_is_nothing(code: str) -> None:
    assert found_in(code, rule=RULE) == []


def test_weighs_more_where_it_is_new() -> None:
    code = "fetch('https://a.example');"
    assert [one.severity for one in found_in(code, rule=RULE)] == [Severity.MEDIUM]
    more = f"{code}\nexports.more = 1;\n{code}\n"
    again = found({"index.js": code}, {"index.js": more}, rule=RULE)
    assert [one.severity for one in again] == [Severity.LOW]
    assert [one.severity for one in found(None, {"index.js": code}, rule=RULE)] == [Severity.LOW]


def test_is_told_once_for_a_package() -> None:
    code = "fetch('https://a.example');"
    (one,) = found(QUIET, {"index.js": code, "lib/b.js": f"exports.b = 1;\n{code}"}, rule=RULE)
    assert one.path == "index.js"
    assert "lib/b.js:2" in one.detail
