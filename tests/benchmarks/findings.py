"""What the rules cost: against the rest of an inspection on real packages, and in seconds on
packages of 150 MB, honest and hostile.

    .venv/bin/python -m tests.benchmarks.findings [--rounds N] [--by-rule] [NAME …]

Prints seconds of the processor, ratios and peak memory (in MiB above idle, before the rules and
after them), and which target is missed, in one run; the exit code is 1 if one is. Each figure is
from a fresh process that has compiled its rules, as a worker has after its first inspection. With
`--by-rule`, the slowest rules of each are named. The real packages are fetched with `npm pack` into
a folder outside the tree (COUNTERSIGN_BENCHMARK_CACHE), once.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from approvals.inspection import findings
from approvals.inspection.compare import SEARCHING, compare_tarballs
from approvals.inspection.results import CompareLimits
from registry_client.tarball import Limits
from tests.benchmarks.configured import ready
from tests.benchmarks.inspect import peak_mib
from tests.benchmarks.large import Made, packages
from tests.benchmarks.pairs import PAIRS, PEAK_MEMORY_MIB, tarball
from tests.packages import tarball as small_tarball

MOST_OF_INSPECTION = 1.0
"""Rules may take as long as all the rest of an inspection: together that doubles it."""
MOST_SECONDS = 10
"""Of a worker's time, for any package of 150 MB."""
_TIMEOUT_SECONDS = 1800
_SLOWEST = 6
# What is said over and over shrinks more than any honest package; here rules are to see it.
_LIMITS = CompareLimits(tarball=Limits(ratio=2000))
_FORM = "{:52} {:>8} {:>8} {:>9} {:>7} {:>5} {:>6}  {}"


def main() -> int:
    """Measure all, or the pairs that are named; 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.findings")
    parser.add_argument("names", nargs="*", metavar="NAME", help="real packages to measure (all)")
    parser.add_argument("--rounds", type=int, default=5, help="each figure is a median of (5)")
    parser.add_argument("--without-large", action="store_true", help="leave out those of 150 MB")
    parser.add_argument("--only-large", action="store_true", help="leave out the real ones")
    parser.add_argument("--by-rule", action="store_true", help="name the slowest rules")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        with ready():
            _say(json.dumps(_measure(*map(Path, options.measure))))
        return 0
    _say(_FORM.format("", "rules s", "rest s", "rules/r.", "before", "MiB", "found", ""))
    missed = 0
    if not options.only_large:
        for pair in PAIRS:
            if not options.names or pair.name in options.names:
                sides = tarball(pair.name, pair.new), tarball(pair.name, pair.old)
                missed += _real(f"{pair.name} {pair.old} → {pair.new}", sides, options)
    if not options.without_large and not options.names:
        with tempfile.TemporaryDirectory() as folder, ready():
            for made in packages(Path(folder)):
                missed += _large(made, options)
    return 1 if missed else 0


def _real(what: str, sides: tuple[Path, Path], options: argparse.Namespace) -> int:
    rounds = [_child(*sides) for _ in range(options.rounds)]
    figures = {
        name: statistics.median(one[name] for one in rounds)
        for name in ("rules", "rest", "found", "peak_mib", "peak_mib_before_rules")
    }
    ratio = figures["rules"] / figures["rest"]
    missed = _missed(figures, ratio=ratio)
    _print(what, figures, missed, rounds[0]["by_rule"] if options.by_rule else {})
    return len(missed)


def _large(made: Made, options: argparse.Namespace) -> int:
    sides = (made.staged,) if made.baseline is None else (made.staged, made.baseline)
    figures = _child(*sides)
    missed = _missed(figures, seconds=figures["rules"])
    _print(made.what, figures, missed, figures["by_rule"] if options.by_rule else {})
    return len(missed)


def _missed(figures: dict[str, Any], *, ratio: float = 0.0, seconds: float = 0.0) -> list[str]:
    return [
        f"missed: {figure:.2f} {what}, at most {limit:g}"
        for figure, what, limit in (
            (ratio, "of the rest of inspection", MOST_OF_INSPECTION),
            (seconds, "s", MOST_SECONDS),
            (figures["peak_mib"], "MiB above idle", PEAK_MEMORY_MIB),
        )
        if figure > limit
    ]


def _child(*sides: Path) -> dict[str, Any]:
    """Measure in a fresh process, whose memory nothing else has used."""
    finished = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.findings", "--measure", *sides],
        capture_output=True,
        timeout=_TIMEOUT_SECONDS,
        check=True,
    )
    found: dict[str, Any] = json.loads(finished.stdout)
    return found


def _measure(staged: Path, baseline: Path | None = None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        tiny = Path(folder, "tiny.tgz")
        tiny.write_bytes(
            small_tarball({"package.json": "{}", "index.js": "eval(process.env.A);\n"})
        )
        compare_tarballs(tiny, None)
    idle = peak_mib()
    clock = _Clock()
    with _rules_timed() as by_rule:
        comparison = compare_tarballs(staged, baseline, limits=_LIMITS, on_progress=clock)
    rules, rest = clock.seconds()
    return {
        "rules": rules,
        "rest": rest,
        "found": len(comparison.findings),
        "peak_mib": peak_mib() - idle,
        "peak_mib_before_rules": clock.peak_mib - idle,
        "by_rule": dict(by_rule),
    }


class _Clock:
    """When the rules began and ended, and how much memory had been used until then."""

    def __init__(self) -> None:
        self._began = _now()
        self._searching = self._searched = self._began
        self.peak_mib = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage == SEARCHING:
            self._searched = _now()
            if not self.peak_mib:
                self._searching, self.peak_mib = self._searched, peak_mib()

    def seconds(self) -> tuple[float, float]:
        """Of the rules, then of the rest.

        Rules take one thread, so that the processor's time is theirs whatever else the machine
        does. The rest takes several: of that and the clock the smaller one is nearer to the truth.
        """
        began, searching, searched, ended = self._began, self._searching, self._searched, _now()
        rules = searched[1] - searching[1]
        rest = ended[0] - began[0] - (searched[0] - searching[0])
        return rules, min(rest, ended[1] - began[1] - rules)


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


@contextmanager
def _rules_timed() -> Iterator[dict[str, float]]:
    """Seconds of the processor that each rule takes, and the search for all their needles."""
    spent: dict[str, float] = defaultdict(float)
    guarded = findings.guarded

    def timed(rule: Callable[[Any], Any], about: Any, name: str, *others: Any) -> Any:
        with _spent(spent, "search for needles"):
            getattr(about, "_uses", None)
        with _spent(spent, name.rpartition(".")[2]):
            return list(guarded(rule, about, name, *others))

    with patch.object(findings, "guarded", timed):
        yield spent


@contextmanager
def _spent(spent: dict[str, float], name: str) -> Iterator[None]:
    began = time.process_time()
    yield
    spent[name] += time.process_time() - began


def _print(
    what: str, figures: dict[str, Any], missed: list[str], by_rule: dict[str, float]
) -> None:
    rules, rest = figures["rules"], figures["rest"]
    _say(
        _FORM.format(
            what,
            f"{rules:.2f}",
            f"{rest:.2f}",
            f"{rules / rest:.2f}",
            f"{figures['peak_mib_before_rules']:.0f}",
            f"{figures['peak_mib']:.0f}",
            f"{figures['found']:.0f}",
            "; ".join(missed),
        ).rstrip()
    )
    for name, seconds in sorted(by_rule.items(), key=lambda one: -one[1])[:_SLOWEST]:
        _say(f"    {seconds:6.2f} s {name}")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - its output


if __name__ == "__main__":
    sys.exit(main())
