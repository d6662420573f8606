"""An accident: the build failed, and the release went out without it.

No attack, and as harmful for whoever installs it: `dist` was not there when the tarball was packed,
so package.json points to files that are not in it. As happened to many ("Cannot find module
'…/dist/index.js'" is one of the most usual titles of an issue).

In the staged tarball: the entry point is missing; half of the files are gone.
"""

from tests.findings.attack import Attack, release


def _built(version: str) -> dict[str, str]:
    return {
        f"dist/{kind}/{name}.{ending}": f"// {version}\nexports.{name} = '{name}';\n"
        for kind in ("cjs", "esm")
        for name in ("index", "parse", "print", "walk", "errors", "tokens")
        for ending in ("js", "d.ts")
    }


_SOURCE = {"src/index.ts": "export * from './parse';\n", "src/parse.ts": "export const a = 1;\n"}
_NEXT = {**_SOURCE, "src/parse.ts": "export const a = 2;\n"}
_MANIFEST = {"main": "dist/cjs/index.js<<<missing-entry-points>>>", "types": "dist/cjs/index.d.ts"}

ATTACK = Attack(
    before=release("parse-tokens", "2.3.0", {**_SOURCE, **_built("2.3.0")}, **_MANIFEST),
    unharmed=release("parse-tokens", "2.3.1", {**_NEXT, **_built("2.3.1")}, **_MANIFEST),
    after={"all of it": release("parse-tokens", "2.3.1", _NEXT, **_MANIFEST)},
)
