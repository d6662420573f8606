"""Receivers of all channels that take down what arrives, and can be stopped and brought back.

Each takes its part only as real ones do: signed, encrypted for it, by SMTP. Now and then one takes
a message and is gone before it answers, so that the sender cannot know.
"""

import email
import email.policy
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import standardwebhooks
from aiosmtpd.controller import Controller
from django.conf import settings

from tests.approvals.notifications.push_service import Pushed, PushService, push_service
from tests.integration.workers import REPOSITORY, database_url

# Each receiver loses every so manieth answer.
LOSES_EVERY = 4
CHANNELS = ("webhook", "apprise", "push", "email")


@dataclass
class Arrivals:
    """What has come in over each channel: (id, what it says), in the order of arrival."""

    all: dict[str, list[tuple[str, str]]] = field(
        default_factory=lambda: {channel: [] for channel in CHANNELS}
    )
    troubles: list[str] = field(default_factory=list)

    def ids(self, channel: str) -> list[str]:
        return [id for id, _ in self.all[channel]]

    def count(self) -> int:
        return sum(len(set(self.ids(channel))) for channel in CHANNELS)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Receivers:
    """One of each channel, on a port that stays the same."""

    def __init__(self, folder: Path) -> None:
        self.arrivals = Arrivals()
        self.folder = folder
        self.ports = {channel: free_port() for channel in CHANNELS}
        self.webhook_secret = ""
        # What the browser keeps while its push service is away.
        self.browser = PushService()
        self._running: dict[str, ExitStack] = {}
        self._numbers = {channel: itertools.count(1) for channel in CHANNELS}

    def start(self, *channels: str) -> None:
        for channel in channels:
            self._running[channel] = stack = ExitStack()
            stack.enter_context(getattr(self, f"_{channel}")())

    def stop(self, *channels: str) -> None:
        for channel in channels:
            self._running.pop(channel).close()

    def stop_all(self) -> None:
        self.stop(*self._running)

    def url(self, channel: str) -> str:
        return f"http://127.0.0.1:{self.ports[channel]}/{channel}"

    def take(self, channel: str, id: str, says: str) -> bool:
        """Takes it down; returns whether the sender learns of it."""
        self.arrivals.all[channel].append((id, says))
        return next(self._numbers[channel]) % LOSES_EVERY != 0

    def _webhook(self) -> Any:
        def take(headers: dict[str, str], body: str) -> bool:
            payload = standardwebhooks.Webhook(self.webhook_secret).verify(body, headers)
            assert headers["webhook-id"] == payload["id"]
            return self.take("webhook", payload["id"], body)

        return self._http("webhook", take)

    def _apprise(self) -> Any:
        def take(headers: dict[str, str], body: str) -> bool:
            message = json.loads(body)["message"]
            return self.take("apprise", message.rsplit("\n", 1)[1], body)

        return self._http("apprise", take)

    @contextmanager
    def _http(self, channel: str, take: Callable[[dict[str, str], str], bool]) -> Iterator[None]:
        receivers = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                try:
                    learns = take(dict(self.headers), body)
                except Exception as error:  # noqa: BLE001 - told at the test's end
                    receivers.arrivals.troubles.append(f"{channel}: {error!r}")
                    self.send_error(400)
                    return
                if not learns:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", self.ports[channel]), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    @contextmanager
    def _push(self) -> Iterator[None]:
        def answer(pushed: Pushed) -> int:
            # One that lost what it took says that it is overloaded.
            learns = self.take("push", pushed.message["id"], json.dumps(pushed.message))
            return 201 if learns else 503

        with push_service(self.folder, self.ports["push"]) as service:
            service.key, service.dashboard = self.browser.key, self.browser.dashboard
            service.answer = answer
            self.browser.endpoint = service.endpoint
            yield
            self.arrivals.troubles += [f"push: {words}" for words in service.refused]

    @contextmanager
    def _email(self) -> Iterator[None]:
        receivers = self

        class Handler:
            async def handle_DATA(  # noqa: N802 - the name that aiosmtpd looks for
                self, server: Any, session: Any, envelope: Any
            ) -> str:
                mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
                found = re.match(r"<(event_\d+)\.", str(mail["Message-ID"]))
                text = mail.get_body(("plain",))
                page = mail.get_body(("html",))
                if found is None or text is None or page is None:
                    receivers.arrivals.troubles.append(f"email: {mail!s}")
                    return "554 What is this?"
                says = f"{mail['Subject']}\n{text.get_content()}\n{page.get_content()}"
                learns = receivers.take("email", found[1], says)
                return "250 OK" if learns else "451 Try later"

        controller = Controller(Handler(), hostname="127.0.0.1", port=self.ports["email"])
        controller.start()
        try:
            yield
        finally:
            controller.stop()


class Teller:
    """A worker that tells, in a process of its own; killed without a chance to tidy up."""

    def __init__(self, folder: Path, receivers: Receivers) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._errors = (folder / "errors").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.telling_process"],
            cwd=REPOSITORY,
            env={
                **os.environ,
                "DATABASE_URL": database_url(),
                "COUNTERSIGN_VAR": str(folder / "var"),
                "COUNTERSIGN_SECRET_KEY": settings.SECRET_KEY,
                "COUNTERSIGN_SEALING_KEYS": ",".join(settings.SEALING_KEYS),
                "COUNTERSIGN_URL": "https://countersign.example.org",
                "COUNTERSIGN_EMAIL_URL": f"smtp://127.0.0.1:{receivers.ports['email']}",
                "COUNTERSIGN_NOTIFY_ALLOW": "127.0.0.1",
                "COUNTERSIGN_GATHER_SECONDS": "0",
                "REQUESTS_CA_BUNDLE": str(receivers.folder / "authority.pem"),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def wait_until_ready(self) -> None:
        assert self._process.stdout is not None
        said = self._process.stdout.readline().strip()
        if said != "ready":
            words = Path(self._errors.name).read_text(errors="replace")[-4000:]
            raise RuntimeError(f"The worker said {said!r}:\n{words}")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe:
                pipe.close()
