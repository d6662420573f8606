"""What Git says of two folders, in the form in which we can be compared with it."""

import os
import shutil
import subprocess
from pathlib import Path

from approvals.inspection.results import Comparison

# Old path, new path (None where there is none), added lines, removed lines (None: binary).
Line = tuple[str | None, str | None, int | None, int | None]

_TIMEOUT_SECONDS = 600


def git_lines(folder: Path, old: str, new: str, *options: str) -> set[Line]:
    """`git diff --no-index -M --numstat` of two folders inside `folder`."""
    git = shutil.which("git")
    assert git is not None
    finished = subprocess.run(
        [git, "diff", "--no-index", "-M", "--numstat", "-z", "--no-ext-diff", *options, old, new],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
        },
        capture_output=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    assert finished.returncode in (0, 1), finished.stderr.decode()
    fields = iter(finished.stdout.decode("utf-8", "surrogateescape").split("\0"))
    found: set[Line] = set()
    for field in fields:
        if not field:
            continue
        added, removed, path = field.split("\t", 2)
        # With -z, two paths follow in fields of their own; /dev/null is the missing one.
        before, after = (path, path) if path else (next(fields), next(fields))
        found.add((_within(before), _within(after), _count(added), _count(removed)))
    return found


def our_lines(comparison: Comparison) -> set[Line]:
    """The same of a comparison; changed modes, which Git lists with no lines, included.

    Second copies are not: a tree that was unpacked has none.
    """
    return {
        (
            None if change.status == "added" else change.old_path or change.path,
            None if change.status == "removed" else change.path,
            change.added_lines,
            change.removed_lines,
        )
        for change in comparison.files
        if change.status != "left_out"
    }


def _within(path: str) -> str | None:
    return None if path == "/dev/null" else path.partition("/")[2]


def _count(number: str) -> int | None:
    return None if number == "-" else int(number)
