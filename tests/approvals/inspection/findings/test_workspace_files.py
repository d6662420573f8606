"""Files that nobody who installs a package needs, and those that run by themselves."""

import json

import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import QUIET, found, found_in

TASK = """{
  // opens with the folder
  "tasks": [
    {
      "label": "lint",
      "command": "node",
      "args": [".vscode/lint.js"],
      "runOptions": {"runOn": "folderOpen"},
    },
  ],
}
"""


@pytest.mark.parametrize(
    ("path", "rule", "severity"),
    [
        (".vscode/launch.json", "workspace-files", "low"),
        (".idea/workspace.xml", "workspace-files", "low"),
        (".github/workflows/ci.yml", "workspace-files", "low"),
        (".gitlab-ci.yml", "workspace-files", "low"),
        ("lib/.DS_Store", "workspace-files", "low"),
        ("src/.index.js.swp", "workspace-files", "low"),
        ("coverage/lcov.info", "workspace-files", "low"),
        ("npm-debug.log", "workspace-files", "low"),
        (".git/HEAD", "repository-inside", "medium"),
        ("CLAUDE.md", "agent-instructions", "medium"),
        (".cursorrules", "agent-instructions", "medium"),
        ("AGENTS.md", "agent-instructions", "medium"),
    ],
)
def test_such_a_file_is_named(path: str, rule: str, severity: str) -> None:
    (finding,) = found_in("one: 1\n", path, rule=rule)
    assert (finding.severity, finding.path) == (severity, path)


def test_many_are_one_finding_and_had_before_weighs_less() -> None:
    files = {f".github/{name}.yml": "a: 1\n" for name in "abc"}
    (finding,) = found(QUIET, {**QUIET, **files}, rule="workspace-files")
    assert finding.stands_for == 3
    (again,) = found(
        {**QUIET, ".github/a.yml": "a: 1\n"}, {**QUIET, **files}, rule="workspace-files"
    )
    assert (again.severity, again.stands_for) == (Severity.INFO, 2)
    assert found({**QUIET, **files}, {**QUIET, **files}, rule="workspace-files") == []


@pytest.mark.parametrize(
    "path", ["lib/core.js", "core/index.js", "git/HEAD", "docs/coverage.md", "lib/coverage/a.js"]
)
def test_names_that_are_alike_are_none(path: str) -> None:
    rules = {"workspace-files", "repository-inside", "agent-instructions", "core-dump"}
    assert rules.isdisjoint(one.rule for one in found_in("1;\n", path))


def test_a_core_dump_is_found() -> None:
    elf = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x04\0\x3e\0" + bytes(100)
    assert [one.path for one in found_in(elf, "core.1234", rule="core-dump")] == ["core.1234"]


@pytest.mark.parametrize(
    ("path", "content", "severity", "line", "excerpt"),
    [
        (".vscode/tasks.json", TASK, "high", 6, "node .vscode/lint.js"),
        (
            ".claude/settings.json",
            '{"hooks": {"SessionStart": [{"hooks": [{\n"command": "node .claude/a.js"}]}]}}',
            "high",
            2,
            "node .claude/a.js",
        ),
        (".git/config", "[core]\n\tfsmonitor = ./a.sh\n", "high", 2, "fsmonitor: ./a.sh"),
        (".npmrc", "\nscript-shell=./a.sh\n", "high", 2, "script-shell: ./a.sh"),
        (
            ".devcontainer/devcontainer.json",
            '{\n"postCreateCommand": "node a.js"}',
            "medium",
            2,
            "postCreateCommand: node a.js",
        ),
        (".envrc", "# settings\nsource a.sh\n", "medium", 2, "source a.sh"),
        (".husky/pre-commit", "#!/bin/sh\nnode a.js\n", "medium", 2, "node a.js"),
        (
            ".mcp.json",
            '{"mcpServers": {"a": {\n"command": "node a.js"}}}',
            "medium",
            2,
            "node a.js",
        ),
    ],
)
def test_what_runs_by_itself_is_named_with_its_command(
    path: str, content: str, severity: str, line: int, excerpt: str
) -> None:
    (finding,) = found_in(content, path, rule="runs-when-opened")
    assert (finding.severity, finding.path) == (severity, path)
    assert (finding.line, finding.excerpt) == (line, excerpt)
    same = found({**QUIET, path: content}, {**QUIET, path: content + "\n"}, rule="runs-when-opened")
    assert same == []


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (".vscode/tasks.json", json.dumps({"tasks": [{"command": "node", "label": "a"}]})),
        (".vscode/settings.json", json.dumps({"editor.tabSize": 2})),
        (".claude/settings.json", json.dumps({"permissions": {}})),
        (".npmrc", "package-lock=false\n"),
        (".git/config", "[core]\n\tbare = false\n"),
    ],
)
def test_settings_that_run_nothing_are_not_serious(path: str, content: str) -> None:
    assert found_in(content, path, rule="runs-when-opened") == []


def test_a_task_in_json_that_is_broken_is_still_seen() -> None:
    broken = '{"tasks": [{"command": "node a.js", "runOptions": {"runOn": "folderOpen"}'
    (finding,) = found_in(broken, ".vscode/tasks.json", rule="runs-when-opened")
    assert finding.excerpt == "node a.js"


def test_settings_do_not_hide_in_their_size() -> None:
    padded = TASK + " " * 600_000
    (finding,) = found_in(padded, ".vscode/tasks.json", rule="runs-when-opened")
    assert (finding.severity, finding.path) == (Severity.HIGH, ".vscode/tasks.json")
    hidden = TASK.replace("node", "no\0de")
    assert len(found_in(hidden, ".vscode/tasks.json", rule="runs-when-opened")) == 1


def test_names_in_escapes_are_read_as_an_editor_reads_them() -> None:
    tasks = (
        '{"tasks": [{"command": "node a.js",\n'
        '  "runOptions": {"run\\u004fn": "folder\\u004fpen"}}]}'
    )
    (finding,) = found_in(tasks, ".vscode/tasks.json", rule="runs-when-opened")
    assert (finding.severity, finding.excerpt) == (Severity.HIGH, "node a.js")
