"""What a reader has before them: one staged version, against one version, one file of it."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import BigIntegerField
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse

from approvals.inspection.models import (
    DiffVariant,
    FileChange,
    Inspection,
    InspectionRequest,
    InspectionWork,
    OtherBaselineRequest,
)
from approvals.inspection.text import count_lines, display_text
from approvals.people.models import User
from approvals.provenance.models import ProvenanceCheck
from approvals.queue.models import StagedVersion, StagedVersionQuerySet

VIEWS = ("unified", "split")
REMEMBERED = "reading"
# How many bytes of a file a page looks at.
LONGEST_WINDOW = 2 * 1024 * 1024
LARGEST_SHOWN = 16 * 1024 * 1024
ANCHOR = re.compile(r"[on]\d{1,9}")


@dataclass(frozen=True)
class Options:
    """How a diff is shown. `view` and `wrap` are remembered for the session."""

    view: str = "unified"
    wrap: bool = True
    variant: str = ""

    @property
    def is_split(self) -> bool:
        return self.view == "split"

    @property
    def query(self) -> str:
        """What an address needs so that its rows fit into the table that asks for them."""
        return urlencode({"view": self.view, "variant": self.variant})


def options_of(request: HttpRequest, *, remember: bool = False) -> Options:
    """What the address says, else what was chosen before."""
    kept = request.session.get(REMEMBERED, {})
    view = request.GET.get("view", kept.get("view"))
    wrap = request.GET.get("wrap", kept.get("wrap"))
    variant = request.GET.get("variant", "")
    options = Options(
        view=view if view in VIEWS else VIEWS[0],
        wrap=wrap != "no",
        variant=variant if variant in DiffVariant.Kind.values else "",
    )
    chosen = {"view": options.view, "wrap": "yes" if options.wrap else "no"}
    if remember and chosen != kept and ("view" in request.GET or "wrap" in request.GET):
        request.session[REMEMBERED] = chosen
    return options


@dataclass(frozen=True)
class Reading:
    """A staged version and one finished comparison of its tarball.

    `baseline` is the version compared with, "" for none; `is_chosen` whether a reader chose it,
    so that no decision stands on it.
    """

    version: StagedVersion
    inspection: Inspection
    baseline: str
    is_chosen: bool

    @property
    def page(self) -> str:
        """The review page's address with this comparison."""
        address = reverse("version", args=[self.version.pk])
        return f"{address}?{urlencode({'against': self.baseline})}" if self.is_chosen else address

    def page_of(self, position: int, variant: str = "") -> str:
        """The review page's address with this comparison and one of its files.

        It names the comparison, as the same position is another file in another one.
        """
        query: dict[str, Any] = {"against": self.baseline} if self.is_chosen else {}
        query |= {"file": position, "in": self.inspection.pk}
        if variant:
            query["variant"] = variant
        return f"{reverse('version', args=[self.version.pk])}?{urlencode(query)}"

    def change_at(self, position: int, inspection_id: int) -> FileChange | None:
        """The changed file that an address means, by its position in the comparison it names.

        Where the tarball was compared again since, it is the file with the same path.
        """
        change = FileChange.objects.filter(
            inspection_id=inspection_id,
            inspection__staged_sha512=self.inspection.staged_sha512,
            position=position,
        ).first()
        if change is None or inspection_id == self.inspection.pk:
            return change
        # Of a second copy under the same path there is another row.
        is_copy = change.status == FileChange.Status.LEFT_OUT
        now = FileChange.objects.filter(inspection=self.inspection, path=change.path)
        copies = now.filter(status=FileChange.Status.LEFT_OUT)
        return (copies if is_copy else now.exclude(pk__in=copies)).first()


def get_version(user: User, pk: int) -> StagedVersion:
    """The staged version with what its pages need.

    Raises Http404, also for one that this person may not see: that there is one says enough.
    """
    return get_object_or_404(_versions_for(user), pk=pk)


def get_versions(user: User, keys: Collection[int]) -> list[StagedVersion]:
    """Those of them that there are and that this person may see, always in the same order."""
    return list(_versions_for(user).filter(pk__in=keys).order_by("pk"))


def _versions_for(user: User) -> StagedVersionQuerySet:
    return (
        StagedVersion.objects.visible_to(user)
        .with_package()
        .select_related("inspection_request__inspection", "provenance_check__provenance")
        .defer(
            # It holds manifests and a README: far too much to read every two seconds.
            "inspection_request__inspection__summary",
            "inspection_request__inspection__findings",
            "provenance_check__provenance__compressed",
        )
    )


def request_of(staged_version: StagedVersion) -> InspectionRequest | None:
    """Its inspection request; there is none for a moment after it was found."""
    return getattr(staged_version, "inspection_request", None)


def check_of(staged_version: StagedVersion) -> ProvenanceCheck | None:
    """Its provenance check; there is none for a moment after it was found."""
    return getattr(staged_version, "provenance_check", None)


def other_baseline(staged_version: StagedVersion, version: str) -> OtherBaselineRequest | None:
    """The comparison with this published version that somebody asked for, if any."""
    if "\0" in version:
        return None
    return (
        OtherBaselineRequest.objects.filter(staged_version=staged_version, baseline_version=version)
        .select_related("inspection", "staged_version__package", "staged_version__registry")
        .first()
    )


def reading_of(staged_version: StagedVersion, inspection_id: int) -> Reading:
    """A finished comparison of this version's tarball. Raises Http404 if it is another's."""
    if inspection_id > BigIntegerField.MAX_BIGINT:
        raise Http404
    work: InspectionWork | None = request_of(staged_version)
    if work is None or work.inspection_id != inspection_id:
        work = (
            OtherBaselineRequest.objects.filter(
                staged_version=staged_version, inspection_id=inspection_id
            )
            .select_related("inspection")
            .defer("inspection__summary", "inspection__findings")
            .first()
        )
    if work is None or work.inspection is None:
        raise Http404
    is_chosen = isinstance(work, OtherBaselineRequest)
    return Reading(staged_version, work.inspection, work.baseline_version, is_chosen=is_chosen)


def reading_and_change(
    user: User, pk: int, inspection: int, position: int
) -> tuple[Reading, FileChange]:
    """A comparison and one of its files. Raises Http404."""
    reading = reading_of(get_version(user, pk), inspection)
    change = get_object_or_404(FileChange, inspection=reading.inspection, position=position)
    return reading, change


class Lines:
    """The lines of a file, of which only those that are asked for become text."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.total = count_lines(content)

    def from_line(self, start: int, most: int) -> list[str]:
        """Lines from the number `start` on, which counts from 0, without their line feeds."""
        if start >= self.total or most <= 0:
            return []
        # Possessive, as nothing may be tried twice; numbers are those of an address, at most 9
        # digits.
        ahead = re.compile(rb"(?:[^\n]*+\n){%d}+" % start).match(self._content)
        begin = ahead.end() if ahead else 0
        lines = self._content[begin : begin + LONGEST_WINDOW].split(b"\n", most)
        # What comes after the last line that is wanted, or after the last line feed.
        rest = lines.pop() if len(lines) > 1 else b""
        if len(lines) < most and begin + LONGEST_WINDOW >= len(self._content) and rest:
            lines.append(rest)
        return [display_text(line) for line in lines]


def whole(text: str | None) -> int:
    """A number from an address; 0 for anything else."""
    return int(text) if text and re.fullmatch(r"\d{1,9}", text, re.ASCII) else 0
