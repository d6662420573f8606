"""A PostgreSQL and a Redis that a test may restart, stop and empty: nobody else uses them."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
import redis

PATIENCE_SECONDS = 120
# Of a package, where no distribution has put it on the PATH.
POSTGRESQL_FOLDERS = "/usr/lib/postgresql/*/bin"
# Servers of databases do not run as root.
UNPRIVILEGED = "nobody"


def missing(what: str) -> None:
    """Skips the test in one line; in CI everything is there, so that it fails."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}, which CI does not allow")
    pytest.skip(what)


def postgresql_folder() -> Path | None:
    """Where initdb and pg_ctl are."""
    if found := shutil.which("pg_ctl"):
        return Path(found).parent
    folders = sorted(Path("/").glob(POSTGRESQL_FOLDERS.removeprefix("/")))
    return next((one for one in reversed(folders) if (one / "pg_ctl").exists()), None)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.1)


class PrivatePostgreSQL:
    """A PostgreSQL of this test alone; gone at the end of `with`."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        # Not below pytest's own folder, which nobody but its owner may enter.
        self._folder = Path(tempfile.mkdtemp(prefix="countersign-postgresql-"))
        self._user = UNPRIVILEGED if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(self._folder, self._user)
        self.port = free_port()
        self.url = f"postgres://owner@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> Self:
        self._run("initdb", "--username=owner", "--auth=trust", "--no-sync")
        self._start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._run("pg_ctl", "stop", "-m", "immediate")
        shutil.rmtree(self._folder)

    def restart(self) -> None:
        """As after a power cut: no session is told, and the log is played again."""
        self._run("pg_ctl", "stop", "-m", "immediate")
        self._start()

    def _start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self._folder}"
        self._run("pg_ctl", "start", "-w", "-l", f"{self._folder}/log", "-o", options)

    def _run(self, program: str, *options: str) -> None:
        subprocess.run(
            [self._programs / program, "-D", self._folder / "data", *options],
            check=True,
            user=self._user,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            timeout=PATIENCE_SECONDS,
        )


class PrivateRedis:
    """A Redis of this test alone, which keeps nothing when it stops."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program, self._folder = program, folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Returns once it answers."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly"]
        self._process = subprocess.Popen(
            [self._program, *options, "no", "--dir", self._folder], stdout=subprocess.DEVNULL
        )
        with redis.Redis.from_url(self.url) as client:
            eventually(lambda: self._answers(client))

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def flush(self) -> None:
        """Every message in it is lost."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def _answers(self, client: "redis.Redis") -> bool:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False


class CeleryWorker:
    """The worker that runs for real, with its sweeps; killed at the end of `with`.

    Started again when it fails, as config/systemd does: a worker of kombu 5.7 that has something to
    acknowledge at the moment its Redis goes away ends with "Unrecoverable error".
    """

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._folder = folder
        self._environment = {**os.environ, **environment, "COUNTERSIGN_VAR": str(folder)}

    def __enter__(self) -> Self:
        self._log = (self._folder / "worker-log").open("wb")
        self._process = subprocess.Popen(
            [
                *("/bin/sh", "-c", 'until "$@"; do sleep 0.5; done', "restarting"),
                *(sys.executable, "-m", "celery", "-A", "config", "worker"),
                *("--beat", "--pool", "threads", "--concurrency", "2"),
                *("--queues", "countersign,decisions", "--schedule", self._folder / "schedule"),
            ],
            cwd=Path(__file__).resolve().parents[2],
            env=self._environment,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()
        if error:
            sys.stderr.write((self._folder / "worker-log").read_text(errors="replace")[-4000:])
