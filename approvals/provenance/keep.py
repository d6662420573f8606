"""Keeping what was found out about a tarball: it only ever gets better."""

import zlib
from dataclasses import asdict, dataclass
from typing import Any

from django.utils import timezone

from approvals.provenance.examine import Examined
from approvals.provenance.models import Provenance
from approvals.queue.models import Package
from registry_client.errors import clean_words
from registry_client.provenance import MAX_BUNDLE, PublishVerification, Verification

Outcome, Publish = Provenance.Outcome, Provenance.Publish
# A bundle that failed was offered for this tarball, and stays known when it is offered no more.
_REPLACES = {
    Outcome.VERIFIED: [Outcome.REFUSED, Outcome.MISSING],
    Outcome.REFUSED: [Outcome.REFUSED, Outcome.MISSING],
    Outcome.MISSING: [Outcome.MISSING],
}


@dataclass(frozen=True)
class Found:
    """What was found out about a tarball, and where."""

    outcome: Provenance.Outcome
    reason: str
    source: str = ""
    verification: Verification | None = None
    bundle: str = ""
    is_public: bool = False
    publish: PublishVerification | None = None

    def columns(self) -> dict[str, Any]:
        """As Provenance has them."""
        proven = self.verification
        build = proven.build if proven else None
        bundle = self.bundle.encode()
        return {
            "outcome": self.outcome,
            "reason": clean_words(self.reason, 1000),
            "source": self.source,
            "predicate_type": clean_words(proven.predicate_type, 200) if proven else "",
            "build": asdict(build) if build else {},
            "log_index": proven.log_index if proven else None,
            "signed_at": proven.signed_at if proven else None,
            "is_public": self.is_public,
            "compressed": zlib.compress(bundle) if 0 < len(bundle) <= MAX_BUNDLE else b"",
            "checked_at": timezone.now(),
            **self.publish_columns(),
        }

    def publish_columns(self) -> dict[str, str]:
        """Those about the registry's own attestation."""
        if self.publish is None:
            return {"publish": "", "publish_reason": ""}
        return {
            "publish": self.publish.state,
            "publish_reason": clean_words(self.publish.reason, 600),
        }


def missing(reason: str, publish: PublishVerification | None = None) -> Found:
    """There is no bundle."""
    return Found(Outcome.MISSING, reason, publish=publish)


def refused(examined: Examined, source: str) -> Found:
    """There are bundles, and none of them proves anything: what is wrong with the first."""
    bundle, verification = examined.refused[0]
    return Found(
        Outcome.REFUSED, verification.reason, source, verification, bundle, publish=examined.publish
    )


def proven(examined: Examined, source: str, *, is_public: bool) -> Found:
    """A bundle was verified."""
    verification = examined.verified
    assert verification is not None  # noqa: S101 - who calls this has looked
    return Found(
        Outcome.VERIFIED,
        verification.reason,
        source,
        verification,
        examined.bundle,
        is_public,
        examined.publish,
    )


def keep(package: Package, version: str, sha512: str, found: Found) -> Provenance:
    """The row for this tarball, with what was found unless better is known already.

    Any number of workers may find out about the same tarball at once.
    """
    row, is_new = Provenance.objects.get_or_create(
        package=package, version=version, sha512=sha512, defaults=found.columns()
    )
    if is_new:
        return row
    same = Provenance.objects.filter(pk=row.pk)
    replaced = same.filter(outcome__in=_REPLACES[found.outcome]).update(**found.columns())
    if not replaced:
        same.update(checked_at=timezone.now())
        if found.publish is not None:
            # The registry's word comes when it publishes, long after the build was proven.
            same.filter(publish__in=[Publish.NONE, Publish.UNVERIFIED]).update(
                **found.publish_columns()
            )
    row.refresh_from_db()
    return row
