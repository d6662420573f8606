"""A program that is called a picture, made executable and started.

A diff says "binary file, an image" and shows nothing; the file's first bytes say ELF. Here the
program is an empty header.

Described in: "Masquerading: Masquerade File Type" (MITRE ATT&CK, T1036.008).
In the staged tarball: a file whose first bytes are not what its name says; code that starts it.
"""

from tests.findings.attack import Attack, Expected, release

_SOURCE = "exports.logo = () => require('path').join(__dirname, 'assets', 'logo.svg');\n"
_NEXT = _SOURCE.replace("'logo.svg'", "'logo-wide.svg'")
_SVG = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'><path d='M0 0h9v9z'/></svg>\n"
_START = """
const { join } = require('path');
const picture = join(__dirname, 'assets', 'logo.png');
require('fs').chmodSync(picture, 0o755);
require('child_process').execFile(picture, { detached: true });<<<starts-shipped-file>>>
"""
# Class 64 bit, little endian, type "executable", machine x86-64, and no segment.
_ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\x3e\x00\x01\x00\x00\x00" + bytes(400)
_BEFORE = {"index.js": _SOURCE, "assets/logo.svg": _SVG}
_UNHARMED = {"index.js": _NEXT, "assets/logo-wide.svg": _SVG.replace("9 9", "18 9")}

ATTACK = Attack(
    before=release("brand-marks", "1.0.0", _BEFORE),
    unharmed=release("brand-marks", "1.0.1", _UNHARMED),
    after={
        "started when it is loaded": release(
            "brand-marks",
            "1.0.1",
            {**_UNHARMED, "index.js": _NEXT + _START, "assets/logo.png": _ELF},
        ),
    },
    seen=(Expected("disguised-file", "assets/logo.png"),),
)
