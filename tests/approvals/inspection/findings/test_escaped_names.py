import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import assert_only_where_it_runs, found_in

RULE = "escaped-name"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("requ\\u0069re(name);", "require"),
        ("ev\\u{61}l(text);", "eval"),
        ("a.ex\\u0065c(text);", "exec"),
    ],
)
def test_says_which_name_is_hidden(code: str, name: str) -> None:
    assert_only_where_it_runs(code, RULE)
    (one,) = found_in(code, rule=RULE)
    assert (one.severity, one.detail) == (Severity.HIGH, f"Read: {name}")


@pytest.mark.parametrize(
    "code",
    ["log('\\u0041');", "log(`\\u{41}`);", "a.match(/[\\u0041-\\u005a]/);", "\\u00e9t\\u00e9(a);"],
)
def test_escapes_in_texts_and_letters_beyond_ascii_are_nothing(code: str) -> None:
    assert found_in(code, rule=RULE) == []
