"""What a reviewer should look at before anything else."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from approvals.inspection.compare import ENGINE
from approvals.inspection.installing import NEW_BUILD, NEW_SCRIPT
from approvals.inspection.models import Inspection
from approvals.inspection.risk import INSTALL_SCRIPTS
from approvals.inspection.unseen import NUL_IN_CODE
from approvals.queue.models import StagedVersion
from registry_client.versions import parse_version

MOST_PROBLEMS = 50
LONGEST_ABOUT = 2_000
_BAD_RULES = frozenset({NEW_SCRIPT, NEW_BUILD, NUL_IN_CODE, "two-names"})


# What is wrong with the baseline and takes something away from the comparison.
_BASELINE_RULES = frozenset({"baseline-unreadable", "manifest"})


@dataclass(frozen=True)
class Point:
    """One sentence, what it is about (a path, a command) and whether it is new and dangerous.

    `rule` is a stable id for programs.
    """

    sentence: str
    about: str = ""
    is_bad: bool = False
    rule: str = field(default="", compare=False)


def unusual_of(staged_version: StagedVersion, inspection: Inspection) -> list[Point]:
    """The unusual things of one staged version, the most dangerous first."""
    points = [
        *_engine(inspection),
        *_names(inspection.summary, inspection.named_otherwise(staged_version)),
        *_install_scripts(inspection.summary),
        *_problems(inspection.summary, MOST_PROBLEMS),
    ]
    return sorted(points, key=lambda point: not point.is_bad)


def unusual_in(summary: dict[str, Any]) -> list[Point]:
    """The unusual things of a comparison's summary, with nothing known of where it is staged."""
    points = [
        *_names(summary, ""),
        *_own_names(summary),
        *_install_scripts(summary),
        *_problems(summary, None),
    ]
    return sorted(points, key=lambda point: not point.is_bad)


def _engine(inspection: Inspection) -> Iterator[Point]:
    if inspection.engine_version != ENGINE:
        yield Point(
            "An earlier version of Countersign compared this, and searched for less: compare again."
        )


def _names(summary: dict[str, Any], otherwise: str) -> Iterator[Point]:
    if problem := summary.get("manifest_problem"):
        yield Point(str(problem), is_bad=True, rule="manifest")
    if otherwise:
        yield Point(otherwise, is_bad=True, rule="named-otherwise")


def _own_names(summary: dict[str, Any]) -> Iterator[Point]:
    """What package.json says of itself, where only the baseline is there to compare it with."""
    after = summary.get("manifest_new")
    if after is None:
        return
    for name in ("name", "version"):
        value = after.get(name)
        if not isinstance(value, str) or not value:
            yield Point(f"package.json has no {name}.", is_bad=True, rule=f"no-{name}")
        elif name == "version" and parse_version(value) is None:
            yield Point(
                "package.json has a version that is not one for npm.",
                value[:LONGEST_ABOUT],
                is_bad=True,
                rule="odd-version",
            )
    before = (summary.get("manifest_old") or {}).get("name")
    if before is not None and before != after.get("name"):
        yield Point(
            "package.json names another package than the baseline's does.",
            f"{before} -> {after.get('name')}"[:LONGEST_ABOUT],
            is_bad=True,
            rule="named-otherwise",
        )


def _install_scripts(summary: dict[str, Any]) -> Iterator[Point]:
    before = _scripts(summary.get("manifest_old"))
    after = _scripts(summary.get("manifest_new"))
    for name in INSTALL_SCRIPTS:
        if name not in after:
            continue
        command = after[name][:LONGEST_ABOUT]
        changed = before.get(name) != after[name]
        if name not in before:
            words = "is new, and runs on the machine of everyone who installs this"
        elif changed:
            words = "changed, and runs on the machine of everyone who installs this"
        else:
            words = "runs on installation, as it did before"
        rule = "install-script" if changed else "install-script-before"
        yield Point(f"The script {name} {words}.", command, is_bad=changed, rule=rule)


def _problems(summary: dict[str, Any], most: int | None) -> Iterator[Point]:
    # Sorted before it is cut: many harmless problems must not push a dangerous one out of sight.
    problems = sorted(
        summary.get("problems") or [], key=lambda problem: problem.get("rule") not in _BAD_RULES
    )
    shown = problems if most is None else problems[:most]
    yield from map(_point, shown)
    left_out = int(summary.get("problems_left_out") or 0) + len(problems) - len(shown)
    if left_out:
        yield Point(f"{left_out} more problems like these.", rule="more-problems")
    for problem in summary.get("old_problems") or []:
        rule = problem.get("rule")
        if rule in _BASELINE_RULES:
            point = _point(problem)
            if rule == "manifest":
                compared = summary.get("manifest_old") is not None
                then = "" if compared else " What package.json says was not compared."
                point = replace(point, sentence=f"In the baseline: {point.sentence}{then}")
            yield point


def _point(problem: dict[str, Any]) -> Point:
    return Point(
        str(problem.get("sentence", "")),
        str(problem.get("path", "")),
        is_bad=problem.get("rule") in _BAD_RULES,
        rule=str(problem.get("rule", "")),
    )


def _scripts(manifest: Any) -> dict[str, str]:
    scripts = manifest.get("scripts") if isinstance(manifest, dict) else None
    if not isinstance(scripts, dict):
        return {}
    return {str(name): str(command) for name, command in scripts.items()}
