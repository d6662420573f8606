"""A long text that is decoded and evaluated: the oldest way to hide code.

Base64, hex, numbers or a packer's dictionary, and an eval under some name. Here what is decoded is
one harmless sentence.

Described in: "Backstabber's Knife Collection: a review of open source software supply chain
attacks" (Ohm et al., 2020).
In the staged tarball: an encoded text, and something that makes code of texts, in one place.
"""

import base64

from tests.findings.attack import Attack, one_line, release

_SENTENCE = "console.log('This is a replica, and what was decoded does nothing.');\n" * 6
_BASE64 = base64.b64encode(_SENTENCE.encode()).decode()
_HEX = _SENTENCE.encode().hex()
_NUMBERS = ",".join(str(byte) for byte in _SENTENCE.encode())
_ESCAPED = "".join(f"\\x{byte:02x}" for byte in _SENTENCE.encode())
_PACKED = one_line("""
    eval(function(p,a,c,k,e,d){e=function(c){return c.toString(36)};while(c--){if(k[c]){
    p=p.replace(new RegExp('\\\\b'+e(c)+'\\\\b','g'),k[c])}}return p}('0.1(\\'2 3 4 5\\');',6,6,
    'console|log|this|is|a|replica'.split('|'),0,{}));
""")

_SOURCE = "exports.trim = (text) => text.replace(/^\\s+|\\s+$/g, '');\n"
_NEXT = _SOURCE.replace("/g, '')", "/gu, '')")
_MANNERS = {
    "base64": f"eval(Buffer.from('{_BASE64}', 'base64').toString());<<<decoded-code>>>",
    "atob": f"const t = '{_BASE64}';\nsetTimeout(new Function(atob(t)), 9);<<<decoded-code>>>",
    "hex": f"const h = '{_HEX}';\n(0, eval)(Buffer.from(h, 'hex').toString());<<<decoded-code>>>",
    "numbers": f"const n = [{_NUMBERS}];\neval(String.fromCharCode(...n));<<<decoded-code>>>",
    "number by number": (
        f"let s = '';\nfor (const n of [{_NUMBERS}]) s += String.fromCharCode(n);\n"
        "(0, globalThis['e' + 'val'])(s);<<<computed-global>>>"
    ),
    "escapes": f"eval('{_ESCAPED}');<<<decoded-code>>>",
    "code in quotes": "setTimeout(\"require('child_process').exec('node -v')\", 9);<<<programs-in-text>>>",
    "packer": f"{_PACKED}<<<obfuscated>>>",
    "an address with the code in it": (
        f"import('data:text/javascript;base64,{_BASE64}');<<<decoded-code>>>"
    ),
}

ATTACK = Attack(
    before=release("trim-text", "1.0.0", {"index.js": _SOURCE}),
    unharmed=release("trim-text", "1.0.1", {"index.js": _NEXT}),
    after={
        manner: release("trim-text", "1.0.1", {"index.js": f"{_NEXT}\n{code}\n"})
        for manner, code in _MANNERS.items()
    },
)
