r"""A name that ends in a character without width: two variables that look like one.

JavaScript allows joiners inside of names, so `secret` and `secret\u200c` are two variables, and
a default parameter that nobody sees reads a header or a query that nobody knows of.

Described in: "The Invisible JavaScript Backdoor" (Certitude, 2021).
In the staged tarball: characters without width, or the Hangul filler, in a name.
"""

from tests.findings.attack import Attack, release

_SOURCE = """\
exports.check = async function (request) {
  const { timeout } = request.query;
  const commands = ['ping -c 1 example.org', 'uptime'];
  return commands.map((one) => ({ one, timeout: +timeout || 5000 }));
};
"""
_NEXT = _SOURCE.replace("5000", "4000")
_FILLER = _NEXT.replace(
    "const { timeout } = request.query;",
    "const { timeout,\u3164 } = request.query;<<<hidden-in-names>>>",
).replace("'uptime']", "'uptime',\u3164 ]")
_JOINER = _NEXT.replace(
    "const { timeout } = request.query;",
    "const { timeout, timeout\u200c = '' } = request.query;<<<hidden-in-names>>>",
).replace("'uptime']", "'uptime', timeout\u200c]")

ATTACK = Attack(
    before=release("health-checks", "1.3.0", {"index.js": _SOURCE}),
    unharmed=release("health-checks", "1.3.1", {"index.js": _NEXT}),
    after={
        "Hangul filler": release("health-checks", "1.3.1", {"index.js": _FILLER}),
        "joiner": release("health-checks", "1.3.1", {"index.js": _JOINER}),
    },
)
