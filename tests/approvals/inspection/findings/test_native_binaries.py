"""Compiled programs, archives, and files that are not what they are named."""

import gzip

import pytest

from approvals.inspection.finding import Finding, Severity
from tests.approvals.inspection.findings.packages import QUIET, found, found_in

ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\0\x3e\0" + bytes(200)
MACH = b"\xcf\xfa\xed\xfe\x0c\0\0\x01\0\0\0\0\x06\0\0\0" + bytes(200)
PE = b"MZ" + bytes(58) + (64).to_bytes(4, "little") + b"PE\0\0\x64\x86" + bytes(200)
WASM = b"\0asm\1\0\0\0" + bytes(20)
ZIP = b"PK\3\4" + bytes(40)


def of(rule: str, findings: list[Finding]) -> list[tuple[str, str]]:
    return [(str(one.severity), one.path) for one in findings if one.rule == rule]


@pytest.mark.parametrize(
    ("content", "path", "words"),
    [
        (ELF, "a.node", "x86-64"),
        (MACH, "lib/a.dylib", "ARM64"),
        (PE, "a.exe", "Windows"),
        (WASM, "a.wasm", "WebAssembly"),
    ],
    ids=["ELF", "Mach-O", "PE", "wasm"],
)
def test_a_first_binary_is_medium_and_says_what_it_is(
    content: bytes, path: str, words: str
) -> None:
    (finding,) = found_in(content, path, rule="native-binary")
    assert (finding.severity, finding.path) == (Severity.MEDIUM, path)
    assert words in finding.detail
    assert of("native-binary", found(None, {path: content})) == [("low", path)]


def test_further_and_changed_binaries_are_low() -> None:
    before = {**QUIET, "prebuilds/linux-x64/a.node": ELF}
    after = {"prebuilds/linux-x64/a.node": ELF + b"1", "prebuilds/darwin-arm64/a.node": MACH}
    assert sorted(of("native-binary", found(before, {**QUIET, **after}))) == [
        ("low", "prebuilds/darwin-arm64/a.node"),
        ("low", "prebuilds/linux-x64/a.node"),
    ]


@pytest.mark.parametrize(
    ("manifest", "files"),
    [
        ({"bin": {"tool": "./tool"}}, {"tool": ELF}),
        ({"scripts": {"postinstall": "./tool --quiet"}}, {"tool": ELF}),
        ({"scripts": {"install": "node a.js"}}, {"a.js": "run('./x/tool.exe')", "x/tool.exe": PE}),
    ],
    ids=["command", "install script", "named by an install script"],
)
def test_a_first_binary_that_is_run_is_high(
    manifest: dict[str, object], files: dict[str, bytes | str]
) -> None:
    findings = found(QUIET, {**QUIET, **files}, manifest=manifest, manifest_old={})
    assert of("native-binary", findings) == [("high", list(files)[-1])]


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("logo.png", ELF),
        ("font.woff2", PE),
        ("README.txt", MACH),
        ("data.json", ZIP),
        ("style.css", gzip.compress(b"a" * 99, mtime=0)),
    ],
    ids=["picture", "font", "text", "data", "style sheet"],
)
def test_what_is_named_as_something_else_is_high(path: str, content: bytes) -> None:
    findings = found_in(content, path)
    assert of("disguised-file", findings) == [("high", path)]
    assert of("native-binary", findings) == []


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("logo.png", b"\x89PNG\r\n\x1a\n" + bytes(50)),
        ("bin/tool", ELF),
        ("lib/libx.so.1.2", ELF),
        ("a.tgz", gzip.compress(b"a" * 99, mtime=0)),
        ("book.docx", ZIP),
    ],
    ids=["picture", "program", "library", "archive", "document"],
)
def test_what_is_named_rightly_is_not_disguised(path: str, content: bytes) -> None:
    assert of("disguised-file", found_in(content, path)) == []


def test_a_first_archive_is_medium_and_among_tests_low() -> None:
    assert of("archive", found_in(ZIP, "payload.zip")) == [("medium", "payload.zip")]
    assert of("archive", found_in(ZIP, "test/fixtures/a.zip")) == [("low", "test/fixtures/a.zip")]
    before = {**QUIET, "a.zip": ZIP}
    assert of("archive", found(before, {**before, "b.zip": ZIP + b"1"})) == [("low", "b.zip")]


def test_a_first_binary_that_code_loads_is_high() -> None:
    files = {"index.js": "require('./lib/x.node');\n", "lib/x.node": ELF}
    assert of("native-binary", found(QUIET, files)) == [("high", "lib/x.node")]
    before = {**QUIET, "lib/y.node": ELF}
    after = {**files, "lib/y.node": ELF}
    assert of("native-binary", found(before, after)) == [("low", "lib/x.node")]
    assert of("native-binary", found(None, files)) == [("low", "lib/x.node")]


@pytest.mark.parametrize("content", [b"\1\2\3" + bytes(200), b"module.exports = 1;\n"])
def test_a_program_for_node_of_no_known_kind_is_high(content: bytes) -> None:
    assert of("unknown-native", found_in(content, "lib/x.node")) == [("high", "lib/x.node")]
    before = {**QUIET, "lib/x.node": content}
    after = {**before, "index.js": "exports.b = 2;\n"}
    assert of("unknown-native", found(before, after)) == []
