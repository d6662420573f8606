"""Commands that a package puts where everybody's scripts find them."""

from pathlib import Path

import pytest

from approvals.inspection.compare import compare_tarballs
from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import QUIET, found
from tests.registry_client.tarballs import member, write

FILES = {**QUIET, "cli.js": "#!/usr/bin/env node\n"}


def test_first_commands_are_medium_and_further_ones_low() -> None:
    (first,) = found(
        FILES, FILES, manifest={"bin": {"tidy": "cli.js"}}, manifest_old={}, rule="new-command"
    )
    assert (first.severity, first.path) == (Severity.MEDIUM, "package.json")
    assert first.line == 5
    (more,) = found(
        FILES,
        FILES,
        manifest={"bin": {"tidy": "cli.js", "tidier": "cli.js"}},
        manifest_old={"bin": {"tidy": "cli.js"}},
        rule="new-command",
    )
    assert more.severity == Severity.LOW
    assert "tidier" in more.detail


@pytest.mark.parametrize("name", ["git", "node", "sudo", "../git", "NPM"])
def test_a_command_that_everybody_has_is_high(name: str) -> None:
    (finding,) = found(
        FILES, FILES, manifest={"bin": {name: "cli.js"}}, manifest_old={}, rule="command-shadows"
    )
    assert (finding.severity, finding.line) == (Severity.HIGH, 5)


def test_the_package_of_that_name_may_have_it() -> None:
    manifest = {"name": "npm", "bin": {"npm": "cli.js"}}
    assert found(FILES, FILES, manifest=manifest, manifest_old={}, rule="command-shadows") == []
    old = {"bin": {"git": "cli.js"}}
    assert found(FILES, FILES, manifest=old, rule="command-shadows") == []


def test_what_can_be_executed_now_is_named(tmp_path: Path) -> None:
    manifest = member("package/package.json", b'{"name": "a", "version": "1.0.0"}')
    others = [member(f"package/{name}", b"1\n") for name in "bcdefg"]
    paths = [
        write(tmp_path, manifest, member("package/run", b"1\n", mode=mode), *others, name=f"{mode}")
        for mode in (0o644, 0o755)
    ]
    findings = compare_tarballs(paths[1], paths[0]).findings
    assert [one.path for one in findings if one.rule == "became-executable"] == ["run"]
