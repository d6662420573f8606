"""The web server as it is deployed: gunicorn with its configuration, pages and calls that wait."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.program import MANAGE, environment, free_port, manage
from tests.services import own_services

PATIENCE = 60
LARGE = 3_000_000
CONNECTIONS = 60
SEED = """
from tests.approvals.factories import make_staged_version
from tests.approvals.api.factories import make_api_token
rows = [make_staged_version(f"pkg-{number}") for number in range(3)]
result = [make_api_token()[1], *(str(row.stage_id) for row in rows)]
"""
MOVE = """
from approvals.queue.models import StagedVersion
StagedVersion.objects.filter(stage_id={stage!r}).update(state={state!r})
result = None
"""


@dataclass
class Web:
    """A running web server of one process."""

    var: Path
    services: dict[str, str]
    port: int
    process: subprocess.Popen[str]
    token: str
    stages: list[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, **query: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return requests.get(
            f"{self.url}/api/v1/{path}", params=query, headers=headers, timeout=PATIENCE
        )

    def idle(self) -> int:
        """How many sockets it has once nobody is connected any more."""
        seen = [connections_of(self.process)]

        def is_still() -> bool:
            # Longer than gunicorn keeps a connection on which nothing is asked.
            time.sleep(0.5)
            seen.append(connections_of(self.process))
            return len(set(seen[-6:])) == 1 and len(seen) > 6

        wait_until(is_still)
        return seen[-1]

    def settle(self) -> None:
        """Returns once all calls that came before are held, or answered.

        These stand behind them in the line of those that are looked at, and are not held.
        """
        for _ in range(4):
            assert self.ask(f"stages/{self.stages[2]}", wait=1, state="live").ok

    def raw(self, request: bytes) -> bytes:
        """All that comes back on a connection of its own."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as connection:
            connection.sendall(request)
            with contextlib.suppress(ConnectionResetError):
                return b"".join(iter(lambda: connection.recv(65536), b""))
        return b""

    def python(self, code: str) -> Any:
        return python(self.var, self.services, code)


def python(var: Path, services: dict[str, str], code: str) -> Any:
    code = f"import json\n{code}\nprint('result ' + json.dumps(result))"
    done = manage(var, services, "shell", "--verbosity=0", "--command", code)
    assert done.returncode == 0, done.stderr
    [line] = [one for one in done.stdout.splitlines() if one.startswith("result ")]
    return json.loads(line.removeprefix("result "))


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def connections_of(process: subprocess.Popen[str]) -> int:
    """How many sockets the processes of this server have open."""
    family = [process.pid]
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    family += map(int, children)
    return sum(
        os.readlink(one).startswith("socket:")
        for pid in family
        for one in Path(f"/proc/{pid}/fd").iterdir()
        if one.is_symlink()
    )


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    var = tmp_path_factory.mktemp("var")
    with own_services() as services:
        port = free_port()
        variables = environment(var, services) | {
            "COUNTERSIGN_URL": f"http://127.0.0.1:{port}",
            "COUNTERSIGN_WEB_PROCESSES": "1",
            "COUNTERSIGN_WEB_THREADS": "2",
            "COUNTERSIGN_API_WAITERS": "30",
        }
        for command in (("migrate",), ("collectstatic", "--noinput")):
            done = manage(var, services, *command, "--verbosity=0")
            assert done.returncode == 0, done.stderr
        (var / "static" / "large.txt").write_bytes(b"x" * LARGE)
        token, *stages = python(var, services, SEED)
        process = _start(port, variables)
        web = Web(var, services, port, process, token, stages)
        try:
            wait_until(lambda: _answers(web))
            yield web
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def _start(port: int, variables: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "--config=python:config.gunicorn"),
            *(f"--bind=127.0.0.1:{port}", f"--worker-connections={CONNECTIONS}"),
        ],
        env=variables,
        cwd=MANAGE.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _answers(web: Web) -> bool:
    assert web.process.poll() is None, web.process.stderr and web.process.stderr.read()
    try:
        return requests.get(f"{web.url}/healthz", timeout=1).status_code == HTTPStatus.OK
    except requests.RequestException:
        return False


@pytest.fixture
def web(started: Web) -> Web:
    return started


