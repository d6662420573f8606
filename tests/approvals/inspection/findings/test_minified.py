"""Code that cannot be read any more."""

import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import found

SOURCE = "".join(
    f"exports.pad{number} = function pad(s, n) {{\n  return s.padStart(n + {number});\n}};\n"
    for number in range(30)
)
DENSE = "".join(f"function f{number}(a,b){{return g(a)+h(b)}}" for number in range(120))
OLD = {"index.js": SOURCE, "lib/a.js": SOURCE, "lib/b.js": SOURCE}


def test_one_file_among_others_that_stay_source() -> None:
    (finding,) = found(OLD, {**OLD, "lib/b.js": DENSE}, rule="minified-source")
    assert (finding.severity, finding.path) == (Severity.HIGH, "lib/b.js")


def test_a_build_that_minifies_now_is_worth_a_look() -> None:
    old, new = {"dist/a.js": SOURCE}, {"dist/a.js": DENSE}
    (finding,) = found(old, new, rule="minified-source")
    assert finding.severity is Severity.MEDIUM


def test_many_at_once_are_one_change_of_the_build() -> None:
    old = {f"lib/{number}.js": f"{SOURCE}// {number}\n" for number in range(8)}
    new = {path: f"{DENSE}//{path}" for path in old}
    (finding,) = found(old, new, rule="minified-source")
    assert finding.severity is Severity.MEDIUM
    assert "8 files" in finding.title


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"dist/a.js": DENSE}, {"dist/a.js": f"{DENSE}var z=1;"}),
        ({"a.js": SOURCE}, {"a.js": SOURCE, "a.min.js": DENSE}),
        ({"a.js": SOURCE}, {"a.js": SOURCE, "dist/a.js": DENSE}),
    ],
    ids=["as before", "named so", "a build"],
)
def test_builds_are_builds(old: dict[str, str], new: dict[str, str]) -> None:
    assert not [one for one in found(old, new) if one.rule.startswith("minified-")]


def test_one_dense_line_at_the_end_of_plain_source() -> None:
    new = {**OLD, "index.js": f"{SOURCE}{DENSE}\n"}
    (finding,) = found(OLD, new, rule="minified-line")
    assert (finding.severity, finding.line) == (Severity.HIGH, 91)


def test_a_long_text_is_no_dense_code() -> None:
    text = "lorem ipsum (dolor) " * 200
    assert (
        found(OLD, {**OLD, "index.js": f"{SOURCE}const t = '{text}';\n"}, rule="minified-line")
        == []
    )


def test_a_bundle_in_a_package_that_had_none() -> None:
    (finding,) = found(OLD, {**OLD, "bundle.js": DENSE}, rule="minified-added")
    assert (finding.severity, finding.path) == (Severity.MEDIUM, "bundle.js")


def test_a_bundle_that_runs_on_installation() -> None:
    (finding,) = found(
        OLD,
        {**OLD, "bundle.js": DENSE},
        manifest={"scripts": {"postinstall": "node bundle.js"}},
        rule="minified-added",
    )
    assert finding.severity is Severity.HIGH
