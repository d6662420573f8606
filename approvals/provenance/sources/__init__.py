"""The places where provenance is looked for, in this order: one file and one class each."""

from approvals.provenance.sources.handed_in import HandedIn
from approvals.provenance.sources.item_link import ItemLink
from approvals.provenance.sources.registry_attestations import RegistryAttestations
from approvals.provenance.sources.source import BundleSource
from approvals.provenance.sources.transparency_log import TransparencyLog

SOURCES: tuple[BundleSource, ...] = (
    RegistryAttestations(),
    ItemLink(),
    HandedIn(),
    TransparencyLog(),
)
