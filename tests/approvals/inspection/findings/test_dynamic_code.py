import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import (
    QUIET,
    assert_only_where_it_runs,
    found,
    found_in,
)

RULE = "dynamic-code"


@pytest.mark.parametrize(
    "code",
    [
        "eval(text);",
        "new Function('a', text)();",
        "(0, eval)(text);",
        "require('vm').runInNewContext(text);",
        "globalThis.eval(text);",
        "setTimeout('text()', 9);",
    ],
)
def test_is_found_only_where_it_runs(code: str) -> None:
    assert_only_where_it_runs(code, RULE)


@pytest.mark.parametrize(
    "code",
    [
        "parser.eval(text);",
        "function eval2(text) {}",
        "Function('return this')();",
        "exports.text = 'eval(a)';",
        "setTimeout(done, 9);",
    ],
)
def test_what_looks_alike_is_nothing(code: str) -> None:
    assert found_in(code, rule=RULE) == []


def test_weighs_more_where_it_is_new() -> None:
    code = "eval(text);"
    assert [one.severity for one in found_in(code, rule=RULE)] == [Severity.MEDIUM]
    more = f"{code}\nexports.more = 1;\n{code}\n"
    again = found({"index.js": code}, {"index.js": more}, rule=RULE)
    assert [one.severity for one in again] == [Severity.LOW]
    assert [one.severity for one in found(None, {"index.js": code}, rule=RULE)] == [Severity.LOW]


def test_is_told_once_for_a_package() -> None:
    code = "eval(text);"
    (one,) = found(QUIET, {"index.js": code, "lib/b.js": f"exports.b = 1;\n{code}"}, rule=RULE)
    assert one.path == "index.js"
    assert "lib/b.js:2" in one.detail


@pytest.mark.parametrize(
    "code",
    [
        "eval(\"require('child_process').exec('id')\");",
        "new Function('r', \"r('child_process')['exec']('id')\")(require);",
        "setTimeout('require(`child' + '_process`).exec(1)', 9);",
    ],
    ids=["eval", "Function", "a sum"],
)
def test_programs_started_by_quoted_code_are_high(code: str) -> None:
    (finding,) = found_in(f"exports.a = 1;\n{code}\n", rule="programs-in-text")
    assert (finding.severity, finding.line) == (Severity.HIGH, 2)


@pytest.mark.parametrize(
    "code",
    [
        'eval("module.exports = require(\\"child_process\\");");',
        "const text = \"require('child_process').exec('id')\";",
        "eval('1 + 1');",
    ],
    ids=["as bundlers write", "not run", "harmless"],
)
def test_other_quoted_code_is_not(code: str) -> None:
    assert found_in(code, rule="programs-in-text") == []


@pytest.mark.parametrize(
    "code",
    [
        "eval?.(text);",
        "answer.then(eval);",
        "answer.then(Function);",
        "Reflect.construct(Function, [text]);",
        "[]['filter']['constructor'](text);",
        "new (require('worker_threads').Worker)(text, { eval: true });",
    ],
)
def test_runs_text_in_another_manner(code: str) -> None:
    assert_only_where_it_runs(code, "dynamic-code")


@pytest.mark.parametrize(
    "code", ["Reflect.construct(Function, [text]);", "[]['filter']['constructor'](text);"]
)
def test_hidden_evaluation_is_high(code: str) -> None:
    assert_only_where_it_runs(code, "hidden-evaluation")
    assert [one.severity for one in found_in(code, rule="hidden-evaluation")] == [Severity.HIGH]
    assert found_in("eval(text);", rule="hidden-evaluation") == []
