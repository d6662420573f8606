"""The files of one comparison: the tree, the diff of one file, and its content."""

import zlib
from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from approvals.inspection.keep import diff_text
from approvals.inspection.models import DiffVariant, FileChange, KeptTarball
from approvals.inspection.tarballs import content_of
from approvals.inspection.unseen import LIMITED_DIFF
from approvals.inspection.variants import CannotShow, diff_variant
from approvals.inspection.viewed import neighbours, set_viewed, viewed_count, with_viewed
from approvals.web import diff as diffs
from approvals.web import filelist
from approvals.web.reading import (
    ANCHOR,
    CANNOT_READ,
    LARGEST_SHOWN,
    Options,
    Reading,
    get_version,
    lines_of,
    options_of,
    reading_and_change,
    reading_of,
    whole,
)
from approvals.web.views.guards import SignedInRequest

# How many of the lines between two changes open at once.
LINES_OPENED = 60
# filediff.py keeps so many lines around a change: with fewer, the file ends.
LINES_AROUND = 3
# Those whose size in pixels their first bytes tell.
PICTURES = ("PNG image", "JPEG image", "GIF image", "WebP image")


@require_safe
def version_files(request: SignedInRequest, pk: int, inspection: int) -> HttpResponse:
    """Files: of one folder, or those that a filter finds. A page, or for htmx its part."""
    reading = reading_of(get_version(pk), inspection)
    context = {
        "version": reading.version,
        "reading": reading,
        "files": filelist.files_of(request, reading),
    }
    if "HX-Request" in request.headers:
        return render(request, "web/review/file_entries.html", context)
    return render(request, "web/version_files.html", context)


@require_safe
def file_diff(request: SignedInRequest, pk: int, inspection: int, position: int) -> HttpResponse:
    """One file's diff with all that belongs to it: a page, or for htmx its part."""
    reading, change = reading_and_change(pk, inspection, position)
    context = panel_of(request, reading, change)
    if "HX-Request" not in request.headers:
        return render(request, "web/file_diff.html", context)
    return render(request, "web/review/file_panel.html", context)


@require_safe
def file_rows(request: SignedInRequest, pk: int, inspection: int, position: int) -> HttpResponse:
    """More rows of a diff, as rows of its table."""
    reading, change = reading_and_change(pk, inspection, position)
    options = options_of(request)
    try:
        text, _ = _diff_of(change, options)
    except (CannotShow, *CANNOT_READ) as error:
        return _row_with(request, str(error))
    piece = diffs.piece_of(text, change.path, whole(request.GET.get("from")))
    return render(
        request,
        "web/review/diff_rows.html",
        _rows_context(reading, change, options, piece.rows)
        | {"piece": piece, "tail": _tail_of(piece)},
    )


@require_safe
def file_context(request: SignedInRequest, pk: int, inspection: int, position: int) -> HttpResponse:
    """Lines that are the same on both sides, before a hunk or after the last: rows for the table.

    `old` and `new` are the first hidden line's numbers; `count` says how many there are before a
    hunk, and is absent after the last one.
    """
    reading, change = reading_and_change(pk, inspection, position)
    options = options_of(request)
    old, new = max(whole(request.GET.get("old")), 1), max(whole(request.GET.get("new")), 1)
    try:
        content = content_of(reading.inspection.staged_sha512, change.path, most=LARGEST_SHOWN)
    except CANNOT_READ as error:
        return _row_with(request, str(error))
    hidden = lines_of(content)[new - 1 :]
    fold = after = tail = None
    if "count" in request.GET:
        hidden = hidden[: whole(request.GET["count"])]
        left = max(len(hidden) - LINES_OPENED, 0)
        if left:
            fold = diffs.Fold(old, new, left)
        shown, old, new = hidden[left:], old + left, new + left
    else:
        shown = hidden[:LINES_OPENED]
        if len(hidden) > len(shown):
            tail = diffs.Fold(old + len(shown), new + len(shown), len(hidden) - len(shown))
    rows = diffs.context_rows(shown, old, new, change.path)
    if len(rows) < len(shown):
        rest = len(shown) - len(rows)
        after = diffs.Fold(old + len(rows), new + len(rows), rest)
    return render(
        request,
        "web/review/context_rows.html",
        _rows_context(reading, change, options, rows)
        | {"fold": fold, "after": after, "tail": tail},
    )


@require_POST
def file_viewed(request: SignedInRequest, pk: int, inspection: int, position: int) -> HttpResponse:
    """Marks a file as read, or as not read any more."""
    reading, change = reading_and_change(pk, inspection, position)
    viewed = request.POST.get("viewed") == "yes"
    set_viewed(request.user, change, viewed=viewed)
    if "HX-Request" not in request.headers:
        return redirect(reading.page_of(change.position))
    return render(
        request,
        "web/review/viewed_answer.html",
        {
            "version": reading.version,
            "reading": reading,
            "change": change,
            "viewed": viewed,
            "progress": progress_of(request, reading),
        },
    )


