"""Against what the bundles of a registry's packages are verified."""

import hashlib
import json
import logging
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from approvals.audit.record import record
from approvals.provenance.models import Provenance, ProvenanceCheck, TrustedRoot
from approvals.provenance.requests import compare_anew
from approvals.queue.models import AT_REGISTRY_STATES, Registry
from registry_client.provenance import Trust

logger = logging.getLogger(__name__)

MOST_BYTES = 1024 * 1024
_PARTS = {
    "certificateAuthorities": "certificate authorities",
    "tlogs": "transparency logs",
    "ctlogs": "certificate logs",
    "timestampAuthorities": "timestamp authorities",
}
# While two releases of the program run beside each other, each with a root of its own, they must
# not verify everything again in turns all the time.
_SETTLES_IN = timedelta(minutes=1)
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

    What is still to be decided is verified again with it. Raises TrustUnusable.
    """
    return _store(text, None, actor)


def store_root_of(
    registry: Registry, text: str, *, actor: AbstractBaseUser | None = None
) -> Stored:
    """Uses this trusted_root.json for the packages of one registry, and no other for them.

    What is still to be decided is verified again with it. Raises TrustUnusable.
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
        _look_again(registry)
        record(
            "trusted_root.stored",
            actor=actor,
            subject=root,
            sha256=stored.fingerprint,
            parts=stored.after,
        )
    return stored


def remove_root(registry: Registry | None, *, actor: AbstractBaseUser | None = None) -> bool:
    """Takes away the trusted root of a registry, or (None) the public one that was stored.

    From then on the registry's packages are verified against the public root again, and all others
    against the one that comes with the program. False where there was none.
    """
    with transaction.atomic():
        rows = TrustedRoot.objects.select_for_update()
        root = rows.filter(registry=registry, is_public=registry is None).first()
        if root is None:
            return False
        subject, sha256 = TrustedRoot(pk=root.pk, registry=registry), fingerprint(root.document)
        root.delete()
        _look_again(registry)
        record("trusted_root.removed", actor=actor, subject=subject, sha256=sha256)
    return True


def _look_again(registry: Registry | None) -> None:
    """Another root counts: it may prove what the one before did not, and the other way round."""
    registries = Registry.objects.filter(trusted_root__isnull=True)
    if registry is not None:
        registries = Registry.objects.filter(pk=registry.pk)
    compare_anew(staged_version__registry__in=registries)


def look_again_at_outdated() -> int:
    """Has looked at again what was proven with a trusted root that counts no more; how many.

    Another one may have come with a release of the program, or while a look was under way.
    """
    found = Q(packages__staged_versions__provenance_check__provenance__isnull=False)
    still_open = Q(packages__staged_versions__state__in=AT_REGISTRY_STATES)
    asked = 0
    for registry in Registry.objects.filter(found, still_open).distinct():
        try:
            root = trust_for(registry).fingerprint
        except TrustUnusable as error:
            logger.warning("registry=%s %s", registry, error)
            continue
        asked += compare_anew(_stands_on_another(root), staged_version__registry=registry)
    return asked


def _stands_on_another(root: str) -> Q:
    """Of checks: what they found, or what that is compared with, was verified with another root.

    What waits because its last look failed is left to its next one: it may fail again.
    """
    rows = Provenance.objects.filter(checked_at__lt=timezone.now() - _SETTLES_IN).exclude(
        root__in=["", root]
    )
    history = ProvenanceCheck.history.through.objects.filter(
        provenancecheck=OuterRef("pk"), provenance__in=rows
    )
    is_done = Q(state=ProvenanceCheck.State.DONE)
    is_proven = Q(provenance__outcome=Provenance.Outcome.VERIFIED)
    is_proven &= Q(state=ProvenanceCheck.State.WAITING, failure="")
    stands = Q(Exists(history)) | Q(provenance__in=rows) | Q(baseline__in=rows)
    return stands & is_done | Q(provenance__in=rows) & is_proven


def parts_of(text: str) -> dict[str, int]:
    """How many of what is in a trusted root that is usable."""
    document: Any = json.loads(text)
    return Counter({words: len(document.get(part) or []) for part, words in _PARTS.items()})


def fingerprint(text: str) -> str:
    """The SHA-256 of a trusted root in hex."""
    return hashlib.sha256(text.encode()).hexdigest()
