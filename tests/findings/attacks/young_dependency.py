"""axios, March 2026: a release whose only change is a dependency that is hours old.

With a maintainer's stolen account, two versions were published that depended on a package which the
attacker had published the day before, under a name that sounds like one of cryptography. Nothing
imported it: its `postinstall` fetched a remote access tool for the system it was on, and then put a
clean package.json in place of its own.

Post-mortem: issue 10604 of axios/axios.
At the registry: the new dependency was first published hours before, and has an install script.
"""

from datetime import UTC, datetime

from approvals.inspection.staging import Dependency
from tests.findings.attack import Attack, release

_SOURCE = "exports.get = (url) => fetch(url).then((answer) => answer.json());\n"
_NEXT = "exports.get = (url, options) => fetch(url, options).then((answer) => answer.json());\n"
_BEFORE = {"form-parts": "^4.0.4"}

ATTACK = Attack(
    before=release("http-calls", "1.14.0", {"index.js": _SOURCE}, dependencies=_BEFORE),
    unharmed=release(
        "http-calls", "1.14.1", {"index.js": _NEXT}, dependencies={"form-parts": "^4.0.5"}
    ),
    after={
        "alone": release(
            "http-calls",
            "1.14.1",
            {"index.js": _NEXT},
            dependencies={**_BEFORE, "plain-cipher-js": "^4.2.1"},
        ),
    },
    seen_at_registry=("dependency-young", "dependency-install-script"),
    staged={
        "new_dependencies": (
            Dependency(
                "plain-cipher-js",
                "^4.2.1",
                version="4.2.1",
                first_published_at=datetime(2026, 3, 30, 5, 57, tzinfo=UTC),
                version_published_at=datetime(2026, 3, 30, 23, 59, tzinfo=UTC),
                install_scripts={"postinstall": "node setup.js"},
            ),
        ),
    },
)
