"""What the registry knows of new direct dependencies, asked for within bounds."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from approvals.inspection.dependencies import Asked, new_in
from approvals.inspection.specs import aliased, kind_of_spec
from approvals.inspection.staging import Dependency
from registry_client.client import RegistryClient
from registry_client.errors import NotFound, RateLimited, RegistryError, RegistryUnavailable
from registry_client.ranges import leads_to, parse_range
from registry_client.versions import Packument, moment_of

MOST_DEPENDENCIES = 20
MOST_SECONDS = 60.0
"""For all of them together."""
MOST_BYTES = 64 * 1024 * 1024
"""Of each answer."""
ASKING = "Asking the registry about new dependencies"
_NOT_PUBLISHED = "The registry has no package of this name."

OnProgress = Callable[[str, int, int], None]


def ask_about(
    old: dict[str, Any] | None,
    new: dict[str, Any] | None,
    client: RegistryClient,
    on_progress: OnProgress,
) -> tuple[Dependency, ...]:
    """Each dependency that is new in the second package.json and comes from the registry.

    Whatever goes wrong with one is its `failure`, and ends nothing but the question itself; a
    registry that cannot answer is left alone with the others. What `on_progress` raises ends all.
    """
    wanted = list(_wanted(old, new))
    ends_at = time.monotonic() + MOST_SECONDS
    found: list[Dependency] = []
    failure = ""
    for number, (asked, name, spec) in enumerate(wanted):
        left = ends_at - time.monotonic()
        failure = failure or _used_up(number, left)
        if not failure:
            on_progress(ASKING, number, len(wanted))
            try:
                found.append(_answer(asked, name, spec, client, left))
                continue
            except (RateLimited, RegistryUnavailable) as error:
                failure = str(error)
        found.append(Dependency(asked.name, asked.spec, failure=failure))
    return tuple(found)


def _used_up(number: int, seconds: float) -> str:
    if number >= MOST_DEPENDENCIES:
        return f"Only {MOST_DEPENDENCIES} new dependencies are asked for."
    if seconds <= 0:
        return f"The time for questions was used up: {MOST_SECONDS:.0f} seconds for all."
    return ""


def _wanted(
    old: dict[str, Any] | None, new: dict[str, Any] | None
) -> Iterator[tuple[Asked, str, str]]:
    """What is new, with the name and the range that the registry is asked for."""
    for asked in new_in(old, new):
        kind = kind_of_spec(asked.spec)
        if kind == "registry":
            yield asked, asked.name, asked.spec
        elif kind == "alias":
            yield asked, *aliased(asked.spec)


def _answer(
    asked: Asked, name: str, spec: str, client: RegistryClient, seconds: float
) -> Dependency:
    try:
        packument = client.packument(name, max_bytes=MOST_BYTES, seconds=seconds, tries=1)
    except NotFound:
        return Dependency(asked.name, asked.spec, failure=_NOT_PUBLISHED, is_missing=True)
    except (RateLimited, RegistryUnavailable):
        raise
    except (RegistryError, ValueError) as error:
        return Dependency(asked.name, asked.spec, failure=str(error))
    version = _version(spec, packument)
    published = packument.versions.get(version)
    return Dependency(
        asked.name,
        asked.spec,
        version=version,
        first_published_at=moment_of(packument.first_published),
        version_published_at=moment_of(packument.time.get(version, "")),
        install_scripts=dict(published.install_scripts) if published else {},
    )


def _version(spec: str, packument: Packument) -> str:
    """What npm installs for it today, as npm-pick-manifest chooses; "" where nothing fits."""
    latest = packument.dist_tags.get("latest")
    if parse_range(spec) is None:
        return packument.dist_tags.get(spec.strip(), "")
    usable = [v for v, entry in packument.versions.items() if not entry.deprecated]
    return leads_to(spec, usable, latest) or leads_to(spec, packument.versions, latest)