def panel_of(request: SignedInRequest, reading: Reading, change: FileChange) -> dict[str, Any]:
    """What the page shows of one changed file."""
    options = options_of(request)
    context: dict[str, Any] = {
        "version": reading.version,
        "reading": reading,
        "change": change,
        "options": options,
        "problems": [
            (str(problem.get("path", "")), str(problem.get("sentence", "")))
            for problem in change.problems
            # A diff made otherwise has limits of its own.
            if isinstance(problem, dict)
            and not (options.variant and problem.get("rule") == LIMITED_DIFF)
        ],
        "neighbours": neighbours(request.user, change),
        "viewed": change.viewed_by.filter(user=request.user).exists(),
        "kept": _kept_sides(reading, change),
        "is_image": change.is_binary and change.file_type in PICTURES,
        "may_be_pretty": change.is_minified or "Long lines" in change.diff_note,
    }
    try:
        text, context["note"] = _diff_of(change, options)
    except (CannotShow, *CANNOT_READ) as error:
        options = replace(options, variant="")
        context |= {"refused": str(error), "options": options}
        text, context["note"] = diff_text(change), change.diff_note
    anchor = request.GET.get("line", "")
    start = diffs.row_of(text, anchor) if ANCHOR.fullmatch(anchor) else 0
    # A few lines above the one that was asked for, unless all fit from the first on.
    piece = diffs.piece_of(text, change.path, start - 20 if start > diffs.ROWS_PER_PIECE else 0)
    context |= _rows_context(reading, change, options, piece.rows)
    return context | {
        "note_is_told": any(context["note"] in sentence for _, sentence in context["problems"]),
        "piece": piece,
        "tail": _tail_of(piece),
        "page_here": reading.page_of(change.position),
    }


def progress_of(request: SignedInRequest, reading: Reading) -> dict[str, int]:
    """How many files this person has read, of how many."""
    return {
        "viewed": viewed_count(request.user, reading.inspection.pk),
        "total": reading.inspection.files_changed,
    }


def change_at(request: HttpRequest, reading: Reading, position: int) -> FileChange | None:
    """A changed file with `viewed`, None where there is no such position."""
    changes = FileChange.objects.filter(inspection=reading.inspection, position=position)
    return with_viewed(changes, request.user).first()  # type: ignore[arg-type]  # signed in


def _rows_context(
    reading: Reading, change: FileChange, options: Options, rows: list[diffs.Row]
) -> dict[str, Any]:
    has_both_sides = change.old_size is not None and change.new_size is not None
    context: dict[str, Any] = {
        "version": reading.version,
        "reading": reading,
        "change": change,
        "has_both_sides": has_both_sides,
        "options": options if has_both_sides else replace(options, view="unified"),
        "rows": rows,
        "tail": None,
        # In a pretty-printed diff the numbers are not those of the file's lines.
        "may_open": options.variant != DiffVariant.Kind.PRETTY and has_both_sides,
    }
    if context["options"].is_split:
        context["pairs"] = diffs.sides_of(rows)
    return context


def _tail_of(piece: diffs.Piece) -> diffs.Fold | None:
    """What follows the last change, unless the diff shows that nothing does."""
    last = [row.kind for row in piece.rows[-LINES_AROUND:]]
    if piece.left or last != ["same"] * LINES_AROUND:
        return None
    return diffs.Fold(piece.next_old, piece.next_new, 0)


def _diff_of(change: FileChange, options: Options) -> tuple[str, str]:
    """The diff's text and what is to be said about it. Raises CannotShow and CANNOT_READ."""
    if not options.variant:
        return diff_text(change), change.diff_note
    variant = diff_variant(change, DiffVariant.Kind(options.variant))
    return zlib.decompress(variant.compressed).decode(), variant.note


def _kept_sides(reading: Reading, change: FileChange) -> list[str]:
    """On which sides the content can still be had."""
    inspection = reading.inspection
    kept = set(
        KeptTarball.objects.filter(
            sha512__in=[inspection.baseline_sha512, inspection.staged_sha512]
        ).values_list("sha512", flat=True)
    )
    sides = []
    if change.old_size is not None and inspection.baseline_sha512 in kept:
        sides.append("old")
    if change.new_size is not None and inspection.staged_sha512 in kept:
        sides.append("new")
    return sides


def _row_with(request: HttpRequest, sentence: str) -> HttpResponse:
    return render(request, "web/review/diff_refused.html", {"sentence": sentence})
