"""Dependency confusion, 2021: a dependency by a name that nobody has at the registry, so far.

A release that names an internal package where it is not found can be completed by anybody: whoever
publishes under that name first runs code in every installation.

Post-mortem: "Dependency confusion: how I hacked into Apple, Microsoft and dozens of other
companies" (A. Birsan, 2021).
At the registry: it has no package of that name.
"""

from approvals.inspection.staging import Dependency
from tests.findings.attack import Attack, release

_SOURCE = "exports.pay = (amount) => ({ amount, currency: 'EUR' });\n"
_NEXT = "exports.pay = (amount, currency = 'EUR') => ({ amount, currency });\n"
_BEFORE = {"form-parts": "^4.0.4"}

ATTACK = Attack(
    before=release("pay-forms", "5.1.0", {"index.js": _SOURCE}, dependencies=_BEFORE),
    unharmed=release(
        "pay-forms", "5.2.0", {"index.js": _NEXT}, dependencies={"form-parts": "^4.0.5"}
    ),
    after={
        "of a company": release(
            "pay-forms",
            "5.2.0",
            {"index.js": _NEXT},
            dependencies={**_BEFORE, "pay-internal-logger": "^1.0.0"},
        ),
    },
    seen_at_registry=("dependency-missing",),
    staged={
        "new_dependencies": (
            Dependency(
                "pay-internal-logger",
                "^1.0.0",
                failure="The registry has no package of this name.",
                is_missing=True,
            ),
        ),
    },
)
