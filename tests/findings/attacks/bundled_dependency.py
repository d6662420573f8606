"""A package inside the package, with an install script of its own.

What is under `node_modules` in a tarball and named in `bundleDependencies` is installed as it is
there, not from the registry: no advisory, no provenance and no digest of anybody covers it. npm
runs its install scripts all the same.

Described in: npm's documentation of bundleDependencies.
In the staged tarball: new files under `node_modules`, and in one package.json there a script.
"""

import json

from tests.findings.attack import Attack, release

_SOURCE = "const once = require('call-once');\nexports.start = once(() => 'started');\n"
_NEXT = "const once = require('call-once');\nexports.start = once(() => 'Started.');\n"
_INNER = json.dumps(
    {
        "name": "call-once",
        "version": "1.4.1",
        "main": "once.js",
        "scripts": {"postinstall": "node prepare.js<<<nested-install-script>>>"},
    },
    indent=2,
)
_ONCE = "module.exports = (f) => { let r, d; return () => (d ? r : ((d = true), (r = f()))); };\n"
_PREPARE = "require('child_process').execSync('node --version');\n"
_MANIFEST = {"dependencies": {"call-once": "^1.4.0"}}

ATTACK = Attack(
    before=release("starter", "1.0.0", {"index.js": _SOURCE}, **_MANIFEST),
    unharmed=release("starter", "1.0.1", {"index.js": _NEXT}, **_MANIFEST),
    after={
        "declared": release(
            "starter",
            "1.0.1",
            {
                "index.js": _NEXT,
                "node_modules/call-once/package.json": _INNER,
                "node_modules/call-once/once.js": _ONCE,
                "node_modules/call-once/prepare.js": _PREPARE,
            },
            **_MANIFEST,
            bundleDependencies=["call-once"],
        ),
    },
)
