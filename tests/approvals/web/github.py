"""What GitHub answers to a dashboard that signs people in through it, over real HTTP."""

import hashlib
import json
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT_ID, CLIENT_SECRET = "client-of-countersign", "secret-of-countersign"
TOKEN = "gho_token-of-the-person"


class GitHub:
    """One person's GitHub: `profile` is theirs. `asked` is every request that came, with its body.

    `broken` has it answer 500.
    """

    def __init__(self) -> None:
        self.profile: dict[str, Any] = {"id": 4711, "login": "ana-gh", "email": "ana@example.org"}
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        self.broken = False
        self.url = ""
        self._challenges: dict[str, str] = {}

    def allow(self, authorize_url: str) -> str:
        """What the person's browser is sent back with when they say yes: path and query."""
        query = {
            name: values[0] for name, values in parse_qs(urlsplit(authorize_url).query).items()
        }
        assert authorize_url.startswith(f"{self.url}/login/oauth/authorize?")
        assert query["client_id"] == CLIENT_ID
        assert query["code_challenge_method"] == "S256"
        code = f"code-{len(self._challenges) + 1}"
        self._challenges[code] = query["code_challenge"]
        back = urlsplit(query["redirect_uri"])
        return f"{back.path}?{urlencode({'code': code, 'state': query['state']})}"

    def answer(self, method: str, path: str, body: dict[str, list[str]], token: str) -> Any:
        """The answer to a request of the dashboard's."""
        self.asked.append((f"{method} {path}", body))
        if self.broken:
            return None
        if path == "/login/oauth/access_token":
            assert body["client_secret"] == [CLIENT_SECRET]
            challenge = self._challenges.pop(body["code"][0], "")
            made = hashlib.sha256(body["code_verifier"][0].encode()).digest()
            if urlsafe_b64encode(made).rstrip(b"=").decode() != challenge:
                return {"error": "bad_verification_code"}
            return {"access_token": TOKEN, "token_type": "bearer", "scope": ""}
        if path == "/api/v3/user" and token == f"token {TOKEN}":
            return self.profile
        return None


@contextmanager
def running_github() -> Iterator[GitHub]:
    """A GitHub of its own, on a port of this machine."""
    github = GitHub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            self._answer(parse_qs(self.rfile.read(length).decode()))

        def _answer(self, body: dict[str, list[str]]) -> None:
            found = github.answer(
                self.command, urlsplit(self.path).path, body, self.headers.get("Authorization", "")
            )
            content = json.dumps(found).encode()
            self.send_response(500 if found is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    github.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield github
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
