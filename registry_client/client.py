"""An npm registry with staged publishing: one typed method for each of its calls."""

import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import requests

from registry_client import answers, staged
from registry_client.addresses import check_stage_id, escape_package_name, escape_segment
from registry_client.connections import Body
from registry_client.downloads import (
    DOWNLOAD_LIMIT,
    DOWNLOAD_SECONDS,
    Announced,
    Digests,
    Download,
    Progress,
    digest,
    save,
)
from registry_client.errors import (
    AnswerLost,
    NotARegistry,
    NotFound,
    RegistryError,
    SecondFactorRefused,
    clean_words,
)
from registry_client.packument import MAX_BYTES, read_packument
from registry_client.provenance.signing_keys import RegistryKey, read_keys
from registry_client.staged import StagedItem
from registry_client.transport import Transport, read_answer
from registry_client.versions import Packument, PublishedVersion

__all__ = ["Attestation", "Digests", "Download", "RegistryClient", "StagedItem"]

T = TypeVar("T")

PACKUMENT_SECONDS = 300.0
MAX_PROOF = 4096
MAX_ATTESTATIONS = 20
MAX_USER = 256
MAX_TOKENS_LISTED = 1000
# npm offers its web flow only to a client that says it knows it.
DECISION_HEADERS = {"npm-auth-type": "web", "npm-command": "stage"}


@dataclass(frozen=True)
class Attestation:
    """A statement about a published version: its predicate type and its Sigstore-like bundle."""

    predicate_type: str
    bundle: dict[str, Any]


