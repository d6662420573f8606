import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import (
    QUIET,
    assert_only_where_it_runs,
    found,
    found_in,
)

RULE = "credential-files"


@pytest.mark.parametrize(
    "code",
    [
        "fs.readFileSync(home + '/.npmrc');",
        "fs.readFileSync(path.join(home, '.ssh', 'id_rsa'));",
        "fs.readFileSync(`${home}/.aws/credentials`);",
        "fs.createReadStream('/etc/shadow');",
    ],
)
def test_is_found_only_where_it_runs(code: str) -> None:
    assert_only_where_it_runs(code, RULE)


@pytest.mark.parametrize(
    "code",
    [
        "log(fs.readFileSync(a), 'Put the token into your .npmrc file.');",
        "fs.readFileSync('a.npmrc-like');",
        "exports.host = 'x.awscloud.example';",
    ],
)
def test_what_looks_alike_is_nothing(code: str) -> None:
    assert found_in(code, rule=RULE) == []


def test_weighs_more_where_it_is_new() -> None:
    code = "fs.readFileSync(home + '/.npmrc');"
    assert [one.severity for one in found_in(code, rule=RULE)] == [Severity.MEDIUM]
    more = f"{code}\nexports.more = 1;\n{code}\n"
    again = found({"index.js": code}, {"index.js": more}, rule=RULE)
    assert [one.severity for one in again] == [Severity.LOW]
    assert [one.severity for one in found(None, {"index.js": code}, rule=RULE)] == [Severity.LOW]


def test_is_told_once_for_a_package() -> None:
    code = "fs.readFileSync(home + '/.npmrc');"
    (one,) = found(QUIET, {"index.js": code, "lib/b.js": f"exports.b = 1;\n{code}"}, rule=RULE)
    assert one.path == "index.js"
    assert "lib/b.js:2" in one.detail


def test_an_ending_of_files_is_none() -> None:
    code = "const types = { 'mrc': 'application/marc' };\nfs.readFileSync(name);"
    assert found_in(code, rule="credential-files") == []