def test_a_call_is_held_until_the_version_moves(web: Web) -> None:
    with ThreadPoolExecutor(2) as pool:
        by_stage = pool.submit(web.ask, f"stages/{web.stages[0]}", wait=55)
        by_name = pool.submit(web.ask, "packages/pkg-0/versions/1.5.0", wait=55)
        assert web.ask(f"stages/{web.stages[0]}").json()["state"] == "staged"
        assert not by_stage.done()
        assert not by_name.done()
        web.python(MOVE.format(stage=web.stages[0], state="live"))
        assert by_stage.result(PATIENCE).json()["outcome"] == "live"
        assert by_name.result(PATIENCE).json()["outcome"] == "live"
    # What is final, or is known to be another state, is not held.
    assert web.ask(f"stages/{web.stages[0]}", wait=55).json()["outcome"] == "live"
    assert web.ask(f"stages/{web.stages[1]}", wait=55, state="live").json()["state"] == "staged"


def test_a_version_that_is_not_there_yet_is_waited_for(web: Web) -> None:
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(web.ask, "packages/newcomer/versions/1.0.0", wait=55)
        web.python(
            "from tests.approvals.factories import make_staged_version\n"
            "make_staged_version('newcomer', '1.0.0')\nresult = None"
        )
        answer = call.result(PATIENCE)
    assert answer.status_code == HTTPStatus.OK
    assert answer.json()["state"] == "staged"
    assert web.ask("packages/nobody/versions/1.0.0", wait=1).status_code == HTTPStatus.NOT_FOUND


def test_those_who_wait_hold_no_thread_and_no_page_up_and_are_bounded(web: Web) -> None:
    with ThreadPoolExecutor(31) as pool:
        idle = web.idle()
        held = [pool.submit(web.ask, f"stages/{web.stages[1]}", wait=30) for _ in range(30)]
        wait_until(lambda: connections_of(web.process) >= idle + 30)
        web.settle()
        refused = web.ask(f"stages/{web.stages[1]}", wait=30)
        assert refused.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        assert refused.json()["error"] == "too_many_waiters"
        assert int(refused.headers["Retry-After"]) > 0
        # There are fewer threads for pages than there are waiting.
        assert requests.get(f"{web.url}/account/login/", timeout=PATIENCE).ok
        assert web.ask(f"stages/{web.stages[1]}").ok
        assert not any(one.done() for one in held)
        web.python(MOVE.format(stage=web.stages[1], state="rejected"))
        assert {one.result(PATIENCE).json()["outcome"] for one in held} == {"rejected"}


def test_who_hangs_up_frees_the_place(web: Web) -> None:
    idle = web.idle()
    request = (
        f"GET /api/v1/stages/{web.stages[2]}?wait=55 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {web.token}\r\n\r\n"
    ).encode()
    for _ in range(3):
        with contextlib.ExitStack() as stack:
            for _ in range(30):
                connection = socket.create_connection(("127.0.0.1", web.port), PATIENCE)
                stack.enter_context(connection).sendall(request)
            web.settle()
            assert web.ask(f"stages/{web.stages[2]}", wait=1).status_code == 503
        wait_until(lambda: web.ask(f"stages/{web.stages[2]}", wait=1).status_code == 200)
    assert web.idle() <= idle


def test_downloads_that_are_broken_off_cost_no_thread(web: Web) -> None:
    request = b"GET /static/large.txt HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    for _ in range(6):
        connection = socket.create_connection(("127.0.0.1", web.port), PATIENCE)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(request)
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")
        connection.close()
    answer = requests.get(f"{web.url}/static/large.txt", timeout=PATIENCE)
    assert len(answer.content) == LARGE


def test_uploads_that_are_broken_off_cost_no_thread_and_do_nothing(web: Web) -> None:
    head = (
        f"POST /api/v1/stages/{web.stages[2]}/context HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {web.token}\r\nContent-Type: application/json\r\n"
        "Content-Length: 100\r\n\r\n"
    )
    whole = '{"run": "https://ci.example.org/1"}'
    for _ in range(6):
        with socket.create_connection(("127.0.0.1", web.port), PATIENCE) as connection:
            connection.sendall((head + whole).encode())
    # Only then: the others stood before it.
    wait_until(lambda: web.ask(f"stages/{web.stages[2]}").ok)
    assert web.ask(f"stages/{web.stages[2]}").json()["context"] == []


