"""Several programs run as one: started together, watched together, stopped together."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

STOP_WITHIN_SECONDS = 10
PR_SET_PDEATHSIG = 1
# Loaded here, as nothing may be loaded between a fork and its exec.
_LIBC = ctypes.CDLL(None)


class ChildStopped(Exception):
    """A program ended that should have gone on; the text names it and its exit code."""


class Stopped(BaseException):
    """Somebody asked for an end: Ctrl-C or SIGTERM. No `except Exception` may swallow it."""


@dataclass
class _Child:
    name: str
    process: subprocess.Popen[str]
    reader: threading.Thread


class Processes:
    """Starts programs and passes their output on, each line with the program's name.

    A context manager: leaving it stops whatever still runs, last started first.
    """

    def __init__(self, folder: Path) -> None:
        """The programs are started in this folder, wherever this process was started."""
        self._folder = folder
        self._children: list[_Child] = []
        self._previous: dict[signal.Signals, object] = {}
        self._stop_asked = self._starting = False

    def __enter__(self) -> "Processes":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        # A second Ctrl-C must not leave half of the programs behind.
        for number in self._previous:
            signal.signal(number, signal.SIG_IGN)
        self.stop()
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() returned

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> None:
        self._starting = True
        try:
            process = subprocess.Popen(
                command,
                env=dict(env),
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                # Ctrl-C reaches this process alone, which then stops the others in order.
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - no threads hold locks the child needs
            )
            reader = threading.Thread(target=_pass_on, args=(name, process), daemon=True)
            reader.start()
            self._children.append(_Child(name, process, reader))
        finally:
            self._starting = False
        self.check()

    def check(self) -> None:
        """Raises ChildStopped if one of them has ended, Stopped if an end was asked for."""
        if self._stop_asked:
            raise Stopped
        for child in self._children:
            code = child.process.poll()
            if code is not None:
                child.reader.join(timeout=1)
                raise ChildStopped(
                    f"The {child.name} stopped by itself (exit code {code}); its last lines are "
                    "above. Everything else was stopped."
                )

    def wait_until(self, ready: Callable[[], bool], *, seconds: float, what: str) -> None:
        """Waits for `ready`, watching the programs meanwhile.

        Raises TimeoutError, and what `check` raises.
        """
        until = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > until:
                raise TimeoutError(f"{what} did not answer within {seconds:.0f} seconds.")
            time.sleep(0.1)

    def watch(self) -> None:
        """Returns only by an exception: Stopped, or ChildStopped."""
        while True:
            self.check()
            time.sleep(0.3)

    def stop(self) -> None:
        for child in reversed(self._children):
            if child.process.poll() is None:
                child.process.terminate()
        until = time.monotonic() + STOP_WITHIN_SECONDS
        for child in self._children:
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(timeout=max(until - time.monotonic(), 0.1))
            # Whatever is left of its group too: a worker that was killed leaves its pool behind.
            with suppress(ProcessLookupError):
                os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()
            child.reader.join(timeout=1)
        self._children.clear()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # Once only: a second signal must not end the stopping. And not in the middle of a fork,
        # where Python drops what is raised: `start` raises it when it is done.
        first, self._stop_asked = not self._stop_asked, True
        if first and not self._starting:
            raise Stopped


def why_not_listen(host: str, port: int) -> str:
    """What would keep a server from listening there now, in the system's words; "" if nothing."""
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        ):
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except OSError as error:
        return str(error.strerror)
    return ""


def answers(host: str, port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def _pass_on(name: str, process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None  # noqa: S101 - it was opened as a pipe
    for line in process.stdout:
        sys.stdout.write(f"{name:>10} | {line}")
        sys.stdout.flush()


def _die_with_parent() -> None:
    # Killed without warning, the parent can stop nobody: the kernel does it.
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
