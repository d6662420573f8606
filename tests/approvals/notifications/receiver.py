"""A real HTTP server on loopback that receives webhooks and misbehaves as it is told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: str


@dataclass
class Receiver:
    url: str = ""
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    answer: bytes = b""
    # silent: takes the request and says nothing; drip: sends one header byte at a time;
    # endless: an answer without an end.
    manner: str = "prompt"
    received: list[Received] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)
    # Handlers that misbehave wait for this, so that a test's end never waits for them.
    closing: threading.Event = field(default_factory=threading.Event)

    def answer_with(self, status: int, answer: bytes = b"", **headers: str) -> None:
        self.status, self.answer = status, answer
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            receiver.received.append(Received(self.path, dict(self.headers), body.decode()))
            receiver.arrived.set()
            try:
                self._answer()
            except OSError:
                return  # the sender hung up, which is what some tests are about

        do_GET = do_POST  # noqa: N815 - the name that http.server looks for

        def _answer(self) -> None:
            if receiver.manner == "silent":
                receiver.closing.wait(20)
                return
            if receiver.manner == "drip":
                self.wfile.write(b"HTTP/1.1 204 No Content\r\nX-Slow: ")
                while not receiver.closing.wait(0.05):
                    self.wfile.write(b"x")
                return
            self.send_response(receiver.status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            if receiver.manner == "endless":
                self.end_headers()
                while not receiver.closing.is_set():
                    self.wfile.write(b"x" * 65536)
            self.send_header("Content-Length", str(len(receiver.answer)))
            self.end_headers()
            self.wfile.write(receiver.answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/hooks/path-secret"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
