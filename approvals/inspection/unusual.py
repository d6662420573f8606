"""What a reviewer should look at before anything else."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from approvals.inspection.compare import ENGINE
from approvals.inspection.installing import NEW_BUILD, NEW_SCRIPT
from approvals.inspection.models import Inspection
from approvals.inspection.risk import INSTALL_SCRIPTS
from approvals.inspection.unseen import DANGEROUS, MORE_DANGERS
from approvals.queue.models import StagedVersion
from registry_client.versions import parse_version

MOST_PROBLEMS = 50
# Far above what anybody reads, and far below what a page can hold.
MOST_DANGERS = 200
# Of those that are not dangerous, however many others there are.
LEAST_HARMLESS = 20
_A_FEW = 5
LONGEST_ABOUT = 2_000
# No honest `npm pack` writes two files of one name, or a .gitignore.
_BAD_RULES = DANGEROUS | {NEW_SCRIPT, NEW_BUILD, "two-names", "duplicate", "gitignore"}
# What is wrong with the baseline and takes something away from the comparison.
_BASELINE_RULES = frozenset({"baseline-unreadable", "manifest"})


@dataclass(frozen=True)
class Point:
    """One sentence, what it is about (a path, a command) and whether it is new and dangerous.

    `rule` is a stable id for programs. `stands_for` is how many things it counts for, if it is
    about those that are not named one by one.
    """

    sentence: str
    about: str = ""
    is_bad: bool = False
    rule: str = field(default="", compare=False)
    stands_for: int = 1


def unusual_of(staged_version: StagedVersion, inspection: Inspection) -> list[Point]:
    """The unusual things of one staged version, the most dangerous first."""
    points = [
        *_engine(inspection),
        *_names(inspection.summary, inspection.named_otherwise(staged_version)),
        *_install_scripts(inspection.summary),
        *_problems(inspection.summary, is_cut=True),
    ]
    return sorted(points, key=lambda point: not point.is_bad)


def unusual_in(summary: dict[str, Any]) -> list[Point]:
    """The unusual things of a comparison's summary, with nothing known of where it is staged."""
    points = [
        *_names(summary, ""),
        *_own_names(summary),
        *_install_scripts(summary),
        *_problems(summary, is_cut=False),
    ]
    return sorted(points, key=lambda point: not point.is_bad)


def dangers_in(points: list[Point]) -> int:
    """How many things are new and dangerous, those that are not named one by one included."""
    return sum(point.stands_for for point in points if point.is_bad)


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


def _problems(summary: dict[str, Any], *, is_cut: bool) -> Iterator[Point]:
    # Each kind has a bound of its own: many harmless problems must not push a dangerous one out of
    # sight, and what is left out of them must not be counted as one.
    problems = _mixed(summary.get("problems") or [])
    bad = [problem for problem in problems if problem.get("rule") in _BAD_RULES]
    others = [problem for problem in problems if problem.get("rule") not in _BAD_RULES]
    most_bad = MOST_DANGERS if is_cut else len(bad)
    most = max(MOST_PROBLEMS - len(bad), LEAST_HARMLESS) if is_cut else len(others)
    yield from map(_point, bad[:most_bad])
    if more_bad := len(bad[most_bad:]):
        yield Point(
            f"{more_bad:,} more dangerous problem{'s' if more_bad > 1 else ''}.",
            is_bad=True,
            rule=MORE_DANGERS,
            stands_for=more_bad,
        )
    yield from map(_point, others[:most])
    if left_out := int(summary.get("problems_left_out") or 0) + len(others[most:]):
        yield Point(
            f"{left_out} more problems like these.", rule="more-problems", stands_for=left_out
        )
    for problem in summary.get("old_problems") or []:
        rule = problem.get("rule")
        if rule in _BASELINE_RULES:
            point = _point(problem)
            if rule == "manifest":
                compared = summary.get("manifest_old") is not None
                then = "" if compared else " What package.json says was not compared."
                point = replace(point, sentence=f"In the baseline: {point.sentence}{then}")
            yield point


def _mixed(problems: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A few of each rule before more of any, so that none is cut off for another."""
    counts: Counter[str] = Counter()
    turns = []
    for problem in problems:
        rule = str(problem.get("rule"))
        turns.append(counts[rule] // _A_FEW)
        counts[rule] += 1
    order = sorted(range(len(problems)), key=turns.__getitem__)
    return [problems[index] for index in order]


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
