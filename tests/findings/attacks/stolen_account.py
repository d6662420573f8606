"""A release from a person's machine, where a workflow has staged every one before.

Nearly every taken-over account shows so first: ua-parser-js, eslint-config-prettier, chalk and
axios were published with a password or a token from somewhere else than ever before, without any
provenance. The tarball may look like every other.

Post-mortem: "npm debug and chalk packages compromised" (Aikido, 2025-09-08) and others.
At the registry: who staged it never did before, and is a person where automation was.
"""

from approvals.inspection.staging import Stager
from tests.findings.attack import Attack, release

_SOURCE = "exports.strip = (text) => text.replace(/\\u001B\\[[0-9;]*m/g, '');\n"
_NEXT = "exports.strip = (text) => String(text).replace(/\\u001B\\[[0-9;]*m/g, '');\n"

ATTACK = Attack(
    before=release("strip-colors", "7.1.0", {"index.js": _SOURCE}),
    unharmed=release("strip-colors", "7.1.1", {"index.js": _NEXT}),
    after={"nothing in the tarball": release("strip-colors", "7.1.1", {"index.js": _NEXT})},
    seen_at_registry=("unknown-stager",),
    staged={
        "actor": "somebody-else",
        "actor_type": "user",
        "earlier": tuple(
            Stager(f"7.0.{n}", "strip-colors/release.yml", "oidc") for n in range(9, 0, -1)
        ),
    },
)
