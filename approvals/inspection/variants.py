"""A file's diff made otherwise, when a reader asks for it, from the tarballs that are kept.

This runs inside a web request, so that its limits are tighter than the worker's.
"""

import zlib
from dataclasses import replace
from threading import Lock

from approvals.inspection.filediff import ONLY_BEGINNING, TextDiff, diff_one_side
from approvals.inspection.limits import compare_limits
from approvals.inspection.models import DiffVariant, FileChange
from approvals.inspection.pretty import (
    MOST_LINES,
    Printed,
    TooManyLines,
    hides_breaks,
    pretty_printed,
)
from approvals.inspection.segments import TooDifferent, diff_in_parts
from approvals.inspection.tarballs import CANNOT_READ, contents_of_change
from approvals.inspection.text import is_utf8
from registry_client.tarball import MIB

# On either side, before anything is done with it, in bytes.
LARGEST = {DiffVariant.Kind.PRETTY: 6 * MIB, DiffVariant.Kind.IGNORE_WHITESPACE: 4 * MIB}
# That are compared at once, of both sides together: they are what takes the memory.
MOST_DIFFERENT = 150_000
# Of what is kept, in bytes: any reader can ask for any file.
LONGEST_DIFF = MIB
_INSTEAD = "Read the diff as it is instead."
_LONGEST_NOTE = 300


class CannotShow(Exception):
    """This diff cannot be made; the text says why, and what can be done instead."""


class _NeverShown(CannotShow):
    """Nor can it ever: the reason is in the file."""


_making = Lock()


def diff_variant(change: FileChange, kind: DiffVariant.Kind) -> DiffVariant:
    """The diff of that kind, made by whoever asks first and kept for all. Raises CannotShow."""
    variant = DiffVariant.objects.filter(change=change, kind=kind).first()
    if variant is None:
        # They take time and memory, which other pages need as well.
        if not _making.acquire(blocking=False):
            raise CannotShow("Another diff is being made just now: try again in a moment.")
        try:
            variant = _kept(change, kind)
        finally:
            _making.release()
    if not variant.compressed:
        raise CannotShow(variant.note)
    return variant


def _kept(change: FileChange, kind: DiffVariant.Kind) -> DiffVariant:
    """The variant with its diff, or where there never is one, with nothing but the reason."""
    values = {"added_lines": 0, "removed_lines": 0}
    compressed = b""
    try:
        diff = _made(change, kind)
    except _NeverShown as error:
        # So that nobody finds it out again with each click.
        note = str(error)
    else:
        values = {"added_lines": diff.added_lines, "removed_lines": diff.removed_lines}
        note, compressed = diff.note, zlib.compress(diff.text.encode())
    # Somebody may have asked at the same time: what was kept first is the one.
    variant, _ = DiffVariant.objects.get_or_create(
        change=change,
        kind=kind,
        defaults=values | {"note": note[:_LONGEST_NOTE], "compressed": compressed},
    )
    return variant


def _made(change: FileChange, kind: DiffVariant.Kind) -> TextDiff:
    old, new = _sides(change, kind)
    # Before the texts grow: finding it out takes four bytes for each letter.
    is_odd = not is_utf8(old or b"") or not is_utf8(new or b"")
    printed: list[Printed] = []
    try:
        if kind == DiffVariant.Kind.PRETTY:
            if old is not None:
                printed.append(pretty_printed(old, change.old_path or change.path))
                old = printed[-1].text
            if new is not None:
                printed.append(pretty_printed(new, change.path))
                new = printed[-1].text
        diff = _diff(old, new, kind)
    except TooManyLines as error:
        raise _NeverShown(
            f"It has too many lines to be shown like this: {MOST_LINES:,} are allowed. {_INSTEAD}"
        ) from error
    except TooDifferent as error:
        raise _NeverShown(
            f"Too much of it differs to be shown like this: {error.lines:,} lines; "
            f"{MOST_DIFFERENT:,} are allowed. {_INSTEAD}"
        ) from error
    if printed and old is not None and new is not None:
        hidden = _hidden(printed[0], printed[1], diff)
        diff = replace(diff, note=f"{diff.note} {hidden}".strip())
    if is_odd:
        odd = "It is not valid UTF-8; broken bytes are shown as \ufffd."
        diff = replace(diff, note=f"{diff.note} {odd}".strip())
    return diff


def _diff(old: bytes | None, new: bytes | None, kind: DiffVariant.Kind) -> TextDiff:
    if max((old or b"").count(b"\n"), (new or b"").count(b"\n")) > MOST_LINES:
        raise TooManyLines
    limits = compare_limits()
    room = min(limits.file_diff, LONGEST_DIFF)
    if old is None:
        return diff_one_side(new or b"", "+", limits, room)
    if new is None:
        return diff_one_side(old, "-", limits, room)
    return diff_in_parts(
        old,
        new,
        limits,
        room,
        most_lines=MOST_DIFFERENT,
        ignore_whitespace=kind == DiffVariant.Kind.IGNORE_WHITESPACE,
    )


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
    except CANNOT_READ as error:
        raise CannotShow(f"{error} {_INSTEAD}") from error
