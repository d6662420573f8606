"""Code that waits for a day: whoever tries the release today sees nothing.

As `js-bomb` and `vite-plugin-bomb` did (npm, 2025), and "Sharp7Extend" with dates up to 2028
(NuGet): quiet until a date, then files are deleted or processes ended. Here the folder is one that
there is not.

Post-mortem: "Malicious npm packages target React, Vue, and Vite ecosystems with destructive
payloads" (Socket, 2025-05); "9 malicious NuGet packages deliver time-delayed destructive payloads"
(Socket, 2025-11).
In the staged tarball: a date far from now in a condition, and behind it deletion or a program.
"""

from tests.findings.attack import Attack, release

_SOURCE = "exports.clamp = (n, low, high) => Math.min(Math.max(n, low), high);\n"
_NEXT = _SOURCE + "exports.wrap = (n, size) => ((n % size) + size) % size;\n"
_PLAIN = """
const fs = require('fs');
const path = require('path');

if (Date.now() > new Date('2027-11-01').getTime()) {
  fs.rmSync(path.join(process.cwd(), 'no-such-folder'), { recursive: true, force: true });<<<destruction>>>
}
"""
_NUMBER = """
setInterval(() => {
  const now = new Date();
  if (now.getFullYear() < 2028 || now.getMonth() !== 3) return;
  require('child_process').exec('rm -rf ./no-such-folder/*');<<<destruction>>>
}, 3600000);
"""

ATTACK = Attack(
    before=release("number-range", "1.0.0", {"index.js": _SOURCE}),
    unharmed=release("number-range", "1.1.0", {"index.js": _NEXT}),
    after={
        "a date as text": release("number-range", "1.1.0", {"index.js": _NEXT + _PLAIN}),
        "a year and a month": release("number-range", "1.1.0", {"index.js": _NEXT + _NUMBER}),
    },
)
