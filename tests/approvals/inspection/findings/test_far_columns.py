"""Code where nobody looks."""

import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import QUIET, found, found_in

LINE = "exports.pad = (s, n) => s.padStart(n);"


@pytest.mark.parametrize("blanks", [" " * 300, "\t" * 60], ids=["spaces", "tabs"])
def test_code_behind_blanks_looks_like_an_attack(blanks: str) -> None:
    code = f"exports.a = 1;\n{LINE}{blanks}global['r'] = require;\n"
    (finding,) = found_in(code, rule="far-column")
    assert (finding.severity, finding.line) == (Severity.CRITICAL, 2)
    assert finding.excerpt == "global['r'] = require;"


def test_also_code_that_does_nothing_known() -> None:
    (finding,) = found_in(f"{LINE}{' ' * 300}start();\n", rule="far-column")
    assert finding.severity is Severity.HIGH


def test_code_far_below_too() -> None:
    (finding,) = found_in(f"{LINE}\n{chr(10) * 200}require('./more');\n", rule="far-below")
    assert (finding.severity, finding.line) == (Severity.CRITICAL, 202)


@pytest.mark.parametrize(
    "code",
    [
        f"{LINE}{' ' * 300}// to the right",
        f"const banner = `a{' ' * 300}require`;",
        f"{LINE}{' ' * 300}",
        f"{' ' * 130}indented();",
    ],
    ids=["comment", "text", "nothing", "indented"],
)
def test_what_is_no_code_may_stand_there(code: str) -> None:
    assert found_in(f"{code}\n", rule="far-column") == []


def test_what_the_baseline_had_is_nothing_new() -> None:
    old = f"{LINE}{' ' * 300}start();\n"
    new = {**QUIET, "lib/a.js": f"{old}exports.b = 2;\n"}
    assert found({**QUIET, "lib/a.js": old}, new, rule="far-column") == []


def test_blanks_in_minified_code_are_of_texts() -> None:
    dense = "".join(f"function f{number}(a,b){{return g(a)+h(b)}}" for number in range(120))
    code = f"{dense}var t='a{' ' * 300}b';{dense}\n"
    assert found_in(code, "dist/a.js", rule="far-column") == []
