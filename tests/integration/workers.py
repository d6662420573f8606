"""Worker processes on the test's own database."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from django.conf import settings
from django.db import connection

REPOSITORY = Path(__file__).resolve().parents[2]
WAIT_SECONDS = 60


def database_url() -> str:
    """The address of the database this test runs on, as DATABASE_URL takes it."""
    found = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{found['NAME']}"
    user, password, host, name = (
        quote(str(found[key] or ""), safe="") for key in ("USER", "PASSWORD", "HOST", "NAME")
    )
    port = f":{found['PORT']}" if found["PORT"] else ""
    return f"postgres://{user}:{password}@{host}{port}/{name}"


class WorkerProcess:
    """A real worker in a process of its own; see worker_process.py. Killed at the end of `with`."""

    def __init__(self, folder: Path, moment: str = "") -> None:
        """`folder` is the worker's own; `moment`, if given, is where it stops."""
        self._errors = folder / "worker-errors"
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.integration.worker_process"),
                    *([moment] if moment else []),
                ],
                cwd=REPOSITORY,
                env={
                    **os.environ,
                    "DATABASE_URL": database_url(),
                    "COUNTERSIGN_VAR": str(folder / "var"),
                    "COUNTERSIGN_SECRET_KEY": settings.SECRET_KEY,
                    "COUNTERSIGN_SEALING_KEYS": ",".join(settings.SEALING_KEYS),
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def wait_for(self, word: str) -> None:
        """Return once it has said this word; RuntimeError with its errors where it does not."""
        assert self._process.stdout is not None
        too_late = threading.Timer(WAIT_SECONDS, self._process.kill)
        too_late.start()
        try:
            said = self._process.stdout.readline().strip()
        finally:
            too_late.cancel()
        if said != word:
            errors = self._errors.read_text(errors="replace")[-4000:]
            raise RuntimeError(f"The worker said {said!r} instead of {word!r}:\n{errors}")

    def go_on(self) -> None:
        """Let it go on from the word it said last."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """SIGKILL: it gets to tidy up nothing. Returns when it is gone."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
