"""Where the published versions of a package were built: the baseline, and the newest others."""

import logging
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from approvals.provenance.bundles import text_of
from approvals.provenance.examine import RegistryKeys, Tarball, examine
from approvals.provenance.keep import (
    Found,
    is_outdated,
    keep,
    missing,
    proven,
    refused,
    verify_again,
)
from approvals.provenance.leases import TookTooLong
from approvals.provenance.models import Provenance
from approvals.queue.models import StagedVersion
from registry_client.client import RegistryClient
from registry_client.downloads import Announced
from registry_client.errors import (
    NotARegistry,
    NotAuthorised,
    RateLimited,
    RegistryError,
    RegistryUnavailable,
)
from registry_client.provenance import Trust
from registry_client.versions import (
    PLACEHOLDER_VERSION,
    Packument,
    PublishedVersion,
    parse_version,
    sort_key,
)

logger = logging.getLogger(__name__)

ASK_AGAIN_AFTER = timedelta(days=1)


class History:
    """Asks a registry about the published versions of one package.

    What is verified is kept, and verified again where another trusted root counts since; what is
    missing or was refused is asked for again after a day, or with another trusted root.
    """

    def __init__(
        self,
        row: StagedVersion,
        client: RegistryClient,
        trust: Trust,
        keys: RegistryKeys,
        tell: Callable[[str], None],
    ) -> None:
        self._row = row
        self._client = client
        self._trust = trust
        self._keys = keys
        self._tell = tell

    def of(
        self, packument: Packument | None, baseline: str
    ) -> tuple[list[Provenance], Exception | None]:
        """What is known of the baseline (a version, or "") and the others, and why not of all.

        Versions whose SHA-512 the registry does not tell are left out. What was found before the
        registry could not be asked any more (RegistryError, TookTooLong) is kept.
        """
        versions = wanted(packument, self._row.version, baseline)
        known = {
            (one.version, one.sha512): one
            for one in Provenance.objects.filter(
                package=self._row.package, version__in=[one.version for one in versions]
            ).defer("compressed")
        }
        found: list[Provenance] = []
        for number, version in enumerate(versions, start=1):
            sha512 = sha512_of(version)
            if not sha512:
                logger.debug(
                    "stage=%s no SHA-512 of %s is announced", self._row.stage_id, version.version
                )
                continue
            row = known.get((version.version, sha512))
            is_baseline = version.version == baseline
            try:
                is_settled = row is not None and _is_settled(row, is_baseline=is_baseline)
                if row is not None and is_outdated(row, self._trust):
                    self._tell(f"Verifying {version.version} with another trusted root")
                    row = verify_again(
                        row, self._row.package.name, self._trust, stage_id=self._row.stage_id
                    )
                    # The registry may have another bundle, which this root verifies.
                    is_settled = is_settled and row.is_verified
                if not is_settled:
                    self._tell(f"Asking about {version.version} ({number} of {len(versions)})")
                    row = self._ask(version, sha512, is_baseline=is_baseline) or row
            except (RegistryError, TookTooLong) as error:
                return found, error
            if row is not None:
                found.append(row)
        return found, None

    def _ask(
        self, version: PublishedVersion, sha512: str, *, is_baseline: bool
    ) -> Provenance | None:
        found: Found | None
        if version.attestations_url or is_baseline:
            found = self._found(Tarball(self._row.package.name, version.version, sha512))
        else:
            found = missing("The registry announces no attestations of this version.")
        if found is None:
            return None
        return keep(self._row.package, version.version, sha512, found)

    def _found(self, about: Tarball) -> Found | None:
        """None where the registry's answer says nothing."""
        try:
            attestations = self._client.attestations(about.package, about.version)
        except (RegistryUnavailable, RateLimited, NotAuthorised):
            raise
        except RegistryError as error:
            logger.warning(
                "stage=%s no answer about %s: %s", self._row.stage_id, about.version, error
            )
            return None
        bundles = [text_of(one.bundle) for one in attestations]
        examined = examine(bundles, about, self._trust, self._keys, stage_id=self._row.stage_id)
        if examined.verified:
            return proven(
                examined.verified,
                examined.bundle,
                Provenance.Source.REGISTRY,
                self._trust,
                examined.publish,
            )
        if examined.refused:
            return refused(examined, Provenance.Source.REGISTRY, self._trust)
        return missing("The registry has no provenance of this version.", examined.publish)


def wanted(
    packument: Packument | None, staged_version: str, baseline: str
) -> list[PublishedVersion]:
    """The baseline, then the newest versions below the staged one, then the newest above it.

    As many as settings.PROVENANCE_HISTORY besides the baseline.
    """
    if packument is None:
        return []
    others = [
        version
        for version in packument.versions
        if version not in (PLACEHOLDER_VERSION, staged_version, baseline)
        and parse_version(version) is not None
    ]
    staged = sort_key(staged_version)
    # Below first: what is built from another branch says less about this one.
    others.sort(key=lambda one: (sort_key(one) < staged, sort_key(one)), reverse=True)
    first = [baseline] if baseline in packument.versions else []
    return [packument.versions[one] for one in first + others[: settings.PROVENANCE_HISTORY]]


def sha512_of(version: PublishedVersion) -> str:
    """The SHA-512 of a published tarball in hex; "" where the registry does not tell it."""
    try:
        digests = Announced.of(integrity=version.integrity).digests.get("sha512", frozenset())
    except NotARegistry:
        return ""
    return next(iter(digests)) if len(digests) == 1 else ""


def _is_settled(row: Provenance, *, is_baseline: bool) -> bool:
    if row.checked_at > timezone.now() - ASK_AGAIN_AFTER:
        return True
    # The registry's own attestation appears only once a version is published.
    publish_known = row.publish in (Provenance.Publish.VERIFIED, Provenance.Publish.REFUSED)
    return row.is_verified and (publish_known or not is_baseline)
