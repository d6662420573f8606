"""Code and data that nobody sees."""

import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import QUIET, found, found_in

SAYS = b"const { execSync } = require('child_process'); execSync('id'); // and much more than that"


def as_selectors(data: bytes) -> str:
    return "".join(chr(0xFE00 + byte) if byte < 16 else chr(0xE0100 + byte - 16) for byte in data)


def as_tags(data: bytes) -> str:
    return "".join(chr(0xE0000 + byte) for byte in data)


def as_joiners(data: bytes) -> str:
    bits = "".join(f"{byte:08b}" for byte in data)
    return "".join("\u200b" if bit == "0" else "\u200c" for bit in bits)


@pytest.mark.parametrize("write", [as_selectors, as_tags], ids=["selectors", "tags"])
def test_invisible_characters_that_carry_code_are_decoded(write: type[str]) -> None:
    (finding,) = found_in(f"const x = 1;\nconst y = `{write(SAYS)}`;\n", rule="hidden-data")
    assert finding.severity is Severity.CRITICAL
    assert finding.line == 2
    assert f"{len(SAYS):,} bytes" in finding.title
    assert "const { execSync } = require('child_process')" in finding.detail
    assert not {*write(SAYS)} & {*finding.excerpt}


def test_bits_of_no_width_are_counted() -> None:
    (finding,) = found_in(f"const y = '{as_joiners(SAYS)}';\n", rule="hidden-data")
    assert finding.severity is Severity.CRITICAL
    assert f"{len(SAYS):,} bytes" in finding.title


def test_text_in_a_readme_that_only_machines_read_is_named() -> None:
    text = f"# Pads{as_tags(SAYS)}\n"
    (finding,) = found(QUIET, {**QUIET, "README.md": text}, rule="hidden-data")
    assert finding.severity is Severity.HIGH
    assert finding.path == "README.md"


@pytest.mark.parametrize(
    "text",
    [
        "const flag = '\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f';",
        "const family = '\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466\ufe0f';",
        "const word = '\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645';",
        "const blank = /[\\s\ufeff\u200b\xa0]/g;",
        "const icons = { left: '\ue001', right: '\ue002' };",
    ],
    ids=["flag", "family", "Persian", "pattern", "icons"],
)
def test_what_languages_and_pictures_need_is_nothing(text: str) -> None:
    assert not [one for one in found_in(text + "\n") if one.rule.startswith("hidden-")]


def test_a_line_that_is_turned_round_is_spelt_out() -> None:
    code = "const a = 1;\nif (isUser) { /*\u202e } \u2066if (isAdmin)\u2069 \u2066 begin */ }\n"
    (finding,) = found_in(code, rule="hidden-bidirectional")
    assert (finding.severity, finding.line) == (Severity.HIGH, 2)
    assert "[U+202E]" in finding.excerpt
    assert "\u202e" not in finding.excerpt


@pytest.mark.parametrize(
    "code",
    [
        "const { timeout, \u3164 } = request.query;",
        "const user\u200dName = 1;",
        "const pad = require('left\u200b-pad');",
    ],
    ids=["filler", "joiner", "package"],
)
def test_a_name_with_an_invisible_letter_is_named(code: str) -> None:
    (finding,) = found_in(f"{code}\n", rule="hidden-in-names")
    assert finding.severity is Severity.HIGH
    assert "U+" in finding.detail


def test_what_the_baseline_had_is_nothing_new() -> None:
    old = f"const y = `{as_selectors(SAYS)}`;\n"
    now = {"index.js": f"{old}exports.a = 2;\n"}
    assert found({"index.js": old}, now, rule="hidden-data") == []
