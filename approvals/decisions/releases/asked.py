"""What staged versions ask npm for, as their package.json says: read without the rest of it."""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any

from approvals.inspection.dependencies import FIELDS, asked_in
from approvals.inspection.models import InspectionRequest
from approvals.inspection.specs import SpecKind, aliased, kind_of_spec
from approvals.queue.models import StagedVersion
from registry_client.ranges import parse_range

MOST_ASKED = 2_000
"""Of one package.json that are looked at; real ones have a few hundred."""
MOST_ALIASES = 20
"""For one package in one package.json; real ones have two or three."""
LONGEST_NAME = 214
_NAME = re.compile(r"(?:@[A-Za-z0-9~_-][A-Za-z0-9~._-]*/)?[A-Za-z0-9~_!'()*-][A-Za-z0-9~._!'()*-]*")
_READ = (*FIELDS, "peerDependenciesMeta", "bundleDependencies", "bundledDependencies")
_SUMMARY = "inspection__summary"
_NEVER_INSTALLABLE = ("workspace:", "file:", "link:")


@dataclass(frozen=True)
class Wish:
    """One thing that is asked for. `name` and `range` are those behind an alias `npm:…`.

    `is_optional` says that installs do without it; `is_new` that the baseline did not ask for it
    like this; `is_bundled` that the tarball brings it along.
    """

    dependent: int
    name: str
    range: str
    spec: str
    field: str
    alias: str = ""
    is_optional: bool = False
    is_new: bool = False
    is_bundled: bool = False

    @property
    def kind(self) -> SpecKind:
        """Where npm gets it from."""
        kind = _kind(self.spec)
        return _kind(self.range) if kind == "alias" else kind

    @property
    def is_plainly_not_installable(self) -> bool:
        """Whether no look at any registry is needed to know that nobody can install this."""
        return self.spec.lower().startswith(_NEVER_INSTALLABLE)

    @property
    def is_peer(self) -> bool:
        return self.field == "peerDependencies"

    def is_met_by(self, version: str, tag: str) -> bool:
        """Whether npm takes this version for it, once it is published under that dist-tag."""
        allowed = parse_range(self.range)
        return tag == self.range.strip() if allowed is None else allowed.allows(version)


@dataclass(frozen=True)
class Asking:
    """All wishes by the key of who asks, who asks for more than was looked at, and whose
    package.json is not known yet."""

    wishes: dict[int, tuple[Wish, ...]] = field(default_factory=dict)
    cut_short: tuple[int, ...] = ()
    unread: tuple[int, ...] = ()


def asked_by(staged_versions: Sequence[StagedVersion]) -> Asking:
    """What each of these asks for, in one query."""
    paths = [
        *(f"{_SUMMARY}__manifest_new__{name}" for name in _READ),
        *(f"{_SUMMARY}__manifest_old__{name}" for name in FIELDS),
    ]
    keys = [row.pk for row in staged_versions]
    done = InspectionRequest.objects.filter(
        staged_version__in=keys, state=InspectionRequest.State.DONE
    )
    wishes: dict[int, tuple[Wish, ...]] = {}
    cut_short = []
    for pk, *values in done.values_list("staged_version", *paths):
        new = dict(zip(_READ, values, strict=False))
        old = dict(zip(FIELDS, values[len(_READ) :], strict=True))
        found = list(islice(_wishes(pk, _bounded(new), old), MOST_ASKED + 1))
        wishes[pk] = _few_aliases(found[:MOST_ASKED])
        if len(found) > MOST_ASKED or len(wishes[pk]) < len(found):
            cut_short.append(pk)
    unread = tuple(pk for pk in keys if pk not in wishes)
    return Asking(wishes, tuple(cut_short), unread)


def _bounded(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The same with the first so many names of each field, and one more to tell that it is cut."""
    return {
        name: {key: value[key] for key in heapq.nsmallest(MOST_ASKED + 1, value)}
        if isinstance(value, dict) and len(value) > MOST_ASKED + 1
        else value
        for name, value in manifest.items()
    }


def _few_aliases(wishes: Iterable[Wish]) -> tuple[Wish, ...]:
    """Without the many of one package, each of which would be compared with all its versions."""
    seen: Counter[str] = Counter()
    kept = []
    for wish in wishes:
        if wish.alias:
            seen[wish.name] += 1
        if not wish.alias or seen[wish.name] <= MOST_ALIASES:
            kept.append(wish)
    return tuple(kept)


def is_name(name: str) -> bool:
    """Whether a registry can have a package of this name."""
    return len(name) <= LONGEST_NAME and _NAME.fullmatch(name) is not None


def scope_of(name: str) -> str:
    """ "@acme" of "@acme/ui", "" of a name without one."""
    return name.partition("/")[0] if name.startswith("@") and "/" in name else ""


def _wishes(dependent: int, new: Mapping[str, Any], old: Mapping[str, Any]) -> Iterator[Wish]:
    before = {(one.field, one.name): one.spec for one in asked_in(dict(old))}
    bundled = _bundled(new)
    # Databases keep objects in orders of their own.
    for one in sorted(asked_in(dict(new)), key=lambda one: (FIELDS.index(one.field), one.name)):
        name, wanted, alias = one.name, one.spec, ""
        if wanted[:4].lower() == "npm:":
            (name, wanted), alias = aliased(wanted), one.name
        yield Wish(
            dependent=dependent,
            name=name,
            range=wanted,
            spec=one.spec,
            field=one.field,
            alias=alias,
            is_optional=one.is_optional_peer or one.field == "optionalDependencies",
            is_new=before.get((one.field, one.name)) != one.spec,
            is_bundled=bundled is True or (isinstance(bundled, list) and one.name in bundled),
        )


def _bundled(manifest: Mapping[str, Any]) -> list[Any] | bool | None:
    found = manifest.get("bundleDependencies")
    found = manifest.get("bundledDependencies") if found is None else found
    return found if isinstance(found, list | bool) else None


@lru_cache(maxsize=8192)
def _kind(spec: str) -> SpecKind:
    return kind_of_spec(spec)
