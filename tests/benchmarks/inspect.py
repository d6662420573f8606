"""Inspection against `npm diff`, `git diff` and plain gunzip, on real packages, in one run.

    .venv/bin/python -m tests.benchmarks.inspect [--without-npm-diff] [--rounds N] [NAME …]

Prints a table of seconds, ratios and peak memory with the target of each, and where statuses and
line counts differ from those of `git diff --no-index -M --numstat`. The exit code is 1 if a target
is missed or something differs. `npm diff` alone takes minutes. The packages are fetched with
`npm pack` into a folder outside the tree (COUNTERSIGN_BENCHMARK_CACHE), once.
"""

import argparse
import gzip
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from approvals.inspection.compare import compare_tarballs
from tests.benchmarks.numstat import git_lines, our_lines
from tests.benchmarks.pairs import PAIRS, PEAK_MEMORY_MIB, Pair, extracted, program, tarball

_TIMEOUT_SECONDS = 1800
_MOST_DIFFERENCES = 20


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured on one pair, in seconds and MiB; None where it was left out."""

    pair: Pair
    ours: float
    memory: float
    gunzip: float
    git_diff: float
    npm_diff: float | None
    differences: list[str]


@dataclass(frozen=True, slots=True)
class Target:
    """One figure beside what it has to be."""

    what: str
    figure: float
    limit: float
    is_least: bool

    @property
    def is_met(self) -> bool:
        return self.figure >= self.limit if self.is_least else self.figure <= self.limit

    def __str__(self) -> str:
        sign = "≥" if self.is_least else "≤"
        text = f"{self.what} {self.figure:.1f} ({sign} {self.limit:g}"
        if self.is_met:
            return f"{text})"
        return f"{text}, missed by {abs(self.figure - self.limit) / self.limit:.0%})"


def main() -> int:
    """Measure all pairs, or those named; 1 if a target is missed or something differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.inspect")
    parser.add_argument("names", nargs="*", metavar="NAME", help="packages to measure (all)")
    parser.add_argument("--without-npm-diff", action="store_true", help="leave npm diff out")
    parser.add_argument("--rounds", type=int, default=5, help="each figure is a median of (5)")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        what, old, new = options.measure
        _say(json.dumps(_measure(what, Path(old), Path(new))))
        return 0
    rows = []
    for pair in PAIRS:
        if not options.names or pair.name in options.names:
            sys.stderr.write(f"{pair.name} {pair.old} → {pair.new} …\n")
            rows.append(_row(pair, rounds=options.rounds, with_npm=not options.without_npm_diff))
    return _print(rows)


def _row(pair: Pair, *, rounds: int, with_npm: bool) -> Row:
    old, new = tarball(pair.name, pair.old), tarball(pair.name, pair.new)
    measured = [(_child("ours", old, new), _child("gunzip", old, new)) for _ in range(rounds)]
    with tempfile.TemporaryDirectory() as folder:
        extracted(old, Path(folder, "old"))
        extracted(new, Path(folder, "new"))
        git = [_git_diff(folder) for _ in range(rounds)]
        theirs, ours = git_lines(Path(folder), "old", "new"), our_lines(compare_tarballs(new, old))
        differences = [f"only Git: {line}" for line in sorted(theirs - ours, key=str)]
        differences += [f"only here: {line}" for line in sorted(ours - theirs, key=str)]
        npm = _npm_diff(old, new, folder) if with_npm else None
    return Row(
        pair=pair,
        ours=statistics.median(ours["seconds"] for ours, _ in measured),
        memory=statistics.median(ours["peak_mib"] for ours, _ in measured),
        gunzip=statistics.median(plain["seconds"] for _, plain in measured),
        git_diff=statistics.median(git),
        npm_diff=npm,
        differences=differences,
    )


def _child(what: str, old: Path, new: Path) -> dict[str, Any]:
    """Measure in a fresh process, whose memory nothing else has used."""
    finished = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.inspect", "--measure", what, old, new],
        capture_output=True,
        timeout=_TIMEOUT_SECONDS,
        check=True,
    )
    found: dict[str, Any] = json.loads(finished.stdout)
    return found


def _measure(what: str, old: Path, new: Path) -> dict[str, Any]:
    idle = peak_mib()
    began = time.perf_counter()
    if what == "ours":
        compare_tarballs(new, old)
    else:
        for path in (old, new):
            with gzip.open(path) as file:
                while file.read(1024 * 1024):
                    pass
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "peak_mib": peak_mib() - idle}


def peak_mib() -> float:
    """The most memory that this process has had; getrusage's figure includes its parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("This benchmark needs Linux, whose /proc says how much memory was used.")


def _git_diff(folder: str) -> float:
    began = time.perf_counter()
    subprocess.run(
        [program("git"), "diff", "--no-index", "-M", "--stat", "old", "new"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    return time.perf_counter() - began


def _npm_diff(old: Path, new: Path, folder: str) -> float:
    # From the files alone: nothing listens at that address.
    command = [program("npm"), "diff", f"--diff=file:{old}", f"--diff=file:{new}", "--offline"]
    began = time.perf_counter()
    subprocess.run(
        [*command, "--registry=http://127.0.0.1:9/", f"--cache={folder}/npm"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=_TIMEOUT_SECONDS,
        check=True,
    )
    return time.perf_counter() - began


def _targets(row: Row) -> list[Target]:
    found = [Target("MiB above idle", row.memory, PEAK_MEMORY_MIB, is_least=False)]
    if row.npm_diff is not None:
        ratio = row.npm_diff / row.ours
        found.append(Target("times as fast as npm diff", ratio, row.pair.npm_diff, is_least=True))
    if row.pair.gunzip is not None:
        ratio = row.ours / row.gunzip
        found.append(Target("of gunzip's time", ratio, row.pair.gunzip, is_least=False))
    return found


def _print(rows: list[Row]) -> int:
    form = "{:32} {:>8} {:>8} {:>8} {:>9} {:>10} {:>9}  {}"
    heads = ("ours s", "gunzip s", "git s", "npm s", "ours/gunz.", "npm/ours")
    _say(form.format("", *heads, "targets"))
    failed = 0
    for row in rows:
        pair, npm = row.pair, row.npm_diff
        targets = _targets(row)
        failed += sum(not target.is_met for target in targets) + len(row.differences)
        _say(
            form.format(
                f"{pair.name} {pair.old} → {pair.new}",
                f"{row.ours:.2f}",
                f"{row.gunzip:.2f}",
                f"{row.git_diff:.2f}",
                "-" if npm is None else f"{npm:.1f}",
                f"{row.ours / row.gunzip:.2f}",
                "-" if npm is None else f"{npm / row.ours:.0f}",
                "; ".join(map(str, targets)),
            )
        )
        for line in row.differences[:_MOST_DIFFERENCES]:
            _say(f"    {line}")
        if len(row.differences) > _MOST_DIFFERENCES:
            _say(f"    and {len(row.differences) - _MOST_DIFFERENCES} more differences")
    agreed = sum(not row.differences for row in rows)
    _say(f"Statuses and line counts as Git's on {agreed} of {len(rows)} pairs.")
    return 1 if failed else 0


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - its output


if __name__ == "__main__":
    sys.exit(main())
