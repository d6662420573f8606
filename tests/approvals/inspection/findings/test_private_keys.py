"""Private keys in a package, in any form, and code that only speaks of them."""

import json

import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.made_up import private_key
from tests.approvals.inspection.findings.packages import QUIET, found, found_in

_ENCRYPTED = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0123\n\n"
KEYS = {
    "RSA": private_key(),
    "EC": private_key("EC "),
    "PKCS 8": private_key(""),
    "PKCS 8, encrypted": private_key("ENCRYPTED "),
    "OpenSSH": private_key("OPENSSH ", start=b"openssh-key-v1\0"),
    "encrypted": private_key(headers=_ENCRYPTED, start=b"\x01\x02\x03"),
}


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("where", ["file", "text in code", "template", "JSON"])
def test_a_private_key_is_found_and_not_shown(name: str, where: str) -> None:
    key = KEYS[name]
    path, content = {
        "file": ("id", key),
        "text in code": ("index.js", f"\nexports.key = {json.dumps(key)};\n"),
        "template": ("index.js", f"\nexports.key = `{key}`;\n"),
        "JSON": ("account.json", json.dumps({"type": "service_account", "private_key": key})),
    }[where]
    (finding,) = found_in(content, path, rule="private-key")
    assert (finding.severity, finding.path) == (Severity.HIGH, path)
    assert finding.line == (2 if path == "index.js" else 1)
    body = key.split("\n")[-4]
    assert all(body[at : at + 16] not in str(vars(finding)) for at in range(0, 40, 8))


def test_a_putty_key_is_found() -> None:
    text = f"PuTTY-User-Key-File-3: ssh-rsa\nPrivate-Lines: 14\n{'AbC1' * 40}\n"
    assert [one.severity for one in found_in(text, "a.ppk", rule="private-key")] == [Severity.HIGH]


def test_a_key_among_tests_weighs_less() -> None:
    (finding,) = found_in(private_key(), "test/fixtures/key.pem", rule="private-key")
    assert finding.severity == Severity.MEDIUM


@pytest.mark.parametrize(
    "code",
    [
        "if (pem.includes('-----BEGIN PRIVATE KEY-----')) parse(pem);",
        "const pem = `-----BEGIN RSA PRIVATE KEY-----\\n${body}\\n-----END RSA PRIVATE KEY-----`;",
        "-----BEGIN PRIVATE KEY-----\nyour key here\n-----END PRIVATE KEY-----",
        "// -----BEGIN PUBLIC KEY-----\n",
    ],
    ids=range(4),
)
def test_code_that_reads_keys_has_none(code: str) -> None:
    assert found_in(code, rule="private-key") == []


def test_a_key_that_moved_is_low() -> None:
    key = private_key()
    findings = found(
        {**QUIET, "a.pem": f"1\n{key}"}, {**QUIET, "b.js": f"f(`{key}`)"}, rule="private-key"
    )
    assert [(one.severity, one.is_new) for one in findings] in ([], [(Severity.LOW, False)])
