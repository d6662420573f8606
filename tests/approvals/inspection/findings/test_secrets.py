"""Tokens and keys in a package: seen, told apart from examples, and never shown."""

import json

import pytest

from approvals.inspection.finding import Finding, Severity
from approvals.inspection.search.secret_forms import masked
from tests.approvals.inspection.findings.made_up import HEX, mixed, token
from tests.approvals.inspection.findings.packages import QUIET, found, found_in

SECRETS = {
    "npm": token("npm_"),
    "GitHub, personal": token("ghp_"),
    "GitHub, of an app": token("ghs_"),
    "GitHub, fine-grained": f"github_pat_{mixed(22)}_{mixed(59)}",
    "GitLab": f"glpat-{mixed(20)}",
    "Slack": f"xoxb-{mixed(12, '123456789')}-{mixed(12, '123456789')}-{mixed(24)}",
    "Slack webhook": "https://hooks.slack."
    + f"com/services/T{mixed(9, 'ABCDE123')}/B{mixed(9, 'ABCDE123')}/{mixed(24)}",
    "Stripe": f"sk_live_{mixed(24)}",
    "Google client": f"GOCSPX-{mixed(28)}",
    "Azure": f"AccountName=x;AccountKey={mixed(86)}==",
    "Twilio": f"TWILIO_AUTH_TOKEN={mixed(32, HEX)}",
    "SendGrid": f"SG.{mixed(22)}.{mixed(43)}",
    "PyPI": f"pypi-AgEIcHlwaS5vcmc{mixed(80)}",
    "Anthropic": f"sk-ant-api03-{mixed(93)}",
    "Hugging Face": f"hf_{mixed(34)}",
    "DigitalOcean": f"dop_v1_{mixed(64, HEX)}",
    "Shopify": f"shpat_{mixed(32, HEX)}",
    "Telegram": f"{mixed(9, '123456789')}:AA{mixed(33)}",
    "Discord": f"https://discord.com/api/webhooks/{mixed(18, '123456789')}/{mixed(68)}",
    "age": f"AGE-SECRET-KEY-1{mixed(58, 'QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L')}",
}


def everything_of(findings: list[Finding]) -> str:
    return json.dumps([[*map(str, vars(one).values())] for one in findings])


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_found_and_not_shown(name: str) -> None:
    secret = SECRETS[name]
    code = f"exports.a = 1;\nconst value = '{secret}';\n"
    (finding,) = found_in(code, rule="secret")
    assert (finding.severity, finding.path, finding.line) == (Severity.HIGH, "index.js", 2)
    assert finding.is_new
    rest = secret[-20:]
    assert rest not in everything_of(found_in(code))
    assert rest not in json.dumps([one.as_json() for one in found_in(code)])


@pytest.mark.parametrize(
    "code",
    [
        f"npm_{'x' * 36}",
        f"npm_{'A1' * 18}",
        "npm_config_user_agent_of_the_one_who_runs_it",
        f"ghp_{'your-token-here'.replace('-', '') * 3}",
        "AKIAIOSFODNN7" + "EXAMPLE",
        f"sk_live_{'0' * 24}",
        "sk_live_your_secret_key_goes_in_here_now",
        f"prefix{token('npm_')}",
        "process.env.NPM_TOKEN",
    ],
    ids=range(9),
)
def test_examples_are_none(code: str) -> None:
    assert found_in(f"const value = '{code}';\n", rule="secret") == []


def test_a_token_with_a_wrong_checksum_is_low() -> None:
    right = token("npm_")
    wrong = right[:-1] + ("a" if right[-1] != "a" else "b")
    (finding,) = found_in(f"'{wrong}'", rule="secret")
    assert finding.severity == Severity.LOW
    assert "checksum is wrong" in finding.detail


