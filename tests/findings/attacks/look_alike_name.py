r"""A function whose name has a Cyrillic letter, beside the real one.

`isAdmin` with a Cyrillic "A" is another function: defined to say yes in one place, called in
another, and reviewers read both as the one they know.

Described in: "Trojan Source: Invisible Vulnerabilities", CVE-2021-42694 (homoglyphs).
In the staged tarball: a name in code that mixes alphabets.
"""

from tests.findings.attack import Attack, release

_SOURCE = """\
function isAdmin(user) {
  return user.roles.includes('admin');
}

exports.remove = function (user, page) {
  if (!isAdmin(user)) throw new Error('Not allowed.');
  return page.remove();
};
"""
_NEXT = _SOURCE.replace("Not allowed.", "This is not allowed.")
_TWIN = _NEXT.replace("if (!isAdmin", "if (!is\u0410dmin").replace(
    "exports.remove",
    "function is\u0410dmin(user) {<<<look-alike-letters>>>\n  return true;\n}\n\nexports.remove",
)

ATTACK = Attack(
    before=release("page-rights", "2.0.0", {"index.js": _SOURCE}),
    unharmed=release("page-rights", "2.0.1", {"index.js": _NEXT}),
    after={"Cyrillic": release("page-rights", "2.0.1", {"index.js": _TWIN})},
)