class RegistryClient:
    """One registry, with one person's or the poller's token, or without any.

    `base_url` may have a path prefix (`https://registry.example.org/npm/`); timeouts are in
    seconds, `download_limit` in bytes; `proof_hosts` may have the registry's pages for the second
    factor, beside its own site. ValueError if the address or the token cannot be one. The
    methods raise RegistryError's subclasses, besides ValueError for an id or a name that cannot be
    one and OSError where a file cannot be written.
    """

    def __init__(
        self,
        base_url: str,
        token: str = "",
        *,
        connect_timeout: float = 5.0,
        read_timeout: float = 30.0,
        max_tries: int = 4,
        download_limit: int = DOWNLOAD_LIMIT,
        sleep: Callable[[float], object] = time.sleep,
        proof_hosts: Collection[str] = (),
    ) -> None:
        self.transport = Transport(
            base_url,
            token,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            max_tries=max_tries,
            sleep=sleep,
            proof_hosts=proof_hosts,
        )
        self.base_url = self.transport.base_url
        self._download_limit = download_limit

    def __repr__(self) -> str:
        return f"RegistryClient({self.base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the pooled connections."""
        self.transport.close()

    def staged_versions(self, package: str | None = None) -> list[StagedItem]:
        """All staged versions that the token's user sees, newest first, or those of one package.

        Complete: IncompleteListing if the registry does not show all that it counts.
        """
        query: dict[str, str | int] = {}
        if package is not None:
            escape_package_name(package)
            query["package"] = package

        def fetch(page: int, per_page: int) -> object:
            url = self.transport.url("/-/stage", {"page": page, "perPage": per_page, **query})
            return self.transport.get_json(url)

        items = staged.read_all(fetch)
        return [item for item in items if package in (None, item.package_name)]

    def staged_version(self, stage_id: str) -> StagedItem:
        """One staged version; NotFound if it is gone or hidden from this user."""
        stage_id = check_stage_id(stage_id)
        document = self.transport.get_json(self.transport.url(f"/-/stage/{stage_id}"))
        item = StagedItem.from_json(document)
        if item.id != stage_id:
            raise NotARegistry("The registry answers with another staged version.")
        return item

    def download_staged(
        self, item: StagedItem, destination: Path, on_progress: Progress | None = None
    ) -> Download:
        """The staged tarball as a file that appears at `destination` only if its SHA-1 is right."""
        url = self.transport.url(f"/-/stage/{check_stage_id(item.id)}/tarball")
        return self._download(url, destination, Announced.of(shasum=item.shasum), on_progress)

    def approve(self, stage_id: str, proof: str | None = None) -> str:
        """Publishes a staged version and returns the registry's message. Sent exactly once.

        `proof` is a code of the registry's second factor, or the token of its web flow.
        """
        path = f"/-/stage/{check_stage_id(stage_id)}/approve"
        answer = self.transport.send("POST", path, DECISION_HEADERS, proof=_checked(proof))
        document = _outcome(answer)
        message = document.get("message")
        return clean_words(message) if isinstance(message, str) else ""

    def reject(self, stage_id: str, proof: str | None = None) -> None:
        """Deletes a staged version and its tarball for good. Sent exactly once."""
        path = f"/-/stage/{check_stage_id(stage_id)}"
        answer = self.transport.send("DELETE", path, DECISION_HEADERS, proof=_checked(proof))
        if answer.body.strip():
            _outcome(answer)

    def packument(
        self,
        name: str,
        *,
        max_bytes: int | None = None,
        seconds: float = PACKUMENT_SECONDS,
        tries: int | None = None,
    ) -> Packument:
        """What is published of a package; NotFound if nothing is.

        `max_bytes` and `seconds` bound each answer, `tries` how often one is asked for.
        """

        def read(response: requests.Response) -> Packument:
            with Body(
                response, MAX_BYTES if max_bytes is None else max_bytes, seconds, decode=True
            ) as body:
                return read_packument(body, name)

        # The whole packument, because npm's abbreviated one has neither `time` nor maintainers.
        url = self.transport.url(f"/{escape_package_name(name)}")
        return self.transport.get(url, read, tries=tries)

    def download_published(
        self, version: PublishedVersion, destination: Path, on_progress: Progress | None = None
    ) -> Download:
        """The published tarball as a file, compared with the packument's shasum and integrity."""
        announced = Announced.of(shasum=version.shasum, integrity=version.integrity)
        return self._download(self._tarball_url(version), destination, announced, on_progress)

    def digests_of_published(self, version: PublishedVersion, *, seconds: float) -> Digests:
        """Which tarball whoever installs this version gets: read whole, once, and not kept.

        Asked for a single time, where npm would: it took no longer than `seconds`, or it is
        RegistryUnavailable.
        """

        return self._read_tarball(self._tarball_url(version), digest, seconds=seconds, tries=1)

    def attestations(self, name: str, version: str) -> list[Attestation]:
        """A published version's attestations, unverified; [] where the registry has none."""
        spec = f"{escape_package_name(name)}@{escape_segment(version)}"
        none: dict[str, Any] = {"attestations": []}
        document = self._get_json_or(none, f"/-/npm/v1/attestations/{spec}")
        found = document.get("attestations") if isinstance(document, dict) else None
        if not isinstance(found, list) or len(found) > MAX_ATTESTATIONS:
            raise NotARegistry("The registry's answer about attestations is unusable.")
        return [_attestation(one) for one in found]

    def signing_keys(self) -> list[RegistryKey]:
        """The public keys that the registry signs its own statements with; [] where it has none."""
        return read_keys(self._get_json_or({"keys": []}, "/-/npm/v1/keys"))

    def whoami(self) -> str:
        """The name of the token's user; NotAuthorised if the token is no good."""
        document = self.transport.get_json(self.transport.url("/-/whoami"))
        name = document.get("username") if isinstance(document, dict) else None
        if not isinstance(name, str) or not 0 < len(name) <= MAX_USER or not name.isprintable():
            raise NotARegistry("The registry does not say whose token this is.")
        return name

    def bypasses_second_factor(self) -> bool | None:
        """Whether the registry says of this token that it needs no second factor; None if it does
        not say. Never raises: few registries know.
        """
        return self._said_of_token("bypass_2fa")

    def may_only_read(self) -> bool | None:
        """Whether the registry says of this token that it may only read; None if it does not say.

        Never raises.
        """
        return self._said_of_token("readonly")

    def _said_of_token(self, name: str) -> bool | None:
        # npm's list of tokens shows how each begins, and carries what it was made with.
        try:
            document = self.transport.get(
                self.transport.url("/-/npm/v1/tokens"),
                lambda response: answers.parse_json(read_answer(response).body),
                tries=1,
                leaves_home=False,
            )
        except RegistryError:
            return None
        listed = document.get("objects") if isinstance(document, dict) else None
        if not isinstance(listed, list):
            return None
        own = [
            one
            for one in listed[:MAX_TOKENS_LISTED]
            if isinstance(one, dict)
            and isinstance(one.get("token"), str)
            and self.transport.has_token_beginning(one["token"])
        ]
        says = own[0].get(name) if len(own) == 1 else None
        return says if isinstance(says, bool) else None

    def _get_json_or(self, none: dict[str, Any], path: str) -> Any:
        """The answer of a call that not all registries know; `none` where this one does not."""
        try:
            return self.transport.get_json(self.transport.url(path))
        except (NotFound, NotARegistry) as exc:
            # They answer 404 in many forms, pages among them.
            if exc.status == HTTPStatus.NOT_FOUND:
                return none
            raise

    def _download(
        self, url: str, destination: Path, announced: Announced, on_progress: Progress | None
    ) -> Download:
        def keep(body: Body) -> Download:
            return save(body, destination, announced, on_progress)

        return self._read_tarball(url, keep, seconds=DOWNLOAD_SECONDS)

    def _read_tarball(
        self, url: str, use: Callable[[Body], T], *, seconds: float, tries: int | None = None
    ) -> T:
        def read(response: requests.Response) -> T:
            if response.status_code != HTTPStatus.OK:
                raise NotARegistry("The registry answers without the tarball.")
            # The digests are those of the bytes as they are stored, so nothing may be decoded.
            with Body(response, self._download_limit, seconds, decode=False) as body:
                return use(body)

        return self.transport.get(
            url, read, accept="application/octet-stream", encoding="identity", tries=tries
        )

    def _tarball_url(self, version: PublishedVersion) -> str:
        url, own = version.tarball, self.transport.registry
        # Packuments from before registries used TLS still name http addresses.
        if own.scheme == "https" and url.startswith(f"http://{own.netloc}/"):
            return url.replace("http:", "https:", 1)
        return url


def _checked(proof: str | None) -> str:
    if proof and (len(proof) > MAX_PROOF or re.search(r"[^\x21-\x7e]", proof)):
        raise SecondFactorRefused("The code contains characters that no registry's code has.")
    return proof or ""


def _outcome(answer: answers.Answer) -> dict[str, Any]:
    """The JSON object of a success; whatever else came in its place proves nothing."""
    try:
        document = answers.parse_json(answer.body)
    except NotARegistry:
        document = None
    if not isinstance(document, dict):
        raise AnswerLost(
            "Whether the registry carried this out is not known: its answer is not JSON. "
            "Ask the registry.",
            status=answer.status,
        )
    return document


def _attestation(obj: object) -> Attestation:
    kind = obj.get("predicateType") if isinstance(obj, dict) else None
    bundle = obj.get("bundle") if isinstance(obj, dict) else None
    if not isinstance(kind, str) or not isinstance(bundle, dict):
        raise NotARegistry("The registry's answer about attestations is unusable.")
    return Attestation(clean_words(kind), bundle)
