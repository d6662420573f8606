"""Each file that differs: its line counts, its diff, and what kind of file it is.

All of a comparison's diffs share bounds on work and text, which the riskiest files may use first.
"""

from approvals.inspection.filediff import TextDiff, diff_one_side, diff_texts
from approvals.inspection.filetree import HEAD, ContentStore, FileInfo
from approvals.inspection.filetypes import file_type
from approvals.inspection.kinds import classify, encoding_of
from approvals.inspection.results import CompareLimits, FileChange, Status
from approvals.inspection.risk import Risk
from approvals.inspection.text import is_utf8
from approvals.inspection.unseen import Unseen
from registry_client.tar_paths import Problem, printable

SECOND_COPY = "duplicate"
_LEFT_OUT = (
    "It is in the tarball more than once: the old side is a copy that npm leaves out, the new side "
    "the one that it installs."
)
# The file before and after; None on the side where it does not exist.
Sides = tuple[FileInfo | None, FileInfo | None]


class Changes:
    """Makes a FileChange of each file that differs, the riskiest first."""

    def __init__(
        self, risk: Risk, stores: tuple[ContentStore, ContentStore], limits: CompareLimits
    ) -> None:
        self.risk = risk
        self.unseen = Unseen(risk)
        self._old_store, self._new_store = stores
        self._limits = limits
        self._room_for_text = limits.all_diffs
        self._room_for_work = limits.all_sizes
        self._room_for_lines = limits.all_lines

    def change(
        self,
        old: FileInfo | None,
        new: FileInfo | None,
        rename: int | None = None,
        *,
        is_left_out: bool = False,
    ) -> FileChange:
        """One file; `rename` is the similarity if it moved.

        With `is_left_out`, `old` is an earlier copy in the staged tarball, which npm leaves out for
        `new`.
        """
        shown = shown_side((old, new))
        before_store = self._new_store if is_left_out else self._old_store
        before = before_store.get_or_none(old) if old else None
        after = self._new_store.get_or_none(new) if new else None
        binary = is_binary(self.risk, (old, new))
        diff, note = None, ""
        problems = new.problems if new else ()
        if is_left_out:
            problems = (Problem(SECOND_COPY, printable(shown.path), _LEFT_OUT),)
        if old and new and old.digest == new.digest:
            diff = TextDiff(0, 0, "", "")
        else:
            limited = "" if binary else self._why_no_diff(old, new)
            if not binary and not limited:
                diff = self._diff(old, new, before or b"", after or b"")
                limited = diff.note
            if new and not is_left_out:
                problems += self.unseen.look_at(old, new, limited)
            odd = _odd((old, new), (before, after)) if diff else ""
            note = "It is a binary file." if binary else f"{limited} {odd}".strip()
        if old and new and not is_left_out:
            problems += self.unseen.look_at_move(old, new)
        content = after if new else before
        head = shown.head if content is None else content[:HEAD]
        rank = self.risk.rank(shown)
        traits = classify(
            shown.path,
            binary=binary,
            size=shown.size,
            lines=shown.lines,
            head=head,
            runs=runs(rank),
        )
        return FileChange(
            path=shown.path,
            old_path=old.path if old and new and old.path != new.path else "",
            status="left_out" if is_left_out else _status(old, new),
            similarity=rename,
            old_size=None if old is None else old.size,
            new_size=None if new is None else new.size,
            old_mode=None if old is None else old.mode,
            new_mode=None if new is None else new.mode,
            added_lines=_count(diff.added_lines if diff else None, old, new, binary=binary),
            removed_lines=_count(diff.removed_lines if diff else None, new, old, binary=binary),
            is_binary=binary,
            diff=diff.text if diff else None,
            diff_note=note,
            problems=problems,
            kind=traits.kind,
            is_minified=traits.is_minified,
            is_vendored=traits.is_vendored,
            encoding="" if binary or content is None else encoding_of(content),
            file_type=file_type(shown.path, head) if binary else "",
            old_sha256="" if old is None else old.digest.hex(),
            new_sha256="" if new is None else new.digest.hex(),
            rank=rank,
        )

    def _why_no_diff(self, old: FileInfo | None, new: FileInfo | None) -> str:
        sides = [info for info in (old, new) if info is not None]
        largest = max(info.size for info in sides)
        if largest > self._limits.file_size:
            return f"It is too large for a diff: {largest:,} bytes."
        longest = max(info.lines for info in sides)
        if len(sides) > 1 and longest > self._limits.file_lines:
            return f"It has too many lines for a diff: {longest:,}."
        size = sum(info.size for info in sides)
        lines = sum(info.lines for info in sides) if len(sides) > 1 else 0
        short = self._room_for_text < self._limits.line
        if short or size > self._room_for_work or lines > self._room_for_lines:
            return "The other files' diffs have used up the room for diffs."
        self._room_for_work -= size
        self._room_for_lines -= lines
        return ""

    def _diff(
        self, old: FileInfo | None, new: FileInfo | None, before: bytes, after: bytes
    ) -> TextDiff:
        if old is None:
            diff = diff_one_side(after, "+", self._limits, self._room_for_text)
        elif new is None:
            diff = diff_one_side(before, "-", self._limits, self._room_for_text)
        else:
            diff = diff_texts(before, after, self._limits, self._room_for_text)
        self._room_for_text -= len(diff.text)
        return diff


def shown_side(sides: Sides) -> FileInfo:
    """The side by which a file is known: the new one, if it is there."""
    return sides[1] or sides[0] or _NOTHING


def is_binary(risk: Risk, sides: Sides) -> bool:
    """Whether a diff would say nothing: no side is text, or ought to be."""
    there = [info for info in sides if info is not None]
    return all(info.binary and not risk.is_text(info) for info in there)


def runs(rank: int) -> bool:
    """Whether a file of that rank runs on installation, or is what others load."""
    return rank in (_RUNS_ON_INSTALLATION, _IS_ENTRY_POINT)


# Risk.rank's numbers.
_RUNS_ON_INSTALLATION = 1
_IS_ENTRY_POINT = 2
_NOTHING = FileInfo("", -1, 0, 0, b"", False, 0, ())


def _odd(sides: Sides, contents: tuple[bytes | None, bytes | None]) -> str:
    """What is odd about the text as it is shown."""
    notes = []
    if not all(is_utf8(content or b"") for content in contents):
        notes.append("It is not valid UTF-8; broken bytes are shown as \ufffd.")
    if any(info and info.nul for info in sides):
        notes.append("It has NUL characters, shown as \u2400.")
    return " ".join(notes)


def _status(old: FileInfo | None, new: FileInfo | None) -> Status:
    if old is None:
        return "added"
    if new is None:
        return "removed"
    if old.path != new.path:
        return "renamed"
    return "mode_changed" if old.digest == new.digest else "modified"


def _count(
    counted: int | None, other: FileInfo | None, this: FileInfo | None, *, binary: bool
) -> int | None:
    """Lines of one side; known without a diff if the other side does not exist."""
    if binary or counted is not None:
        return None if binary else counted
    if this is None:
        return 0
    return this.lines if other is None else None
