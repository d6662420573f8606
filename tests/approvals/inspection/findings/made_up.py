"""Secrets that open nothing, made when a test runs: none stands in the tree."""

import base64
import random
import string
import zlib

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
HEX = "0123456789abcdef"


def mixed(length: int, letters: str = _BASE62, seed: int = 1) -> str:
    """As a machine makes them up, the same each time."""
    return "".join(random.Random(seed).choices(letters, k=length))


def token(prefix: str, seed: int = 1) -> str:
    """A token that ends in the right checksum, as npm's and GitHub's do."""
    body = mixed(30, seed=seed)
    number, digits = zlib.crc32(body.encode()), ""
    while number:
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return f"{prefix}{body}{digits.rjust(6, '0')}"


def private_key(
    kind: str = "RSA ", *, headers: str = "", start: bytes = b"\x30\x82\x04\xa4"
) -> str:
    """The form of a key, and noise in it."""
    noise = random.Random(2).randbytes(300)
    body = base64.b64encode(start + noise).decode()
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    mark = "PRIVATE KEY-----"
    return f"-----BEGIN {kind}{mark}\n{headers}{lines}\n-----END {kind}{mark}\n"
