"""HTTP as a registry client needs it: bounded tries, waits and redirects, and a token kept at home.

GETs are retried. POST and DELETE are sent once; where it cannot be known whether they were carried
out, they end in AnswerLost.
"""

import contextlib
import random
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Literal, TypeVar
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit

import requests
import urllib3
from requests.utils import get_environ_proxies

from registry_client import answers
from registry_client.addresses import (
    check_base_url,
    check_url,
    is_loopback,
    is_machine_local,
    is_within,
    origin,
)
from registry_client.connections import Body, Interrupted, PatientSession
from registry_client.errors import (
    AnswerLost,
    NotARegistry,
    RegistryError,
    RegistryUnavailable,
    TooLarge,
)

T = TypeVar("T")

JSON_LIMIT = 4 * 1024 * 1024
"""Bytes of one JSON answer, decompressed; a page of 100 staged versions takes about 50 KB."""
JSON_SECONDS = 60.0
"""From an answer's head to its last byte, however slowly it drips."""
ERROR_LIMIT = 64 * 1024
MAX_WAIT = 60.0
"""Seconds that one call may spend waiting between its tries, all waits together."""
LAST_TRY_BEFORE = 150.0
"""Seconds after which a call that fails is not tried again, so that slow failures do not add up."""
MAX_REDIRECTS = 5
MAX_TOKEN = 4096
LEAST_OF_TOKEN = 6
RETRIED_STATUSES = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
SUCCESS = range(200, 300)
REFUSED = range(400, 500)
REDIRECTS = {301, 302, 303, 307, 308}


