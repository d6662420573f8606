"""Text that becomes code."""

import base64

import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import found_in

TEXT = base64.b64encode(b"console.log('an inert payload, longer than a few words')").decode()
FROM_EVENT_STREAM = (
    '!function(){var r=require;function e(r){return Buffer.from(r,"hex").toString()}'
    'var n=r(e("2e2f64617461")),a=n[0];var f=new module.constructor;f[e(n[7])](a,"")}();'
)


@pytest.mark.parametrize(
    "code",
    [
        f"eval(atob('{TEXT}'));",
        f"const t = '{TEXT}';\nconst c = Buffer.from(t, 'base64').toString();\n(0, eval)(c);",
        f"function d(s) {{ return Buffer.from(s, 'base64').toString(); }}\neval(d('{TEXT}'));",
        f"const d = (s) => atob(s);\nconst c = d('{TEXT}');\nnew Function('require', c)(require);",
        "const c = zlib.gunzipSync(x).toString();\nmodule._compile(c, 'a.js');",
        f"require('vm').runInThisContext(Buffer.from('{TEXT}', 'base64').toString());",
        "eval('\\x63\\x6f\\x6e\\x73\\x6f\\x6c\\x65');",
        f"import('data:text/javascript;base64,{TEXT}');",
        FROM_EVENT_STREAM,
    ],
    ids=[
        *("at once", "through names", "by a function", "by an arrow", "compressed", "vm"),
        *("escapes", "address", "event-stream"),
    ],
)
def test_what_is_decoded_and_run_looks_like_an_attack(code: str) -> None:
    (finding,) = found_in(f"exports.a = 1;\n{code}\n", rule="decoded-code")
    assert finding.severity is Severity.CRITICAL
    assert finding.line == code.count("\n") + 2


@pytest.mark.parametrize(
    "code",
    [
        "const g = Function('return this')();\nconst b = Buffer.from(x, 'base64');",
        "const f = new Function('a', 'return a + ' + b);",
        "// eval(atob(x))\nexports.b = 1;",
        "const text = 'eval(atob(x))';",
        "const evaluate = (a) => atob(a); evaluate('b');",
    ],
    ids=["this", "template", "comment", "text", "name"],
)
def test_what_only_looks_like_it_does_not(code: str) -> None:
    assert found_in(f"{code}\n", rule="decoded-code") == []


@pytest.mark.parametrize(
    ("path", "severity"),
    [
        ("logo.png", Severity.CRITICAL),
        ("icons.woff2", Severity.CRITICAL),
        ("test/data", Severity.HIGH),
        ("notes.txt", Severity.HIGH),
    ],
)
def test_code_from_a_file_of_another_kind(path: str, severity: Severity) -> None:
    code = (
        "const fs = require('fs');\n"
        f"const kept = fs.readFileSync(__dirname + '/{path}', 'utf8');\n"
        "eval(kept.slice(300));\n"
    )
    (finding,) = found_in(code, rule="code-from-data")
    assert (finding.severity, finding.line) == (severity, 3)


def test_code_that_reads_itself() -> None:
    code = (
        "const me = require('fs').readFileSync(__filename, 'utf8');\n"
        "const part = me.split('/*!')[1];\neval(part);\n"
    )
    (finding,) = found_in(code, rule="reads-itself")
    assert (finding.severity, finding.line) == (Severity.HIGH, 3)


def test_what_opens_for_one_package_alone() -> None:
    code = (
        "const key = process.env.npm_package_description;\n"
        "const open = require('crypto').createDecipher('aes256', key);\n"
    )
    (finding,) = found_in(code, rule="keyed-decryption")
    assert (finding.severity, finding.line) == (Severity.CRITICAL, 2)


def test_decryption_alone_is_nothing() -> None:
    code = "const open = require('crypto').createDecipheriv('aes-256-gcm', key, iv);\n"
    assert found_in(code, rule="keyed-decryption") == []


@pytest.mark.parametrize(
    "code",
    [
        "if (link.module.constructor.name === 'Joined') atob(x);",
        "function k(e) { return (0, eval)(e); }\nconst n = text.charCodeAt(0);",
    ],
    ids=["a kind of module", "letters close by"],
)
def test_what_bundlers_have_is_left_alone(code: str) -> None:
    rules = {finding.rule for finding in found_in(f"{code}\n")}
    assert not rules & {"decoded-code", "code-as-module", "code-from-data"}


def test_in_a_bundle_a_name_far_from_what_opens_is_no_key() -> None:
    name = "exports.agent = process.env.npm_package_name;\n"
    opens = "exports.open = (key) => crypto.createDecipheriv('aes-256-gcm', key, nonce);\n"
    bundle = f"{name}{'exports.b = 1; ' * 8_000}\n{opens}"
    assert found_in(bundle, rule="keyed-decryption") == []
    (finding,) = found_in(f"{name}{'exports.b = 1; ' * 800}\n{opens}", rule="keyed-decryption")
    assert finding.line == 3


@pytest.mark.parametrize(
    "code",
    [
        "eval?.(require('./t.json').a);",
        "new Function('require', require('./t.json').a)(require);",
        "[]['filter']['constructor'](require('./t.json').a)();",
        "Reflect.construct(Function, [require('./t.json').a])();",
        "new Worker(require('./t.json').a, { eval: true });",
        "module._compile(require('./t.json').a, 'x');",
    ],
)
def test_code_that_stands_in_data(code: str) -> None:
    (one,) = found_in(code, rule="code-from-data")
    assert one.severity == Severity.HIGH


def test_data_that_is_read_and_not_run() -> None:
    code = "const data = require('./t.json');\nrun(data.a);\nnew Function('a', 'return a')(1);"
    assert found_in(code, rule="code-from-data") == []
