"""Encoded text, and what it turns out to be."""

import base64
import gzip

import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import found_in

CODE = b"const cp = require('child_process');\nfunction go() { return cp.execSync('id'); }\ngo();\n"
PROGRAM = b"\x7fELF\x02\x01\x01" + bytes(300)


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    "text",
    [in_base64(CODE), CODE.hex(), in_base64(gzip.compress(CODE, mtime=0))],
    ids=["Base64", "hex", "compressed"],
)
def test_code_is_read(text: str) -> None:
    (finding,) = found_in(f"const a = 1;\nconst b = '{text}';\n", rule="encoded-code")
    assert (finding.severity, finding.line) == (Severity.HIGH, 2)
    assert "const cp = require('child_process');" in finding.detail


@pytest.mark.parametrize("text", [in_base64(PROGRAM), PROGRAM.hex()], ids=["Base64", "hex"])
def test_a_program_is_known(text: str) -> None:
    (finding,) = found_in(f"module.exports = '{text}';\n", "lib/a.js", rule="encoded-program")
    assert finding.severity is Severity.HIGH
    assert "Linux" in finding.detail


def test_also_in_a_file_of_data() -> None:
    (finding,) = found_in(f'["{in_base64(CODE)}"]\n', "test/data.json", rule="encoded-code")
    assert finding.path == "test/data.json"


@pytest.mark.parametrize("word", ["child_process", "./test/data", "npm_package_description"])
def test_a_telling_name_in_hex_is_read(word: str) -> None:
    (finding,) = found_in(f"r(e('{word.encode().hex()}'));\n", rule="encoded-words")
    assert finding.severity is Severity.HIGH
    assert word in finding.detail


def test_an_address_in_base64_is_read() -> None:
    text = in_base64(b"https://drop.example.invalid/in")
    (finding,) = found_in(f"fetch(atob('{text}'));\n", rule="encoded-address")
    assert finding.severity is Severity.HIGH
    assert "https://drop.example.invalid/in" in finding.detail


def test_a_name_written_backwards_is_read() -> None:
    code = "require('ssecorp_dlihc'.split('').reverse().join(''));\n"
    (finding,) = found_in(code, rule="reversed-words")
    assert "child_process" in finding.detail


SVG = in_base64(b"<svg xmlns='http://www.w3.org/2000/svg'><script>function a(){}</script></svg>")
WASM = in_base64(b"\0asm\1\0\0\0" + b"function require(" + bytes(400))
MAP = in_base64(b'{"version":3,"sourcesContent":["const a = require(\'b\'); function c() {}"]}')


@pytest.mark.parametrize(
    "code",
    [
        f"img.src = 'data:image/svg+xml;base64,{SVG}';",
        f"//# sourceMappingURL=data:application/json;base64,{MAP}",
        f"const wasm = '{WASM}';",
        f"const font = '{in_base64(b'wOF2' + bytes(range(256)) * 4)}';",
        f"const hash = '{'0123456789abcdef' * 4}';",
        f"const table = '{in_base64(gzip.compress(b'1,2,3;' * 400, mtime=0))}';",
    ],
    ids=["picture", "source map", "WebAssembly", "font", "digest", "table"],
)
def test_what_bundlers_put_into_code_is_nothing(code: str) -> None:
    assert not [one for one in found_in(f"{code}\n") if one.rule.startswith("encoded-")]


def test_a_bomb_is_opened_in_bounds() -> None:
    bomb = in_base64(gzip.compress(b"const a = require('b'); function c() {}\n" * 500_000, mtime=0))
    (finding,) = found_in(f"module.exports = '{bomb}';\n", rule="encoded-code")
    assert "compressed" in finding.detail


def test_an_example_in_a_comment_weighs_less() -> None:
    text = in_base64(b"#!/bin/bash\nmkdir -p /var/example\n")
    (finding,) = found_in(f"/** Commands are encoded, as {text} */\n", rule="encoded-program")
    assert finding.severity is Severity.LOW
