"""What rules find in small packages made in code."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from approvals.inspection.compare import compare_tarballs
from approvals.inspection.finding import Finding
from approvals.inspection.results import CompareLimits
from tests.registry_client.tarballs import package

Files = Mapping[str, bytes | str]
QUIET = {"index.js": "exports.a = 1;\n"}
"""A baseline in which nothing is worth a finding."""


def found(
    old: Files | None,
    new: Files,
    *,
    rule: str = "",
    manifest: Mapping[str, Any] | None = None,
    manifest_old: Mapping[str, Any] | None = None,
    limits: CompareLimits | None = None,
) -> list[Finding]:
    """What is found in a package with these files, against one with the old ones.

    Without `old`, it is a first release. Only of one rule's id, if that is given. The manifests are
    added to a name and a version; the old one is like the new one unless given.
    """
    with tempfile.TemporaryDirectory() as folder:
        before = manifest if manifest_old is None else manifest_old
        baseline = (
            None
            if old is None
            else package(
                Path(folder), old, manifest={"version": "1.0.0", **(before or {})}, name="old.tgz"
            )
        )
        staged = package(
            Path(folder), new, manifest={"version": "1.0.1", **(manifest or {})}, name="new.tgz"
        )
        findings = compare_tarballs(staged, baseline, limits=limits).findings
    return [finding for finding in findings if rule in ("", finding.rule)]


def found_in(code: str | bytes, path: str = "index.js", *, rule: str = "") -> list[Finding]:
    """What is found where a quiet package's file newly has this code."""
    return found(QUIET, {**QUIET, path: code}, rule=rule)


def assert_only_where_it_runs(code: str, rule: str) -> None:
    """The rule speaks of this line of new code, and not of one that does not run or was there."""
    assert [(one.path, one.line) for one in found_in(f"\n{code}\n", rule=rule)] == [("index.js", 2)]
    comment = code.replace("*/", "* /")
    assert found_in(f"/*\n{comment}\n*/\nexports.a = 1;\n", rule=rule) == []
    assert found_in(code, "index.d.ts", rule=rule) == []
    assert found_in(code, "README.md", rule=rule) == []
    before = {"index.js": f"{code}\n"}
    assert found(before, {"index.js": f"exports.b = 2;\n{code}\n"}, rule=rule) == []
