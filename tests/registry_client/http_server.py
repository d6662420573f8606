"""A real HTTP server on loopback that does what a test tells it and remembers what it was asked."""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from registry_client.client import RegistryClient

BASE = "https://registry.example.org/npm"
STAGE_ID = "0b9b1a3e-52c8-4b43-9a0a-2f7a3f3c9d11"
TOKEN = "npm_S3cretTokenOfAlice"


@dataclass(frozen=True)
class Request:
    """What arrived; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    connection: int


class Handler(BaseHTTPRequestHandler):
    """Hands each request to the test's function."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Server"

    def do_GET(self) -> None:
        """Any method."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        port = self.client_address[1]
        self.server.requests.append(Request(self.command, self.path, headers, port))
        with contextlib.suppress(OSError):
            self.server.answer(self)

    def __getattr__(self, name: str) -> Any:
        if name in ("do_POST", "do_DELETE"):
            return self.do_GET
        raise AttributeError(name)

    def say(
        self, status: int, body: bytes | dict[str, Any] | list[Any] = b"", **headers: str
    ) -> None:
        """A whole answer; header names are written with underscores."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("content_type", "application/json")
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def drop(self) -> None:
        """Nothing more: the connection ends here."""
        self.close_connection = True

    def drip(self, piece: bytes = b" ") -> None:
        """Bytes without end, one now and one then, until the other side or the test has enough."""
        self.close_connection = True
        while not self.server.done.wait(0.01):
            self.wfile.write(piece)
            self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


@dataclass
class Server(ThreadingHTTPServer):
    """One server; `answer` can be replaced while it runs."""

    answer: Callable[[Handler], None]
    tls: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.daemon_threads = True
        if self.tls:
            self.socket = self.tls.wrap_socket(self.socket, server_side=True)

    __hash__ = object.__hash__

    def shutdown_request(self, request: Any) -> None:
        """Notes that a connection was closed from here."""
        super().shutdown_request(request)
        self.closed.set()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what some tests are about."""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.server_address[1]}"


@contextlib.contextmanager
def serving(
    answer: Callable[[Handler], None], tls: ssl.SSLContext | None = None
) -> Iterator[Server]:
    """A server that runs as long as the block."""
    server = Server(answer, tls)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.done.set()
        server.shutdown()
        server.server_close()
        thread.join()


class Clock:
    """Stands in for time.sleep and remembers the waits."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        """No time passes."""
        self.waits.append(seconds)


def client_of(url: str, clock: Clock, **options: Any) -> RegistryClient:
    """A client with a token that waits for nothing."""
    return RegistryClient(url, TOKEN, sleep=clock.sleep, **options)


def in_turn(*answers: Callable[[Handler], None]) -> Callable[[Handler], None]:
    """Each answer once, the last one for ever."""
    left = list(answers)

    def answer(handler: Handler) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(handler)

    return answer


def alice(handler: Handler) -> None:
    """The answer to whoami."""
    handler.say(200, {"username": "alice"})


def unused_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
