"""What is said when a program starts, before any inspection is made by rules that are broken."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

from approvals.inspection import findings
from tests.approvals.inspection.findings.packages import QUIET, found_in

WORKING = '''
"""Looks for a word."""
from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.needles import needles

GROUP = Group.CODE
RULES = {"made-up": "A word"}
NEEDLES = needles("evilword")


def in_tarball(look):
    for use in look.uses(NEEDLES):
        yield Finding("made-up", Severity.HIGH, "It has it.", "", "", path=use.path, line=use.line)
'''
BROKEN = {
    "syntax": "def in_tarball(look:\n",
    "import": "import no_module_of_this_name\n",
    "needle": WORKING.replace('needles("evilword")', 'needles(patterns=("(",))').replace(
        "made-up", "made-up-too"
    ),
    "no_needle": WORKING.replace('needles("evilword")', "None").replace("made-up", "made-up-too"),
    "bare": "",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the rules in force are, from here on: those that are put there."""
    monkeypatch.setattr(findings, "__path__", [str(tmp_path)])
    before = set(sys.modules)
    forget()
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith(f"{findings.__name__}."):
            del sys.modules[name]
            vars(findings).pop(name.rpartition(".")[2], None)
    forget()


def forget() -> None:
    findings._loaded.cache_clear()
    findings.rules_in_words.cache_clear()


def said() -> list[Any]:
    return [message for message in run_checks() if message.id == "inspection.E002"]


def test_every_rule_is_in_force() -> None:
    assert said() == []
    assert findings.broken_rules() == ()


@pytest.mark.parametrize("how", sorted(BROKEN))
def test_a_broken_rule_is_said_at_the_start_and_in_each_inspection(folder: Path, how: str) -> None:
    (folder / "made_up_rule.py").write_text(WORKING)
    (folder / f"rule_that_is_{how}.py").write_text(BROKEN[how])
    (error,) = said()
    assert f"rule_that_is_{how}" in error.msg
    rules = {one.rule: one for one in found_in("evilword();\n")}
    assert sorted(rules) == ["made-up", "rule-crashed"]
    assert f"rule_that_is_{how}" in rules["rule-crashed"].title
    assert [one.rule for one in found_in(QUIET["index.js"], "other.js")] == ["rule-crashed"]


def test_no_rule_is_silent_by_a_wrong_name() -> None:
    known = {"in_tarball", "at_registry"}
    for module in findings.rule_modules():
        functions = {
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", "") == module.__name__
            and callable(value)
            and not isinstance(value, type)
            and not name.startswith("_")
        }
        assert functions & known, module.__name__
        helpers = {name for name in functions - known if name.startswith(("in_", "at_"))}
        assert not helpers, f"{module.__name__}: {helpers}"
