"""What a registry's answers mean: JSON checked, refusals turned into typed errors.

Sources: npm's OpenAPI description of staged publishing, npm-registry-fetch's check-response.js for
what counts as a challenge, and Verdaccio 9's api and auth packages for its wordings.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NoReturn
from urllib.parse import SplitResult

from registry_client import errors
from registry_client.addresses import check_url, is_loopback, is_of_site, origin

DEFAULT_RETRY_AFTER = 30.0
WEEK = 7 * 86400.0

_CODE_WORDS = re.compile(r"one-time pass|\botp\b", re.IGNORECASE)
_UNAUTHORISED = "The registry does not accept the token: it is missing, wrong, expired or revoked."
# Verdaccio says so of a token it made itself once the password that the token holds was changed or
# the account deleted; with 401 where it cannot read the token, with 403 where it can.
_LOST_ACCOUNT = "bad username/password"
_REFUSALS: dict[int, tuple[type[errors.RegistryError], str]] = {
    HTTPStatus.FORBIDDEN: (
        errors.Forbidden,
        "The registry does not allow this account to do that.",
    ),
    HTTPStatus.NOT_FOUND: (
        errors.NotFound,
        "The registry does not have this, or does not show it to this account.",
    ),
    HTTPStatus.CONFLICT: (errors.Conflict, "The registry's state does not allow this."),
}


@dataclass(frozen=True)
class Answer:
    """A whole answer: `body` may be cut short where the status alone says no."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def parse_json(body: bytes) -> Any:
    """The JSON value; NotARegistry if it is none, or nested or numbered beyond all use."""
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise errors.NotARegistry(
            "The address answers with something that is not JSON. Is it an npm registry?"
        ) from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON's


def retry_after(value: str | None) -> float | None:
    """Seconds that a Retry-After header (seconds or an HTTP date) asks for; None if unusable.

    Never negative, and at most a week.
    """
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]{1,64}(\.[0-9]{1,64})?", text):
        seconds = float(text)
    else:
        try:
            date = parsedate_to_datetime(text[:64])
            date = date if date.tzinfo else date.replace(tzinfo=UTC)
            seconds = (date - datetime.now(UTC)).total_seconds()
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), WEEK)


def refusal(
    answer: Answer,
    registry: SplitResult,
    *,
    secrets: tuple[str, ...],
    proof_sent: bool,
    proof_hosts: Collection[str] = (),
) -> errors.RegistryError:
    """The error for an answer that is not 2xx.

    `registry` is the registry's own address; `secrets` are cut out of the words that it may echo;
    `proof_hosts` may have its pages for the second factor, beside its own site.
    """
    text = answer.body.decode("utf-8", "replace")
    document = _json_or_none(text)
    words = _words(document, text)
    for secret in filter(None, secrets):
        words = words.replace(secret, "[secret]")
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return _challenge(
            answer, registry, document, text, words, proof_sent=proof_sent, proof_hosts=proof_hosts
        )
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        wait = retry_after(answer.headers.get("retry-after"))
        return errors.RateLimited(
            "The registry asks to send fewer requests.",
            retry_after=DEFAULT_RETRY_AFTER if wait is None else wait,
            words=words,
            status=answer.status,
        )
    if answer.status == HTTPStatus.FORBIDDEN and _LOST_ACCOUNT in words.lower():
        return errors.NotAuthorised(_UNAUTHORISED, words=words, status=answer.status)
    # A proxy's page or a wrong address must not be taken for the registry's word about a version.
    is_json = document is not None or not text.strip()
    if answer.status in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT) and not is_json:
        return errors.NotARegistry(
            f"The address answers HTTP {answer.status} with something that is not JSON. "
            "Is it an npm registry?",
            status=answer.status,
        )
    return _conflict(answer.status, words) or _plain_refusal(answer.status, words)


def _plain_refusal(status: int, words: str) -> errors.RegistryError:
    if status in _REFUSALS:
        kind, sentence = _REFUSALS[status]
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        kind = errors.RegistryUnavailable
        sentence = f"The registry cannot answer now (HTTP {status})."
    elif status >= HTTPStatus.BAD_REQUEST:
        kind = errors.RequestRefused
        sentence = f"The registry refuses the request (HTTP {status})."
    else:
        kind = errors.NotARegistry
        sentence = f"The address answers with HTTP {status}, which no npm registry does here."
    return kind(sentence, words=words, status=status)


