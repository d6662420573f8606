"""How much the rules say about real releases in which nothing was wrong.

    .venv/bin/python -m tests.benchmarks.noise [--all] [--medium] [NAME …]

Prints a line for each of the 60 upgrades with its findings by severity, and below it each critical
and high one with why it is there (with `--medium` those of medium, too; with `--all` every one);
then the three targets. The exit code is 1 if one is missed, or if a serious finding is explained
nowhere. The packages are fetched with `npm pack` into a folder outside the tree
(COUNTERSIGN_BENCHMARK_CACHE), once. What only the registry knows (who staged it, how old a
dependency is) is not measured here.
"""

import argparse
import math
import statistics
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from approvals.inspection.compare import compare_tarballs
from approvals.inspection.finding import Finding, Severity
from tests.benchmarks.configured import ready
from tests.benchmarks.pairs import tarball
from tests.benchmarks.upgrades import EXPLANATIONS, UPGRADES, Upgrade

MOST_HIGH_SHARE = 0.05
"""Of patch and minor upgrades may have any finding of high."""
MOST_AT_MEDIAN = 3
"""Findings of medium or above."""
_WORTH_A_LOOK = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM)
_FORM = "{:5}  {:40} {:>8} {:>5} {:>6} {:>4} {:>4}"


@dataclass(frozen=True, slots=True)
class Row:
    """One upgrade with what was found."""

    upgrade: Upgrade
    findings: tuple[Finding, ...]

    def count(self, *severities: Severity) -> int:
        return sum(finding.severity in severities for finding in self.findings)

    def explanation(self, finding: Finding) -> str:
        """Why a finding of this rule is there, or "" where nobody said."""
        return EXPLANATIONS.get((self.upgrade.name, finding.rule), "")

    @property
    def unexplained(self) -> int:
        return sum(
            finding.severity.is_serious and not self.explanation(finding)
            for finding in self.findings
        )


@dataclass(frozen=True, slots=True)
class Target:
    """One figure that must not be above a limit."""

    what: str
    figure: float
    limit: float

    @property
    def is_met(self) -> bool:
        return self.figure <= self.limit

    def __str__(self) -> str:
        verdict = "reached" if self.is_met else "missed"
        return f"{self.what}: {self.figure:g} (at most {self.limit:g}, {verdict})"


def main() -> int:
    """Compare both sides of all upgrades, or of those named; 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.noise")
    parser.add_argument("names", nargs="*", metavar="NAME", help="packages to look at (all)")
    parser.add_argument("--medium", action="store_true", help="name findings of medium, too")
    parser.add_argument("--all", action="store_true", help="name every finding")
    options = parser.parse_args()
    named = list(Severity) if options.all else [Severity.CRITICAL, Severity.HIGH]
    if options.medium:
        named.append(Severity.MEDIUM)
    with ready():
        rows = _rows(options.names, named)
    targets = targets_of(rows)
    for severity in _WORTH_A_LOOK:
        _say(f"{severity.label} by rule: {_by_rule(rows, severity) or 'none'}")
    _say("")
    for target in targets:
        _say(str(target))
    return 0 if rows and all(target.is_met for target in targets) else 1


def targets_of(rows: list[Row]) -> list[Target]:
    """What is to be reached, over all upgrades that were looked at."""
    small = [row for row in rows if row.upgrade.step != "major"]
    high = sum(row.count(Severity.HIGH) > 0 for row in small)
    return [
        Target("Critical findings", sum(row.count(Severity.CRITICAL) for row in rows), 0),
        Target(
            f"Of {len(small)} patch and minor upgrades with a high finding",
            high,
            math.floor(len(small) * MOST_HIGH_SHARE),
        ),
        Target(
            "Findings of medium or above, at the median",
            statistics.median(row.count(*_WORTH_A_LOOK) for row in rows) if rows else 0,
            MOST_AT_MEDIAN,
        ),
        Target("Serious findings without an explanation", sum(row.unexplained for row in rows), 0),
    ]


def _rows(names: list[str], named: list[Severity]) -> list[Row]:
    _say(_FORM.format("step", "upgrade", *(severity.label for severity in Severity)))
    rows = []
    for upgrade in UPGRADES:
        if not names or upgrade.name in names:
            rows.append(_row(upgrade))
            _print(rows[-1], named)
    return rows


def _row(upgrade: Upgrade) -> Row:
    old, new = _tarballs(upgrade)
    return Row(upgrade, compare_tarballs(new, old).findings)


def _tarballs(upgrade: Upgrade) -> tuple[Path, Path]:
    return tarball(upgrade.name, upgrade.old), tarball(upgrade.name, upgrade.new)


def _print(row: Row, named: list[Severity]) -> None:
    upgrade = row.upgrade
    title = f"{upgrade.name} {upgrade.old} → {upgrade.new}"
    _say(_FORM.format(upgrade.step, title, *(row.count(severity) for severity in Severity)))
    for finding in row.findings:
        if finding.severity in named:
            place = f"{finding.path}:{finding.line}" if finding.line else finding.path
            _say(f"       {finding.severity} {finding.rule}: {finding.title}")
            _say(f"           {place}  {finding.excerpt or finding.detail}"[:300])
            if finding.severity.is_serious:
                _say(f"           why: {row.explanation(finding) or 'NOT EXPLAINED'}")


def _by_rule(rows: Iterable[Row], severity: Severity) -> str:
    counts = Counter(
        finding.rule for row in rows for finding in row.findings if finding.severity == severity
    )
    return ", ".join(f"{rule} {count}" for rule, count in counts.most_common())


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - its output


if __name__ == "__main__":
    sys.exit(main())
