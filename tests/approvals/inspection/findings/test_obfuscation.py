"""Code that programs have made unreadable."""

import time

import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import QUIET, found, found_in

NAMES = "".join(f"var _0x{number:04x}=_0x1a2b[{number}];" for number in range(30))
ROTATION = (
    "(function(a,b){const c=d,e=a();while(!![]){try{const f=-parseInt(c(0x1))/0x1+"
    "parseInt(c(0x2))/0x2*(parseInt(c(0x3))/0x3);if(f===b)break;else e['push'](e['shift']());}"
    "catch(g){e['push'](e['shift']());}}}(x,0xabcde));"
)
ORDER = (
    "var o='3|1|2|0|4'['split']('|'),i=0;while(!![]){switch(o[i++]){case'0':x();continue;}break;}"
)
PACKED = "eval(function(p,a,c,k,e,d){return p}('0 1',2,2,'a|b'.split('|'),0,{}))"
SIGNS = "[][(![]+[])[+[]]+(![]+[])[!+[]+!+[]]+(![]+[])[+!+[]]+(!![]+[])[+[]]];" * 6
KINDS = {
    "names": NAMES,
    "rotation": ROTATION,
    "order": ORDER,
    "packer": PACKED,
    "signs": SIGNS,
    "friendly": "$=~[];$={___:++$,$$$$:(![]+'')[$]};",
}


@pytest.mark.parametrize("code", KINDS.values(), ids=KINDS)
def test_every_manner_of_obfuscation_is_known(code: str) -> None:
    (finding,) = found_in(f"// Pads.\n{code}\n", "lib/pad.js", rule="obfuscated")
    assert (finding.severity, finding.line) == (Severity.HIGH, 2)


def test_where_it_runs_first_it_looks_like_an_attack() -> None:
    (finding,) = found_in(NAMES, rule="obfuscated")
    assert finding.severity is Severity.CRITICAL


def test_where_the_baseline_was_unreadable_it_weighs_less() -> None:
    now = {"index.js": f"{NAMES}{NAMES.replace('_0x00', '_0xaa')}\n"}
    (finding,) = found({"index.js": f"{NAMES}\n"}, now, rule="obfuscated")
    assert (finding.severity, finding.is_new) == (Severity.LOW, False)


@pytest.mark.parametrize(
    "code",
    [
        "const queue = []; queue.push(queue.shift()); parseInt(a(1)); // turned",
        "const kinds = 'a|b|c'.split('|'); while (true) { switch (kinds[0]) { default: break; } }",
        "const colour = 0x00ff00, _0xff = 1;",
        "!function(){var e=!![],t=![];return e||t}();",
    ],
    ids=["queue", "split", "numbers", "minified"],
)
def test_ordinary_code_is_not_obfuscated(code: str) -> None:
    assert found_in(f"{code}\n", rule="obfuscated") == []


def test_names_written_as_escapes_are_read() -> None:
    escaped = "".join(f"\\x{byte:02x}" for byte in b"child_process")
    (finding,) = found_in(f"const a = 1;\nrequire('{escaped}');\n", rule="escaped-text")
    assert (finding.severity, finding.line) == (Severity.HIGH, 2)
    assert "child_process" in finding.detail


def test_text_written_as_numbers_is_read() -> None:
    numbers = ", ".join(map(str, b"https://drop.example.invalid/in"))
    code = f"const to = String.fromCharCode({numbers});\n"
    (finding,) = found_in(code, rule="escaped-text")
    assert finding.severity is Severity.HIGH
    assert "https://drop.example.invalid/in" in finding.detail


def test_tables_of_letters_are_nothing() -> None:
    code = "const letters = /[\\xc0-\\xd6\\xd8-\\xf6\\u0370-\\u037d]/; const a = '\\x1b[31m';\n"
    assert found_in(code, rule="escaped-text") == []


def test_a_powerful_name_in_pieces_is_put_together() -> None:
    (finding,) = found_in("const run = globalThis['ev' + 'al'];\n", rule="computed-global")
    assert finding.severity is Severity.HIGH
    assert "“eval”" in finding.title


def test_an_ordinary_name_in_pieces_is_not() -> None:
    assert (
        found_in("window['on' + 'resize'] = f; self['a' + b] = 1;\n", rule="computed-global") == []
    )


@pytest.mark.parametrize(
    "code",
    [
        "push(a.shift())" * 60_000,
        "1|" * 400_000,
        "\\x41" * 200_000,
        "fromCharCode(" + "1," * 200_000,
    ],
    ids=["push", "order", "escapes", "numbers"],
)
def test_what_is_made_to_take_long_does_not(code: str) -> None:
    begun = time.process_time()
    found(QUIET, {**QUIET, "lib/a.js": code})
    assert time.process_time() - begun < 20
