"""Runs every benchmark on a database of its own and prints each ratio beside its limit.

The exit code is 1 if a ratio is over its limit.
"""

import os
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        os.environ["COUNTERSIGN_VAR"] = folder
        os.environ["COUNTERSIGN_LOG_LEVEL"] = "ERROR"
        os.environ.setdefault("COUNTERSIGN_URL", "http://127.0.0.1:8000")
        Path(folder, "static").mkdir()

        import django

        django.setup()

        from tests.benchmarks.ratios import run_all
        from tests.benchmarks.waiters import waiters

        over = run_all(Path(folder))
        waiters(Path(folder))
        sys.exit(over)
