"""Bundles that CI or a person handed in for this staged version."""

from collections.abc import Iterator

from approvals.provenance.bundles import sha256_of
from approvals.provenance.models import HandedInBundle, Provenance
from approvals.provenance.sources.source import BundleSource, Look


class HandedIn(BundleSource):
    """Safe, whoever hands it in: a bundle proves itself against the digest, or is refused."""

    source = Provenance.Source.HANDED_IN
    step = "Verifying what was handed in"

    def find(self, look: Look) -> Iterator[str]:
        rows = HandedInBundle.objects.filter(staged_version=look.row, refusal="")
        for row in rows.order_by("handed_in_at", "pk"):
            yield row.bundle

    def refused(self, look: Look, bundle: str, reason: str) -> None:
        HandedInBundle.objects.filter(
            staged_version=look.row, sha256=sha256_of(bundle), refusal=""
        ).update(refusal=reason[:1000])
