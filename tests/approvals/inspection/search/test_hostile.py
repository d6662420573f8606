"""Input that is made to keep the search busy: it must end soon, whatever it finds."""

from time import thread_time

import pytest

from approvals.inspection.search import pieces
from tests.approvals.inspection.findings.packages import QUIET, found

MOST_SECONDS = 20
"""Far more than it takes, as tests run beside each other; without bounds it would be minutes."""

_MEGABYTE = 1_048_576
HOSTILE = {
    "eval without end": "eval(" * (6 * _MEGABYTE // 5),
    "brackets": "[" * _MEGABYTE + 'require("child_process")',
    "braces in a small file": "{" * 60_000 + 'require("child_process")',
    "calls in calls in a small file": "eval(" * 12_000,
    "sums": "require(" + '"a"+' * 15_000 + '"b")',
    "sums in a large file": "require(" + '"a"+' * 300_000 + '"b")',
    "a template without end": "const t = `" + "${`" * 20_000 + " eval(a) process.env",
    "text without end": 'const t = "' + "process.env " * 80_000,
    "names declared again and again": "const n = n + 1; require(n);\n" * 3_000,
    "broken": "}{)(][ function => ? : eval( class ` ' \" process.env /* " * 1_100,
    "comments without end": "eval(a)\n/*" * 6_000,
    "spaces": "require(" + " " * _MEGABYTE + "a)",
    "curl": "exec('curl " + "a |" * 200_000,
    "names made of names": "".join(f"const v{n}=v{n + 1}+v{n + 1}+v{n + 1};" for n in range(900))
    + "require(v1);" * 2_500,
    "signs": "process.env.NPM_TOKEN; fetch(a); eval(b); x.request(c); fs.rm(d, e);\n" * 5_000,
}


@pytest.fixture(autouse=True)
def _less_time_to_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is the same, and reached sooner."""
    monkeypatch.setattr(pieces, "_MOST_SECONDS", 1.0)


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_it_ends_soon(name: str) -> None:
    begun = thread_time()
    findings = found(QUIET, {**QUIET, "lib/a.js": HOSTILE[name]})
    assert thread_time() - begun < MOST_SECONDS
    assert "rule-crashed" not in {one.rule for one in findings}


def test_a_payload_behind_what_keeps_busy_is_told_or_the_bound_is() -> None:
    payload = "fetch(a, { body: JSON.stringify(process.env) });"
    code = HOSTILE["signs"] + payload
    rules = {one.rule for one in found(QUIET, {**QUIET, "lib/a.js": code})}
    assert rules & {"exfiltration", "limit-search", "limit-parse"}
