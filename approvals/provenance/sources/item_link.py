"""Whatever the staged item itself links to, at its own registry."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import SplitResult

from approvals.provenance.bundles import NoBundles, bundles_in, text_of
from approvals.provenance.models import Provenance
from approvals.provenance.sources.source import BundleSource, Look, SourceFailed
from registry_client import answers
from registry_client.addresses import check_url, is_within, origin
from registry_client.client import RegistryClient
from registry_client.errors import (
    NotARegistry,
    NotAuthorised,
    NotFound,
    RateLimited,
    RegistryError,
    RegistryUnavailable,
    clean_words,
)
from registry_client.transport import read_answer

MOST_DEPTH = 6
MOST_LINKS = 3
_KEY = re.compile(r"attestation|provenance|sigstore", re.IGNORECASE)


class ItemLink(BundleSource):
    """Addresses under keys like `attestations.url` or `provenanceUrl`.

    The token goes along, so that only the registry's own origin and base path are asked.
    """

    source = Provenance.Source.ITEM
    step = "Following the staged version's link to its provenance"
    vouches = True
    asks_registry = True

    def find(self, look: Look) -> Iterator[str]:
        links = list(dict.fromkeys(links_in(look.row.extra)))
        notes = []
        for link in links[:MOST_LINKS]:
            look.tell(self.step)
            try:
                yield from _bundles_at(link, look.client)
            except SourceFailed as error:
                notes.append(str(error))
        if len(links) > MOST_LINKS:
            notes.append(f"Of {len(links)} links, only {MOST_LINKS} were followed.")
        if notes:
            raise SourceFailed(" ".join(notes))


def links_in(extra: Any) -> Iterator[str]:
    """The addresses that what else the registry said of a staged version links to."""
    yield from _links(extra, depth=0, is_meant=False)


def _links(value: Any, *, depth: int, is_meant: bool) -> Iterator[str]:
    if isinstance(value, str):
        if is_meant and value.startswith(("https://", "http://")):
            yield value
    elif depth >= MOST_DEPTH:
        return
    elif isinstance(value, list):
        for one in value:
            yield from _links(one, depth=depth + 1, is_meant=is_meant)
    elif isinstance(value, dict):
        for key, one in value.items():
            # In `{"provenance": {"url": …, "predicateType": …}}`, only one of the two is a link.
            if _KEY.search(key):
                yield from _links(one, depth=depth + 1, is_meant=True)
            elif isinstance(one, str):
                yield from _links(one, depth=depth + 1, is_meant=is_meant and key == "url")
            else:
                yield from _links(one, depth=depth + 1, is_meant=is_meant)


def _bundles_at(link: str, client: RegistryClient) -> Iterator[str]:
    """Raises SourceFailed, and what means that the registry is away."""
    _check_at_home(link, client.transport.registry)
    try:
        answer = client.transport.get(link, read_answer, leaves_home=False)
        found = bundles_in(answers.parse_json(answer.body))
    except NoBundles as error:
        raise SourceFailed(f"What the staged version links to is unusable: {error}") from error
    except (RegistryUnavailable, RateLimited, NotAuthorised):
        raise
    except (NotFound, NotARegistry) as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return
        raise SourceFailed(f"The staged version's link cannot be used: {error}") from error
    except RegistryError as error:
        raise SourceFailed(f"The staged version's link cannot be used: {error}") from error
    yield from map(text_of, found)


def _check_at_home(link: str, registry: SplitResult) -> None:
    try:
        parts = check_url(link)
    except ValueError as error:
        raise SourceFailed(f"The staged version links to no usable address: {error}") from error
    host = clean_words(parts.netloc, 100)
    if origin(parts) != origin(registry):
        raise SourceFailed(
            f"The staged version links to its provenance at {host}, which is not its registry: "
            "the link was not followed. Get the bundle there yourself and hand it in."
        )
    if not is_within(parts, registry):
        raise SourceFailed(
            f"The staged version links to its provenance at {host}, but beside the registry's own "
            "path: the link was not followed. Get the bundle there yourself and hand it in."
        )