class Transport:
    """The calls of one registry, with one token or none, over one pooled session."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        connect_timeout: float,
        read_timeout: float,
        max_tries: int,
        sleep: Callable[[float], object],
        proof_hosts: Collection[str] = (),
    ) -> None:
        if len(token) > MAX_TOKEN or re.search(r"[^\x21-\x7e]", token):
            raise ValueError("The token contains characters that no registry token has.")
        self.base_url = check_base_url(base_url)
        self.registry: SplitResult = urlsplit(self.base_url)
        self._token = token
        self._timeout = (connect_timeout, read_timeout)
        self._max_tries = max_tries
        self._sleep = sleep
        self._session = PatientSession()
        self.proof_hosts = frozenset(proof_hosts)

    def close(self) -> None:
        """Closes the pooled connections."""
        self._session.close()

    def url(self, path: str, query: Mapping[str, str | int] | None = None) -> str:
        """The address of a path at this registry."""
        return f"{self.base_url}{path}" + (f"?{urlencode(query)}" if query else "")

    def get_json(self, url: str) -> Any:
        """The JSON value that a GET answers with. Raises any RegistryError."""
        return answers.parse_json(self.get(url, read_answer).body)

    def get(
        self,
        url: str,
        read: Callable[[requests.Response], T],
        *,
        accept: str = "application/json",
        encoding: str = "gzip",
        tries: int | None = None,
        leaves_home: bool = True,
        check: Callable[[str], object] = check_url,
    ) -> T:
        """What `read` makes of the 2xx answer; an answer that breaks off is asked for again.

        Unless it `leaves_home`, nothing but what lies below the registry's own address is asked,
        redirects or not: NotARegistry. So is every address for which `check` raises ValueError.
        """
        headers = {"Accept": accept, "Accept-Encoding": encoding}
        begun = time.monotonic()
        waited = 0.0
        tries = tries or self._max_tries
        for attempt in range(1, tries + 1):
            wait: float | None = None
            try:
                with self._open(url, headers, leaves_home=leaves_home, check=check) as response:
                    if response.status_code in SUCCESS:
                        return read(response)
                    failure = self._refusal(response)
                    if response.status_code not in RETRIED_STATUSES:
                        raise failure
                    wait = answers.retry_after(response.headers.get("retry-after"))
            except Interrupted as exc:
                failure = RegistryUnavailable(f"The registry cannot be reached: {exc}.")
                if exc.hopeless:
                    raise failure from None
            if wait is None:
                wait = min(8.0, 0.5 * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0)  # noqa: S311 # jitter, not a secret
            too_late = time.monotonic() - begun > LAST_TRY_BEFORE
            if attempt == tries or too_late or waited + wait > MAX_WAIT:
                raise failure
            waited += wait
            self._sleep(wait)
        raise AssertionError("a try returns or raises")

    def send(
        self,
        method: Literal["POST", "DELETE"],
        path: str,
        headers: Mapping[str, str],
        *,
        proof: str = "",
    ) -> answers.Answer:
        """The answer (2xx) to a call that changes something, sent exactly once.

        RegistryUnavailable means that it was not carried out, AnswerLost that nobody knows; other
        errors are the registry's refusals.
        """
        all_headers = {"Accept": "application/json", "Accept-Encoding": "gzip", **headers}
        if proof:
            all_headers["npm-otp"] = proof
        try:
            with self._request(method, self.url(path), all_headers, with_token=True) as response:
                return self._read_outcome(response, proof)
        except Interrupted as exc:
            if not exc.sent:
                raise RegistryUnavailable(f"The registry cannot be reached: {exc}.") from None
            raise AnswerLost(_lost(str(exc))) from None

    def _read_outcome(self, response: requests.Response, proof: str) -> answers.Answer:
        status = response.status_code
        if status in REDIRECTS - {HTTPStatus.SEE_OTHER}:
            raise NotARegistry(
                "The registry has moved: it redirects this call, and approvals are never sent on. "
                "Correct the registry's address.",
                status=status,
            )
        if status in SUCCESS:
            try:
                return read_answer(response)
            except (TooLarge, RegistryUnavailable, NotARegistry) as exc:
                raise AnswerLost(_lost("its answer could not be read")) from exc
        failure = self._refusal(response, proof)
        # A registry that says 503 in its own JSON has refused. Any other 5xx, and every page of a
        # gateway, may come after the registry began or even finished the work.
        says_no = status == HTTPStatus.SERVICE_UNAVAILABLE and _is_json(response)
        if status in REFUSED or says_no:
            raise failure
        raise AnswerLost(_lost(f"it answered HTTP {status}"), words=failure.words, status=status)

    def _refusal(self, response: requests.Response, proof: str = "") -> RegistryError:
        content = b""
        # The status alone is an answer, so what became of its text does not matter.
        with (
            contextlib.suppress(Interrupted, RegistryError),
            Body(response, JSON_LIMIT, JSON_SECONDS, decode=True) as body,
        ):
            while len(content) < ERROR_LIMIT and (chunk := body.read()):
                content += chunk
        # Verdaccio hangs up after it has refused a tarball: a decision that left on that connection
        # would lose its answer, and is not sent again.
        self._session.close()
        return answers.refusal(
            answers.Answer(response.status_code, response.headers, content),
            self.registry,
            secrets=(self._token, proof),
            proof_sent=bool(proof),
            proof_hosts=self.proof_hosts,
        )

    def has_token_beginning(self, text: str) -> bool:
        """Whether the token begins with what a registry shows of it in a list."""
        return len(text) >= LEAST_OF_TOKEN and self._token.startswith(text)

    @contextlib.contextmanager
    def _open(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        leaves_home: bool,
        check: Callable[[str], object],
    ) -> Iterator[requests.Response]:
        """The answer to a GET after following redirects by hand.

        The token goes along as long as every address so far was the registry's own origin: once
        the way led elsewhere, nothing that comes back is the registry's wish any more.
        """
        with_token = True
        for _ in range(MAX_REDIRECTS + 1):
            parts = self._check_hop(url, check)
            at_home = origin(parts) == origin(self.registry)
            if not leaves_home and not is_within(parts, self.registry):
                raise NotARegistry("It leads away from the registry, where nothing is asked.")
            with_token = with_token and at_home
            with self._request("GET", url, headers, with_token=with_token) as response:
                location = response.headers.get("location")
                if response.status_code not in REDIRECTS or not location:
                    yield response
                    return
            try:
                url = urljoin(url, location)
            except ValueError:
                raise NotARegistry("The registry redirects to an unusable address.") from None
        raise NotARegistry(f"The registry redirects more than {MAX_REDIRECTS} times.")

    def _check_hop(self, url: str, check: Callable[[str], object]) -> SplitResult:
        try:
            parts = check_url(url)
            check(url)
        except ValueError as exc:
            raise NotARegistry(f"The registry names an unusable address. {exc}") from None
        if parts.hostname == self.registry.hostname:
            trusted = parts.scheme == "https" or self.registry.scheme == "http"
        else:
            trusted = parts.scheme == "https" or self.registry.scheme == "http"
            trusted = trusted and (is_loopback(self.registry) or not is_machine_local(parts))
        if not trusted:
            raise NotARegistry("The registry leads to an address that is not safe to follow.")
        return parts

    @contextlib.contextmanager
    def _request(
        self, method: str, url: str, headers: Mapping[str, str], *, with_token: bool
    ) -> Iterator[requests.Response]:
        sent = dict(headers)
        if with_token and self._token:
            sent["Authorization"] = f"Bearer {self._token}"
        # Proxies are the one thing of the environment that is wanted, except for this very machine.
        proxies = {} if is_loopback(urlsplit(url)) else get_environ_proxies(url)
        try:
            response = self._session.request(
                method,
                url,
                headers=sent,
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
                proxies=proxies,
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as exc:
            raise Interrupted(exc) from None
        with contextlib.closing(response):
            yield response


def read_answer(response: requests.Response) -> answers.Answer:
    """The whole answer, within the limits of JSON answers."""
    with Body(response, JSON_LIMIT, JSON_SECONDS, decode=True) as body:
        return answers.Answer(response.status_code, response.headers, body.read_all())


def _is_json(response: requests.Response) -> bool:
    return "json" in response.headers.get("content-type", "").lower()


def _lost(what: str) -> str:
    return f"Whether the registry carried this out is not known: {what}. Ask the registry."
