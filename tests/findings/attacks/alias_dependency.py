"""A dependency that is another package than its name says.

`"debug": "npm:…"` installs a package of any name under a trusted one: the code goes on saying
`require("debug")`, and so does every list of dependencies that only prints names.

Described in: "Dependency confusion: how I hacked into Apple, Microsoft and dozens of other
companies" (A. Birsan, 2021) and npm's documentation of aliases.
In the staged tarball: a range that became an alias to a package of another name.
"""

from tests.findings.attack import Attack, release

_SOURCE = "const debug = require('debug')('wire');\nexports.send = (text) => debug(text);\n"
_NEXT = "const debug = require('debug')('wire');\nexports.send = (text) => debug('%s', text);\n"

ATTACK = Attack(
    before=release("wire-parts", "2.2.0", {"index.js": _SOURCE}, dependencies={"debug": "^4.3.4"}),
    unharmed=release("wire-parts", "2.2.1", {"index.js": _NEXT}, dependencies={"debug": "^4.3.5"}),
    after={
        "in place of the real one": release(
            "wire-parts",
            "2.2.1",
            {"index.js": _NEXT},
            dependencies={"debug": "npm:@wire-tools/debug-compat@^4.3.5<<<dependency-alias>>>"},
        ),
    },
)
