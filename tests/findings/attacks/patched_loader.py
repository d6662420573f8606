"""The loader of modules itself, changed: every later `require` goes through the attacker.

`Module._load` or `Module.prototype._compile` replaced, a handler in `require.extensions`, or a hook
registered with `module.register`: other packages' code is then changed as it is loaded.

Described in: Node's documentation of `module.registerHooks` and of `require.extensions`.
In the staged tarball: new code that assigns to the loader's functions.
"""

from tests.findings.attack import Attack, release

_SOURCE = "exports.now = () => new Date().toISOString();\n"
_NEXT = _SOURCE.replace("toISOString()", "toISOString().slice(0, 19)")
_LOAD = """
const Module = require('module');
const load = Module._load;
Module._load = function (request, parent, isMain) {<<<patched-loader>>>
  const loaded = load.apply(this, arguments);
  if (request === 'https') loaded.request = new Proxy(loaded.request, {});
  return loaded;
};
"""
_COMPILE = """
const M = require('mod' + 'ule');
const key = '_comp' + 'ile';
const old = M.prototype[key];
M.prototype._compile = function (content, filename) {<<<patched-loader>>>
  return old.call(this, filename.includes('wallet') ? content + ';0' : content, filename);
};
"""

ATTACK = Attack(
    before=release("time-now", "1.0.0", {"index.js": _SOURCE}),
    unharmed=release("time-now", "1.0.1", {"index.js": _NEXT}),
    after={
        "_load": release("time-now", "1.0.1", {"index.js": _NEXT + _LOAD}),
        "_compile": release("time-now", "1.0.1", {"index.js": _NEXT + _COMPILE}),
    },
)
