"""Code whose characters became as even as those of encrypted or encoded text."""

import math
from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.look import Look, LookedFile

GROUP = Group.HIDING
RULES = {"entropy-jump": "Code that became much denser than it was"}

_SAMPLE = 16 * 1024
_LEAST = 2_000
_BEFORE, _NOW = 5.2, 5.75
"""Bits for each character: source has about 4.5 to 5, minified code 5.3, Base64 just under 6."""
_INLINED = b";base64,"


def in_tarball(look: Look) -> Iterator[Finding]:
    for file in look.files:
        if not file.language or file.old_info is None or file.change.is_binary:
            continue
        added = _added(file)
        if len(added) < _LEAST or _INLINED in added:
            continue
        now = _entropy(added)
        if now < _NOW:
            continue
        before = _entropy((file.old_content or b"")[:_SAMPLE])
        if 0 < before <= _BEFORE:
            yield Finding(
                "entropy-jump",
                Severity.MEDIUM if not file.change.is_minified else Severity.LOW,
                "What came into this file is much denser than what was there.",
                "Encoded or encrypted text looks so, and hides what it is.",
                "Find out what the new text stands for, and what reads it.",
                path=file.path,
                detail=f"{before:.1f} → {now:.1f} bits for each character",
                evidence=file.change.new_sha256,
            )


def _added(file: LookedFile) -> bytes:
    """Some of what is new in it, if the diff says so."""
    diff = (file.change.diff or "")[: 4 * _SAMPLE]
    if "\n+" not in diff:
        return b""
    lines = [line[1:] for line in diff.split("\n") if line[:1] == "+"]
    return "\n".join(lines)[:_SAMPLE].encode("utf-8", "replace")


def _entropy(sample: bytes) -> float:
    if not sample:
        return 0.0
    counts = (sample.count(byte) for byte in range(256))
    return -sum(n / len(sample) * math.log2(n / len(sample)) for n in counts if n)
