"""A file's diff made otherwise, when a reader asks for it, from the tarballs that are kept.

This runs inside a web request, so that its limits are tighter than the worker's.
"""

import zlib
from dataclasses import replace

from approvals.inspection.filediff import ONLY_BEGINNING, TextDiff, diff_one_side, diff_texts
from approvals.inspection.limits import compare_limits
from approvals.inspection.models import DiffVariant, FileChange
from approvals.inspection.pretty import Printed, hides_breaks, pretty_printed
from approvals.inspection.tarballs import FileTooLarge, TarballGone, contents_of_change
from approvals.inspection.text import is_utf8
from registry_client.tarball import MIB, TarballError

# On either side, before anything is done with it, in bytes.
LARGEST = {DiffVariant.Kind.PRETTY: 8 * MIB, DiffVariant.Kind.IGNORE_WHITESPACE: 4 * MIB}
MOST_LINES = 400_000
# Of what is kept, in bytes: any reader can ask for any file.
LONGEST_DIFF = MIB
_INSTEAD = "Read the diff as it is instead."
_LONGEST_NOTE = 300


class CannotShow(Exception):
    """This diff cannot be made; the text says why, and what can be done instead."""


def diff_variant(change: FileChange, kind: DiffVariant.Kind) -> DiffVariant:
    """The diff of that kind, made by whoever asks first and kept for all. Raises CannotShow."""
    found = DiffVariant.objects.filter(change=change, kind=kind).first()
    if found is not None:
        return found
    diff = _made(change, kind)
    # Somebody may have asked at the same time: what was kept first is the one.
    variant, _ = DiffVariant.objects.get_or_create(
        change=change,
        kind=kind,
        defaults={
            "added_lines": diff.added_lines,
            "removed_lines": diff.removed_lines,
            "note": diff.note[:_LONGEST_NOTE],
            "compressed": zlib.compress(diff.text.encode()),
        },
    )
    return variant


def _made(change: FileChange, kind: DiffVariant.Kind) -> TextDiff:
    old, new = _sides(change, kind)
    printed: list[Printed] = []
    if kind == DiffVariant.Kind.PRETTY:
        if old is not None:
            printed.append(pretty_printed(old, change.old_path or change.path))
            old = printed[-1].text
        if new is not None:
            printed.append(pretty_printed(new, change.path))
            new = printed[-1].text
    lines = max((old or b"").count(b"\n"), (new or b"").count(b"\n"))
    if lines > MOST_LINES:
        raise CannotShow(
            f"It has too many lines to be shown like this: {lines:,}; {MOST_LINES:,} are allowed. "
            f"{_INSTEAD}"
        )
    limits = compare_limits()
    room = min(limits.file_diff, LONGEST_DIFF)
    if old is None:
        diff = diff_one_side(new or b"", "+", limits, room)
    elif new is None:
        diff = diff_one_side(old, "-", limits, room)
    else:
        ignore = kind == DiffVariant.Kind.IGNORE_WHITESPACE
        diff = diff_texts(old, new, limits, room, ignore_whitespace=ignore)
        if printed:
            hidden = _hidden(printed[0], printed[1], diff)
            diff = replace(diff, note=f"{diff.note} {hidden}".strip())
    if not is_utf8(old or b"") or not is_utf8(new or b""):
        odd = "It is not valid UTF-8; broken bytes are shown as \ufffd."
        diff = replace(diff, note=f"{diff.note} {odd}".strip())
    return diff


def _hidden(old: Printed, new: Printed, diff: TextDiff) -> str:
    """What a diff of these leaves out: line breaks that are not the file's own on both sides."""
    is_whole = ONLY_BEGINNING not in diff.note
    if not hides_breaks(old, new, diff.text, is_whole=is_whole):
        return ""
    if not diff.text:
        return (
            "They differ only in white space that pretty-printing puts in as well: read the diff "
            "as it is."
        )
    return (
        "Where pretty-printing puts line breaks in, the files' own differ as well, which is not "
        "shown here: read the diff as it is, too."
    )


def _sides(change: FileChange, kind: DiffVariant.Kind) -> tuple[bytes | None, bytes | None]:
    if change.is_binary:
        raise CannotShow("It is a binary file, which has no lines. Download it to look inside.")
    if kind == DiffVariant.Kind.PRETTY and change.kind == FileChange.Kind.DOCS:
        raise CannotShow(f"Only code and data can be pretty-printed. {_INSTEAD}")
    most = LARGEST[kind]
    largest = max(change.old_size or 0, change.new_size or 0)
    if largest > most:
        raise CannotShow(
            f"It is too large to be shown like this: {largest:,} bytes; {most:,} are allowed. "
            f"{_INSTEAD}"
        )
    try:
        return contents_of_change(change, most=most)
    except (TarballGone, FileTooLarge, TarballError) as error:
        raise CannotShow(f"{error} {_INSTEAD}") from error
