"""The files of one comparison: the tree, the diff of one file, and its content."""

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from approvals.inspection.tarballs import CANNOT_READ, content_of
from approvals.inspection.variants import CannotShow
from approvals.inspection.viewed import neighbours, set_viewed
from approvals.web import comments, filelist
from approvals.web import diff as diffs
from approvals.web.panel import diff_of, panel_of, progress_of, rows_of, tail_of
from approvals.web.reading import (
    LARGEST_SHOWN,
    Lines,
    Options,
    get_version,
    options_of,
    reading_and_change,
    reading_of,
    whole,
)
from approvals.web.views.guards import SignedInRequest


@require_safe
def version_files(request: SignedInRequest, pk: int, inspection: int) -> HttpResponse:
    """Files: of one folder, or those that a filter finds. A page, or for htmx its part."""
    reading = reading_of(get_version(request.user, pk), inspection)
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
    reading, change = reading_and_change(request.user, pk, inspection, position)
    context = panel_of(request, reading, change)
    if "HX-Request" not in request.headers:
        return render(request, "web/file_diff.html", context)
    return render(request, "web/review/file_panel.html", context)


@require_safe
def file_rows(request: SignedInRequest, pk: int, inspection: int, position: int) -> HttpResponse:
    """More rows of a diff, as rows of its table; without htmx, the page that begins with them."""
    if "HX-Request" not in request.headers:
        return _page_instead(request, pk, inspection, position)
    reading, change = reading_and_change(request.user, pk, inspection, position)
    options = options_of(request)
    try:
        diff = diff_of(change, options)
    except (CannotShow, *CANNOT_READ) as error:
        return _row_with(request, options, str(error))
    piece = diffs.piece_of(diff.text, change.path, whole(request.GET.get("from")))
    said = comments.of_file(reading, change, request.user)
    context = rows_of(reading, change, options, piece.rows, said)
    context |= {"piece": piece, "tail": tail_of(diff, piece)}
    return render(request, "web/review/diff_rows.html", context)


@require_safe
def file_context(request: SignedInRequest, pk: int, inspection: int, position: int) -> HttpResponse:
    """Lines that are the same on both sides, before a hunk or after the last: rows for the table.

    `old` and `new` are the first hidden line's numbers; `count` says how many there are before a
    hunk, and is absent after the last one. Without htmx, the page of the file. What the diff does
    not leave out as the same is not shown as such, whatever the address says.
    """
    if "HX-Request" not in request.headers:
        return _page_instead(request, pk, inspection, position)
    reading, change = reading_and_change(request.user, pk, inspection, position)
    options = options_of(request)
    old, new = max(whole(request.GET.get("old")), 1), max(whole(request.GET.get("new")), 1)
    wanted = diffs.Fold(old, new, whole(request.GET.get("count")))
    try:
        diff = diff_of(change, options)
        content = content_of(reading.inspection.staged_sha512, change.path, most=LARGEST_SHOWN)
    except (CannotShow, *CANNOT_READ) as error:
        return _row_with(request, options, str(error))
    is_tail = not wanted.count
    if not (
        diff.is_whole and diff.hidden.follows(old, new) if is_tail else diff.hidden.holds(wanted)
    ):
        return _row_with(request, options, "These lines are not the same on both sides.")
    lines = Lines(content)
    there = max(lines.total - (new - 1), 0)
    hidden = there if is_tail else min(wanted.count, there)
    # Above a change its nearest lines open, behind the last one the first.
    skipped = 0 if is_tail else max(hidden - diffs.LINES_OPENED, 0)
    above = diffs.Fold(old, new, skipped) if skipped else None
    old, new = old + skipped, new + skipped
    shown = lines.from_line(new - 1, min(hidden - skipped, diffs.LINES_OPENED))
    rows = diffs.context_rows(shown, old, new, change.path)
    if is_tail and not rows:
        return _row_with(request, options, "That was the end of the file.")
    rest = hidden - skipped - len(rows)
    below = diffs.Fold(old + len(rows), new + len(rows), rest) if rest else None
    said = comments.of_file(reading, change, request.user)
    context = rows_of(reading, change, options, rows, said)
    context |= {"above": above, "below": below, "is_tail": is_tail}
    return render(request, "web/review/context_rows.html", context)


@require_POST
def file_viewed(request: SignedInRequest, pk: int, inspection: int, position: int) -> HttpResponse:
    """Marks a file as read, or as not read any more."""
    reading, change = reading_and_change(request.user, pk, inspection, position)
    viewed = request.POST.get("viewed") == "yes"
    set_viewed(request.user, change, viewed=viewed)
    onward = None
    if request.POST.get("then") == "next":
        onward = neighbours(request.user, change).next_unviewed
    if "HX-Request" not in request.headers:
        return redirect(reading.page_of(change.position if onward is None else onward))
    if onward is not None:
        context = panel_of(request, reading, reading.change_at(onward, inspection) or change)
        context |= {"progress": progress_of(request, reading), "just_viewed": position}
        return render(request, "web/review/file_panel.html", context)
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


def _page_instead(request: HttpRequest, pk: int, inspection: int, position: int) -> HttpResponse:
    """The page of the file, for a browser without scripts."""
    query = {"variant": request.GET.get("variant", "")}
    if "from" in request.GET:
        query["from"] = str(whole(request.GET["from"]))
    else:
        query["line"] = f"n{whole(request.GET.get('new'))}"
    return redirect(f"{reverse('file_diff', args=[pk, inspection, position])}?{urlencode(query)}")


def _row_with(request: HttpRequest, options: Options, sentence: str) -> HttpResponse:
    columns = 4 if options.is_split else 3
    context = {"sentence": sentence, "columns": columns}
    return render(request, "web/review/diff_refused.html", context)