def test_the_key_that_emulators_share_is_none() -> None:
    key = (
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1"
        + "OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    )
    assert found_in(f"'AccountKey={key}'", rule="secret") == []


def test_an_aws_key_counts_with_its_secret() -> None:
    key = "AKIA" + mixed(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
    (alone,) = found_in(f"id = '{key}'", rule="secret")
    (both,) = found_in(f"id = '{key}'\nkey = '{mixed(40)}'", rule="secret")
    assert (alone.severity, both.severity) == (Severity.MEDIUM, Severity.HIGH)
    assert mixed(40) not in everything_of([both])


def test_what_was_there_before_is_low() -> None:
    line = f"const value = '{token('npm_')}';\n"
    (stayed,) = found({"a.js": line}, {"a.js": f"{line}more();\n"}, rule="secret")
    assert (stayed.severity, stayed.is_new) == (Severity.LOW, False)
    (other,) = found(
        {"a.js": line}, {"a.js": f"{line}const other = '{token('npm_', 2)}';\n"}, rule="secret"
    )[:1]
    assert (other.severity, other.line, other.is_new) == (Severity.HIGH, 2, True)
    moved = found({"a.js": line}, {"a.js": "1\n", "b.js": f"f({token('npm_')!r})"}, rule="secret")
    assert [(one.severity, one.is_new) for one in moved] == [(Severity.LOW, False)]


def test_a_first_release_with_a_secret_is_as_bad() -> None:
    (finding,) = found(None, {"a.js": f"'{token('ghp_')}'"}, rule="secret")
    assert finding.severity == Severity.HIGH


def test_the_same_in_several_builds_is_one_finding() -> None:
    code = f"const value = '{token('npm_')}';\n"
    findings = found(QUIET, {**QUIET, "cjs/a.js": code, "esm/a.mjs": code}, rule="secret")
    assert len(findings) == 1
    assert "esm/a.mjs" in findings[0].detail + findings[0].path


def test_another_secret_is_other_evidence() -> None:
    one, other = (
        found_in(f"const value = '{token('npm_', seed)}';\n", rule="secret")[0] for seed in (1, 2)
    )
    assert one.fingerprint != other.fingerprint


def test_signed_tokens_are_low() -> None:
    signed = f"eyJ{mixed(40)}.eyJ{mixed(80)}.{mixed(43)}"
    (finding,) = found_in(f"'{signed}'", rule="signed-token")
    assert finding.severity == Severity.LOW
    assert mixed(43) not in everything_of([finding])


@pytest.mark.parametrize("name", SECRETS)
def test_other_rules_do_not_show_a_secret_either(name: str) -> None:
    secret = SECRETS[name]
    code = f"require('child_process').exec('send {secret}')"
    findings = found_in(code)
    assert {"child-process", "secret"} <= {one.rule for one in findings}
    assert secret[-16:] not in everything_of(findings)


@pytest.mark.parametrize(
    "text",
    [
        "npm_lifecycle_event and npm_package_config_port",
        "const { token } = require('./token_of_the_parser_that_reads_it')",
        "https://example.org/a/b?c=d",
        "secret = deriveSecretFromPasswordAndSalt",
    ],
)
def test_masking_leaves_what_is_no_secret(text: str) -> None:
    assert masked(text) == text


def test_masking_takes_passwords_and_keys_out() -> None:
    assert masked("postgres://me:s3cr8tWord@db") == "postgres://me:…@db"
    assert masked(f"-----BEGIN {'PRIVATE'} KEY-----\\nMIIEvQIBADANBg") == (
        f"-----BEGIN {'PRIVATE'} KEY-----…"
    )


@pytest.mark.parametrize("cut", [0, 8, 16, 24])
def test_a_secret_that_an_excerpt_cuts_is_not_shown(cut: int) -> None:
    secret = token("npm_")
    assert secret[cut + 8 :] not in masked(f"…{secret[cut:]}', call()")
    assert secret[8 : 40 - cut] not in masked(f"call('{secret[: 40 - cut]}…")


@pytest.mark.parametrize("distance", range(60, 110, 7))
def test_no_excerpt_of_another_place_in_the_line_shows_it(distance: int) -> None:
    secret = token("ghp_")
    code = f"f('{secret}', {'x' * distance}, require('child_process').exec(a));\n"
    findings = found_in(code)
    assert "child-process" in {one.rule for one in findings}
    shown = everything_of(findings)
    assert not any(secret[at : at + 16] in shown for at in range(4, 25))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Basic"])
def test_masking_takes_what_follows_a_scheme_out(scheme: str) -> None:
    value = "ghx9Qa81LmNo23PqRs45TuVw67Xy"
    assert masked(f"curl -H 'authorization: {scheme} {value}'") == (
        f"curl -H 'authorization: {scheme} …'"
    )
    assert masked(f"{scheme} authentication of requests") == (
        f"{scheme} authentication of requests"
    )
