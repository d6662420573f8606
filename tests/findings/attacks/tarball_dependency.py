"""A dependency that is downloaded from an address of its own.

No registry keeps it, so it may be another file for each who asks, and disappear afterwards. The
way of PhantomRaven (2025): packages without any code of their own, whose only dependency was an
`http://` address that no scanner followed.

Post-mortem: "PhantomRaven: npm malware hidden in invisible dependencies" (Koi Security, 2025-10).
In the staged tarball: a new dependency whose range is an address of a file.
"""

from tests.findings.attack import Attack, release

_SOURCE = "module.exports = { rules: { 'no-unused-imports': 'warn' } };\n"
_NEXT = "module.exports = { rules: { 'no-unused-imports': 'error' } };\n"
_BEFORE = {"rule-parts": "^1.0.0"}

ATTACK = Attack(
    before=release("unused-imports", "1.0.0", {"index.js": _SOURCE}, dependencies=_BEFORE),
    unharmed=release(
        "unused-imports", "1.0.1", {"index.js": _NEXT}, dependencies={"rule-parts": "^1.0.1"}
    ),
    after={
        "not even encrypted": release(
            "unused-imports",
            "1.0.1",
            {"index.js": _NEXT},
            dependencies={
                **_BEFORE,
                "ui-parts": "http://packages.example.invalid/npm/ui-parts<<<dependency-remote>>>",
            },
        ),
        "a tarball": release(
            "unused-imports",
            "1.0.1",
            {"index.js": _NEXT},
            dependencies={
                **_BEFORE,
                "ui-parts": "https://cdn.example.invalid/ui-parts.tgz<<<dependency-remote>>>",
            },
        ),
    },
)
