"""Names that read like others."""

import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import QUIET, found, found_in


@pytest.mark.parametrize(
    "code",
    [
        "const is\u0410dmin = () => true;",
        "const \u0441\u043e\u0440\u0443 = 1;",
        "const web = require('ex\u0440ress');",
        "fetch('https://g\u043e\u043egle.example/');",
    ],
    ids=["in a name", "a whole name", "a package", "a host"],
)
def test_a_letter_that_passes_for_another_is_named(code: str) -> None:
    (finding,) = found_in(f"exports.a = 1;\n{code}\n", rule="look-alike-letters")
    assert (finding.severity, finding.line) == (Severity.HIGH, 2)
    assert "CYRILLIC" in finding.detail


@pytest.mark.parametrize(
    "code",
    [
        "// \u043f\u0440\u0438\u0432\u0435\u0442, x, \u0441\u043e\u0440 COM",
        "const m = '\u0441\u043e\u043e\u0431\u0449\u0435 \u043e \u0442\u043e\u043c';",
        "const \u03bb = 1, cos\u03c61 = 2, \u0394x = 3;",
    ],
    ids=["comment", "text", "mathematics"],
)
def test_words_of_other_languages_are_words(code: str) -> None:
    assert found_in(f"{code}\n", rule="look-alike-letters") == []


def test_a_dependency_in_other_letters_is_named() -> None:
    (finding,) = found(
        QUIET,
        QUIET,
        manifest={"dependencies": {"l\u043edash": "^4.17.21"}},
        manifest_old={},
        rule="look-alike-package",
    )
    assert finding.severity is Severity.HIGH
    assert "lodash" in finding.title
