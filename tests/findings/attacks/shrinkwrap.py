"""A published lock file that takes one dependency from somewhere else.

`npm-shrinkwrap.json` is the only lock file that npm obeys inside a package: what its `resolved`
says is downloaded, and `integrity` may be whatever that file has.

Described in: "Why npm lockfiles can be a security blindspot for injecting malicious modules"
(L. Tal, Snyk, 2019).
In the staged tarball: a new `npm-shrinkwrap.json` with an address unlike all others in it.
"""

import json

from tests.findings.attack import Attack, release

_SOURCE = "#!/usr/bin/env node\nconsole.log(require('left-column')(process.argv[2], 20));\n"
_NEXT = "#!/usr/bin/env node\nconsole.log(require('left-column')(process.argv[2] || '', 20));\n"
_MANIFEST = {"dependencies": {"left-column": "^1.3.0", "words-of": "^2.0.0"}}


def _locked(version: str, address: str) -> str:
    return json.dumps(
        {
            "name": "columns",
            "version": version,
            "lockfileVersion": 3,
            "packages": {
                "": {"name": "columns", "version": version, **_MANIFEST},
                "node_modules/left-column": {
                    "version": "1.3.0",
                    "resolved": address,
                    "integrity": "sha512-" + "A" * 86 + "==",
                },
                "node_modules/words-of": {
                    "version": "2.0.1",
                    "resolved": "https://registry.example.org/words-of/-/words-of-2.0.1.tgz",
                    "integrity": "sha512-" + "B" * 86 + "==",
                },
                "node_modules/letters-of": {
                    "version": "2.0.1",
                    "resolved": "https://registry.example.org/letters-of/-/letters-of-2.0.1.tgz",
                    "integrity": "sha512-" + "C" * 86 + "==",
                },
            },
        },
        indent=2,
    )


_LOCAL = "https://registry.example.org/left-column/-/left-column-1.3.0.tgz"

ATTACK = Attack(
    before=release(
        "columns",
        "1.0.0",
        {"index.js": _SOURCE, "npm-shrinkwrap.json": _locked("1.0.0", _LOCAL)},
        **_MANIFEST,
    ),
    unharmed=release(
        "columns",
        "1.0.1",
        {"index.js": _NEXT, "npm-shrinkwrap.json": _locked("1.0.1", _LOCAL)},
        **_MANIFEST,
    ),
    after={
        manner: release(
            "columns",
            "1.0.1",
            {
                "index.js": _NEXT,
                "npm-shrinkwrap.json": _locked("1.0.1", f"{address}<<<lock-file-address>>>"),
            },
            **_MANIFEST,
        )
        for manner, address in (
            ("another host", "https://mirror.example.invalid/left-column-1.3.0.tgz"),
            ("a repository", "git+ssh://git@git.example.invalid/left-column.git#" + "a1" * 20),
            (
                "another package",
                "https://registry.example.org/left-colunm/-/left-colunm-1.3.0.tgz",
            ),
        )
    },
)
