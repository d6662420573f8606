"""What is the same in several packages of a release, so that a reviewer reads it once."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, Q
from django.db.models.functions import Coalesce

from approvals.inspection.models import FileChange, FileDiff, InspectionRequest
from approvals.queue.models import StagedVersion

MOST_COMMON = 50
"""Changes that are named."""
MOST_LINES = 12
"""That a file's change may have to be looked for in the others."""
MOST_DIFFS = 2_000
MOST_DIFF_BYTES = 64 * 1024
LONGEST_VALUE = 300
_FEW = 3
_MANIFEST = "package.json"


@dataclass(frozen=True)
class CommonChange:
    """What is the same in several packages: `words` say what, `packages` are their names."""

    words: str
    packages: tuple[str, ...]
    # Of package.json: what it was and is; "" where it is not there, or a file.
    old: str = ""
    new: str = ""
    # Of a file: where one of them can be read.
    version: int | None = None
    inspection: int | None = None
    position: int | None = None
    in_all: bool = True

    @property
    def is_file(self) -> bool:
        return self.position is not None


@dataclass(frozen=True)
class _At:
    """A file of one comparison."""

    inspection: int
    position: int
    path: str


def common_changes(
    requests: Mapping[int, InspectionRequest], versions: Mapping[int, StagedVersion]
) -> tuple[CommonChange, ...]:
    """Those of at least half of the packages and of at least two, what is in all first.

    `requests` are the finished inspections by the key of the version, of which `versions` has all.
    In as many queries for any number.
    """
    if len(requests) <= 1:
        return ()
    return _Common(requests, versions).found()


