"""Manifest confusion: the registry lists one version, the tarball's package.json says another.

npm shows what was sent beside the tarball, and installs what is in it; nothing ever compared the
two. So a page may show no dependencies and no scripts where the tarball has both.

Described in: "The massive bug at the heart of the npm ecosystem" (D. Clarke, 2023).
At the registry: the listed version is not that of the tarball's package.json.
"""

from tests.findings.attack import Attack, release

_SOURCE = "exports.twice = (n) => n * 2;\n"
_NEXT = "exports.twice = (n) => n + n;\n"

ATTACK = Attack(
    before=release("twice-as-much", "1.0.0", {"index.js": _SOURCE}),
    unharmed=release("twice-as-much", "1.0.1", {"index.js": _NEXT}),
    after={"the version": release("twice-as-much", "1.0.2", {"index.js": _NEXT})},
    seen_at_registry=("named-otherwise",),
    staged={"package": "twice-as-much", "version": "1.0.1"},
)
