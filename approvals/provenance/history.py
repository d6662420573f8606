"""Where the published versions of a package were built: the baseline, and the newest others."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
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
# Who asks for one version more gets no better answer.
_AWAY = (RegistryUnavailable, RateLimited, NotAuthorised, TookTooLong)


@dataclass(frozen=True)
class Told:
    """What is known of published versions, the newest of them that nothing is known of or "", and
    why that is not all there is to know."""

    rows: list[Provenance]
    gap: str
    failure: Exception | None


class History:
    """Asks a registry about the published versions of one package.

    What it served and was verified is kept, and verified again where another trusted root counts
    since. What is missing, was refused, or is proven only by what others handed in is asked for
    again after a day, or with another trusted root.
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

    def of(self, packument: Packument | None, baseline: str) -> Told:
        """What is known of the baseline (a version, or "") and the others.

        Where the registry cannot be asked any more (_AWAY), what is known already is told without
        asking. Any error about the baseline is a failure: an answer that says nothing must not pass
        for a baseline without provenance. Of other versions such an answer leaves a gap.
        """
        versions = wanted(packument, self._row.version, baseline)
        known = {
            (one.version, one.sha512): one
            for one in Provenance.objects.filter(
                package=self._row.package, version__in=[one.version for one in versions]
            ).defer("compressed")
        }
        rows: list[Provenance] = []
        failure: Exception | None = None
        for number, version in enumerate(versions, start=1):
            sha512 = sha512_of(version)
            row = known.get((version.version, sha512))
            is_baseline = version.version == baseline
            row, is_settled = self._as_trusted_now(row, is_baseline=is_baseline)
            if sha512 and not is_settled and not isinstance(failure, _AWAY):
                try:
                    self._tell(f"Asking about {version.version} ({number} of {len(versions)})")
                    row = self._ask(version, sha512, is_baseline=is_baseline)
                except (RegistryError, TookTooLong) as error:
                    logger.warning(
                        "stage=%s no answer about %s: %s",
                        self._row.stage_id,
                        version.version,
                        error,
                    )
                    if is_baseline or isinstance(error, _AWAY):
                        failure = error
            if row is not None:
                rows.append(row)
        there = {row.version for row in rows}
        gaps = [one.version for one in versions if one.version not in there]
        return Told(rows, max(gaps, key=sort_key, default=""), failure)

    def _as_trusted_now(
        self, row: Provenance | None, *, is_baseline: bool
    ) -> tuple[Provenance | None, bool]:
        """The row as the trusted root that counts now has it, and whether nobody is to be asked."""
        if row is None:
            return None, False
        is_settled = _is_settled(row, is_baseline=is_baseline)
        if is_outdated(row, self._trust):
            row = verify_again(
                row, self._row.package.name, self._trust, stage_id=self._row.stage_id
            )
            # The registry may have another bundle, which this root verifies.
            is_settled = is_settled and row.is_verified
        return row, is_settled

    def _ask(self, version: PublishedVersion, sha512: str, *, is_baseline: bool) -> Provenance:
        if version.attestations_url or is_baseline:
            found = self._found(Tarball(self._row.package.name, version.version, sha512))
        else:
            found = missing("The registry announces no attestations of this version.")
        row = keep(self._row.package, version.version, sha512, found)
        row.asked_at = timezone.now()
        row.save(update_fields=["asked_at"])
        return row

    def _found(self, about: Tarball) -> Found:
        attestations = self._client.attestations(about.package, about.version)
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
    """Whether the registry has answered, and needs not be asked again.

    What others handed in is no answer of the registry's. Nor is what was missing while the version
    was staged.
    """
    if row.asked_at is not None and row.asked_at > timezone.now() - ASK_AGAIN_AFTER:
        return True
    if not row.is_verified or row.source != Provenance.Source.REGISTRY:
        return False
    # The registry's own attestation appears only once a version is published.
    return not is_baseline or row.publish in (
        Provenance.Publish.VERIFIED,
        Provenance.Publish.REFUSED,
    )
