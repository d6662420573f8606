"""Manifest confusion: a tarball whose package.json has another package's name.

npm shows what was sent beside the tarball, and installs what is in it; nothing ever compared the
two. Tools that go by what is installed, as those that look for known weaknesses, then go by the
wrong name.

Described in: "The massive bug at the heart of the npm ecosystem" (D. Clarke, 2023).
In the staged tarball: package.json has not the name that the baseline's has.
"""

from tests.findings.attack import Attack, release

_SOURCE = "exports.thrice = (n) => n * 3;\n"
_NEXT = "exports.thrice = (n) => n + n + n;\n"
_RENAMED = release("thrice-as-rnuch", "1.0.1", {"index.js": _NEXT})
_MANIFEST = str(_RENAMED["package.json"]).replace('-rnuch"', '-rnuch<<<named-otherwise>>>"', 1)

ATTACK = Attack(
    before=release("thrice-as-much", "1.0.0", {"index.js": _SOURCE}),
    unharmed=release("thrice-as-much", "1.0.1", {"index.js": _NEXT}),
    after={"almost the same": {**_RENAMED, "package.json": _MANIFEST}},
)