class _Common:
    def __init__(
        self, requests: Mapping[int, InspectionRequest], versions: Mapping[int, StagedVersion]
    ) -> None:
        self._versions = versions
        # Several versions have one comparison where their tarballs are the same.
        self._of: dict[int, list[int]] = defaultdict(list)
        for pk, request in sorted(requests.items()):
            if request.inspection_id is not None:
                self._of[request.inspection_id].append(pk)
        self._all = set(requests)
        compared = {pk for pk, request in requests.items() if request.baseline_version}
        # A package that is new differs in everything: it does not count against the others.
        self._old_ones = compared if len(compared) > 1 else self._all
        self._least = max(2, (len(self._old_ones) + 1) // 2)

    def found(self) -> tuple[CommonChange, ...]:
        """All of them."""
        files, named = self._files()
        found = [*self._manifests(), *files, *self._lines(named)]
        found.sort(key=lambda one: (not one.in_all, -len(one.packages), one.words))
        return tuple(found[:MOST_COMMON])

    def _change(self, words: str, inspections: set[int], **more: Any) -> CommonChange | None:
        """The change, if it is in enough of them."""
        keys = {pk for inspection in inspections for pk in self._of[inspection]}
        if len(keys) < self._least:
            return None
        names = tuple(sorted({self._versions[pk].package.name for pk in keys}))
        return CommonChange(words, names, in_all=keys >= self._old_ones, **more)

    def _manifests(self) -> list[CommonChange]:
        rows = InspectionRequest.objects.filter(
            staged_version__in=self._all, inspection__in=list(self._of)
        ).values_list("inspection", "inspection__summary__manifest_changes")
        where: dict[tuple[str, str, str, str], set[int]] = defaultdict(set)
        for inspection, changes in rows:
            for change in changes if isinstance(changes, list) else ():
                if isinstance(change, dict):
                    values = [change.get(name) for name in ("field", "key", "old", "new")]
                    key = tuple("" if one is None else str(one) for one in values)
                    where[key].add(inspection)  # type: ignore[index]  # four of them
        found = []
        for (name, inner, old, new), inspections in sorted(where.items()):
            words = f"{_MANIFEST}: {name} {inner}".strip()
            change = self._change(words, inspections, old=_cut(old), new=_cut(new))
            if change is not None:
                found.append(change)
        return found

    def _files(self) -> tuple[list[CommonChange], set[tuple[str, int]]]:
        """Files with the same content before and after under the same path; and which those are,
        by path and inspection."""
        alike = (
            FileChange.objects.filter(
                ~Q(new_sha256="") | ~Q(old_sha256=""), inspection__in=list(self._of)
            )
            .order_by()
            .values("path", "old_path", "status", "old_sha256", "new_sha256")
            .annotate(number=Count("inspection", distinct=True))
            .filter(number__gte=min(self._least, len(self._of)))
            .order_by("-number", "path")
        )
        same: dict[tuple[str, ...], list[_At]] = defaultdict(list)
        keys = [
            tuple(row[name] for name in ("path", "old_path", "status", "old_sha256", "new_sha256"))
            for row in alike[:MOST_DIFFS]
        ]
        rows = FileChange.objects.filter(
            inspection__in=list(self._of), path__in={key[0] for key in keys}
        ).order_by("inspection", "position")
        known = set(keys)
        for *sameness, inspection, position in rows.values_list(
            "path", "old_path", "status", "old_sha256", "new_sha256", "inspection", "position"
        ):
            if tuple(sameness) in known:
                same[tuple(sameness)].append(_At(inspection, position, sameness[0]))
        found, named = [], set()
        for key, places in sorted(same.items()):
            words = f"{key[0]}: {key[2].replace('_', ' ')} alike, to the same content"
            if key[2] == FileChange.Status.REMOVED:
                words = f"{key[0]}: removed, and the same before"
            change = self._change(words, {at.inspection for at in places}, **self._at(places[0]))
            if change is not None:
                found.append(change)
                named |= {(at.path, at.inspection) for at in places}
        return found, named

    def _lines(self, named: set[tuple[str, int]]) -> list[CommonChange]:
        """Files in which the same lines came and went, whatever else they have."""
        diffs = (
            FileDiff.objects.filter(
                change__inspection__in=list(self._of),
                change__status=FileChange.Status.MODIFIED,
                change__is_binary=False,
            )
            .annotate(
                lines=Coalesce(F("change__added_lines"), 0)
                + Coalesce(F("change__removed_lines"), 0)
            )
            .filter(lines__gte=1, lines__lte=MOST_LINES)
            .order_by("change__rank", "change__inspection", "change__position")
        )
        alike: dict[str, list[_At]] = defaultdict(list)
        counts: dict[str, tuple[int, int]] = {}
        rows = diffs.values_list(
            "change__inspection",
            "change__position",
            "change__path",
            "change__added_lines",
            "change__removed_lines",
            "compressed",
        )
        for inspection, position, path, added, removed, compressed in rows[:MOST_DIFFS]:
            if path == _MANIFEST or (path, inspection) in named:
                continue
            digest = _digest(bytes(compressed))
            if digest:
                alike[digest].append(_At(inspection, position, path))
                counts[digest] = (added or 0, removed or 0)
        found = []
        for digest, places in sorted(alike.items()):
            added, removed = counts[digest]
            paths = sorted({at.path for at in places})
            where = ", ".join(paths[:_FEW]) + (" and others" if len(paths) > _FEW else "")
            words = f"{where}: the same lines changed ({added} added, {removed} removed)"
            change = self._change(words, {at.inspection for at in places}, **self._at(places[0]))
            if change is not None:
                found.append(change)
        return found

    def _at(self, place: _At) -> dict[str, Any]:
        return {
            "version": self._of[place.inspection][0],
            "inspection": place.inspection,
            "position": place.position,
        }


def _digest(compressed: bytes) -> str:
    """Of the lines that came and went, in their order; "" where there are too many."""
    text = zlib.decompressobj().decompress(compressed, MOST_DIFF_BYTES + 1)
    if len(text) > MOST_DIFF_BYTES:
        return ""
    lines = text.decode("utf-8", "replace").split("\n")
    changed = [line for line in lines if line[:1] in ("+", "-")]
    return hashlib.sha256(json.dumps(changed).encode()).hexdigest() if changed else ""


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def requests_of(versions: Sequence[StagedVersion]) -> dict[int, InspectionRequest]:
    """The finished inspections of these, which were read with theirs."""
    found = {}
    for row in versions:
        request = getattr(row, "inspection_request", None)
        is_done = request is not None and request.state == InspectionRequest.State.DONE
        if request is not None and is_done and request.inspection_id is not None:
            found[row.pk] = request
    return found
