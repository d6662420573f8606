"""The content of files, as inert as can be: downloads, pictures, and what did not change."""

import re
from bisect import bisect
from collections.abc import Generator, Iterator
from itertools import chain
from typing import Any

from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from approvals.inspection.filetypes import file_type, image_dimensions, image_type
from approvals.inspection.models import FileChange
from approvals.inspection.tarballs import CANNOT_READ, StorageAway, content_of, stream_of
from approvals.inspection.text import is_binary
from approvals.inspection.unchanged import is_unchanged
from approvals.web import diff as diffs
from approvals.web.reading import (
    LARGEST_SHOWN,
    Lines,
    Reading,
    get_version,
    options_of,
    reading_and_change,
    reading_of,
    whole,
)
from approvals.web.views.guards import SignedInRequest

LARGEST_IMAGE = 8 * 1024 * 1024
MOST_PIXELS = 40_000_000
# Whatever a package holds, a browser that gets it may do nothing with it.
INERT = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}


@require_safe
def file_raw(
    request: SignedInRequest, pk: int, inspection: int, position: int, side: str
) -> HttpResponseBase:
    """One side's content as a download that nothing runs."""
    reading, change = reading_and_change(request.user, pk, inspection, position)
    sha512, path = _where(reading, change, side)
    return _download(request, reading, sha512, path, f"{side}-")


@require_safe
def file_image(
    request: SignedInRequest, pk: int, inspection: int, position: int, side: str
) -> HttpResponse:
    """One side's picture, for an <img> alone. Raises Http404 for what is none."""
    reading, change = reading_and_change(request.user, pk, inspection, position)
    sha512, path = _where(reading, change, side)
    try:
        content = content_of(sha512, path, most=LARGEST_IMAGE)
    except CANNOT_READ as error:
        raise Http404(str(error)) from error
    kind = image_type(content[:64])
    width, height = image_dimensions(content) or (0, 0)
    # A picture of a few bytes can claim to be a hundred thousand pixels wide.
    if not kind or not 0 < width * height <= MOST_PIXELS:
        raise Http404
    return HttpResponse(content, content_type=kind, headers=INERT)


@require_safe
def file_whole(
    request: SignedInRequest, pk: int, inspection: int, position: int, side: str
) -> HttpResponse:
    """One side of a changed file from its first line to its last."""
    reading, change = reading_and_change(request.user, pk, inspection, position)
    sha512, path = _where(reading, change, side)
    context = {"change": change, "side": side, "ways": [("next", position), ("previous", position)]}
    context |= {"here": reverse("file_whole", args=[pk, inspection, position, side])}
    return _whole_text(request, reading, sha512, path, context)


@require_safe
def unchanged_file(request: SignedInRequest, pk: int, inspection: int) -> HttpResponse:
    """A file that is the same on both sides, as text; what is not leads to its diff."""
    reading = reading_of(get_version(request.user, pk), inspection)
    path = request.GET.get("path", "")
    if not is_unchanged(inspection, path):
        return _where_it_changed(reading, path)
    context = {
        "ways": _ways_from(reading, path),
        "here": reverse("unchanged_file", args=[pk, inspection]),
        "raw": reverse("unchanged_raw", args=[pk, inspection]),
    }
    return _whole_text(request, reading, reading.inspection.staged_sha512, path, context)


@require_safe
def unchanged_raw(request: SignedInRequest, pk: int, inspection: int) -> HttpResponseBase:
    """The content of a file that is the same on both sides, as a download."""
    reading = reading_of(get_version(request.user, pk), inspection)
    path = request.GET.get("path", "")
    if not is_unchanged(inspection, path):
        return _where_it_changed(reading, path)
    return _download(request, reading, reading.inspection.staged_sha512, path, "")


def _where_it_changed(reading: Reading, path: str) -> HttpResponse:
    if "\0" in path:
        raise Http404
    change = FileChange.objects.filter(inspection=reading.inspection, path=path).first()
    if change is None:
        raise Http404
    return redirect("file_diff", reading.version.pk, reading.inspection.pk, change.position)


def _whole_text(
    request: HttpRequest, reading: Reading, sha512: str, path: str, context: dict[str, Any]
) -> HttpResponse:
    context |= {
        "version": reading.version,
        "reading": reading,
        "path": path,
        "options": options_of(request),
    }
    try:
        content = content_of(sha512, path, most=LARGEST_SHOWN)
    except CANNOT_READ as error:
        context["note"] = str(error)
    else:
        context["size"] = len(content)
        if is_binary(content):
            context["file_type"] = file_type(path, content[:2048])
        else:
            lines = Lines(content)
            start = min(whole(request.GET.get("from")), lines.total)
            window = lines.from_line(start, diffs.ROWS_PER_PIECE)
            rows = diffs.context_rows(window, start + 1, start + 1, path)
            end = start + len(rows)
            context |= {
                "rows": rows,
                "start": start,
                "end": end,
                "left": lines.total - end,
                "total": lines.total,
            }
    if "HX-Request" not in request.headers:
        return render(request, "web/whole_file.html", context)
    part = "whole_rows" if context.get("start") else "whole_panel"
    return render(request, f"web/review/{part}.html", context)


def _ways_from(reading: Reading, path: str) -> list[tuple[str, int]]:
    """The positions of the changed files before and after a path, for the keys."""
    files = FileChange.objects.filter(inspection=reading.inspection).order_by("position")
    paths = list(files.values_list("path", flat=True))
    # Not by the database: it may order letters otherwise.
    after = bisect(paths, path)
    ways = []
    if after < len(paths):
        ways += [("next", after), ("next-unviewed", after)]
    if after:
        ways += [("previous", after - 1), ("previous-unviewed", after - 1)]
    return ways


def _where(reading: Reading, change: FileChange, side: str) -> tuple[str, str]:
    """The tarball's digest and the path in it. Raises Http404 where the side has no such file."""
    inspection = reading.inspection
    # Of several copies under one path, only npm's can be had again.
    is_npms = change.status != FileChange.Status.LEFT_OUT
    if side == "old" and change.old_size is not None and is_npms:
        return inspection.baseline_sha512, change.old_path or change.path
    if side == "new" and change.new_size is not None:
        return inspection.staged_sha512, change.path
    raise Http404


def _download(
    request: HttpRequest, reading: Reading, sha512: str, path: str, prefix: str
) -> HttpResponseBase:
    try:
        size, pieces = stream_of(sha512, path)
    except CANNOT_READ as error:
        context = {"version": reading.version, "reading": reading, "sentence": str(error)}
        away = isinstance(error, StorageAway)
        return render(request, "web/raw_refused.html", context, status=503 if away else 404)
    # Nothing opens or runs it by its name, whatever the package calls it.
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", path.rpartition("/")[2])[-80:].lstrip(".")
    first = next(pieces, b"")
    ending = "bin" if is_binary(first) else "txt"
    headers = INERT | {
        "Content-Disposition": f'attachment; filename="{prefix}{name}.{ending}"',
        "Content-Length": str(size),
    }
    return StreamingHttpResponse(
        _Rest(first, pieces), content_type="application/octet-stream", headers=headers
    )


class _Rest:
    """Pieces of which the first was taken; closed with the response, also when nobody reads on."""

    def __init__(self, first: bytes, pieces: Generator[bytes, None, None]) -> None:
        self._first = first
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return chain([self._first], self._pieces)

    def close(self) -> None:
        self._pieces.close()
