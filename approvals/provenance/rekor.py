"""The two calls of a Rekor v1 log that find what was logged about a digest.

Bounded in time and size; no token, no cookies, no redirects. Source: Rekor's openapi.yaml.
"""

import re
from typing import Any, Self
from urllib.parse import urlsplit

import requests
import urllib3
from requests.utils import get_environ_proxies

from registry_client import answers
from registry_client.addresses import is_loopback
from registry_client.connections import Body, Interrupted, PatientSession
from registry_client.errors import NotARegistry, RegistryUnavailable, TooLarge

CONNECT_SECONDS, READ_SECONDS, ANSWER_SECONDS = 5.0, 15.0, 30.0
MOST_BYTES = 4 * 1024 * 1024
_OK = 200
# A tree's id in front, since Rekor has more than one tree.
_UUID = re.compile(r"([0-9a-f]{16})?[0-9a-f]{64}")


class LogAway(Exception):
    """The log did not answer, or not as Rekor does; the text says so."""


class Rekor:
    """One log, by its address without a path."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._name = urlsplit(url).netloc
        self._session = PatientSession()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._session.close()

    def search(self, sha512: str) -> list[str]:
        """The ids of entries about that digest (hex), as the log lists them. Raises LogAway."""
        found = self._ask("POST", "/api/v1/index/retrieve", {"hash": f"sha512:{sha512}"})
        if not isinstance(found, list):
            raise self._away("its answer is not a list of entries")
        return [uuid for uuid in found if isinstance(uuid, str) and _UUID.fullmatch(uuid)]

    def entry(self, uuid: str) -> dict[str, Any]:
        """One entry. Raises LogAway."""
        found = self._ask("GET", f"/api/v1/log/entries/{uuid}")
        entries = list(found.values()) if isinstance(found, dict) else []
        if len(entries) != 1 or not isinstance(entries[0], dict):
            raise self._away("its answer is not one entry")
        return entries[0]

    def _ask(self, method: str, path: str, body: dict[str, str] | None = None) -> Any:
        url = f"{self._url}{path}"
        try:
            with self._session.request(
                method,
                url,
                json=body,
                headers={"Accept": "application/json", "Accept-Encoding": "gzip"},
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
                proxies={} if is_loopback(urlsplit(url)) else get_environ_proxies(url),
            ) as response:
                if response.status_code != _OK:
                    raise self._away(f"it answers HTTP {response.status_code}")
                with Body(response, MOST_BYTES, ANSWER_SECONDS, decode=True) as answer:
                    return answers.parse_json(answer.read_all())
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise self._away(str(Interrupted(error))) from None
        except Interrupted as error:
            raise self._away(str(error)) from None
        except TooLarge:
            raise self._away("its answer is too large") from None
        except RegistryUnavailable:
            raise self._away("it does not finish its answer in time") from None
        except NotARegistry:
            raise self._away("its answer is not JSON") from None

    def _away(self, why: str) -> LogAway:
        return LogAway(f"The transparency log {self._name} could not be searched: {why}.")
