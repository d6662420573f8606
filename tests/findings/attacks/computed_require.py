"""Names that are put together, so that no search finds them.

`child_process` is in no file: it is joined, reversed, decoded or spelled in escapes, and the module
is loaded by what comes out. What it runs is decoded as well. Here it would run `node --version`.

Described in: "Backstabber's Knife Collection: a review of open source software supply chain
attacks" (Ohm et al., 2020); every post-mortem since.
In the staged tarball: `require` of something computed that is, or is used as, `child_process`.
"""

from tests.findings.attack import Attack, release

_SOURCE = "exports.pad = (text, n) => String(text).padStart(n);\n"
_NEXT = _SOURCE.replace("padStart(n)", "padStart(n, ' ')")
_MANNERS = {
    "joined": "require(['child', 'process'].join('_')).exec('node --version');<<<spelled-require>>>\n",
    "summed": "const cp = 'child_' + 'pro' + 'cess';\nrequire(cp)['ex' + 'ec']('node -v');<<<spelled-require>>>\n",
    "reversed": (
        "const run = require('ssecorp_dlihc'.split('').reverse().join(''));<<<spelled-require>>>\n"
        "run.execSync('node --version');\n"
    ),
    "decoded": (
        "const load = module.require.bind(module);\n"
        "load(Buffer.from('Y2hpbGRfcHJvY2Vzcw==', 'base64').toString()).exec('node -v');<<<encoded-words>>>\n"
    ),
    "escaped": "require('\\x63\\x68\\x69\\x6c\\x64\\x5f\\x70rocess').exec('node -v');<<<spelled-require>>>\n",
    "in a template": (
        "const a = 'child';\nconst r = require;\nr(`${a}_${'process'}`).exec('node -v');<<<spelled-require>>>\n"
    ),
    "process.binding": (
        "const { Process } = process['bin' + 'ding']('spawn_sync');<<<spelled-require>>>\nexports.p = Process;\n"
    ),
    "imported": (
        "const cp = await import('node:child_' + 'process');<<<spelled-require>>>\ncp.exec('node -v');\n"
    ),
    "main module": (
        "process.mainModule['requ' + 'ire']('chil' + 'd_process').execSync('node -v');<<<spelled-require>>>\n"
    ),
}

ATTACK = Attack(
    before=release("pad-to", "1.0.0", {"index.js": _SOURCE}),
    unharmed=release("pad-to", "1.0.1", {"index.js": _NEXT}),
    after={
        manner: release("pad-to", "1.0.1", {"index.js": f"{_NEXT}\n{code}"})
        for manner, code in _MANNERS.items()
    },
)
