"""The whole program, running as `manage.py up` runs it, for tests that use it from outside."""

import ctypes
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from config.demo import Codes
from registry_client.sandbox import demo_organisation
from registry_client.sandbox.control import SandboxControl
from registry_client.sandbox.second_factor import Mode
from registry_client.sandbox.server import SandboxRegistry

MANAGE = Path(__file__).resolve().parent.parent / "manage.py"
READY = "Ctrl-C stops"
STARTS_WITHIN_SECONDS = 120
STOPS_WITHIN_SECONDS = 30
COMMAND_SECONDS = 60
# Below the range from which the kernel takes the ports of outgoing connections.
PORTS = range(20_000, 32_000)
PR_SET_PDEATHSIG = 1


class ProgramEnded(Exception):
    """It ended before it was ready, or did not get ready in time; the text has its output."""


def free_port(*, but: int = 0) -> int:
    """A port of the loopback address where nobody listens, and another one than `but`."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            if port != but and probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def environment(var: Path, services: dict[str, str]) -> dict[str, str]:
    """What a program on this folder and these services is started with; no other settings."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("COUNTERSIGN_") and name not in {"DATABASE_URL", "REDIS_URL"}
    }
    return {**inherited, "COUNTERSIGN_VAR": str(var), **services}


def manage(var: Path, services: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a management command to its end."""
    return subprocess.run(
        [sys.executable, str(MANAGE), *command],
        env=environment(var, services),
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )


class Program:
    """`manage.py up` on a folder of its own. A context manager, or call `start` and `stop`.

    `services` are the variables of `tests.services.own_services`. `prepare` gets the demo's
    sandbox, filled and not running yet. It can be started again after `stop`, on the same ports.

    Unless the test is about its processes, it runs as few of them as it can: a dozen of them that
    look for work all the time slow down every other test.
    """

    def __init__(
        self,
        var: Path,
        services: dict[str, str],
        *,
        demo: bool = True,
        otp: Mode = "classic",
        prepare: Callable[[SandboxRegistry], None] | None = None,
        all_workers: bool = False,
    ) -> None:
        self.var = var
        self.services = services
        self.demo = demo
        self.otp = otp
        self._prepare = prepare
        self._all_workers = all_workers
        self.port = free_port()
        self.sandbox_port = free_port(but=self.port)
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._lines: list[str] = []
        self._told = threading.Condition()
        self._ended = False

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The dashboard's address, without a slash at the end."""
        return f"http://localhost:{self.port}"

    @property
    def sandbox_url(self) -> str:
        """The sandbox registry's address, with a slash at the end."""
        return f"http://127.0.0.1:{self.sandbox_port}/"

    @property
    def sandbox_control(self) -> SandboxControl:
        """What the sandbox recorded, and what makes it misbehave."""
        return SandboxControl.of_folder(self.sandbox_url, self.var / "sandbox")

    @property
    def output(self) -> str:
        """Everything it has printed since it was started."""
        with self._told:
            return "".join(self._lines)

    @property
    def pid(self) -> int:
        assert self._process is not None, "it was not started"
        return self._process.pid

    def start(self) -> Self:
        """Starts it and waits until it says how to sign in. Raises ProgramEnded."""
        if self._prepare is not None:
            registry = SandboxRegistry(self.var / "sandbox")
            demo_organisation.build(registry)
            self._prepare(registry)
            registry.stop()
            self._prepare = None
        self.begin()
        self.wait_for(READY)
        return self

    def begin(self) -> None:
        """Starts it and returns at once."""
        options = [f"--port={self.port}"]
        if self.demo:
            options += [
                "--demo",
                f"--sandbox-port={self.sandbox_port}",
                f"--sandbox-otp={self.otp}",
            ]
        variables = environment(self.var, self.services)
        if not self._all_workers:
            options += ["--one-worker"]
            variables["COUNTERSIGN_WEB_PROCESSES"] = "1"
        self._lines, self._ended = [], False
        self._process = subprocess.Popen(
            [sys.executable, str(MANAGE), "up", *options],
            env=variables,
            # Whoever starts it need not be in its folder.
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Ctrl-C in the terminal is for pytest, which then stops this in order.
            start_new_session=True,
            preexec_fn=_end_with_tests if sys.platform == "linux" else None,  # noqa: PLW1509 - calls prctl and nothing else
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    def wait_for(self, words: str, seconds: float = STARTS_WITHIN_SECONDS) -> None:
        """Waits until it has printed these words. Raises ProgramEnded."""
        with self._told:
            self._told.wait_for(
                lambda: self._ended or words in "".join(self._lines), timeout=seconds
            )
        if words not in self.output:
            raise ProgramEnded(f"It did not say {words!r}:\n{self.output[-6000:]}")

    def wait(self, seconds: float = STOPS_WITHIN_SECONDS) -> int:
        """Waits for its end, and returns its exit code."""
        assert self._process is not None, "it was not started"
        assert self._reader is not None
        code = self._process.wait(seconds)
        self._reader.join(timeout=5)
        return code

    def stop(self) -> int:
        """Presses Ctrl-C, waits for the end, and returns the exit code."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            code = self.wait()
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        self._process = None
        return code

    def manage(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs another management command beside it."""
        return manage(self.var, self.services, *command)

    def run_python(self, code: str, **values: Any) -> Any:
        """Runs Python with the program's settings and database, and returns its `result`.

        The code finds `values` as variables; both ways they pass through JSON.
        """
        mark = "the result is "
        script = (
            f"import json\nglobals().update(json.loads({json.dumps(values)!r}))\nresult = None\n"
            f"{code}\nprint({mark!r} + json.dumps(result))"
        )
        done = self.manage("shell", "--verbosity=0", "--command", script)
        found = re.search(rf"^{mark}(.*)$", done.stdout, re.MULTILINE)
        if done.returncode or not found:
            raise RuntimeError(f"This Python failed in the program:\n{done.stdout}{done.stderr}")
        return json.loads(found[1])

    def password(self, name: str) -> str:
        """The password of one of the demo's people."""
        return self._organisation().users[name].password

    def token(self, name: str) -> str:
        """The sandbox token of one of the demo's people."""
        return self._organisation().users[name].token

    def codes(self, name: str) -> Codes:
        """What the authenticators of one of the demo's people show now."""
        done = self.manage("demo_code", name)
        dashboard = re.search(r"^Countersign +(\d{6}) +\((.*)\)$", done.stdout, re.MULTILINE)
        registry = re.search(
            r"^registry +(\d{6}) +\(for (\d+) more seconds\)$", done.stdout, re.MULTILINE
        )
        if not dashboard or not registry:
            raise RuntimeError(f"demo_code does not answer:\n{done.stdout}{done.stderr}")
        return Codes(
            dashboard=dashboard[1],
            used="used already" in dashboard[2],
            registry=registry[1],
            seconds_left=int(registry[2]),
        )

    def _organisation(self) -> demo_organisation.DemoOrganisation:
        organisation = demo_organisation.load(self.var / "sandbox")
        assert organisation is not None, "it has no demo"
        return organisation

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with self._told:
                self._lines.append(line)
                self._told.notify_all()
        with self._told:
            self._ended = True
            self._told.notify_all()


def _end_with_tests() -> None:
    # However pytest ends: what it started is told to stop, and stops its own children.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
