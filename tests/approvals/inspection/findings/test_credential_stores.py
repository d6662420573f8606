"""Files that hold somebody's credentials, and those that only look so."""

import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.made_up import mixed
from tests.approvals.inspection.findings.packages import QUIET, found, found_in

PASSWORD = mixed(16)
FILES = {
    ".env": f"PORT=1\nDB_PASSWORD={PASSWORD}\n",
    ".env.production": f"\nexport API_TOKEN='{PASSWORD}'\n",
    "deploy/.env": f"\nSTRIPE_SECRET={PASSWORD}\n",
    ".npmrc": f"save=true\n//registry.example.org/:_authToken={PASSWORD}\n",
    "lib/.npmrc": f"\n_auth = {PASSWORD}==\n",
    ".netrc": f"\nmachine example.org login me password {PASSWORD}\n",
    ".git-credentials": f"\nhttps://me:{PASSWORD}@git.example.org\n",
    ".pypirc": f"[pypi]\npassword = {PASSWORD}\n",
    ".aws/credentials": f"[default]\naws_secret_access_key = {mixed(40)}\n",
    ".docker/config.json": f'{{"auths": {{\n"x": {{"auth": "{mixed(24)}"}}}}}}',
    "kubeconfig": f"users:\n- token: {mixed(30)}\n",
}


@pytest.mark.parametrize("path", FILES)
def test_credentials_are_found_and_not_shown(path: str) -> None:
    (finding,) = found_in(FILES[path], path, rule="credentials-file")
    assert (finding.severity, finding.path, finding.line) == (Severity.HIGH, path, 2)
    assert mixed(8) not in str(vars(finding))


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (".env.example", f"DB_PASSWORD={PASSWORD}"),
        (".env.sample", f"DB_PASSWORD={PASSWORD}"),
        (".env", "DB_PASSWORD=\nAPI_TOKEN=changeme\nSECRET=your-secret-here\nKEY=${KEY}\n"),
        (".env", "PORT=3000\nNODE_ENV=production\n"),
        (".npmrc", "//registry.example.org/:_authToken=${NPM_TOKEN}\n"),
        (".npmrc", "package-lock=false\n"),
        ("env.d.ts", f"DB_PASSWORD={PASSWORD}"),
    ],
    ids=["example", "sample", "empty", "harmless", "variable", "settings", "types"],
)
def test_without_real_values_there_is_nothing_serious(path: str, content: str) -> None:
    assert [one for one in found_in(content, path) if one.severity.is_serious] == []
    assert found_in(content, path, rule="credentials-file") == []


def test_credentials_of_the_baseline_are_low() -> None:
    before = {**QUIET, ".env": FILES[".env"]}
    (finding,) = found(before, {**QUIET, ".env": FILES[".env"] + "A=1\n"}, rule="credentials-file")
    assert (finding.severity, finding.is_new) == (Severity.LOW, False)


def test_other_values_in_the_same_file_are_new() -> None:
    before = {**QUIET, ".env": FILES[".env"]}
    after = {**QUIET, ".env": f"PORT=1\nDB_PASSWORD={mixed(16, seed=7)}\n"}
    (finding,) = found(before, after, rule="credentials-file")
    assert (finding.severity, finding.is_new) == (Severity.HIGH, True)


def test_a_key_store_is_worth_a_look() -> None:
    (finding,) = found_in(b"\x30\x82\0\0", "release.p12", rule="key-store")
    assert finding.severity == Severity.MEDIUM


@pytest.mark.parametrize(
    ("address", "count"),
    [
        (f"postgres://app:{PASSWORD}@db.prod.corp.io/x", 1),
        (f"mongodb+srv://app:{PASSWORD}@cluster0.a1b2.mongodb.net", 1),
        (f"https://ci:{PASSWORD}@git.corp.io/x.git", 1),
        (f"postgres://app:{PASSWORD}@localhost/x", 0),
        (f"postgres://app:{PASSWORD}@db.example.com/x", 0),
        ("postgres://user:password@db.corp.io/x", 0),
        ("https://user:pass123@host.com", 0),
        ("redis://app:${PASSWORD}@db.corp.io", 0),
        ("https://unpkg.com/react@18.2.0/umd/react.js", 0),
    ],
    ids=range(9),
)
def test_passwords_in_addresses(address: str, count: int) -> None:
    findings = found_in(f"\nconnect('{address}');\n", rule="password-in-address")
    assert [(one.severity, one.line) for one in findings] == [(Severity.HIGH, 2)] * count
    assert PASSWORD not in str([vars(one) for one in findings])