@pytest.mark.parametrize(
    ("request_line", "header", "status"),
    [
        ("GET /" + "a" * 5000 + " HTTP/1.1", "", (b"400", b"414")),
        ("GET /healthz HTTP/1.1", "X-Long: " + "a" * 9000 + "\r\n", (b"400", b"431")),
        ("GET /healthz HTTP/1.1", "X-A: 1\r\n" * 101, (b"400", b"431")),
        ("GET /healthz HTTP/1.1", "Content-Length: 1\r\nContent-Length: 2\r\n", (b"400",)),
        ("NONSENSE", "", (b"400",)),
        ("GET /healthz HTTP/1.1", "", (b"200",)),
        ("GET /healthz?a=\xe9 HTTP/1.1", "", (b"200", b"400")),
        ("GET /%FF%FE HTTP/1.1", "", (b"302", b"404", b"400")),
    ],
    ids=lambda one: str(one)[:30],
)
def test_limits_of_a_request_are_kept(
    web: Web, request_line: str, header: str, status: tuple[bytes, ...]
) -> None:
    request = f"{request_line}\r\nHost: 127.0.0.1\r\n{header}Connection: close\r\n\r\n"
    answer = web.raw(request.encode("latin-1"))
    assert answer.split(b" ")[1] in status


def test_a_header_with_underscores_is_not_taken_for_another(web: Web) -> None:
    """As gunicorn's other workers do: who writes them hopes to pass for the proxy."""
    request = (
        b"GET /api/v1/stages HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization_: x\r\n"
        b"Author_ization: x\r\nCONTENT_LENGTH: 5\r\nX_FORWARDED_PROTO: https\r\n"
        b"Connection: close\r\n\r\n"
    )
    assert web.raw(request).split(b" ")[1] == b"401"


def test_a_page_answers_head_without_a_body(web: Web) -> None:
    answer = web.raw(
        b"HEAD /account/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    )
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert body == b""
    assert b"content-length: 0" not in head.lower()


def test_cookies_and_forms_pass_through(web: Web) -> None:
    with requests.Session() as browser:
        page = browser.get(f"{web.url}/account/login/", timeout=PATIENCE)
        assert page.headers["Content-Security-Policy"]
        answer = browser.post(
            f"{web.url}/account/login/",
            data={
                "login": "nobody",
                "password": "é wrong",
                "csrfmiddlewaretoken": browser.cookies["csrftoken"],
            },
            timeout=PATIENCE,
        )
        assert answer.status_code == HTTPStatus.OK
        assert 'value="nobody"' in answer.text
        assert 'role="alert"' in answer.text
        without = browser.post(f"{web.url}/account/login/", data={"login": "a"}, timeout=PATIENCE)
        assert without.status_code == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"])
def test_a_connection_that_asks_nothing_is_ended(web: Web, sent: bytes) -> None:
    assert web.raw(sent) == b""


def test_one_connection_too_many_is_ended_and_those_that_are_there_stay(web: Web) -> None:
    idle = web.idle()
    with contextlib.ExitStack() as stack:

        def connect() -> socket.socket:
            address = ("127.0.0.1", web.port)
            return stack.enter_context(socket.create_connection(address, PATIENCE))

        held = connect()
        held.sendall(
            f"GET /api/v1/stages/{web.stages[2]}?wait=55 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {web.token}\r\n\r\n".encode()
        )
        web.settle()
        more = [connect() for _ in range(2 * CONNECTIONS)]
        wait_until(lambda: connections_of(web.process) <= idle + CONNECTIONS)
        assert more[-1].recv(1) == b""
        held.setblocking(False)
        with pytest.raises(BlockingIOError):
            held.recv(1)
    wait_until(lambda: _answers(web))


def test_there_are_no_websockets(web: Web) -> None:
    answer = web.raw(
        b"GET /api/v1/stages?wait=5 HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n\r\n"
    )
    assert answer.split(b" ")[1] == b"403"


def test_asked_to_end_it_answers_those_who_wait(web: Web) -> None:
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(web.ask, f"stages/{web.stages[2]}", wait=55)
        assert web.ask(f"stages/{web.stages[2]}").ok
        assert not call.done()
        web.process.send_signal(signal.SIGTERM)
        answer = call.result(PATIENCE)
    assert answer.json()["state"] == "staged"
    assert web.process.wait(PATIENCE) == 0
