"""What the inspection did not look at, or not wholly."""

from collections.abc import Iterator, Sequence
from posixpath import splitext

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.problem_findings import Weighed, weighed_findings
from approvals.inspection.risk import CODE_ENDINGS, MANIFEST
from approvals.inspection.search.look import Look
from approvals.inspection.unseen import LIMITED_DIFF
from registry_client.tar_paths import Problem, printable

GROUP = Group.LIMITS
RULES = {
    LIMITED_DIFF: "Code of which not all that differs is shown",
    "limit-renames": "Too many files to search them all for renames",
    "limit-nested": "Too many packages inside the package to search them for install scripts",
    "nested-manifest": "Bundled packages whose package.json could not be read",
    "more-problems": "Problems of the tarball that are counted only",
    "limit-search": "Files that were not searched, or not to their end",
    "limit-parse": "Places that were judged by their text alone",
    "limit-time": "Rules that had no time left",
    "baseline-unreadable": "A baseline that could not be read",
    "baseline-manifest": "A baseline whose package.json could not be read",
}
_A_FEW = 20
_UNSEARCHED = {
    Severity.HIGH: "Code that runs first was not searched, or not wholly, for what attacks do.",
    Severity.MEDIUM: "Not all code was searched for what attacks do.",
    Severity.LOW: "Not every file was searched for what attacks do.",
}
_BOUND = "Every inspection is bounded, so that no tarball can stop the others. A tarball may be "
_BOUND += "made to reach a bound on purpose."
_WEIGHTS = {
    "limit-renames": Weighed(
        Severity.LOW, _BOUND, "Expect moved files among those that were added and removed."
    ),
    "limit-nested": Weighed(
        Severity.MEDIUM, _BOUND, "Look for install scripts in the bundled packages by yourself."
    ),
    "nested-manifest": Weighed(
        Severity.MEDIUM,
        "npm also runs the install scripts of bundled packages, and may be able to read this one.",
        "Look into this file by hand.",
    ),
}


def in_tarball(look: Look) -> Iterator[Finding]:
    yield from weighed_findings(look, _WEIGHTS)
    yield from _diffs([problem for problem in look.problems if problem.rule == LIMITED_DIFF])
    yield from _search(look)
    yield from _baseline(look)
    if left_out := look.problems_left_out:
        yield Finding(
            "more-problems",
            Severity.MEDIUM,
            f"{left_out:,} more problems of the tarball are like those that are named.",
            "No honest tarball has so many, and those that are named may distract from others.",
            "Find out which tool packed this, and reject it if nothing explains them.",
            stands_for=left_out,
        )


def _diffs(problems: list[Problem]) -> Iterator[Finding]:
    if not problems:
        return
    named = [problem for problem in problems if problem.path]
    others = [problem.sentence for problem in problems if not problem.path]
    first = named[0] if named else problems[0]
    is_one = len(problems) == 1
    yield Finding(
        LIMITED_DIFF,
        Severity.LOW,
        first.sentence if is_one else "Of several files of code not all that differs is shown.",
        _BOUND,
        "Read these files as a whole, or compare them with a tool of your own.",
        path=first.path,
        detail="" if is_one else " ".join([_list([one.path for one in named]), *others]),
        evidence="".join(problem.path for problem in problems),
        stands_for=max(len(named), 1),
    )


def _search(look: Look) -> Iterator[Finding]:
    by_severity: dict[Severity, list[str]] = {}
    for path in dict.fromkeys(look.not_searched):
        by_severity.setdefault(_unsearched(look, path), []).append(path)
    for severity, paths in by_severity.items():
        yield Finding(
            "limit-search",
            severity,
            _UNSEARCHED[severity],
            _BOUND + " What is very large reaches one as well.",
            "Read what changed in these files with more care than usual.",
            path=printable(paths[0]) if len(paths) == 1 else "",
            detail=_list(paths),
            evidence="".join(paths),
            stands_for=len(paths),
        )
    if look.not_parsed:
        yield Finding(
            "limit-parse",
            Severity.LOW,
            "Not every suspicious place was parsed: some were judged by their text alone.",
            _BOUND,
            "Expect findings about comments and texts among those about code.",
            detail=f"{look.not_parsed:,} places",
        )
    if look.is_out_of_time():
        yield Finding(
            "limit-time",
            Severity.MEDIUM,
            "The time for rules was used up before all of them were done.",
            _BOUND,
            "Expect less to be named than there is: read what runs first by yourself.",
            detail=f"{look.limits.search_seconds:g} seconds",
        )


def _unsearched(look: Look, path: str) -> Severity:
    """Whoever hides something would hide it in a file that runs, and pad that."""
    file = look.file_at(path)
    if file is None or not (file.runs_first or splitext(path)[1].lower() in CODE_ENDINGS):
        return Severity.LOW
    return Severity.HIGH if file.runs_first else Severity.MEDIUM


def _baseline(look: Look) -> Iterator[Finding]:
    for problem in look.old_problems:
        if problem.rule == "manifest":
            compared = look.manifest_old is not None
            then = "" if compared else " What package.json says was not compared."
            yield Finding(
                "baseline-manifest",
                Severity.MEDIUM,
                f"In the baseline: {problem.sentence}{then}",
                "What its package.json said before is what this one is compared with.",
                "Compare package.json with that of the repository.",
                path=MANIFEST,
            )
        elif problem.rule == "baseline-unreadable":
            yield Finding(
                "baseline-unreadable",
                Severity.MEDIUM,
                problem.sentence,
                "Without a baseline nothing says what is new in this version.",
                "Compare it with another version.",
            )


def _list(paths: Sequence[str]) -> str:
    shown = [printable(path) for path in paths[:_A_FEW]]
    more = len(paths) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")
