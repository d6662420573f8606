"""What the page shows of one changed file."""

import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.urls import reverse

from approvals.decisions.models.comments import LONGEST_COMMENT
from approvals.inspection.filediff import CONTEXT_LINES, LONG_LINES
from approvals.inspection.keep import diff_text
from approvals.inspection.models import DiffVariant, FileChange, KeptTarball
from approvals.inspection.tarballs import CANNOT_READ
from approvals.inspection.unseen import LIMITED_DIFF
from approvals.inspection.variants import LARGEST, CannotShow, diff_variant
from approvals.inspection.viewed import neighbours, viewed_count
from approvals.web import comments
from approvals.web import diff as diffs
from approvals.web.reading import ANCHOR, Options, Reading, options_of, whole
from approvals.web.views.guards import SignedInRequest

# Those whose size in pixels their first bytes tell.
PICTURES = ("PNG image", "JPEG image", "GIF image", "WebP image")
SIDES = ("old", "new")
Status = FileChange.Status
Kind = DiffVariant.Kind


def panel_of(request: SignedInRequest, reading: Reading, change: FileChange) -> dict[str, Any]:
    """One file's facts, a piece of its diff, and the ways from here.

    `line` names a line that the piece must hold, `from` the row that it begins with.
    """
    options = options_of(request, remember=True)
    refused = ""
    try:
        diff = diff_of(change, options)
    except (CannotShow, *CANNOT_READ) as error:
        refused, options = str(error), replace(options, variant="")
        diff = diff_of(change, options)
    anchor = request.GET.get("line", "")
    if ANCHOR.fullmatch(anchor):
        piece = diffs.piece_with(diff.text, change.path, diffs.row_of(diff.text, anchor))
    else:
        piece = diffs.piece_of(diff.text, change.path, whole(request.GET.get("from")))
    problems = [problem for problem in change.problems if isinstance(problem, dict)]
    # A diff made otherwise has limits of its own.
    if options.variant:
        problems = [problem for problem in problems if problem.get("rule") != LIMITED_DIFF]
    is_limited = any(problem.get("rule") == LIMITED_DIFF for problem in problems)
    kept = _kept_sides(reading, change)
    said = comments.of_file(reading, change, request.user)
    context = rows_of(reading, change, options, piece.rows, said)
    return context | {
        # Without the tarball there is nothing to open.
        "may_open": context["may_open"] and "new" in kept,
        "may_ignore_white_space": len(kept) == len(SIDES) and _fits(change, Kind.IGNORE_WHITESPACE),
        "may_be_pretty": len(kept) == len(SIDES) and _fits(change, Kind.PRETTY),
        "refused": refused,
        "note": "" if is_limited else diff.note,
        "is_not_whole": bool(diff.note) and not diff.is_whole,
        "has_long_lines": change.is_minified or LONG_LINES in change.diff_note,
        "problems": [str(problem.get("sentence", "")) for problem in problems],
        "piece": piece,
        "tail": tail_of(diff, piece),
        "neighbours": neighbours(request.user, change),
        "viewed": change.viewed_by.filter(user=request.user).exists(),
        "kept": kept,
        "is_image": change.is_binary and change.file_type in PICTURES,
        "file_said": said,
        "longest_comment": LONGEST_COMMENT,
        "action": reverse(
            "file_comment", args=[reading.version.pk, reading.inspection.pk, change.position]
        ),
        "page_here": reading.page_of(change.position),
        "page_as_shown": reading.page_of(change.position, options.variant),
    }


def rows_of(
    reading: Reading,
    change: FileChange,
    options: Options,
    rows: list[diffs.Row],
    said: Sequence[comments.Said] = (),
) -> dict[str, Any]:
    """What the rows of a diff need, in the table or as more of it, with what was said of them."""
    # In a pretty-printed diff the numbers are not those of the file's lines.
    has_own_lines = options.variant != Kind.PRETTY
    if has_own_lines:
        comments.attach(rows, said)
    has_both_sides = change.old_size is not None and change.new_size is not None
    if not has_both_sides:
        options = replace(options, view="unified")
    context: dict[str, Any] = {
        "version": reading.version,
        "reading": reading,
        "change": change,
        "has_both_sides": has_both_sides,
        "options": options,
        "rows": rows,
        "may_open": has_own_lines and has_both_sides,
        "may_say_of_lines": has_own_lines and not change.is_binary,
    }
    if options.is_split:
        context["pairs"] = diffs.sides_of(rows)
    return context


class Diff:
    """A file's diff as it is shown: stored, or made otherwise on request."""

    def __init__(self, text: str, note: str, added: int | None, removed: int | None) -> None:
        self.text = text
        self.note = note
        self.hidden = diffs.hidden_in(text)
        # What was cut off is changed, not unchanged: then nothing is known of what follows.
        self.is_whole = (self.hidden.added, self.hidden.removed) == (added, removed)


def diff_of(change: FileChange, options: Options) -> Diff:
    """Raises CannotShow and CANNOT_READ."""
    if not options.variant:
        note = change.diff_note
        return Diff(diff_text(change), note, change.added_lines, change.removed_lines)
    variant = diff_variant(change, Kind(options.variant))
    text = zlib.decompress(variant.compressed).decode()
    return Diff(text, variant.note, variant.added_lines, variant.removed_lines)


def tail_of(diff: Diff, piece: diffs.Piece) -> diffs.Fold | None:
    """What follows the last change, unless the diff shows that nothing does."""
    last = [row.kind for row in piece.rows[-CONTEXT_LINES:]]
    if piece.left or not diff.is_whole or last != ["same"] * CONTEXT_LINES:
        return None
    return diffs.Fold(piece.next_old, piece.next_new, 0)


def progress_of(request: SignedInRequest, reading: Reading) -> dict[str, int]:
    """How many files this person has read, of how many."""
    return {
        "viewed": viewed_count(request.user, reading.inspection.pk),
        "total": reading.inspection.files_changed,
    }


def _fits(change: FileChange, kind: DiffVariant.Kind) -> bool:
    """Whether the file is small enough for this kind of diff."""
    return max(change.old_size or 0, change.new_size or 0) <= LARGEST[kind]


def _kept_sides(reading: Reading, change: FileChange) -> list[str]:
    """On which sides the content can still be had."""
    inspection = reading.inspection
    kept = set(
        KeptTarball.objects.filter(
            sha512__in=[inspection.baseline_sha512, inspection.staged_sha512]
        ).values_list("sha512", flat=True)
    )
    sides = []
    # Of several copies under one path, only npm's can be had again.
    if (
        change.old_size is not None
        and change.status != Status.LEFT_OUT
        and inspection.baseline_sha512 in kept
    ):
        sides.append("old")
    if change.new_size is not None and inspection.staged_sha512 in kept:
        sides.append("new")
    return sides
