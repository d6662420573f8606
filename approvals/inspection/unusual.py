"""What a reviewer should look at before anything else."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from approvals.inspection.compare import ENGINE
from approvals.inspection.installing import NEW_BUILD, NEW_SCRIPT
from approvals.inspection.models import Inspection
from approvals.inspection.risk import INSTALL_SCRIPTS
from approvals.inspection.unseen import NUL_IN_CODE
from approvals.queue.models import StagedVersion

MOST_PROBLEMS = 50
LONGEST_ABOUT = 2_000
_BAD_RULES = frozenset({NEW_SCRIPT, NEW_BUILD, NUL_IN_CODE, "two-names"})


@dataclass(frozen=True)
class Point:
    """One sentence, what it is about (a path, a command) and whether it is new and dangerous."""

    sentence: str
    about: str = ""
    is_bad: bool = False


def unusual_of(staged_version: StagedVersion, inspection: Inspection) -> list[Point]:
    """The unusual things of one staged version, the most dangerous first."""
    points = [
        *_engine(inspection),
        *_names(staged_version, inspection),
        *_install_scripts(inspection),
        *_problems(inspection.summary),
    ]
    return sorted(points, key=lambda point: not point.is_bad)


def _engine(inspection: Inspection) -> Iterator[Point]:
    if inspection.engine_version != ENGINE:
        yield Point(
            "An earlier version of Countersign compared this, and searched for less: compare again."
        )


def _names(staged_version: StagedVersion, inspection: Inspection) -> Iterator[Point]:
    if problem := inspection.summary.get("manifest_problem"):
        yield Point(str(problem), is_bad=True)
    if otherwise := inspection.named_otherwise(staged_version):
        yield Point(otherwise, is_bad=True)


def _install_scripts(inspection: Inspection) -> Iterator[Point]:
    before = _scripts(inspection.summary.get("manifest_old"))
    after = _scripts(inspection.summary.get("manifest_new"))
    for name in INSTALL_SCRIPTS:
        if name not in after:
            continue
        command = after[name][:LONGEST_ABOUT]
        if name not in before:
            words = "is new, and runs on the machine of everyone who installs this"
        elif before[name] != after[name]:
            words = "changed, and runs on the machine of everyone who installs this"
        else:
            words = "runs on installation, as it did before"
        changed = before.get(name) != after[name]
        yield Point(f"The script {name} {words}.", command, is_bad=changed)


def _problems(summary: dict[str, Any]) -> Iterator[Point]:
    # Sorted before it is cut: many harmless problems must not push a dangerous one out of sight.
    problems = sorted(
        summary.get("problems") or [], key=lambda problem: problem.get("rule") not in _BAD_RULES
    )
    for problem in problems[:MOST_PROBLEMS]:
        yield Point(
            str(problem.get("sentence", "")),
            str(problem.get("path", "")),
            is_bad=problem.get("rule") in _BAD_RULES,
        )
    left_out = int(summary.get("problems_left_out") or 0) + max(len(problems) - MOST_PROBLEMS, 0)
    if left_out:
        yield Point(f"{left_out} more problems like these.")
    for problem in summary.get("old_problems") or []:
        if problem.get("rule") == "baseline-unreadable":
            yield Point(str(problem.get("sentence", "")), str(problem.get("path", "")))


def _scripts(manifest: Any) -> dict[str, str]:
    scripts = manifest.get("scripts") if isinstance(manifest, dict) else None
    if not isinstance(scripts, dict):
        return {}
    return {str(name): str(command) for name, command in scripts.items()}
