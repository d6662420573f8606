"""What bundles prove about one tarball. Whatever a bundle is like, it proves something or it does
not: nothing that it does to our code ends the look."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from celery.exceptions import SoftTimeLimitExceeded

from approvals.provenance.leases import TookTooLong
from registry_client.client import RegistryClient
from registry_client.errors import RegistryError, clean_words
from registry_client.provenance import (
    MAX_BUNDLE,
    BundleUnreadable,
    PublishVerification,
    RegistryKey,
    Trust,
    Verification,
    is_provenance,
    is_publish_attestation,
    predicate_type_of,
    subject_sha512,
    verify,
    verify_publish_attestation,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Tarball:
    """What bundles have to be about: one tarball (SHA-512 in hex) of one version."""

    package: str
    version: str
    sha512: str

    def __str__(self) -> str:
        return f"{self.package}@{self.version}"


@dataclass
class Examined:
    """What several bundles prove: the first that was verified, and those that were refused."""

    verified: Verification | None = None
    bundle: str = ""
    refused: list[tuple[str, Verification]] = field(default_factory=list)
    publish: PublishVerification | None = None


class RegistryKeys:
    """The keys that a registry signs with, asked for once and only if they are needed."""

    def __init__(self, client: RegistryClient, tell: Callable[[str], object]) -> None:
        self._client = client
        self._tell = tell
        self._asked = False
        self._keys: Sequence[RegistryKey] | None = None

    def get(self) -> Sequence[RegistryKey] | None:
        """None where they cannot be had: what they signed is unverified then, nothing worse."""
        if not self._asked:
            self._asked = True
            try:
                self._tell("Asking for the keys that the registry signs with")
                self._keys = self._client.signing_keys()
            except (RegistryError, TookTooLong) as error:
                logger.warning("registry=%s no signing keys: %s", self._client.base_url, error)
        return self._keys


def examine(
    bundles: Iterable[str],
    about: Tarball,
    trust: Trust,
    keys: RegistryKeys | None,
    *,
    stage_id: Any,
) -> Examined:
    """Verifies provenance up to the first that proves something, and publish attestations.

    Other attestations are passed over.
    """
    found = Examined()
    for bundle in bundles:
        kind = predicate_type(bundle)
        if is_publish_attestation(kind):
            if found.publish is None or found.publish.state != "refused":
                found.publish = _publish(bundle, about, keys.get() if keys else None, stage_id)
        elif kind and not is_provenance(kind):
            logger.debug("stage=%s attestation passed over: %s", stage_id, clean_words(kind))
        elif found.verified is None:
            outcome = verified(bundle, about, trust, stage_id=stage_id)
            if outcome.verified:
                found.verified, found.bundle = outcome, bundle
            else:
                found.refused.append((bundle, outcome))
    return found


def verified(bundle: str, about: Tarball, trust: Trust, *, stage_id: Any) -> Verification:
    """What one bundle proves about the tarball; never raises for what the bundle is like."""

    def look() -> Verification:
        if len(bundle.encode()) > MAX_BUNDLE:
            return Verification(False, f"The bundle is larger than {MAX_BUNDLE:,} bytes.")
        if other := other_digest(bundle, about):
            return Verification(False, other, predicate_type(bundle))
        return verify(
            bundle, package=about.package, version=about.version, sha512=about.sha512, trust=trust
        )

    def failed(words: str) -> Verification:
        return Verification(False, words)

    return _guarded(look, failed, stage_id)


def other_digest(bundle: str, about: Tarball) -> str:
    """Both digests in a sentence where the bundle is about another tarball, else ""."""
    claimed = subject_sha512(bundle)
    if not claimed or claimed.lower() == about.sha512:
        return ""
    return (
        f"The bundle is about another tarball: it names the SHA-512 {clean_words(claimed, 130)}, "
        f"but the tarball of {about} has {about.sha512}."
    )


def _publish(
    bundle: str, about: Tarball, keys: Sequence[RegistryKey] | None, stage_id: Any
) -> PublishVerification:
    def look() -> PublishVerification:
        return verify_publish_attestation(
            bundle, package=about.package, version=about.version, sha512=about.sha512, keys=keys
        )

    def failed(words: str) -> PublishVerification:
        return PublishVerification("refused", words)

    return _guarded(look, failed, stage_id)


def predicate_type(bundle: str) -> str:
    """What it calls itself; "" where that cannot be read, which verifying then says."""
    try:
        return predicate_type_of(bundle)
    except SoftTimeLimitExceeded:
        raise
    except Exception:  # noqa: BLE001 - whatever it is, `verified` meets it again and logs it
        return ""


def _guarded(look: Callable[[], T], failed: Callable[[str], T], stage_id: Any) -> T:
    try:
        return look()
    except BundleUnreadable as error:
        return failed(f"The bundle cannot be read: {error}")
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:
        logger.exception("stage=%s verifying a bundle broke", stage_id)
        return failed(
            f"Countersign failed on this bundle ({type(error).__name__}), so that it proves "
            "nothing: report this."
        )