def _challenge(
    answer: Answer,
    registry: SplitResult,
    document: Any,
    text: str,
    words: str,
    *,
    proof_sent: bool,
    proof_hosts: Collection[str],
) -> errors.RegistryError:
    schemes = re.split(r"[,\s]+", answer.headers.get("www-authenticate", "").lower())
    web = document if isinstance(document, dict) else {}
    auth_url, done_url = web.get("authUrl"), web.get("doneUrl")
    has_urls = isinstance(auth_url, str) and isinstance(done_url, str)
    for address in (auth_url, done_url):
        if isinstance(address, str) and address:
            words = words.replace(address, "[address]")
    # Verdaccio answers a wrong, a used and a locked-out code with the very challenge it gives
    # without any: only what was sent tells them apart.
    wants_code = "otp" in schemes or has_urls or "one-time pass" in text.lower()
    if proof_sent and (wants_code or _CODE_WORDS.search(words)):
        return errors.SecondFactorRefused(
            "The registry did not accept the code. It may be wrong, expired or used before; "
            "after several failures registries lock an account for some minutes.",
            words=words,
            status=HTTPStatus.UNAUTHORIZED,
        )
    if has_urls and isinstance(auth_url, str) and isinstance(done_url, str):
        try:
            check_proof_url(auth_url, registry, proof_hosts)
            check_proof_url(done_url, registry, proof_hosts)
        except ValueError as exc:
            return errors.NotARegistry(
                f"The registry asks for a proof on a page that nobody should open. {exc}",
                status=HTTPStatus.UNAUTHORIZED,
            )
        return errors.WebSecondFactorNeeded(
            "The registry asks for a proof of presence on its own page.",
            auth_url=auth_url,
            done_url=done_url,
            words=words,
            status=HTTPStatus.UNAUTHORIZED,
        )
    if wants_code:
        return errors.SecondFactorNeeded(
            "The registry asks for a code of the account's second factor.",
            words=words,
            status=HTTPStatus.UNAUTHORIZED,
        )
    if "ipaddress" in schemes:
        return errors.NotAuthorised(
            "The registry does not accept this token from this machine's IP address.",
            words=words,
            status=HTTPStatus.UNAUTHORIZED,
        )
    return errors.NotAuthorised(
        _UNAUTHORISED,
        words=words,
        status=HTTPStatus.UNAUTHORIZED,
    )


def check_proof_url(
    url: str, registry: SplitResult, proof_hosts: Collection[str] = ()
) -> SplitResult:
    """The parts of an address of the web flow; ValueError if no browser and no worker may go there.

    It must be https, and at the registry's own site or on one of `proof_hosts`; plain http only
    on the registry's own origin, or on loopback where the registry itself is on loopback.
    """
    parts = check_url(url)
    if origin(parts) == origin(registry) or (is_loopback(parts) and is_loopback(registry)):
        return parts
    if parts.scheme != "https":
        raise ValueError("Its address must begin with https://.")
    host = parts.hostname or ""
    if not is_of_site(parts, registry) and host not in proof_hosts:
        shown = errors.clean_words(host, 100)
        raise ValueError(
            f"It is at {shown}, which is not the registry's own site. If that host is the "
            "registry's, an administrator can list it on the page of this registry, among the "
            "hosts of its second factor."
        )
    return parts


def _conflict(status: int, words: str) -> errors.Conflict | None:
    if status not in (HTTPStatus.CONFLICT, HTTPStatus.FORBIDDEN):
        return None
    lower = words.lower()
    # npm says "Cannot publish over previously staged version", Verdaccio "NAME@1.0.0 is already
    # staged" and "this package is already present". For a published version npm also uses 403.
    if "previously staged" in lower or "already staged" in lower:
        return errors.AlreadyStaged(
            "This version is staged already, or is still being published.",
            words=words,
            status=status,
        )
    published = ("previously published", "already published", "already present", "already exists")
    if any(phrase in lower for phrase in published):
        return errors.AlreadyPublished(
            "This version is published already.", words=words, status=status
        )
    return None


def _json_or_none(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _words(document: Any, text: str) -> str:
    """The registry's words: under `message` (npm) or `error` (Verdaccio), or a short plain text."""
    if isinstance(document, dict):
        for key in ("message", "error"):
            value = document.get(key)
            if isinstance(value, str) and value.strip():
                return value
        return ""
    if isinstance(document, str):
        return document
    return "" if "<" in text else text
