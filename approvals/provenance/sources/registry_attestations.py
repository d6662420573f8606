"""The registry's attestations of NAME@VERSION."""

from collections.abc import Iterator

from approvals.provenance.bundles import text_of
from approvals.provenance.models import Provenance
from approvals.provenance.sources.source import BundleSource, Look


class RegistryAttestations(BundleSource):
    """What the registry serves, also of a staged version where it shows that to the token."""

    source = Provenance.Source.REGISTRY
    step = "Asking the registry for attestations"
    vouches = True
    asks_registry = True

    def find(self, look: Look) -> Iterator[str]:
        for attestation in look.client.attestations(look.row.package.name, look.row.version):
            yield text_of(attestation.bundle)
