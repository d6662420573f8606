"""A command of the package that takes the place of one that everybody uses.

`bin` puts names on the path of every script of whoever installs the package: one called `git`,
`node` or `npm` is what their scripts run from then on ("manifest confusion" and "binary planting").

Described in: "Binary Planting with the npm CLI" (npm's blog, 2019-12-11, CVE-2019-16777).
In the staged tarball: package.json's `bin` has a new name that is another program's.
"""

from tests.findings.attack import Attack, release

_SOURCE = "exports.log = (text) => console.log(text);\n"
_NEXT = "exports.log = (...text) => console.log(...text);\n"
_BIN = "#!/usr/bin/env node\nrequire('./index.js').log(process.argv.slice(2).join(' '));\n"
_FILES = {"index.js": _SOURCE, "cli.js": _BIN}
_NEW = {"index.js": _NEXT, "cli.js": _BIN}

ATTACK = Attack(
    before=release("say-it", "1.0.0", _FILES, bin={"say-it": "cli.js"}),
    unharmed=release("say-it", "1.0.1", _NEW, bin={"say-it": "cli.js", "say-it-loud": "cli.js"}),
    after={
        name: release(
            "say-it", "1.0.1", _NEW, bin={"say-it": "cli.js", name: "cli.js<<<command-shadows>>>"}
        )
        for name in ("git", "node", "npm")
    },
)
