"""One POST to an address that somebody typed: bounded in time, in size and in where it goes.

It goes straight there, through no proxy: only so is the address that was judged the one called.
"""

import socket
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from django.conf import settings
from requests.adapters import HTTPAdapter

from approvals.notifications.addresses import HostRefused, guard_for
from approvals.notifications.errors import HoldsUp, NotDelivered
from approvals.notifications.messages import one_line
from registry_client.watchdog import watched

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
# A receiver that sends one byte at a time never runs into the read timeout, but into this.
ANSWER_SECONDS = 15.0
ANSWER_BYTES = 2048
RETRY_AFTER_LIMIT = 6 * 3600.0

_GONE, _TOO_MANY, _SERVER_ERROR = 410, 429, 500


def post(url: str, *, body: bytes, headers: dict[str, str]) -> int:
    """Sends `body`; returns the 2xx status. Follows no redirect and sends no credential of its own.

    Raises NotDelivered; its sentence names the host alone, since paths often hold secrets.
    """
    host = urlsplit(url).netloc
    with requests.Session() as session:
        session.mount("http://", _BoundedAdapter())
        session.mount("https://", _BoundedAdapter())
        # Otherwise requests would look for this host in the machine's .netrc.
        session.auth = _no_credentials
        try:
            with session.post(
                url,
                data=body,
                headers={
                    "User-Agent": "Countersign",
                    "Accept-Encoding": "identity",
                    **headers,
                },
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as answer:
                return _judge(answer, host)
        except HostRefused as error:
            raise _away(str(error)) from error
        except requests.exceptions.SSLError as error:
            raise _away(
                f"TLS with {host} failed ({_cause(error) or 'no reason given'})."
            ) from error
        except requests.exceptions.ConnectTimeout as error:
            raise _away(f"{host} did not answer within {CONNECT_SECONDS:g} s.") from error
        except requests.exceptions.Timeout as error:
            raise _away(f"{host} took the message but did not answer in time.") from error
        except requests.exceptions.ConnectionError as error:
            cause = _cause(error)
            raise _away(
                f"{host} cannot be reached ({cause})."
                if cause
                else f"{host} closed the connection without an answer."
            ) from error
        except requests.exceptions.RequestException as error:
            raise NotDelivered(
                f"The message could not be sent to {host} ({type(error).__name__})."
            ) from error


def _judge(answer: requests.Response, host: str) -> int:
    status = answer.status_code
    if 200 <= status < 300:  # noqa: PLR2004 - the class of statuses that mean success
        return status
    if answer.is_redirect:
        raise NotDelivered(
            f"{host} answered {status} and points to another address. Redirects are not followed: "
            "enter the final address."
        )
    words = f"{host} answered {status}: {_first_words(answer) or answer.reason or 'no words'}"
    if status == _GONE:
        raise NotDelivered(f"{words}. The receiver is gone for good.", final=True, status=status)
    if status == _TOO_MANY or status >= _SERVER_ERROR:
        raise NotDelivered(
            words,
            holds_up=HoldsUp.RECIPIENT,
            retry_after=_retry_after(answer.headers.get("Retry-After", "")),
            status=status,
        )
    raise NotDelivered(words, status=status)


def _first_words(answer: requests.Response) -> str:
    try:
        # read1 waits for one packet at most, however slowly the rest would come.
        start = answer.raw.read1(ANSWER_BYTES, decode_content=False)
    except (urllib3.exceptions.HTTPError, OSError):
        return ""
    return one_line(start.decode(errors="replace"), 160)


def _retry_after(header: str) -> float:
    return min(float(header), RETRY_AFTER_LIMIT) if header.isascii() and header.isdigit() else 0.0


def _away(words: str) -> NotDelivered:
    return NotDelivered(words, holds_up=HoldsUp.RECIPIENT)


def _cause(error: BaseException) -> str:
    """The operating system's or OpenSSL's own words, without the address that requests adds."""
    found: BaseException | None = error
    words = ""
    while found is not None:
        if isinstance(found, OSError) and not isinstance(
            found, requests.exceptions.RequestException
        ):
            words = getattr(found, "verify_message", "") or found.strerror or words
        found = found.__cause__ or found.__context__
    return one_line(words, 120)


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


class _Bounded:
    """Mixed into urllib3's connections: they go only where the guard lets them, and status and
    headers must be there within ANSWER_SECONDS."""

    sock: Any
    host: str
    port: int
    socket_options: Any
    _dns_host: str

    def _new_conn(self) -> socket.socket:
        try:
            return guard_for(tuple(settings.NOTIFY_ALLOW)).connect(
                self._dns_host,
                self.port,
                seconds=CONNECT_SECONDS,
                options=self.socket_options or (),
            )
        except TimeoutError as error:
            raise urllib3.exceptions.ConnectTimeoutError(self, "") from error
        except OSError as error:
            raise urllib3.exceptions.NewConnectionError(self, "") from error  # type: ignore[arg-type]  # mixed in

    def getresponse(self) -> Any:
        sock = self.sock
        with watched(ANSWER_SECONDS, lambda: sock.shutdown(socket.SHUT_RDWR)) as deadline:
            try:
                answer = super().getresponse()  # type: ignore[misc]  # a mixin: urllib3's class follows
            except OSError as error:
                if deadline.expired:
                    raise TimeoutError from error
                raise
        if deadline.expired:
            # http.client takes a connection that ends among the headers for the headers' end.
            raise TimeoutError
        return answer


class _Connection(_Bounded, urllib3.connection.HTTPConnection):
    pass


class _TLSConnection(_Bounded, urllib3.connection.HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class _BoundedAdapter(HTTPAdapter):
    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        return super().send(*args, **{**kwargs, "proxies": None})

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
