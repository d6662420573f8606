"""A push service on loopback, with TLS, and a browser that opens what it gets.

It takes nothing whose sender it cannot tell, as real ones do.
"""

import base64
import datetime
import ipaddress
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import http_ece
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID
from py_vapid import Vapid02


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Pushed:
    headers: dict[str, str]
    message: dict[str, Any]
    claims: dict[str, Any]


@dataclass
class PushService:
    """Where one browser gets its messages."""

    secret: bytes = b"0123456789abcdef"
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    # Which dashboard the browser subscribed at: nobody else's messages are taken.
    dashboard: str = ""
    endpoint: str = ""
    status: int = 201
    # What it answers to a message that it took, where that is not the same each time.
    answer: Callable[[Pushed], int] | None = None
    got: list[Pushed] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def subscription(self) -> str:
        """What `JSON.stringify(subscription)` gives in a browser."""
        public = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        keys = {"p256dh": _text(public), "auth": _text(self.secret)}
        return json.dumps({"endpoint": self.endpoint, "expirationTime": None, "keys": keys})

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """The status; raises ValueError for what is not from the dashboard, or for this browser."""
        scheme, _, rest = headers["Authorization"].partition(" ")
        said = dict(part.strip().split("=", 1) for part in rest.split(","))
        if scheme != "vapid" or said["k"] != self.dashboard:
            raise ValueError("signed by somebody else")
        if not Vapid02.verify(headers["Authorization"]):
            raise ValueError("the signature does not hold")
        claims = json.loads(_bytes(said["t"].split(".")[1]))
        if claims["aud"] != self.endpoint.removesuffix("/push/path-secret"):
            raise ValueError("signed for another push service")
        opened = http_ece.decrypt(
            body, private_key=self.key, auth_secret=self.secret, version="aes128gcm"
        )
        pushed = Pushed(headers, json.loads(opened), claims)
        self.got.append(pushed)
        return self.answer(pushed) if self.answer else self.status


@contextmanager
def push_service(folder: Path, port: int = 0) -> Iterator[PushService]:
    """Runs it; its certificate is `folder`/authority.pem."""
    service = PushService()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            status = service.status
            if status == 201:
                try:
                    status = service.take(dict(self.headers), body)
                except (ValueError, KeyError, http_ece.ECEException) as error:
                    service.refused.append(repr(error))
                    status = 403
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(folder))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    service.endpoint = f"https://127.0.0.1:{server.server_port}/push/path-secret"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _certificate(folder: Path) -> Path:
    """Certificate and key for 127.0.0.1, in one file; the certificate alone in authority.pem."""
    path = folder / "push-service.pem"
    if path.exists():
        return path
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "push service of tests")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(Encoding.PEM)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(public + private)
    (folder / "authority.pem").write_bytes(public)
    return path
