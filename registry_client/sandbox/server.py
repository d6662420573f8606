"""Running the sandbox: in a thread for tests, or in the foreground for a person."""

import hashlib
import ipaddress
import json
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from types import FrameType, TracebackType
from typing import Self

import pyotp
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from registry_client.sandbox import accounts, publishing, second_factor
from registry_client.sandbox.accounts import Account, Permission, TokenKind
from registry_client.sandbox.answers import Json, SandboxProblem
from registry_client.sandbox.app import SandboxApp
from registry_client.sandbox.authority import AUTHORITY_SECRET_FILE, Authority
from registry_client.sandbox.certificate_claims import CertificateClaims
from registry_client.sandbox.control import SECRET_FILE, SandboxControl
from registry_client.sandbox.documents import Upload, parse_upload, with_bundle
from registry_client.sandbox.second_factor import Mode
from registry_client.sandbox.store import Store, keep_private
from registry_client.sandbox.workflow_runs import WorkflowRun

# How often the running server looks whether it shall stop.
STOP_CHECK_SECONDS = 0.02


def trusted_root_file(data: Path) -> Path:
    """What the provenance of the sandbox with this data folder is verified against: a Sigstore
    trusted_root.json, there as soon as the sandbox is made."""
    return data / "trusted_root.json"


