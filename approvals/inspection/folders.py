"""Temporary folders under var/, which go away even if the process that made them is killed."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

LEFTOVER_AFTER_SECONDS = 24 * 3600


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder for its owner alone, removed with all that is in it afterwards."""
    parent = settings.VAR_DIR / "inspecting"
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove_leftovers(parent)
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        yield Path(folder)


def _remove_leftovers(parent: Path) -> None:
    # Of processes that were killed; nothing is inspected for anywhere near this long.
    for leftover in parent.iterdir():
        # Another worker may be done with its own folder at this very moment.
        with contextlib.suppress(FileNotFoundError):
            if time.time() - leftover.stat().st_mtime > LEFTOVER_AFTER_SECONDS:
                shutil.rmtree(leftover, ignore_errors=True)
