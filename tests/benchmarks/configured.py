"""Settings of its own for a benchmark that needs no database."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def ready() -> Iterator[None]:
    """Django with its default settings, and a folder of its own that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        os.environ["COUNTERSIGN_VAR"] = folder
        os.environ["COUNTERSIGN_LOG_LEVEL"] = "ERROR"
        os.environ.setdefault("COUNTERSIGN_URL", "http://127.0.0.1:8000")
        Path(folder, "static").mkdir()

        import django  # noqa: PLC0415 - reads its settings from the environment

        django.setup()
        yield
