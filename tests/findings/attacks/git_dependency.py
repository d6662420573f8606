"""A dependency that comes from a repository, and not from the registry.

npm clones it, installs what it needs to build and runs its `prepare` script, whatever the settings
for install scripts of packages; and what is under a branch today may be something else tomorrow.
The way of TanStack (2026), and of proofs of concept before.

Described in: npm's documentation of `--allow-git`.
In the staged tarball: a new dependency whose range is a repository's address.
"""

from tests.findings.attack import Attack, release

_SOURCE = "exports.sum = (...numbers) => numbers.reduce((a, b) => a + b, 0);\n"
_NEXT = _SOURCE + "exports.mean = (...numbers) => exports.sum(...numbers) / numbers.length;\n"
_BEFORE = {"round-to": "^6.0.0"}

ATTACK = Attack(
    before=release("sums", "1.4.0", {"index.js": _SOURCE}, dependencies=_BEFORE),
    unharmed=release("sums", "1.5.0", {"index.js": _NEXT}, dependencies={"round-to": "^6.1.0"}),
    after={
        manner: release(
            "sums", "1.5.0", {"index.js": _NEXT}, dependencies={**_BEFORE, "sum-setup": spec}
        )
        for manner, spec in (
            ("short for GitHub", "github:example/sum-setup#main<<<dependency-git>>>"),
            ("shorter still", "example/sum-setup<<<dependency-git>>>"),
            ("an address", "git+https://git.example.org/sum-setup.git<<<dependency-git>>>"),
            (
                "by SSH",
                "git+ssh://git@git.example.org/sum-setup.git#semver:^1.0<<<dependency-git>>>",
            ),
        )
    },
)
