"""Against what the bundles of a registry's packages are verified."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from approvals.audit.record import record
from approvals.provenance.models import Provenance, TrustedRoot
from approvals.provenance.requests import compare_anew
from approvals.queue.models import Registry
from registry_client.provenance import Trust

MOST_BYTES = 1024 * 1024
_PARTS = {
    "certificateAuthorities": "certificate authorities",
    "tlogs": "transparency logs",
    "ctlogs": "certificate logs",
    "timestampAuthorities": "timestamp authorities",
}
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_parsed: dict[tuple[int, datetime], Trust] = {}
_MOST_PARSED = 20


class TrustUnusable(Exception):
    """A trusted root cannot be used; the text says which and why."""


@dataclass(frozen=True)
class Stored:
    """What became of storing a trusted root. `before` and `after` count its parts by their names;
    `before` is empty where there was none."""

    changed: bool
    fingerprint: str
    before: dict[str, int]
    after: dict[str, int]


def trust_for(registry: Registry) -> Trust:
    """The registry's own trusted root, else the public one. Raises TrustUnusable."""
    own = TrustedRoot.objects.filter(registry=registry).first()
    return _parse(own) if own else public_trust()


def public_trust() -> Trust:
    """The public root as it was refreshed last, else the one that sigstore-python has with it.

    Raises TrustUnusable.
    """
    stored = TrustedRoot.objects.filter(is_public=True).first()
    return _parse(stored) if stored else Trust.embedded()


def _parse(root: TrustedRoot) -> Trust:
    key = (root.pk, root.stored_at)
    if key not in _parsed:
        try:
            trust = Trust.from_json(root.document, is_public=root.is_public)
        except ValueError as error:
            raise TrustUnusable(f"The {root} cannot be used: {error}") from error
        while len(_parsed) >= _MOST_PARSED:
            _parsed.pop(next(iter(_parsed)), None)
        _parsed[key] = trust
    return _parsed[key]


def store_public_root(text: str, *, actor: AbstractBaseUser | None = None) -> Stored:
    """Uses this trusted_root.json for all registries without one of their own.

    What was refused is looked at again. Raises TrustUnusable.
    """
    return _store(text, None, actor)


def store_root_of(
    registry: Registry, text: str, *, actor: AbstractBaseUser | None = None
) -> Stored:
    """Uses this trusted_root.json for the packages of one registry, and no other for them.

    Raises TrustUnusable.
    """
    return _store(text, registry, actor)


def _store(text: str, registry: Registry | None, actor: AbstractBaseUser | None) -> Stored:
    if len(text.encode()) > MOST_BYTES:
        raise TrustUnusable(f"A trusted root has at most {MOST_BYTES:,} bytes; this has more.")
    try:
        Trust.from_json(text, is_public=registry is None)
    except ValueError as error:
        raise TrustUnusable(f"This is not a usable trusted root: {error}") from error
    is_public = registry is None
    with transaction.atomic():
        rows = TrustedRoot.objects.select_for_update()
        before = rows.filter(registry=registry, is_public=is_public).first()
        stored = Stored(
            changed=before is None or before.document != text,
            fingerprint=fingerprint(text),
            before=parts_of(before.document) if before else {},
            after=parts_of(text),
        )
        if not stored.changed:
            return stored
        root, _ = TrustedRoot.objects.update_or_create(
            registry=registry,
            is_public=is_public,
            defaults={"document": text, "stored_at": timezone.now()},
        )
        _look_again_at(registry)
        record(
            "trusted_root.stored",
            actor=actor,
            subject=root,
            sha256=stored.fingerprint,
            parts=stored.after,
        )
    return stored


def _look_again_at(registry: Registry | None) -> None:
    """What was refused may be proven by the new root; what is proven stays so."""
    registries = Registry.objects.filter(trusted_root__isnull=True)
    if registry is not None:
        registries = Registry.objects.filter(pk=registry.pk)
    Provenance.objects.filter(
        package__registry__in=registries, outcome=Provenance.Outcome.REFUSED
    ).update(checked_at=_LONG_AGO)
    compare_anew(staged_version__registry__in=registries)


def parts_of(text: str) -> dict[str, int]:
    """How many of what is in a trusted root that is usable."""
    document: Any = json.loads(text)
    return Counter({words: len(document.get(part) or []) for part, words in _PARTS.items()})


def fingerprint(text: str) -> str:
    """The SHA-256 of a trusted root in hex."""
    return hashlib.sha256(text.encode()).hexdigest()
