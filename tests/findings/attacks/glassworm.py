"""GlassWorm, 2025: a whole program in characters that are not shown.

Variation selectors carry one byte each and have no shape: editors and diffs show an empty text
between two quotes. A decoder of one line makes code of it and evaluates it. Here the program is one
harmless sentence.

Post-mortem: "GlassWorm: first self-propagating worm using invisible code hits OpenVSX marketplace"
(Koi Security, 2025-10-18); the same in npm packages: "os-info-checker-es6" (Veracode, 2025-05).
In the staged tarball: many variation selectors in a row, and an eval.
"""

from tests.findings.attack import Attack, release

_SENTENCE = "console.log('This is a replica, and does nothing.'); // " + "replica " * 20


def _invisible(text: str) -> str:
    return "".join(
        chr(0xFE00 + byte) if byte < 16 else chr(0xE0100 + byte - 16) for byte in text.encode()
    )


_SOURCE = """\
exports.describe = function () {
  return { platform: process.platform, version: process.version };
};
"""
_NEXT = _SOURCE.replace("version: process.version", "version: process.version, arch: process.arch")
_DECODED = f"""
const shown = (text) => [...text].map((one) => one.codePointAt(0)).map((n) =>
  n >= 0xfe00 && n <= 0xfe0f ? n - 0xfe00 : n - 0xe0100 + 16);
eval(Buffer.from(shown('{_invisible(_SENTENCE)}')).toString());<<<hidden-data>>>
"""
_QUIET = f"""
const decode = require('./characters');
exports.banner = decode(`{_invisible(_SENTENCE)}`);<<<hidden-data>>>
"""
_CHARACTERS = "module.exports = (text) => Array.from(text, (one) => one.codePointAt(0) & 0xff);\n"

ATTACK = Attack(
    before=release("system-facts", "1.0.6", {"index.js": _SOURCE}),
    unharmed=release("system-facts", "1.0.7", {"index.js": _NEXT}),
    after={
        "evaluated": release("system-facts", "1.0.7", {"index.js": _NEXT + _DECODED}),
        "evaluated elsewhere": release(
            "system-facts", "1.0.7", {"index.js": _NEXT + _QUIET, "characters.js": _CHARACTERS}
        ),
    },
)
