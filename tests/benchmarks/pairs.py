"""The packages that inspection is measured on, fetched once and kept outside the tree."""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

_TIMEOUT_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Pair:
    """Two versions of a package, and what is to be reached on them.

    `npm_diff` is how many times as fast as `npm diff` we are at least, `gunzip` how many times the
    time of unpacking both we take at most (None: no target).
    """

    name: str
    old: str
    new: str
    npm_diff: float
    gunzip: float | None = None


PAIRS = (
    Pair("react-dom", "18.3.1", "19.0.0", 50),
    Pair("typescript", "5.8.3", "5.9.2", 50),
    Pair("next", "15.1.0", "15.1.1", 10, 2.0),
    Pair("aws-sdk", "2.1690.0", "2.1692.0", 10, 2.0),
    Pair("@angular/core", "19.0.0", "19.0.1", 20),
)
# Above an idle process.
PEAK_MEMORY_MIB = 200


def program(name: str) -> str:
    """The full path of a program. Raises SystemExit if it is not installed."""
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is not installed, and this benchmark needs it.")
    return found


def tarball(name: str, version: str) -> Path:
    """A version's tarball, from the cache or by `npm pack` from npm's own registry setting."""
    given = os.environ.get("COUNTERSIGN_BENCHMARK_CACHE")
    cache = Path(given) if given else Path(tempfile.gettempdir()) / "countersign-benchmarks"
    path = cache / f"{name.removeprefix('@').replace('/', '-')}-{version}.tgz"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            subprocess.run(
                [
                    *(program("npm"), "pack", "--silent", f"{name}@{version}"),
                    *("--pack-destination", folder),
                ],
                cwd=folder,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_TIMEOUT_SECONDS,
                check=True,
            )
            Path(folder, path.name).rename(path)
    return path


def extracted(path: Path, folder: Path) -> Path:
    """A tarball's files in a new folder, as `tar` writes them."""
    folder.mkdir()
    subprocess.run(
        [program("tar"), "-xzf", path, "-C", folder, "--strip-components=1"],
        stderr=subprocess.DEVNULL,
        timeout=_TIMEOUT_SECONDS,
        check=True,
    )
    return folder
