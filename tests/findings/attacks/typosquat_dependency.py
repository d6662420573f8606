"""A dependency whose name is one slip away from a popular one, or from what was there before.

As crossenv (2017), electorn and loadyaml (2020), and hundreds since: a release that swaps a
dependency for its look-alike installs the look-alike everywhere. A new name needs no typing error
of a user: it only needs a reviewer who reads quickly.

Post-mortem: "Typosquatting in Programming Language Package Managers" (N. Tschacher, 2016).
In the staged tarball: package.json names a package one edit away from a well-known one.
"""

from tests.findings.attack import Attack, release

_SOURCE = "exports.greet = (name) => `Hello, ${name}!`;\n"
_NEXT = "exports.greet = (name = 'you') => `Hello, ${name}!`;\n"
_BEFORE = {"debug": "^4.3.4", "quiet-logger": "^2.1.0"}

ATTACK = Attack(
    before=release("greeter", "3.0.0", {"index.js": _SOURCE}, dependencies=_BEFORE),
    unharmed=release(
        "greeter", "3.0.1", {"index.js": _NEXT}, dependencies={**_BEFORE, "debug": "^4.3.5"}
    ),
    after={
        manner: release("greeter", "3.0.1", {"index.js": _NEXT}, dependencies=dependencies)
        for manner, dependencies in (
            ("two letters swapped", {**_BEFORE, "lodahs": "^4.17.21<<<dependency-look-alike>>>"}),
            ("a letter more", {**_BEFORE, "expresss": "^4.19.2<<<dependency-look-alike>>>"}),
            (
                "in place of the one it had",
                {"debug": "^4.3.4", "quiet-loger": "^2.1.0<<<dependency-look-alike>>>"},
            ),
            (
                "in another kind of letters",
                {**_BEFORE, "re\u0430ct": "^18.3.1<<<dependency-look-alike>>>"},
            ),
        )
    },
)
