"""The registry's second factor in its web flow: waiting until the person has proved presence."""

import re
from dataclasses import dataclass
from http import HTTPStatus

from registry_client.answers import check_proof_url, parse_json, retry_after
from registry_client.client import RegistryClient
from registry_client.errors import NotARegistry, RateLimited
from registry_client.transport import read_answer

MIN_WAIT = 1.0
USUAL_WAIT = 2.0
MAX_WAIT = 60.0


@dataclass(frozen=True)
class Waiting:
    """The person has not finished yet: ask again in `retry_after` seconds (1 to 60)."""

    retry_after: float


def poll_web_proof(client: RegistryClient, done_url: str) -> str | Waiting:
    """Asks once whether the proof is there: the proof for `approve` and `reject`, or Waiting.

    The client's token goes along only to the registry's own origin. Raises NotARegistry if the
    address or the answer is unusable, NotFound or another refusal once the flow has expired, and
    RegistryUnavailable, after which asking again may help.
    """
    transport = client.transport

    def check(url: str) -> None:
        check_proof_url(url, transport.registry, transport.proof_hosts)

    try:
        check(done_url)
    except ValueError as exc:
        raise NotARegistry(
            f"The registry's page for the proof has an unusable address. {exc}"
        ) from None
    try:
        # Wherever it redirects to, too: who is asked here hands out the proof.
        answer = transport.get(done_url, read_answer, tries=1, check=check)
    except RateLimited as exc:
        return Waiting(_bounded(exc.retry_after))
    if answer.status == HTTPStatus.ACCEPTED:
        wait = retry_after(answer.headers.get("retry-after"))
        return Waiting(_bounded(USUAL_WAIT if wait is None else wait))
    document = parse_json(answer.body)
    token = document.get("token") if isinstance(document, dict) else None
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]{1,4096}", token):
        raise NotARegistry("The registry's answer to the proof is unusable.")
    return token


def _bounded(seconds: float) -> float:
    return min(max(seconds, MIN_WAIT), MAX_WAIT)
