"""Two hundred calls that wait at once: what they cost in memory, and how soon they are answered.

Alone: python -m tests.benchmarks.waiters
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    os.environ["COUNTERSIGN_VAR"] = tempfile.mkdtemp()
    os.environ["COUNTERSIGN_LOG_LEVEL"] = "ERROR"

    import django

    django.setup()

from tests.program import MANAGE, environment, free_port, manage
from tests.services import own_services

WAITERS = 200
PAGES = 30
PATIENCE = 120
SEED = """
import json
from tests.approvals.factories import make_staged_version
from tests.approvals.api.factories import make_api_token
row = make_staged_version()
print('seed ' + json.dumps([make_api_token()[1], str(row.stage_id)]))
"""
MOVE = """
import time
from approvals.queue.models import StagedVersion
StagedVersion.objects.update(state='live')
print('moved', time.time())
"""


def waiters(folder: Path) -> None:
    """Prints a line for each thing that is measured."""
    with own_services() as services:
        var = folder / "waiters"
        for command in (("migrate",), ("collectstatic", "--noinput")):
            _run(var, services, *command)
        [line] = [one for one in _shell(var, services, SEED) if one.startswith("seed ")]
        token, stage = json.loads(line.removeprefix("seed "))
        port = free_port()
        variables = environment(var, services) | {
            "COUNTERSIGN_URL": f"http://127.0.0.1:{port}",
            "COUNTERSIGN_WEB_PROCESSES": "1",
        }
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "--config=python:config.gunicorn"),
                f"--bind=127.0.0.1:{port}",
            ],
            env=variables,
            cwd=MANAGE.parent,
            stderr=subprocess.DEVNULL,
        )
        try:
            doing = _measured(server.pid, port, token, stage, (var, services))
            asyncio.run(asyncio.wait_for(doing, PATIENCE))
        finally:
            server.terminate()
            server.wait()


async def _measured(
    pid: int, port: int, token: str, stage: str, moving: tuple[Path, dict[str, str]]
) -> None:
    async def ask(path: str) -> tuple[bytes, float]:
        """The whole answer, and when it was there."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        return answer, time.time()

    async def up() -> bool:
        try:
            return b"200 OK" in (await ask("/healthz"))[0]
        except OSError:
            return False

    await _until(up)
    # What is loaded with the first call is not what waiting costs.
    await asyncio.gather(*(ask(f"/api/v1/stages/{stage}?wait=1") for _ in range(20)))
    idle, threads = _memory(pid), _threads(pid)
    page = await _page(ask)

    held = [asyncio.create_task(ask(f"/api/v1/stages/{stage}?wait=55")) for _ in range(WAITERS)]
    begun = time.time()
    sockets = WAITERS + 1

    async def all_held() -> bool:
        return _connections(pid) >= sockets

    await _until(all_held)
    # They were all looked at once when this, which stands behind them, is answered.
    await ask(f"/api/v1/stages/{stage}?wait=1&state=staged")
    settled = time.time() - begun
    memory, threads_then = _memory(pid), _threads(pid)
    page_then = await _page(ask)
    assert not any(one.done() for one in held)

    told = await asyncio.to_thread(_shell, *moving, MOVE)
    moved = next(float(line.split()[1]) for line in told if line.startswith("moved"))
    answers = await asyncio.gather(*held)
    assert all(b'"outcome": "live"' in answer for answer, _ in answers)
    after = sorted(at - moved for _, at in answers)
    each = (memory - idle) * 1024 / WAITERS
    for line in (
        f"{WAITERS} calls wait, each looked at once within {settled:.1f} s",
        f"  memory    {idle:.0f} MB idle, {memory:.0f} MB with them ({each:.0f} kB each)",
        f"  threads   {threads} idle, {threads_then} with them",
        f"  a page    {page * 1000:.0f} ms idle, {page_then * 1000:.0f} ms with them (median)",
        f"  answered  {statistics.median(after):.2f} s after the change (median), "
        f"{after[int(len(after) * 0.9)]:.2f} s for nine in ten, {after[-1]:.2f} s for all",
    ):
        sys.stdout.write(f"{line}\n")


async def _page(ask: Callable[[str], Awaitable[tuple[bytes, float]]]) -> float:
    times = []
    for _ in range(PAGES):
        begun = time.time()
        answer, at = await ask("/account/login/")
        assert answer.startswith(b"HTTP/1.1 200")
        times.append(at - begun)
    return statistics.median(times)


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    while not await condition():
        await asyncio.sleep(0.05)


def _workers(pid: int) -> list[Path]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [Path("/proc") / child for child in children]


def _memory(pid: int) -> float:
    """In MB, of the process that answers."""
    lines = [line for one in _workers(pid) for line in (one / "status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def _threads(pid: int) -> int:
    return sum(len(list((one / "task").iterdir())) for one in _workers(pid))


def _connections(pid: int) -> int:
    found = 0
    for one in _workers(pid):
        for descriptor in (one / "fd").iterdir():
            found += os.path.islink(descriptor) and "socket:" in os.readlink(descriptor)
    return found


def _run(var: Path, services: dict[str, str], *command: str) -> list[str]:
    done = manage(var, services, *command)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout.splitlines()


def _shell(var: Path, services: dict[str, str], code: str) -> list[str]:
    return _run(var, services, "shell", "--verbosity=0", "--command", code)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        waiters(Path(temporary))
