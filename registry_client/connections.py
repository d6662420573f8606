"""Connections that cannot hold a worker: each answer is bounded in time and in bytes."""

import os
import re
import socket
import ssl
from collections.abc import Iterator
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from registry_client.errors import NotARegistry, RegistryUnavailable, TooLarge
from registry_client.watchdog import watched

CHUNK = 128 * 1024


class Interrupted(Exception):
    """The connection failed before or while an answer was read.

    `sent`: whether bytes of the request may have left; `hopeless`: whether another try cannot help.
    The text says what happened, in a few words without addresses or headers.
    """

    def __init__(self, exc: BaseException) -> None:
        super().__init__(describe(exc))
        self.sent = not was_never_sent(exc)
        self.hopeless = any(isinstance(one, ssl.SSLCertVerificationError) for one in _causes(exc))


class _NotConnected(urllib3.exceptions.NewConnectionError):
    """No connection was made, so nothing can have been sent; `reason` is why."""

    def __init__(self, connection: HTTPConnection, reason: OSError) -> None:
        super().__init__(connection, "not connected")
        self.reason = reason


class _PatientConnection(HTTPConnection):
    """Says clearly when it never connected, and waits for an answer's head only so long."""

    def connect(self) -> None:
        """As ever; what fails here in TLS urllib3 would report like a failure of the request."""
        try:
            super().connect()
        except OSError as exc:
            raise _NotConnected(self, exc) from exc

    def getresponse(self) -> Any:
        """The answer, whose head must arrive within twice the read timeout."""
        sock = self.sock
        with watched(2 * float(self.timeout or 30), lambda: sock.shutdown(socket.SHUT_RDWR)):
            return super().getresponse()


class _PatientTLSConnection(_PatientConnection, HTTPSConnection):
    """The same over TLS."""


class _PatientPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PatientConnection


class _PatientTLSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _PatientTLSConnection


class PatientAdapter(HTTPAdapter):
    """requests' adapter with the connections above, and without any retries of its own."""

    _pools = {"http": _PatientPool, "https": _PatientTLSPool}

    def __init__(self) -> None:
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


class PatientSession(requests.Session):
    """A session over such connections that brings nothing along and goes nowhere by itself.

    No credentials of the machine, no cookies, no proxies but those that a call names, and no
    redirects.
    """

    def __init__(self) -> None:
        super().__init__()
        # Else a .netrc of the machine could replace or leak credentials.
        self.trust_env = False
        self.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.headers["User-Agent"] = "countersign"
        adapter = PatientAdapter()
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere.

        Even with allow_redirects=False, requests prepares the next request of a redirect, and for
        that reads the redirect's whole body, however long it is.
        """


class Body:
    """The bytes of an answer, read once inside `with`: at most `limit` of them, in `seconds`.

    `announced` is the answer's Content-Length, None if it has none. With `decode`, compression is
    undone and the limit counts what comes out. Raises TooLarge, RegistryUnavailable (too slow),
    Interrupted (the connection failed) and NotARegistry (broken compression).
    """

    def __init__(
        self, response: requests.Response, limit: int, seconds: float, *, decode: bool
    ) -> None:
        self._raw = response.raw
        self._limit = limit
        self._seconds = seconds
        self._decode = decode
        self.size = 0
        length = response.headers.get("content-length", "")
        self.announced = int(length) if re.fullmatch(r"[0-9]{1,15}", length) else None
        if self.announced is not None and self.announced > limit:
            raise self._too_large()

    def __enter__(self) -> "Body":
        self._watch = watched(self._seconds, self._raw.shutdown)
        self._deadline = self._watch.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watch.__exit__(kind, exc, trace)

    def read(self, size: int = CHUNK) -> bytes:
        """The next bytes; b"" at the end."""
        try:
            chunk: bytes = self._raw.read(size, decode_content=self._decode)
        except urllib3.exceptions.DecodeError:
            raise NotARegistry("The answer of the registry is damaged compressed data.") from None
        except (urllib3.exceptions.HTTPError, OSError) as exc:
            if self._deadline.expired:
                raise self._too_slow() from None
            raise Interrupted(exc) from None
        # An answer that was cut off for its slowness can look like one that has ended.
        if self._deadline.expired:
            raise self._too_slow()
        self.size += len(chunk)
        if self.size > self._limit:
            raise self._too_large()
        return chunk

    def read_all(self) -> bytes:
        """All bytes up to the end."""
        return b"".join(iter(self.read, b""))

    def _too_large(self) -> TooLarge:
        return TooLarge(
            f"The answer of the registry is larger than the limit of {self._limit:,} bytes.",
            limit=self._limit,
        )

    def _too_slow(self) -> RegistryUnavailable:
        return RegistryUnavailable(
            f"The registry did not finish its answer within {self._seconds:.0f} seconds."
        )


def _causes(exc: object) -> Iterator[BaseException]:
    """What an error of requests or urllib3 wraps, outermost first.

    Python's own __context__ is left out: it can be an earlier call's failure.
    """
    seen: set[int] = set()
    waiting = [exc]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            inner = (getattr(one, "reason", None), getattr(one, "original_error", None))
            waiting += [*inner, *one.args]


def was_never_sent(exc: BaseException) -> bool:
    """Whether a request failed before its first byte left: there was no connection to carry it."""
    before = (
        urllib3.exceptions.NewConnectionError,
        urllib3.exceptions.ConnectTimeoutError,
        urllib3.exceptions.ProxyError,  # raised only until the proxy has connected
        urllib3.exceptions.LocationValueError,
        requests.exceptions.ConnectTimeout,
        requests.exceptions.InvalidURL,
    )
    return any(isinstance(one, before) for one in _causes(exc))


def describe(exc: BaseException) -> str:
    """What happened to a connection, in a few words without addresses or headers."""
    known: list[tuple[type[BaseException], str]] = [
        (urllib3.exceptions.NameResolutionError, "its host name cannot be resolved"),
        (ssl.SSLCertVerificationError, "its TLS certificate is not trusted"),
        (urllib3.exceptions.ProxyError, "the proxy does not connect"),
        (urllib3.exceptions.ConnectTimeoutError, "it does not accept connections in time"),
        (ssl.SSLError, "TLS fails"),
        (urllib3.exceptions.NewConnectionError, "it does not accept connections"),
        (requests.exceptions.Timeout, "it does not answer in time"),
        (urllib3.exceptions.TimeoutError, "it does not answer in time"),
    ]
    causes = list(_causes(exc))
    for kind, words in known:
        if any(isinstance(one, kind) for one in causes):
            return words
    return "the connection broke off"
