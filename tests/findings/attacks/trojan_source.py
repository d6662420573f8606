r"""Trojan Source, 2021: characters that turn the direction of text, so that code reads otherwise.

A reviewer sees a comment where the engine sees code, because bidirectional controls inside comments
and texts show characters in another order than they are in the file.

Described in: "Trojan Source: Invisible Vulnerabilities" (N. Boucher, R. Anderson), CVE-2021-42574.
In the staged tarball: such controls in code, where there were none.
"""

from tests.findings.attack import Attack, release

_SOURCE = """\
exports.mayRead = function (user, page) {
  return user.level === 'reader' || page.isPublic;
};

exports.mayWrite = function (user) {
  if (user.level === 'admin') {
    return true;
  }
  return false;
};
"""
_NEXT = _SOURCE.replace("page.isPublic", "page.isPublic === true")
_COMMENT = _NEXT.replace(
    "  if (user.level === 'admin') {",
    "  /*\u202e } \u2066if (user.level === 'admin')\u2069 \u2066 only administrators */"
    "<<<hidden-bidirectional>>>",
)
_TEXT = _NEXT.replace(
    "user.level === 'admin'",
    "user.level !== 'reader\u202e \u2066// only administrators\u2069 \u2066'"
    "<<<hidden-bidirectional>>>",
)

ATTACK = Attack(
    before=release("levels", "1.2.0", {"index.js": _SOURCE}),
    unharmed=release("levels", "1.2.1", {"index.js": _NEXT}),
    after={
        "in a comment": release("levels", "1.2.1", {"index.js": _COMMENT}),
        "in a text": release("levels", "1.2.1", {"index.js": _TEXT}),
    },
)
