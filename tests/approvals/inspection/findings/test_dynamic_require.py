import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import assert_only_where_it_runs, found_in


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("require('child_' + 'process');", "child_process"),
        ("require(['child', 'process'].join('_'));", "child_process"),
        ("require('ssecorp_dlihc'.split('').reverse().join(''));", "child_process"),
        ("require(atob('aHR0cHM='));", "https"),
        ("require(Buffer.from('6e6574', 'hex').toString());", "net"),
        ("require('\\x6eet');", "net"),
        ("const n = 'ht' + 'tp'; require(n);", "http"),
        ("import('node:' + 'dns');", "node:dns"),
    ],
)
def test_says_what_a_spelled_name_stands_for(code: str, name: str) -> None:
    assert_only_where_it_runs(code, "spelled-require")
    (one,) = found_in(code, rule="spelled-require")
    assert one.severity == Severity.HIGH
    assert one.detail == f"Spelled out: {name}"


def test_a_name_that_nobody_can_know_is_worth_a_look() -> None:
    assert_only_where_it_runs("require(name);", "dynamic-require")
    assert [one.severity for one in found_in("require(name);", rule="dynamic-require")] == [
        Severity.MEDIUM
    ]


@pytest.mark.parametrize(
    "code",
    ["require('fs');", "const n = 'fs'; require(n);", "require('./' + 'a');", "a.require(b);"],
)
def test_a_plain_name_hides_nothing(code: str) -> None:
    rules = {one.rule for one in found_in(code)}
    assert not rules & {"dynamic-require", "spelled-require"}


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("process.getBuiltinModule('child_' + 'process');", "child_process"),
        ("require?.('ht' + 'tps');", "https"),
        ("(0, require)('ht' + 'tps');", "https"),
        ("require/* it */('ht' + 'tps');", "https"),
        ("require.call(null, 'ht' + 'tps');", "https"),
        ("Reflect.apply(require, null, ['ht' + 'tps']);", "https"),
        ("createRequire(import.meta.url)('ht' + 'tps');", "https"),
        ("const r = createRequire(import.meta.url); r('ht' + 'tps');", "https"),
        ("import { execSync } from 'child\\u005fprocess';", "child_process"),
        ("const c = await import('child\\x5fprocess');", "child_process"),
        ("load('chi' + 'ld_process');", "child_process"),
        ("globalThis['fe' + 'tch'](address);", "fetch"),
        ("globalThis[`ev${'al'}`](text);", "eval"),
    ],
)
def test_a_name_that_is_spelled_where_it_is_loaded_in_another_manner(code: str, name: str) -> None:
    assert_only_where_it_runs(code, "spelled-require")
    (one,) = found_in(code, rule="spelled-require")
    assert (one.severity, one.detail) == (Severity.HIGH, f"Spelled out: {name}")


@pytest.mark.parametrize("code", ["require?.(name);", "(0, require)(name);", "require.call(a, b);"])
def test_a_name_that_nobody_can_know_in_another_manner(code: str) -> None:
    assert_only_where_it_runs(code, "dynamic-require")


@pytest.mark.parametrize(
    "code",
    [
        "const r = createRequire(import.meta.url); r('./a.json');",
        "process.getBuiltinModule('fs');",
        "require?.('./a');",
        "import a from './a\\u0062';",
        "log('child' + ' of ' + parent);",
        "globalThis['a' + b];",
    ],
)
def test_another_manner_alone_hides_nothing(code: str) -> None:
    rules = {one.rule for one in found_in(code)}
    assert not rules & {"dynamic-require", "spelled-require"}
