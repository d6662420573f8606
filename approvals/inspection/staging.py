"""What a rule may know of how a version was staged, beside what is in its tarball."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from registry_client.versions import Packument


@dataclass(frozen=True)
class Stager:
    """Who staged or published a version of this package before: name and kind, as the registry
    gives them ("" where it does not)."""

    version: str
    actor: str
    actor_type: str = ""


@dataclass(frozen=True)
class Dependency:
    """A direct dependency that is new in this version, as the registry knows it.

    `spec` is what package.json asks for, `version` the published one that it leads to now ("" where
    none does). `failure` says in a sentence why nothing is known of it, else ""; `is_missing` that
    this is because the registry has no such package.
    """

    name: str
    spec: str
    version: str = ""
    first_published_at: datetime | None = None
    version_published_at: datetime | None = None
    install_scripts: dict[str, str] = field(default_factory=dict)
    failure: str = ""
    is_missing: bool = False


@dataclass(frozen=True)
class Staging:
    """One staged version as the registry lists it, its tarball's package.json, and what the
    registry knows of the package. `shasum` is SHA-1 and `sha512` SHA-512, both in hex; `listed_*`
    are the registry's, the others those of the tarball as it was downloaded.
    """

    stage_id: str
    package: str
    version: str
    tag: str
    access: str
    actor: str
    actor_type: str
    created_at: datetime
    listed_shasum: str
    shasum: str
    sha512: str
    manifest_new: dict[str, Any] | None
    manifest_old: dict[str, Any] | None
    baseline_version: str
    packument: Packument | None
    earlier: tuple[Stager, ...] = ()
    new_dependencies: tuple[Dependency, ...] = ()

    def days_before(self, moment: datetime | None) -> float | None:
        """How many days before it was staged that was; None where nobody knows."""
        if moment is None:
            return None
        return max((self.created_at - moment).total_seconds() / 86_400, 0.0)
