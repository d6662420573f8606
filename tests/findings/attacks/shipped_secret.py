"""An accident: a file with a token in it was packed.

`.npmrc` of the build machine, `.env`, a key for tests: public for ever once it is published, and
found by machines within minutes. What stands here is made of random letters, and opens nothing.

Described in: GitHub's documentation of secret scanning, which reads published packages too.
In the staged tarball: what has the form of a token, a private key, or a file for secrets.
"""

import random
import string
import zlib

from tests.findings.attack import Attack, release

_LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def _noise(length: int, seed: int) -> str:
    return "".join(random.Random(seed).choices(_LETTERS, k=length))


def _checked(start: str) -> str:
    """With the checksum that tokens of npm and GitHub end in."""
    number, digits = zlib.crc32(start.encode()), ""
    letters = string.digits + string.ascii_uppercase + string.ascii_lowercase
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = letters[digit] + digits
    return start + digits


# Put together here, so that nothing with the form of a secret stands in this project.
_NPM = "np" + "m_" + _checked(_noise(30, 1))
_GITHUB = "gh" + "p_" + _checked(_noise(30, 2))
_AMAZON = "AK" + "IA" + "".join(random.Random(3).choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=16))
_KEY = "\n".join(
    [
        "-----BEGIN RSA " + "PRIVATE KEY-----<<<private-key>>>",
        "MIIEpAIBAAKCAQEA" + _noise(48, 3),
        *(_noise(64, seed) for seed in range(4, 16)),
        "-----END RSA " + "PRIVATE KEY-----",
    ]
)

_SOURCE = "exports.version = '1.0.0';\n"
_NEXT = "exports.version = '1.0.1';\n"

ATTACK = Attack(
    before=release("versioned", "1.0.0", {"index.js": _SOURCE}),
    unharmed=release("versioned", "1.0.1", {"index.js": _NEXT}),
    after={
        manner: release("versioned", "1.0.1", {"index.js": _NEXT, path: text})
        for manner, path, text in (
            (
                "npmrc",
                ".npmrc",
                f"//registry.example.org/:_authToken={_NPM}<<<credentials-file secret>>>\n",
            ),
            ("code", "lib/client.js", f"exports.token = '{_GITHUB}';<<<secret>>>\n"),
            (
                "env",
                ".env",
                f"NODE_ENV=production\nAWS_ACCESS_KEY_ID={_AMAZON}<<<credentials-file>>>\n",
            ),
            ("key", "certs/server.pem", _KEY + "\n"),
        )
    },
)
