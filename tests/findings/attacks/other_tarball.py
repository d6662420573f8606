"""A tarball that is not the one the registry lists.

What a reviewer downloads and what the registry says it keeps differ: a mirror, a cache or a proxy
has changed it on its way, or the listing was changed afterwards.

Described in: "The massive bug at the heart of the npm ecosystem" (D. Clarke, 2023: manifest
confusion).
At the registry: the digest listed is not the digest of what was downloaded.
"""

from tests.findings.attack import Attack, release

_SOURCE = "exports.half = (n) => n / 2;\n"
_NEXT = "exports.half = (n) => n * 0.5;\n"

ATTACK = Attack(
    before=release("halves", "1.0.0", {"index.js": _SOURCE}),
    unharmed=release("halves", "1.0.1", {"index.js": _NEXT}),
    after={"another digest": release("halves", "1.0.1", {"index.js": _NEXT})},
    seen_at_registry=("digest-unlike-listing",),
    staged={"listed_shasum": "ab" * 20},
)
