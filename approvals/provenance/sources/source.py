"""What a source of bundles is."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from approvals.provenance.models import Provenance
from approvals.queue.models import StagedVersion
from registry_client.client import RegistryClient


@dataclass(frozen=True)
class Look:
    """What bundles are looked for: those about this tarball, whose SHA-512 is known.

    A source calls `tell` with what it is about to do before each call that may take its time.
    """

    row: StagedVersion
    client: RegistryClient
    tell: Callable[[str], object]


class SourceFailed(Exception):
    """The source could not be asked, or not for everything; the text says why."""


class BundleSource(ABC):
    """Where bundles may come from. Make a subclass in a file of its own and add it to SOURCES.

    A bundle that it finds and that proves nothing makes the staged version's outcome REFUSED only
    where `vouches`: where whoever offers it is who answers for the package. Of one that does not
    ask the registry (`asks_registry`), bundles are looked for even while the registry is away.
    """

    source: Provenance.Source
    step: str
    vouches = False
    asks_registry = False

    @abstractmethod
    def find(self, look: Look) -> Iterator[str]:
        """The bundles as JSON text, the best first, publish attestations among them.

        Raises SourceFailed, after what it did find, RegistryError and what `look.tell` raises.
        """

    def refused(self, look: Look, bundle: str, reason: str) -> None:  # noqa: B027 - most need not
        """Called for each of its bundles that proves nothing."""
