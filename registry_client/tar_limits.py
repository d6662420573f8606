"""How much a tarball may ask of us, and every way in which reading one can end early."""

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a tarball may ask of us. The defaults allow npm's largest real packages.

    Sizes are bytes. `ratio` (unpacked to packed) counts only past `ratio_free` unpacked bytes,
    since small repetitive packages compress well. `path_length` is in bytes, before the first
    segment is dropped. `problems` are as many as are told, those of some rules counted apart.
    """

    unpacked_size: int = 2048 * MIB
    entry_size: int = 1024 * MIB
    entries: int = 100_000
    ratio: int = 200
    ratio_free: int = 32 * MIB
    path_length: int = 1024
    path_depth: int = 100
    all_paths: int = 16 * MIB
    folders: int = 50_000
    extended_header: int = 64 * 1024
    all_extended_headers: int = 16 * MIB
    extended_records: int = 200_000
    gzip_members: int = 100
    problems: int = 1000


class TarballError(Exception):
    """The tarball cannot be read safely. `rule` is a stable id; the text is a plain sentence."""

    def __init__(self, rule: str, sentence: str) -> None:
        super().__init__(sentence)
        self.rule = rule
        self.sentence = sentence


class NotATarball(TarballError):
    """Not gzip, or not a tarball inside."""


class DamagedTarball(TarballError):
    """Truncated, or its compressed data is broken."""


class AmbiguousTarball(TarballError):
    """A header that programs read differently: npm may install what no reviewer saw."""


class TarballLimit(TarballError):
    """A limit was hit. `limit` is the field of Limits, `allowed` its value."""

    def __init__(self, limit: str, allowed: int, sentence: str) -> None:
        super().__init__(f"limit-{limit.replace('_', '-')}", sentence)
        self.limit = limit
        self.allowed = allowed


def cut_off() -> DamagedTarball:
    """The error for a tarball that ends too early, wherever that is noticed."""
    return DamagedTarball("truncated", "The tarball ends in the middle: it was cut off.")
