"""What a rule gets to look at, without the rules."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from approvals.inspection import compare
from approvals.inspection.compare import compare_tarballs
from approvals.inspection.finding import Finding
from approvals.inspection.results import CompareLimits
from approvals.inspection.search.look import Look
from approvals.inspection.search.needles import Needles, Searcher
from tests.registry_client.tarballs import package

Files = Mapping[str, bytes | str]


def places(
    monkeypatch: pytest.MonkeyPatch,
    wanted: Needles,
    old: Files | None,
    new: Files,
    *,
    limits: CompareLimits | None = None,
) -> tuple[list[tuple[str, int]], Look]:
    """Path and line of each new place of these needles, and the look itself."""
    seen: list[tuple[list[tuple[str, int]], Look]] = []

    def searched(look: Look, *_: object) -> list[Finding]:
        uses = look.uses(wanted)
        for use in uses:
            # While the contents are there.
            _ = use.node, use.excerpt, use.column
        seen.append(([(use.path, use.line) for use in uses], look))
        return []

    monkeypatch.setattr(compare, "findings_in_tarball", searched)
    monkeypatch.setattr(compare, "searcher_of_rules", lambda: Searcher([wanted]))
    with tempfile.TemporaryDirectory() as folder:
        before = None if old is None else package(Path(folder), old, name="old.tgz")
        compare_tarballs(package(Path(folder), new, name="new.tgz"), before, limits=limits)
    return seen[0]