class SandboxRegistry:
    """A sandbox registry on one data folder.

    Its users, tokens and packages can be prepared as soon as it is made; it is reachable between
    `start` and `stop`, or inside `with`. Raises SandboxProblem for a host that is not a loopback
    address, a port that is taken, or a folder that cannot be used.
    """

    def __init__(
        self, data: Path, *, otp: Mode = "classic", port: int = 0, host: str = "127.0.0.1"
    ) -> None:
        if not ipaddress.ip_address(host).is_loopback:
            raise SandboxProblem(f"The sandbox listens on loopback addresses only, not on {host}.")
        self._host, self._port = host, port
        self.data = data
        self.store = Store(data)
        self.store.open()
        self.app = SandboxApp(self.store, otp)
        self._secret = self.store.secret(SECRET_FILE)
        self.authority = Authority(self.store.secret(AUTHORITY_SECRET_FILE))
        self._keep_trusted_root()
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The registry's address, without a slash at the end. Raises SandboxProblem if stopped."""
        if self._server is None:
            raise SandboxProblem("The sandbox is not running.")
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._server.port}"

    @property
    def control(self) -> SandboxControl:
        """What makes the running sandbox misbehave."""
        return SandboxControl(self.url, self._secret)

    def start(self) -> Self:
        """Listen and answer in a thread. A later start takes the same port again."""
        if self._server is not None:
            return self
        self.store.open()
        self._server = self._listen()
        self._port = self._server.port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(STOP_CHECK_SECONDS,), daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop answering and let go of the folder. May be called twice."""
        self.app.disturbances.reset()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = self._thread = None
        self.store.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def create_user(
        self,
        name: str,
        password: str = "sandbox",  # noqa: S107 - nothing real is behind it
        *,
        totp_secret: str | None = None,
        enrolled: bool = True,
    ) -> str:
        """Add a user with a second factor (unless not `enrolled`) and return a token of theirs."""
        secret = (totp_secret or pyotp.random_base32()) if enrolled else None
        accounts.create_user(self.store, name, password, totp_secret=secret)
        return self.token(name)

    def token(self, name: str, kind: TokenKind = "user") -> str:
        """A new token: full ("user"), CI's ("automation": stages only), or "read-only"."""
        return accounts.issue_token(self.store, name, kind)

    def revoke(self, token: str) -> None:
        """Make a token worthless."""
        accounts.revoke_token(self.store, token)

    def totp_secret(self, name: str) -> str:
        """The base32 secret of a user's second factor."""
        secret = second_factor.totp_secret(self.store, name)
        if secret is None:
            raise SandboxProblem(f"{name} has no second factor at this registry.")
        return secret

    def code(self, name: str, *, steps: int = 0) -> str:
        """The code a user's authenticator shows by the sandbox's clock, so many steps later."""
        moment = self.app.disturbances.now() + steps * second_factor.STEP_SECONDS
        return second_factor.current_code(self.totp_secret(name), moment)

    def grant(self, package: str, user: str, permission: Permission = "read-write") -> None:
        """Let a user see ("read-only") or also publish and decide ("read-write") a package."""
        accounts.grant(self.store, package, user, permission)

    def stage(
        self,
        document: Json,
        *,
        by: str,
        kind: TokenKind = "automation",
        at: float | None = None,
    ) -> str:
        """Stage a publish document as its sender would have, at a moment of choice (seconds since
        1970), and return the stage id."""
        upload = parse_upload(document, document["name"])
        moment = self.app.disturbances.now() if at is None else at
        return publishing.stage(self.store, Account(by, kind), upload, moment)

    def publish(self, document: Json, *, by: str, at: float | None = None) -> None:
        """Publish a document directly, at a moment of choice (seconds since 1970)."""
        upload = parse_upload(document, document["name"])
        moment = self.app.disturbances.now() if at is None else at
        publishing.publish(self.store, Account(by, "user"), upload, moment)

    def with_provenance(
        self,
        document: Json,
        run: WorkflowRun,
        *,
        at: float | None = None,
        statement: Mapping[str, Json] | None = None,
        claims: CertificateClaims | None = None,
    ) -> dict[str, Json]:
        """A publish document with proof that this run built its tarball, signed at a moment of
        choice (seconds since 1970) by the sandbox's own authority.

        The statement and the certificate's claims are the run's; others can be named, for bundles
        that are about something else or that contradict themselves.
        """
        upload = parse_upload(document, document["name"])
        sha512 = hashlib.sha512(upload.tarball).hexdigest()
        moment = self.app.disturbances.now() if at is None else at
        bundle = self.authority.issue(
            statement or run.statement(upload.package, upload.version, sha512),
            claims or run.claims(),
            at=datetime.fromtimestamp(moment, UTC),
        )
        return with_bundle(document, bundle)

    def replace_tarball(self, stage_id: str, content: bytes, *, announce: bool = False) -> None:
        """Swap the bytes behind a staged version: a registry that was broken into.

        With `announce` the record names the new digests; without, it keeps naming the old ones.
        """
        upload = Upload("", "", "", None, {}, "", content, None)
        publishing.replace_tarball(
            self.store, stage_id, content, announce=upload if announce else None
        )

    def _keep_trusted_root(self) -> None:
        text = json.dumps(self.authority.trusted_root(), indent=2) + "\n"
        path = trusted_root_file(self.data)
        if not path.exists() or path.read_text() != text:
            keep_private(path, text)

    def _listen(self) -> BaseWSGIServer:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self._host, self._port))
            listener.listen(128)
        except (OSError, OverflowError) as problem:
            listener.close()
            reason = problem.strerror if isinstance(problem, OSError) else "no such port"
            raise SandboxProblem(
                f"The sandbox cannot listen on {self._host}:{self._port}: {reason}. "
                "Name another port."
            ) from problem
        # The socket is handed over bound, since werkzeug ends the process where a port is taken.
        with listener:
            return make_server(
                self._host,
                self._port,
                self.app,
                threaded=True,
                request_handler=_QuietRequestHandler,
                fd=listener.fileno(),
            )


class _QuietRequestHandler(WSGIRequestHandler):
    # Addresses of the web flow are secrets while they count: requests are not logged.
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def serve(data: Path, *, port: int, otp: Mode, tell: Callable[[str], object]) -> None:
    """Run a sandbox in the foreground until SIGINT or SIGTERM; `tell` gets what a person reads.

    Raises SandboxProblem if it cannot start.
    """
    # A signal may come again while the handler runs: of all that can be waited for, only this
    # queue is made for that.
    signals: SimpleQueue[int] = SimpleQueue()

    def stop(number: int, frame: FrameType | None) -> None:
        signals.put(number)

    registry = SandboxRegistry(data, otp=otp, port=port)
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        registry.start()
        tell(f"Sandbox registry, not a real one, at {registry.url}/")
        tell(f"Provenance that it issues verifies against {trusted_root_file(data)}")
        tell(f"Second factor: {otp}. Data: {data}. Stop it with Ctrl-C.")
        signals.get()
    finally:
        registry.stop()
        for number, handler in before.items():
            signal.signal(number, handler)
