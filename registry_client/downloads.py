"""Tarballs streamed into files: bounded, and compared with the digests that were announced."""

import base64
import binascii
import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from registry_client.connections import Body
from registry_client.errors import DigestMismatch, NotARegistry

DOWNLOAD_LIMIT = 256 * 1024 * 1024
DOWNLOAD_SECONDS = 900.0
"""For one download, however slowly it drips; the limit's 256 MB then need 2.4 Mbit/s."""

Progress = Callable[[int, int | None], None]
"""Called with the bytes written so far and their announced number; begins anew after a retry."""

# Strongest first, as in W3C's Subresource Integrity: of several digests the strongest counts.
_ALGORITHMS = ("sha512", "sha384", "sha256", "sha1")


@dataclass(frozen=True)
class Download:
    """A finished download: `size` in bytes, digests in hex."""

    path: Path
    size: int
    sha1: str
    sha512: str


@dataclass(frozen=True)
class Digests:
    """What a tarball's bytes are that were read and not kept: `size` in bytes, digests in hex."""

    size: int
    sha1: str
    sha512: str


@dataclass(frozen=True)
class Announced:
    """The digests of a tarball as the registry says: per algorithm the allowed values, in hex."""

    digests: dict[str, frozenset[str]]

    @classmethod
    def of(cls, *, shasum: str = "", integrity: str = "") -> "Announced":
        """From SHA-1 in hex and a Subresource Integrity string; either may be "", but not both.

        Raises NotARegistry if a digest is announced that cannot be compared.
        """
        digests: dict[str, frozenset[str]] = {}
        if integrity:
            algorithm, values = _strongest(integrity)
            digests[algorithm] = values
        if shasum:
            digests["sha1"] = digests.get("sha1", frozenset({shasum})) & {shasum}
        if not digests:
            raise NotARegistry("The registry announces no digest for the tarball.")
        return cls(digests)


def _strongest(integrity: str) -> tuple[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for entry in integrity.split():
        algorithm, _, value = entry.partition("-")
        if algorithm in _ALGORITHMS:
            with suppress(binascii.Error, ValueError):
                digest = base64.b64decode(value.partition("?")[0], validate=True)
                if len(digest) == hashlib.new(algorithm).digest_size:
                    found.setdefault(algorithm, set()).add(digest.hex())
    for algorithm in _ALGORITHMS:
        if algorithm in found:
            return algorithm, frozenset(found[algorithm])
    raise NotARegistry("The registry announces a digest for the tarball that nobody can compare.")


def save(
    body: Body, destination: Path, announced: Announced, on_progress: Progress | None
) -> Download:
    """Writes the body to `destination`, which appears only when it is whole and right.

    Raises DigestMismatch and whatever reading raises; then nothing is left behind.
    """
    hashes = {name: hashlib.new(name) for name in {"sha1", "sha512", *announced.digests}}
    handle, draft = tempfile.mkstemp(prefix=f".{destination.name}.", dir=destination.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            while chunk := body.read():
                file.write(chunk)
                for one in hashes.values():
                    one.update(chunk)
                if on_progress:
                    on_progress(body.size, body.announced)
        for name, allowed in announced.digests.items():
            actual = hashes[name].hexdigest()
            if actual not in allowed:
                raise DigestMismatch(
                    "The downloaded tarball is not the one that the registry announced.",
                    expected=f"{name}-{' or '.join(sorted(allowed))}",
                    actual=f"{name}-{actual}",
                )
        os.replace(draft, destination)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    return Download(
        destination, body.size, hashes["sha1"].hexdigest(), hashes["sha512"].hexdigest()
    )


def digest(body: Body) -> Digests:
    """Reads the body to its end and keeps nothing of it. Raises whatever reading raises."""
    sha1, sha512 = hashlib.sha1(usedforsecurity=False), hashlib.sha512()
    while chunk := body.read():
        sha1.update(chunk)
        sha512.update(chunk)
    return Digests(body.size, sha1.hexdigest(), sha512.hexdigest())
