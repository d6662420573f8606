"""The bundles in what registries, CI and people hand over: one bundle, a list, or an answer."""

import hashlib
import json
from typing import Any

from registry_client.provenance.strict_json import NotStrict, parse_strictly

MOST_ANSWER_BYTES = 4 * 1024 * 1024
"""Of an answer with several of them, as the registry client takes."""
MOST_BUNDLES = 20
_MARKS = ("dsseEnvelope", "messageSignature")


class NoBundles(ValueError):
    """What was handed over holds no bundles; the text says why."""


def bundles_in_text(content: str | bytes, *, most: int) -> list[dict[str, Any]]:
    """The bundles in JSON of at most `most` bytes. Raises NoBundles."""
    try:
        return bundles_in(parse_strictly(content, most))
    except NotStrict as error:
        raise NoBundles(str(error)) from error


def bundles_in(document: object) -> list[dict[str, Any]]:
    """The bundles of a registry's answer about attestations, of a list, or of a bundle itself.

    At most MOST_BUNDLES. Raises NoBundles where it is none of the three.
    """
    found = document.get("attestations") if isinstance(document, dict) else None
    listed = document if isinstance(document, list) else found
    if not isinstance(listed, list):
        listed = [document]
    if len(listed) > MOST_BUNDLES:
        raise NoBundles(f"There are more than {MOST_BUNDLES} attestations in it.")
    return [_bundle_of(one) for one in listed]


def _bundle_of(entry: object) -> dict[str, Any]:
    inner = entry.get("bundle", entry) if isinstance(entry, dict) else None
    if not isinstance(inner, dict) or not any(mark in inner for mark in _MARKS):
        raise NoBundles("It is neither a Sigstore bundle nor an answer about attestations.")
    return inner


def text_of(bundle: dict[str, Any]) -> str:
    """The bundle as JSON text, the same for every way to write it down."""
    return json.dumps(bundle, sort_keys=True, separators=(",", ":"))


def sha256_of(text: str) -> str:
    """What a bundle is known by."""
    return hashlib.sha256(text.encode()).hexdigest()
